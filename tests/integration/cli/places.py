"""A cluster as kubectl shows it, whose pods are processes of this machine: what is run in them is real."""

import json
import sys
import threading
from pathlib import Path

import msgspec

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.control import Answer, BlockedKey, Describe, ListBlocked, Request, ResolveBlocked
from kafkatrigger.api.pod_status import PodStatus
from kafkatrigger.consumer.control import Control

KUBECTL = '''#!{python}
"""`get pods` shows a file; `exec` runs the program here, with the files of that pod."""
import json, os, subprocess, sys
from pathlib import Path

here = Path("{folder}")
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
words = [each for each in sys.argv[1:] if not each.startswith("--") or each == "--"]
if words[0] == "get":
    found = json.loads((here / f"{{words[1]}}.json").read_text())
    is_list = words[2:] or "items" in found
    sys.exit(print(json.dumps(found if is_list else {{"items": [found]}})))
if words[0] == "patch":
    (patch,) = [json.loads(each.partition("=")[2])[0] for each in sys.argv if each.startswith("--patch=")]
    assert (patch["op"], patch["path"]) == ("add", "/spec/replay")
    trigger = json.loads((here / f"{{words[1]}}.json").read_text())
    trigger["spec"]["replay"] = patch["value"]
    sys.exit((here / f"{{words[1]}}.json").write_text(json.dumps(trigger)) and None)
pod = words[1]
command = sys.argv[sys.argv.index("--") + 1 :]
if pod in (here / "refusing").read_text().split():
    sys.exit("error: unable to upgrade connection: Forbidden")
places = {{"/run/kafkatrigger-control/control.sock": here / f"{{pod}}.sock", "/etc/kafkatrigger/consumer.json": here / f"{{pod}}.json"}}
assert command[:2] == ["python", "-m"], command
arguments = [str(places.get(each, each)) for each in command[1:]]
sys.exit(subprocess.run([sys.executable, *arguments], check=False).returncode)
'''


def blocked(offset: int, key: bytes | None = b"k", partition: int = 0, **more: object) -> BlockedKey:
    fields: dict[str, object] = {
        "topic": "orders",
        "partition": partition,
        "offset": offset,
        "key": key,
        "attempts": 5,
        "reason": "FunctionFailed",
        "error_class": "ValueError",
        "message": "no",
        "timestamp": 1_760_000_000_000 + offset * 1000,
        "blocked_at": 1_760_000_100_000,
        "waiting": 3,
        **more,
    }
    return BlockedKey(**fields)  # type: ignore[arg-type]


class Engine:
    """A consumer's engine with blocked keys, that does what it is asked for."""

    def __init__(self, path: Path, *keys: BlockedKey) -> None:
        self.blocked = list(keys)
        self.seen: list[Request] = []
        self.stopped = False
        self.status: PodStatus | None = None
        self._control = Control(path)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._end.wait(0.002):
            self._control.poll(self._handle)

    def _handle(self, request: Request) -> Answer:
        self.seen.append(request)
        if isinstance(request, ListBlocked):
            return Answer(blocked=self.blocked)
        if isinstance(request, ResolveBlocked):
            named = {(each.topic, each.partition, each.offset) for each in request.keys}
            rest = [each for each in self.blocked if (each.topic, each.partition, each.offset) not in named]
            count, self.blocked = len(self.blocked) - len(rest), rest
            return Answer(count=count)
        if isinstance(request, Describe):
            return Answer(status=self.status)
        was, self.stopped = self.stopped, False
        return Answer(count=int(was))

    @property
    def resolved(self) -> list[tuple[str, int]]:
        """Action and offset of what was decided."""
        requests = [each for each in self.seen if isinstance(each, ResolveBlocked)]
        return [(request.action, key.offset) for request in requests for key in request.keys]

    def close(self) -> None:
        self._end.set()
        self._thread.join()
        self._control.close()


class Cluster:
    """Pods of a trigger, and the kubectl that shows them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._pods: list[dict[str, object]] = []
        self._engines: list[Engine] = []
        (folder / "bin").mkdir()
        program = folder / "bin" / "kubectl"
        program.write_text(KUBECTL.format(python=sys.executable, folder=folder))
        program.chmod(0o755)
        (folder / "calls").touch()
        self.refuse()

    def refuse(self, *names: str) -> None:
        """Exec into these pods is forbidden."""
        (self.folder / "refusing").write_text(" ".join(names))

    def pod(self, name: str, *keys: BlockedKey) -> Engine:
        """A pod whose consumer runs."""
        self._add(name, {"running": {}})
        engine = Engine(self.folder / f"{name}.sock", *keys)
        self._engines.append(engine)
        return engine

    def waiting_pod(self, name: str) -> None:
        """A pod whose consumer does not run."""
        self._add(name, {"waiting": {"reason": "ImagePullBackOff"}})

    def _add(self, name: str, state: dict[str, object]) -> None:
        container = {"name": "consumer", "image": "c", "state": state, "restartCount": 0}
        labels = {"app.kubernetes.io/instance": "rul"}
        metadata = {"namespace": "plant-7", "name": name, "uid": name, "resourceVersion": "1", "labels": labels}
        status = {"phase": "Running", "podIP": "10.0.0.1", "containerStatuses": [container]}
        self._pods.append({"metadata": metadata, "status": status})
        self.show()

    def trigger(self, **status: object) -> Path:
        """The trigger as the API server has it; returns where."""
        path = self.folder / "kafkatriggers.json"
        metadata = {"namespace": "plant-7", "name": "rul"}
        path.write_text(json.dumps({"metadata": metadata, "spec": {}, "status": status}))
        return path

    def configure(self, config: ConsumerConfig, *pods: str) -> None:
        """What the operator told the trigger's consumers."""
        text = msgspec.json.encode(config).decode()
        (self.folder / "configmaps.json").write_text(json.dumps({"data": {"consumer.json": text}}))
        for name in pods:
            (self.folder / f"{name}.json").write_text(text)

    def show(self) -> None:
        (self.folder / "pods.json").write_text(json.dumps({"items": self._pods}))

    @property
    def calls(self) -> list[list[str]]:
        """The arguments of each call of kubectl."""
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    def close(self) -> None:
        for engine in self._engines:
            engine.close()
