"""`make demo-local`: the example without a cluster, against librdkafka's broker inside the process that runs it."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from examples.rul.showing import Failure, say, summary_line, told, watched

HERE = Path(__file__).parent
ADDRESS = re.compile(r"embedded broker at (\S+):")


def main() -> int:
    """Runs the trigger, its producer and its watcher; 0 when every message was answered."""
    started = time.time()
    with tempfile.TemporaryDirectory() as folder, Path(folder, "run.log").open("w+") as log:
        command = [
            sys.executable,
            "-m",
            "kafkatrigger.cli",
            "run",
            "-f",
            str(HERE / "trigger.yaml"),
            "--broker",
            "embedded",
            "--port",
            "0",
        ]
        say("kafkatrigger run -f examples/rul/trigger.yaml --broker embedded")
        with subprocess.Popen(command, stdout=log, stderr=log) as trigger:
            try:
                brokers = _address(Path(log.name), trigger)
                told([sys.executable, str(HERE / "produce.py"), "--brokers", brokers])
                summary = watched(brokers, since=started)
            except Failure as failure:
                print(f"{failure}\n{Path(log.name).read_text()}", file=sys.stderr)
                return 1
            finally:
                trigger.terminate()
    print(summary_line(summary, started, "start"))
    return 0


def _address(log: Path, trigger: subprocess.Popen[bytes]) -> str:
    """Where the embedded broker listens: the first thing that `kafkatrigger run` says."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and trigger.poll() is None:
        if found := ADDRESS.search(log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise Failure("kafkatrigger run did not start:")


if __name__ == "__main__":
    sys.exit(main())
