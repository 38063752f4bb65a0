"""A consumer with its runtime as processes of this machine: the two that a pod runs, and nothing in between."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any, Self

import msgspec

from kafkatrigger.api.checkpoint import Checkpoint
from kafkatrigger.api.configure import consumer_config, start_policy
from kafkatrigger.api.consumer_config import TRIGGER_UID
from kafkatrigger.api.control import Action, Answer, BlockedKey, BlockedRef, ListBlocked, Request, ResolveBlocked
from kafkatrigger.api.pod_status import PodStatus
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.start_policy import to_environment
from kafkatrigger.consumer.control import ask
from kafkatrigger.consumer.outbox import POD_UID
from kafkatrigger.runtime.transformations.model import Revision, to_manifest
from tests.cluster.waiting import free_ports
from tests.support.waiting import until

SOURCES = Path(__file__).parents[2] / "operator"
FUNCTIONS = Path(__file__).parent


class Pod:
    """One consumer process and its runtime process."""

    runtime_module = "kafkatrigger.runtime"

    def __init__(
        self,
        spec: dict[str, Any],
        name: str | None = None,
        functions: Path = FUNCTIONS,
        memory_limit: int | None = None,
        checkpoint: Checkpoint | msgspec.Raw | None = None,
        uid: str = "6f1d2a90-0000-4000-8000-000000000000",
        transformations: Collection[Revision] = (),
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kafkatrigger-pod-"))
        parsed = KafkaTriggerSpec.model_validate(spec)
        # Those that share a group are of one trigger.
        name = name or parsed.source.group_id or f"t{uuid.uuid4().hex[:8]}"
        self.config = consumer_config("tests", name, parsed)
        (self.folder / "consumer.json").write_bytes(msgspec.json.encode(self.config))
        self.checkpoint = self.folder / "checkpoint"
        self.checkpoint.mkdir()
        self.remember({} if checkpoint is None else checkpoint)
        if transformations:
            self.publish(transformations)
        self._environment = {
            **os.environ,
            "PYTHONPATH": f"{SOURCES}{os.pathsep}{functions}",
            **to_environment(start_policy(parsed)),
            # As on a cluster, where a container that starts again is in the same pod.
            POD_UID: uuid.uuid4().hex,
            TRIGGER_UID: uid,
        }
        self._workers = parsed.runtime.workers
        self._memory_limit = memory_limit
        (self._port,) = free_ports(1)
        self.runtime = self._runtime()
        self.consumer = self._consumer()

    def remember(self, checkpoint: Checkpoint | msgspec.Raw) -> None:
        """The operator's words, or what somebody else made of them."""
        (self.checkpoint / "0.json").write_bytes(msgspec.json.encode(checkpoint))

    def publish(self, revisions: Iterable[Revision]) -> None:
        """These are the Transformations that there are from now on; all of them may be requested."""
        manifests = [to_manifest(each, each.name.lower()) for each in revisions]
        for each in manifests:
            each["metadata"]["labels"] = {"kafkatrigger.dev/requestable": "true"}
        (self.folder / "new.json").write_bytes(msgspec.json.encode({"items": manifests}))
        (self.folder / "new.json").rename(self.transformations)

    @property
    def transformations(self) -> Path:
        """As the commands for a run on one machine write them."""
        return self.folder / "transformations.json"

    def _runtime(self) -> subprocess.Popen[bytes]:
        limit = ["--memory-limit", str(self._memory_limit)] if self._memory_limit else []
        return self._start(self.runtime_module, "--socket", str(self.socket), "--workers", str(self._workers), *limit)

    def _consumer(self) -> subprocess.Popen[bytes]:
        arguments = (
            "--config",
            str(self.folder / "consumer.json"),
            "--socket",
            str(self.socket),
            "--checkpoint",
            str(self.checkpoint),
            "--control",
            str(self.control),
            "--port",
            str(self._port),
            "--transformations",
            str(self.transformations),
        )
        return self._start("kafkatrigger.consumer", *arguments)

    def _start(self, module: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, *arguments]
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)

    @property
    def socket(self) -> Path:
        return self.folder / "runtime.sock"

    @property
    def control(self) -> Path:
        """Socket for people's requests."""
        return self.folder / "control.sock"

    def get(self, path: str) -> tuple[int, str]:
        """Code and body of one of the pod's endpoints; code 0 while nobody listens."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    @property
    def status(self) -> PodStatus | None:
        code, body = self.get("/status")
        return msgspec.json.decode(body, type=PodStatus) if code == 200 else None

    def status_now(self) -> PodStatus:
        """What the pod says from now on: what it said last may be older than what was seen elsewhere."""
        asked = time.monotonic()  # the pod's clock is this one
        return self.wait(lambda now: now.clock > asked, what="news")

    def ask(self, request: Request) -> Answer:
        """What the consumer answers to a request of a person; AssertionError where it refuses."""
        line = ask(self.control, msgspec.json.encode(request))
        answer = msgspec.json.decode(line, type=Answer)
        assert not answer.error, answer.error
        return answer

    def blocked(self) -> list[BlockedKey]:
        """The keys that wait for a decision."""
        return self.ask(ListBlocked()).blocked

    def resolve(self, action: Action, *keys: BlockedKey) -> int:
        """Decides about these keys; how many of them were blocked."""
        refs = [BlockedRef(each.topic, each.partition, each.offset) for each in keys]
        return self.ask(ResolveBlocked(action, refs)).count

    def wait_ready(self, seconds: float = 60.0) -> Self:
        """Until the readiness probe would pass."""
        until(lambda: self.get("/readyz")[0] == 200, seconds, f"readiness ({self.logs[-2000:]})")
        return self

    def wait_reason(self, reason: str, seconds: float = 60.0) -> PodStatus:
        """Until the pod reports this reason."""
        return until(lambda: (now := self.status) and now.reason == reason and now, seconds, f"reason {reason}")

    def wait_outcomes(self, seconds: float = 30.0, **outcomes: int) -> None:
        """Until the pod reports exactly these."""
        self.wait(lambda now: now.outcomes == outcomes, seconds, f"outcomes {outcomes}")

    def wait(
        self, condition: Callable[[PodStatus], object], seconds: float = 60.0, what: str = "the state"
    ) -> PodStatus:
        """The pod's state, as soon as it fulfils the condition; AssertionError, with the last one, when that takes longer."""
        last: list[PodStatus | None] = [None]

        def look() -> PodStatus | None:
            last[0] = self.status
            return last[0] if last[0] is not None and condition(last[0]) else None

        try:
            return until(look, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error} of {last[0]}\n{self.logs[-3000:]}") from None

    @property
    def logs(self) -> str:
        return "".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def restart_runtime(self) -> None:
        """Kills the runtime and starts it again."""
        self.kill_runtime()
        self.start_runtime()

    def kill_runtime(self) -> None:
        """As the kernel does: without a word."""
        _kill(self.runtime)

    def start_runtime(self) -> None:
        """Starts the runtime again, as the kubelet does."""
        self.runtime = self._runtime()

    def kill_consumer(self) -> None:
        """As the kernel does: without a word."""
        _kill(self.consumer)

    def start_consumer(self) -> None:
        """Starts the consumer again, as the kubelet does."""
        self.consumer = self._consumer()

    def kill_exporter(self) -> None:
        """Of spans: the only process that the consumer has started."""
        children = Path(f"/proc/{self.consumer.pid}/task/{self.consumer.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)

    @property
    def memory(self) -> int:
        """Bytes that the consumer has had in memory at most."""
        status = Path(f"/proc/{self.consumer.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024

    def freeze(self) -> None:
        """The consumer stands still and keeps its connections, as on a machine that hangs."""
        self.consumer.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on, and knows nothing of the time between."""
        self.consumer.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Both processes at once, without a word."""
        _kill(self.consumer)
        _kill(self.runtime)

    def stop(self, seconds: float = 60.0) -> None:
        """As the kubelet does: first the consumer, then the runtime. AssertionError when the consumer does not end well."""
        if self.consumer.poll() is None:
            self.consumer.send_signal(signal.SIGTERM)
            code = self.consumer.wait(seconds)
            assert code == 0, f"the consumer ended with {code}: {self.logs[-2000:]}"
        self.runtime.terminate()
        self.runtime.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
