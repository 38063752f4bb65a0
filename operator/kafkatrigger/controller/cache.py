"""What the operator knows of the cluster: of every object only the fields that it reads.

Filled by watches, by lists, and by the answers to our own writes. An older version of an object never replaces a newer
one, so that a late event does not undo what an answer said. (Resource versions of one kind grow with time; API servers
have promised to keep them comparable since Kubernetes 1.35, and never did otherwise before.)
"""

from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from kafkatrigger.api.resources import KIND
from kafkatrigger.controller.names import (
    INSTANCE_LABEL,
    LOG_LEVEL,
    MANAGED_BY_LABEL,
    MEMBERSHIP,
    REVISION,
    TEMPLATE_HASH,
)
from kafkatrigger.controller.pods import Pod, controller_of, pod

Body = Mapping[str, Any]

REMEMBERED = 10_000
"""Deleted objects that are remembered: the answer to a write of ours may come after the news of the deletion. (An object
that lost our labels is gone for a watch as well; its newer versions count again.)"""


LONGEST_LEVEL = 16
"""Characters of an annotation that are passed on to pods; what is no level is for them to say."""


class Key(NamedTuple):
    """A trigger."""

    namespace: str
    name: str

    @property
    def facts(self) -> dict[str, object]:
        """What a log line is about, as fields of it."""
        return {"namespace": self.namespace, "trigger": self.name}


@dataclass(frozen=True)
class Trigger:
    """A KafkaTrigger; `spec` and `status` as they are stored."""

    key: Key
    uid: str
    version: int
    generation: int
    created: str
    deleting: bool
    finalizers: tuple[str, ...]
    spec: Any
    status: Body
    log_level: str
    """That its pods are to have; empty when the trigger says nothing of it."""


@dataclass(frozen=True)
class Scale:
    """A Deployment's counts and its complaint."""

    observed_generation: int
    wanted: int
    replicas: int
    template: str
    """Hash of the newest template."""
    revision: str
    """Of the spec that the newest template was made from."""
    failure: str
    """Message of the condition ReplicaFailure."""
    membership: str = ""
    """Which group its pods are in, and how."""


@dataclass(frozen=True)
class Child:
    """An object made for a trigger. Equal fingerprints: nobody touched it."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    owner: str
    """uid of the controlling owner, or empty."""
    owner_kind: str
    deleting: bool
    ours: bool
    """Whether its labels say that the operator made it."""
    fingerprint: tuple[object, ...]
    scale: Scale | None
    """Of a Deployment."""


def trigger_key(body: Body) -> Key:
    """The trigger that an object, of whatever kind, belongs to.

    An owner counts before the label, which anybody may change: only news of the right trigger puts it back.
    """
    metadata = body["metadata"]
    owner, labels = controller_of(metadata), metadata.get("labels") or {}
    if body.get("kind") == KIND:
        name = metadata["name"]
    elif owner.get("kind") == KIND:
        name = owner["name"]
    else:
        name = labels.get(INSTANCE_LABEL, "")
    return Key(metadata["namespace"], name)


class Cache:
    """All triggers and what was made for them."""

    def __init__(self) -> None:
        self._triggers: dict[Key, Trigger] = {}
        self._children: defaultdict[Key, dict[tuple[str, str], Child]] = defaultdict(dict)
        self._pods: defaultdict[Key, dict[str, Pod]] = defaultdict(dict)
        self._buried: OrderedDict[str, int] = OrderedDict()

    def trigger(self, key: Key) -> Trigger | None:
        return self._triggers.get(key)

    def find(self, key: Key, kind: str, name: str) -> Child | None:
        return self._children.get(key, {}).get((kind, name))

    def children(self, key: Key) -> list[Child]:
        return list(self._children.get(key, {}).values())

    def pods(self, key: Key) -> list[Pod]:
        return list(self._pods.get(key, {}).values())

    def observe(self, body: Body, *, gone: bool = False) -> Key:
        """Takes in an object, or that it is gone; returns the trigger that it belongs to."""
        key = trigger_key(body)
        place, name, item = self._place(key, body)
        known = place.get(name)
        if gone:
            self._bury(item.uid, item.version)
            if known is not None and known.uid == item.uid:
                del place[name]
        elif item.version > self._buried.get(item.uid, -1) and (known is None or known.version <= item.version):
            place[name] = item
        self._tidy(key)
        return key

    def retain(self, kind: str, namespace: str | None, listed: Iterable[Body], version: int) -> set[Key]:
        """Drops what a list of that version no longer has; returns the triggers concerned.

        A watch that had to start over never tells what was deleted in the meantime.
        """
        alive = {body["metadata"]["uid"] for body in listed}
        concerned = set()
        for key, place, name, item in self._items(kind, namespace):
            if item.uid not in alive and item.version <= version:
                del place[name]
                self._tidy(key)
                concerned.add(key)
        return concerned

    def _bury(self, uid: str, version: int) -> None:
        self._buried[uid] = version
        if len(self._buried) > REMEMBERED:
            self._buried.popitem(last=False)

    def _place(self, key: Key, body: Body) -> tuple[dict[Any, Any], Any, Any]:
        kind, name = body["kind"], body["metadata"]["name"]
        if kind == KIND:
            return self._triggers, key, _trigger(key, body)
        if kind == "Pod":
            return self._pods[key], name, pod(body)
        return self._children[key], (kind, name), child(body)

    def _items(self, kind: str, namespace: str | None) -> list[tuple[Key, dict[Any, Any], Any, Any]]:
        if kind == KIND:
            items: list[tuple[Key, dict[Any, Any], Any, Any]] = [
                (k, self._triggers, k, t) for k, t in self._triggers.items()
            ]
        elif kind == "Pod":
            items = [(key, place, name, item) for key, place in self._pods.items() for name, item in place.items()]
        else:
            items = [
                (key, place, at, item)
                for key, place in self._children.items()
                for at, item in place.items()
                if at[0] == kind
            ]
        return [each for each in items if namespace is None or each[0].namespace == namespace]

    def _tidy(self, key: Key) -> None:
        if not self._children.get(key, True):
            del self._children[key]
        if not self._pods.get(key, True):
            del self._pods[key]


def _trigger(key: Key, body: Body) -> Trigger:
    metadata = body["metadata"]
    return Trigger(
        key=key,
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=metadata.get("generation", 1),
        created=metadata["creationTimestamp"],
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers", ())),
        spec=body.get("spec"),
        status=body.get("status") or {},
        log_level=(metadata.get("annotations") or {}).get(LOG_LEVEL, "")[:LONGEST_LEVEL],
    )


def child(body: Body) -> Child:
    metadata = body["metadata"]
    owner = controller_of(metadata)
    version, generation = int(metadata["resourceVersion"]), metadata.get("generation", 0)
    labels = metadata.get("labels") or {}
    return Child(
        kind=body["kind"],
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=version,
        generation=generation,
        owner=owner.get("uid", ""),
        owner_kind=owner.get("kind", ""),
        deleting="deletionTimestamp" in metadata,
        ours=labels.get(MANAGED_BY_LABEL) == "kafkatrigger" and INSTANCE_LABEL in labels,
        # A kind without generations changes only when somebody changes what is in it.
        fingerprint=(
            metadata["uid"],
            generation or version,
            owner.get("uid"),
            frozenset(labels.items()),
        ),
        scale=_scale(body) if body["kind"] == "Deployment" else None,
    )


def _scale(body: Body) -> Scale:
    spec, status = body["spec"], body.get("status") or {}
    annotations = spec["template"]["metadata"].get("annotations") or {}
    failures: Iterator[Body] = (
        each for each in status.get("conditions", []) if each["type"] == "ReplicaFailure" and each["status"] == "True"
    )
    return Scale(
        observed_generation=status.get("observedGeneration", 0),
        wanted=spec.get("replicas", 1),
        replicas=status.get("replicas", 0),
        template=annotations.get(TEMPLATE_HASH, ""),
        revision=annotations.get(REVISION, ""),
        failure=next(failures, {}).get("message", ""),
        membership=(body["metadata"].get("annotations") or {}).get(MEMBERSHIP, ""),
    )
