"""`kafkatrigger describe`: a trigger, its conditions and its partitions on one page."""

from collections.abc import Sequence
from typing import Any

import click
import msgspec

from kafkatrigger.api.control import Describe
from kafkatrigger.api.pod_status import PartitionStatus, PodStatus
from kafkatrigger.cli.options import PARTIAL, output_option, place_options, take_place
from kafkatrigger.cli.reach import DEFAULT_NAMESPACE, Place, ReachError, consumers, trigger
from kafkatrigger.cli.render import json_text, table, when

_CONDITIONS = ("CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE")
_PARTITIONS = ("PARTITION", "CONSUMER", "STARTED BY", "COMMITTED", "LOG ENDS", "LAG", "CHECKPOINT")

Pods = dict[str, PodStatus]
"""What consumers say of themselves, by name."""


@click.command(short_help="A trigger's conditions and partitions.")
@click.argument("name")
@place_options
@output_option
@click.pass_context
def describe(context: click.Context, /, name: str, output: str, **given: Any) -> None:
    """Show a trigger: conditions, replay, and where each partition started and why, is now, and has to go."""
    place = take_place(name, given)
    body = _on_this_machine(place) if place.local else trigger(place)
    pods, complete = _pods(place)
    click.echo(json_text(document(body, pods)) if output == "json" else page(body, pods))
    context.exit(0 if complete else PARTIAL)


def _on_this_machine(place: Place) -> dict[str, Any]:
    """Nobody keeps a status of it."""
    return {"metadata": {"name": place.name, "namespace": place.namespace or DEFAULT_NAMESPACE}}


def _pods(place: Place) -> tuple[Pods, bool]:
    """What those say that can be asked, and whether all did."""
    try:
        everywhere = consumers(place)
    except ReachError as error:
        if place.local:
            raise
        click.echo(error.message, err=True)
        return {}, True
    pods: Pods = {}
    for consumer in everywhere:
        try:
            answer = consumer.ask(Describe())
        except ReachError as error:
            click.echo(f"{consumer.name}: {error.message}", err=True)
            continue
        if answer.status is None:
            click.echo(f"{consumer.name}: {answer.error or 'it is of another version'}", err=True)
        else:
            pods[consumer.name] = answer.status
    return pods, len(pods) == len(everywhere)


def document(body: dict[str, Any], pods: Pods) -> dict[str, Any]:
    """For programs. Pure."""
    metadata, status = body["metadata"], body.get("status", {})
    known = ("conditions", "replay", "blockedKeys", "partitionTimestamps")
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        **{field: status[field] for field in known if field in status},
        "consumers": {name: msgspec.to_builtins(pod) for name, pod in pods.items()},
    }


def page(body: dict[str, Any], pods: Pods) -> str:
    """For people. Pure."""
    parts = [_head(body, pods)]
    if conditions := body.get("status", {}).get("conditions", []):
        rows = [
            (each["type"], each["status"], each["lastTransitionTime"], each["reason"], each["message"])
            for each in conditions
        ]
        parts.append(table(_CONDITIONS, rows))
    if partitions := _partition_rows(body, pods):
        parts.append(table(_PARTITIONS, partitions))
    return "\n\n".join(parts)


def _head(body: dict[str, Any], pods: Pods) -> str:
    metadata, pod = body["metadata"], next(iter(pods.values()), None)
    rows = [("trigger", f"{metadata['namespace']}/{metadata['name']}")]
    if pod:
        rows.append(("group", f"{pod.group_id} ({pod.group_protocol or 'not joined'})"))
    rows += [(name, f"{said.reason}: {said.message}") for name, said in pods.items()]
    if replay := body.get("status", {}).get("replay"):
        rows.append(("replay", f"{replay.get('nonce', replay.get('handledNonce', ''))}: {replay.get('phase', 'none')}"))
    widest = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(widest)}   {value}" for name, value in rows)


def _partition_rows(body: dict[str, Any], pods: Pods) -> list[Sequence[str]]:
    timestamps = body.get("status", {}).get("partitionTimestamps", {})
    held = [(each.topic, each.partition, name, each) for name, pod in pods.items() for each in pod.partitions]
    return [_row(name, each, timestamps) for *_, name, each in sorted(held, key=lambda row: row[:3])]


def _row(consumer: str, at: PartitionStatus, timestamps: dict[str, dict[str, int]]) -> Sequence[str]:
    checkpoint = timestamps.get(at.topic, {}).get(str(at.partition), 0)
    numbers = ("-" if number is None else str(number) for number in (at.committed, at.end, at.lag))
    return f"{at.topic}/{at.partition}", consumer, at.started, *numbers, when(checkpoint) if checkpoint else "-"
