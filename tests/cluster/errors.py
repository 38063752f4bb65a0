"""What went wrong, in a form a person can act on.

ClusterError
└── UnsupportedMachineError    no provider fits this machine
"""

from pathlib import Path


class ClusterError(Exception):
    """A step did not work. `advice` says what to do about it; `log` is where the whole story is."""

    def __init__(self, message: str, advice: str = "", log: Path | None = None) -> None:
        super().__init__(message)
        self.advice = advice
        self.log = log

    def describe(self) -> str:
        lines = [f"error: {self}"]
        if self.log:
            lines.append(f"log: {self.log}")
        if self.advice:
            lines.append(f"what to do: {self.advice}")
        return "\n".join(lines)


class UnsupportedMachineError(ClusterError):
    """This machine can run neither provider."""
