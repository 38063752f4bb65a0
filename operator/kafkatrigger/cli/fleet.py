"""Triggers, of a cluster or of this machine, and the consumers of each."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.resources import PLURAL
from kafkatrigger.cli import reach
from kafkatrigger.cli.local import all_runs, runs_of
from kafkatrigger.cli.reach import DEFAULT_NAMESPACE, Consumer, Place, ReachError
from kafkatrigger.controller.conditions import READY, find
from kafkatrigger.controller.names import CHILDREN, INSTANCE_LABEL, selector_text
from kafkatrigger.controller.pods import Pod, pod


class Trigger(NamedTuple):
    """A trigger, and whom to ask about it."""

    namespace: str
    name: str
    ready: str
    """Status of its condition Ready: True, False or Unknown; empty where nobody keeps one."""
    reason: str
    lag: int | None
    """As the operator wrote it last."""
    consumers: list[Consumer]
    silent: list[str]
    """Pods that do not run, so that nobody can ask them."""


def triggers(place: Place, *, everywhere: bool) -> list[Trigger]:
    """Those of the namespace, or of all; only the one that `place` names where it names one. ReachError."""
    return list(_on_this_machine(place)) if place.local else list(_on_the_cluster(place, everywhere))


def _on_the_cluster(place: Place, everywhere: bool) -> Iterator[Trigger]:
    scope = ["--all-namespaces"] if everywhere else []
    selector = selector_text(place.name) if place.name else CHILDREN
    bodies = [reach.trigger(place)] if place.name else reach.items(place, PLURAL, *scope)
    pods: dict[tuple[str, str], list[Pod]] = defaultdict(list)
    for body in reach.items(place, "pods", f"--selector={selector}", *scope):
        found = pod(body)
        pods[found.namespace, body["metadata"]["labels"][INSTANCE_LABEL]].append(found)
    for body in bodies:
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        yield _trigger(place._replace(namespace=key[0]), body, pods[key])


def _trigger(place: Place, body: dict[str, Any], pods: Sequence[Pod]) -> Trigger:
    metadata, status = body["metadata"], body.get("status", {})
    ready = find(status.get("conditions", []), READY) or {"status": "Unknown", "reason": "NotReconciled"}
    return Trigger(
        namespace=metadata["namespace"],
        name=metadata["name"],
        ready=ready["status"],
        reason=ready["reason"],
        lag=status.get("lag"),
        consumers=[reach.quiet_consumer(place, each.name) for each in pods if each.answers],
        silent=[f"{each.name}: it does not run" for each in pods if not each.answers],
    )


def _on_this_machine(place: Place) -> Iterator[Trigger]:
    folders = runs_of(place.namespace or DEFAULT_NAMESPACE, place.name) if place.name else all_runs()
    by_name: dict[tuple[str, str], list[Consumer]] = defaultdict(list)
    for folder in folders:
        if (consumer := reach.local_consumer(folder)) and (key := _key(folder)):
            by_name[key].append(consumer)
    for (namespace, name), consumers in sorted(by_name.items()):
        if place.namespace in (None, namespace):
            yield Trigger(namespace, name, "", "", None, consumers, [])
    if place.name and not by_name:
        raise ReachError(reach.nobody(place))


def _key(folder: Path) -> tuple[str, str] | None:
    """Namespace and name; None while, or after, it is written."""
    try:
        config = msgspec.json.decode((folder / "consumer.json").read_bytes(), type=ConsumerConfig)
    except (OSError, msgspec.DecodeError):
        return None
    return config.namespace, config.name
