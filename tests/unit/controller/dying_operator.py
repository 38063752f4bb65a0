"""A trigger's cluster and brokers in memory, and operators that die at any of the moments at which something happens.

The operator's decisions and their order are the real ones (`Reconciler`); what it writes to the API server, and asks of the
brokers, happens or not, and then the process may be gone.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import orjson

from kafkatrigger.api.checkpoint import Mark
from kafkatrigger.api.moves import Answer, Apply, Check, Empty, Errand, Move, Resolve, Wish
from kafkatrigger.controller import checkpoints, errands
from kafkatrigger.controller.cache import Cache, Key, Trigger
from kafkatrigger.controller.checkpointer import Checkpointer
from kafkatrigger.controller.checkpoints import Stored
from kafkatrigger.controller.names import checkpoint_name
from kafkatrigger.controller.observation import Observation
from kafkatrigger.controller.reconcile import Monitors, Reconciler
from kafkatrigger.controller.witnesses import Witnesses
from tests.unit.controller.helpers import KEY, Body, body, settings, trigger

T = TypeVar("T")

A_LONG_TIME = 60.0
"""Seconds: longer than a turn."""
END = 100
"""Of the log of the one partition."""
CHECKPOINT = "ConfigMap", checkpoint_name(KEY.name, 0)
"""Nobody watches it."""


class DiedError(BaseException):
    """The operator is gone; nothing of it may catch that."""


def _copied(given: T) -> T:
    copied: T = orjson.loads(orjson.dumps(given))
    return copied


class World:
    """What outlives operators. `moment` is called twice for all that happens outside: before it, and after it."""

    def __init__(self, spec: Body, moment: Callable[[], None]) -> None:
        self.moment = moment
        self.objects: dict[tuple[str, str], Body] = {}
        self.version = 10
        self.put({**body(), "spec": spec, "status": {}})
        self.put(_checkpoint(END))
        self.committed = 0
        self.in_group = False
        self.lingers = 0
        """Turns in which a member that was ended stays in the group."""
        self.starts: list[int] = []
        """Where consumers began to run."""
        self.checkpoints: list[int] = []
        """What the checkpoint said then."""
        self.moves: list[tuple[str, int]] = []

    def put(self, manifest: Body) -> Body:
        self.version += 1
        manifest["metadata"]["resourceVersion"] = str(self.version)
        self.objects[manifest["kind"], manifest["metadata"]["name"]] = manifest
        return _copied(manifest)

    @property
    def trigger(self) -> Body:
        return self.objects["KafkaTrigger", KEY.name]

    def replay(self, nonce: str, offset: int) -> None:
        """Somebody asks for it."""
        wish = {"nonce": nonce, "partitions": {"machine-data": {"0": offset}}}
        self.trigger["metadata"]["generation"] += 1
        self.put({**self.trigger, "spec": {**self.trigger["spec"], "replay": wish}})

    def turn(self) -> None:
        """The Deployment's controller, the kubelet and the consumer do what they do."""
        deployment = self.objects.get(("Deployment", f"{KEY.name}-consumer"))
        if deployment is None:
            return
        wanted, pod = deployment["spec"]["replicas"], self.objects.get(("Pod", "p"))
        if wanted and pod is None:
            self.put(_pod())
        elif pod is not None and not wanted:
            del self.objects["Pod", "p"]
            self.lingers = 2
        self._run(wanted > 0 and pod is not None)
        seen = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": int(("Pod", "p") in self.objects),
        }
        if deployment.get("status") != seen:
            self.put({**deployment, "status": seen})

    def _run(self, is_there: bool) -> None:
        if is_there and not self.in_group:
            self.in_group = True
            self.starts.append(self.committed)
            self.checkpoints.append(self.checkpoint)
        elif not is_there and self.in_group:
            self.lingers -= 1
            self.in_group = self.lingers > 0
        if self.in_group:
            self.committed = END

    @property
    def checkpoint(self) -> int:
        """Where consumers would begin if nothing were committed."""
        stored = checkpoints.parse(self.objects[CHECKPOINT], ())
        return stored.marks["machine-data"]["0"].offset

    def do(self, errand: Errand) -> Answer:
        """What brokers do."""
        if isinstance(errand, Resolve | Apply | Empty) and self.in_group:
            return Answer(waiting="somebody is in the group")
        if isinstance(errand, Check | Resolve):
            return self._planned(errand.wish)
        if isinstance(errand, Apply):
            self.committed = errand.moves[0].start
            self.moves.append((errand.reason, self.committed))
            return Answer(moved=True)
        return Answer() if isinstance(errand, Empty) else Answer((_move(errand.moves[0].start, self.committed),))

    def _planned(self, wish: Wish) -> Answer:
        ((_, _, offset),) = wish.partitions
        return Answer((_move(offset, self.committed),)) if offset <= END else Answer(refused="beyond the end")


def _move(start: int, committed: int) -> Move:
    return Move("machine-data", 0, start, END, committed)


def _checkpoint(offset: int) -> Body:
    (manifest,) = checkpoints.manifests(trigger(), Stored({"machine-data": {"0": Mark(offset)}}, 1))
    manifest["metadata"] |= {"uid": "of-the-checkpoint", "generation": 1}
    return manifest


def _pod() -> Body:
    owner = {"controller": True, "kind": "ReplicaSet", "name": f"{KEY.name}-consumer-abc"}
    labels = {"app.kubernetes.io/instance": KEY.name}
    metadata = {"namespace": KEY.namespace, "name": "p", "uid": "p", "labels": labels, "ownerReferences": [owner]}
    return {"kind": "Pod", "metadata": metadata, "status": {"phase": "Running"}}


class _Cluster:
    """The API server; `Cluster`'s part that reconciles use."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def apply(self, manifest: Body, subresource: str = "") -> Body:
        self._world.moment()
        done = self._status(manifest) if subresource else self._applied(manifest)
        self._world.moment()
        return done

    def _status(self, manifest: Body) -> Body:
        return self._world.put({**self._world.trigger, "status": _copied(manifest["status"])})

    def _applied(self, manifest: Body) -> Body:
        known = self._world.objects.get((manifest["kind"], manifest["metadata"]["name"]), {})
        before = known.get("metadata", {"generation": 0, "uid": f"{manifest['kind']}-uid"})
        same = known.get("spec") == manifest.get("spec")
        changed = {"uid": before["uid"], "generation": before["generation"] + (0 if same else 1)}
        metadata = {**manifest["metadata"], **changed}
        return self._world.put({**known, **_copied(manifest), "metadata": metadata})

    async def get(self, kind: str, _namespace: str, name: str) -> Body | None:
        return _copied(self._world.objects.get((kind, name)))

    async def list_all(self, _kind: str, _namespace: str, _selector: str) -> tuple[list[Body], str]:
        return [], ""

    async def create(self, _manifest: Body) -> None:
        self._world.moment()

    async def patch(self, manifest: Body) -> Body:
        return manifest


class _Monitor:
    """Answers with what it was told since the question came up."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.answers: dict[Any, Answer | None] = {}

    def watch(self, _key: Key, questions: Collection[Any]) -> Mapping[Any, Answer]:
        self.answers = {question: self.answers.get(question) for question in questions}
        return {question: answer for question, answer in self.answers.items() if answer}

    def ask(self) -> None:
        for question, answer in self.answers.items():
            if answer and errands.judge(None, answer)[1] > A_LONG_TIME:
                continue
            self._world.moment()
            self.answers[question] = self._world.do(question)
            self._world.moment()


class _Unhurried(Checkpointer):
    """No checkpoint's time comes: an operator lives for seconds here."""

    def note(self, trigger: Trigger, seen: Observation) -> None:
        pass


class _Silent:
    def watch(self, _key: Key, _questions: Collection[Any]) -> Mapping[Any, Any]:
        return {}

    def answers(self, _key: Key) -> Mapping[Any, Any]:
        return {}


class Operator:
    """One life of the operator."""

    def __init__(self, world: World) -> None:
        self._world, self._cache, self._errands = world, Cache(), _Monitor(world)
        silent: Any = _Silent()
        monitors: Any = Monitors(silent, silent, silent, self._errands, silent, silent)  # type: ignore[arg-type]
        cluster: Any = _Cluster(world)
        witnesses = Witnesses(silent, silent, silent)
        checkpointer = _Unhurried(self._cache, cluster, witnesses, _nobody)
        self._known: dict[tuple[str, str], Body] = {}
        self._reconciler = Reconciler(settings(), self._cache, cluster, monitors, witnesses, checkpointer, _nobody)

    def turn(self) -> None:
        """Sees what there is, reconciles, asks."""
        for at, gone in self._known.items():
            if at not in self._world.objects:
                self._cache.observe(gone, gone=True)
        self._known = {at: each for at, each in self._world.objects.items() if at != CHECKPOINT}
        for each in _copied(list(self._known.values())):
            self._cache.observe(each)
        self._reconciler.claim(KEY)
        asyncio.run(self._reconciler.reconcile(KEY))
        self._errands.ask()


def _nobody(*_: object) -> None:
    """Nothing comes again by itself here: every turn reconciles."""


class Lives:
    """Operators, one after the other."""

    def __init__(self, world: World) -> None:
        self._world, self._operator = world, Operator(world)

    def turns(self, count: int) -> None:
        """So many turns of the world."""
        for _ in range(count):
            try:
                self._operator.turn()
            except DiedError:
                self._operator = Operator(self._world)
            self._world.turn()
