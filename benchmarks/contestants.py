"""Starts contestants as processes and ends them; what they run is in `programs`."""

import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from benchmarks import processes
from benchmarks.cases import LINGER_MS, Contestant, Guarantee
from benchmarks.programs.transformations import manifests
from benchmarks.programs.work import WAIT_SECONDS
from tests.cluster.cache import Entry
from tests.cluster.settings import REPOSITORY
from tests.cluster.shell import run
from tests.support.pipeline import Pod

PROGRAMS = Path(__file__).parent / "programs"
OTHERS_PYTHON = REPOSITORY / ".venv-bench" / "bin" / "python"
"""Of the environment that `make bench` makes of programs/pyproject.toml."""

PARALLEL_CONSUMER = "0.5.3.3"
_POM = PROGRAMS / "parallel-consumer.xml"
_JAVA = PROGRAMS / "Waiting.java"
_JARS = Entry("parallel-consumer", PARALLEL_CONSUMER, _POM.read_text() + _JAVA.read_text())
_SCRIPTS = {"bare loop": "bare_loop.py", "Quix Streams": "quix.py", "FastStream": "fast_stream.py"}
_PACKAGES = {"Quix Streams": "quixstreams", "FastStream": "faststream"}

STOP_SECONDS = 30.0
SHOWN = 500
"""Characters of a log that a failure shows."""


class ContestantError(Exception):
    """A contestant does not run, or does not get on; says why, with the end of its log."""


class Running(Protocol):
    """A contestant at work."""

    group: str

    def processes(self) -> dict[str, int]:
        """Its processes by role."""

    def check(self) -> None:
        """Raises `ContestantError` when one of them has ended."""

    @property
    def log(self) -> str:
        """The end of what it wrote."""


class Ours:
    """kafkatrigger: a consumer and a runtime, as in a pod."""

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.group = pod.config.group_id

    def processes(self) -> dict[str, int]:
        """Its processes by role."""
        runtime = self.pod.runtime.pid
        workers = {f"worker {number}": pid for number, pid in enumerate(processes.children(runtime))}
        return {"consumer": self.pod.consumer.pid, "runtime": runtime, **workers}

    def check(self) -> None:
        """Raises `ContestantError` when one of them has ended."""
        if self.pod.consumer.poll() is not None or self.pod.runtime.poll() is not None:
            raise ContestantError(f"a process ended: {self.log}")

    @property
    def log(self) -> str:
        """What it says of itself, and the end of what it wrote."""
        status = self.pod.status
        state = f"{status.reason}, {status.outcomes}, {status.in_flight} in flight; " if status else ""
        return state + self.pod.logs[-SHOWN:].strip()


class Program:
    """A contestant of one process."""

    def __init__(self, process: subprocess.Popen[bytes], group: str, log: Path) -> None:
        self._process = process
        self._log = log
        self.group = group

    def processes(self) -> dict[str, int]:
        """Its processes by role."""
        return {"process": self._process.pid}

    def check(self) -> None:
        """Raises `ContestantError` when it has ended."""
        if self._process.poll() is not None:
            raise ContestantError(f"it ended with {self._process.returncode}: {self.log}")

    @property
    def log(self) -> str:
        """The end of what it wrote."""
        return self._log.read_text(errors="replace")[-SHOWN:].strip()


def trigger(contestant: Contestant, guarantee: Guarantee, bootstrap: str, source: str, target: str) -> dict[str, Any]:
    """The trigger that makes kafkatrigger do the case's work: all else as by default."""
    reading: dict[str, Any] = {"topics": [source]}
    if contestant.protocol != "Auto":
        reading["groupProtocol"] = contestant.protocol
    if contestant.filter:
        reading["filter"] = contestant.filter
    return {
        "kafka": {"bootstrapServers": [bootstrap]},
        "source": reading,
        "transformation": {"function": contestant.function}
        if contestant.function
        else {"request": {"schema": "Execute", "selector": {}}},
        "delivery": {} if guarantee == "AtLeastOnce" else {"guarantee": guarantee},
        "response": {"topic": target},
        "runtime": {"workers": contestant.workers},
    }


class _RequestedPod(Pod):
    """A pod that has the Transformations of the benchmarks."""

    @property
    def transformations(self) -> Path:
        path = self.folder / "transformations.json"
        path.write_bytes(manifests())
        return path


@contextmanager
def running(
    contestant: Contestant, guarantee: Guarantee, bootstrap: str, source: str, target: str
) -> Iterator[Running]:
    """The contestant at work on the source from its beginning, until the context ends."""
    if contestant.program == "kafkatrigger":
        kind = Pod if contestant.function else _RequestedPod
        with kind(trigger(contestant, guarantee, bootstrap, source, target), functions=PROGRAMS) as pod:
            yield Ours(pod)
            pod.stop(STOP_SECONDS)
    else:
        group = f"bench-{uuid.uuid4().hex[:8]}"
        arguments = [bootstrap, source, target, group, guarantee, str(LINGER_MS)]
        with _program(_command(contestant, arguments), group) as program:
            yield program


@contextmanager
def _program(command: list[str], group: str) -> Iterator[Program]:
    folder = Path(tempfile.mkdtemp(prefix="kafkatrigger-bench-"))
    log = folder / "log"
    with log.open("wb") as output:
        # In a folder of its own: Quix Streams keeps state where it is started.
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder, env={**os.environ})
    try:
        yield Program(process, group, log)
        process.terminate()
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _command(contestant: Contestant, arguments: list[str]) -> list[str]:
    if contestant.program == "parallel-consumer":
        _JARS.ensure(_build)
        classes = f"{_JARS.path}/classes:{_JARS.path}/libs/*"
        return ["java", "-Xmx1g", "-cp", classes, "Waiting", *arguments, str(round(WAIT_SECONDS * 1000))]
    python = OTHERS_PYTHON if contestant.program in _PACKAGES else Path(sys.executable)
    if not python.exists():
        raise ContestantError(f"{contestant.program} is not installed: run `make bench`, which does it")
    return [str(python), str(PROGRAMS / _SCRIPTS[contestant.program]), *arguments]


def _build(folder: Path) -> None:
    """Jars from Maven, and our program compiled against them."""
    shutil.copy(_POM, folder / "pom.xml")
    libraries = f"-DoutputDirectory={folder}/libs"
    version = f"-Dversion.of.parallel.consumer={PARALLEL_CONSUMER}"
    advice = "Maven must be able to download artifacts; see its settings.xml for mirrors and proxies"
    run(["mvn", "-q", "-B", version, "dependency:copy-dependencies", libraries], cwd=folder, advice=advice)
    run(["javac", "-cp", f"{folder}/libs/*", "-d", f"{folder}/classes", _JAVA], advice="install a JDK")


def versions() -> dict[str, str]:
    """Of those that we compare with; nothing for what is not installed."""
    found = {"parallel-consumer": PARALLEL_CONSUMER}
    if OTHERS_PYTHON.exists():
        for name, package in _PACKAGES.items():
            code = f"import importlib.metadata as m; print(m.version('{package}'))"
            answer = subprocess.run([OTHERS_PYTHON, "-c", code], capture_output=True, text=True, check=False)
            found[name] = answer.stdout.strip()
    return found
