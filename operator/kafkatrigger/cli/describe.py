"""`kafkatrigger describe`: a trigger, its conditions, its partitions and what failed last on one page."""

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from kafkatrigger.api.pod_status import PartitionStatus
from kafkatrigger.cli import rates
from kafkatrigger.cli.looks import look
from kafkatrigger.cli.options import PARTIAL, output_option, place_options, take_place
from kafkatrigger.cli.rates import Pods, Rates
from kafkatrigger.cli.reach import DEFAULT_NAMESPACE, Place, ReachError, consumers, trigger
from kafkatrigger.cli.render import json_text, number, table, when
from kafkatrigger.cli.tables import failure_table, held, pod_table

_CONDITIONS = ("CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE")
_PARTITIONS = (
    *("PARTITION", "CONSUMER", "STARTED BY", "COMMITTED", "LOG ENDS", "LAG"),
    *("IN/S", "OUT/S", "BLOCKED KEYS", "CHECKPOINT"),
)
PAUSE = 1.0
"""Seconds between the two looks that rates are taken from."""


@click.command(short_help="A trigger's conditions, partitions and last failures.")
@click.argument("name")
@place_options
@output_option
@click.pass_context
def describe(context: click.Context, /, name: str, output: str, **given: Any) -> None:
    """Show a trigger: conditions, replay, pods with their rates, where each partition started and why, is now, and has to
    go, and the messages that failed last.
    """
    place = take_place(name, given)
    body = _on_this_machine(place) if place.local else trigger(place)
    before, pods, complete = _pods(place)
    click.echo(json_text(document(body, before, pods)) if output == "json" else page(body, before, pods))
    context.exit(0 if complete else PARTIAL)


def _on_this_machine(place: Place) -> dict[str, Any]:
    """Nobody keeps a status of it."""
    return {"metadata": {"name": place.name, "namespace": place.namespace or DEFAULT_NAMESPACE}}


def _pods(place: Place) -> tuple[Pods, Pods, bool]:
    """What those say that can be asked, at two looks, and whether all did at the second."""
    try:
        everywhere = consumers(place)
    except ReachError as error:
        if place.local:
            raise
        click.echo(error.message, err=True)
        return {}, {}, True
    first = look(everywhere)
    time.sleep(PAUSE if first.pods else 0)
    second = look([each for each in everywhere if each.name in first.pods])
    for problem in (*first.problems, *second.problems):
        click.echo(problem, err=True)
    return first.pods, second.pods, len(second.pods) == len(everywhere)


def document(body: dict[str, Any], before: Pods, pods: Pods) -> dict[str, Any]:
    """For programs. Pure."""
    metadata, status = body["metadata"], body.get("status", {})
    known = ("conditions", "replay", "blockedKeys", "partitionTimestamps")
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        **{field: status[field] for field in known if field in status},
        "consumers": {name: msgspec.to_builtins(pod) for name, pod in pods.items()},
        "rates": {name: rates.of_pod(before.get(name), pod).document() for name, pod in pods.items()},
    }


def page(body: dict[str, Any], before: Pods, pods: Pods) -> str:
    """For people. Pure."""
    parts = [_head(body, pods)]
    if conditions := body.get("status", {}).get("conditions", []):
        rows = [
            (each["type"], each["status"], each["lastTransitionTime"], each["reason"], each["message"])
            for each in conditions
        ]
        parts.append(table(_CONDITIONS, rows))
    if pods:
        parts.append(pod_table(before, pods))
    if partitions := _partition_rows(body, before, pods):
        parts.append(table(_PARTITIONS, partitions))
    return "\n\n".join(part for part in [*parts, failure_table(pods)] if part)


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


def _partition_rows(body: dict[str, Any], before: Pods, pods: Pods) -> list[Sequence[str]]:
    timestamps = body.get("status", {}).get("partitionTimestamps", {})
    return [
        _row(name, each, rates.of_partition(before.get(name), pod, each), timestamps) for name, pod, each in held(pods)
    ]


def _row(consumer: str, at: PartitionStatus, flow: Rates, timestamps: dict[str, dict[str, int]]) -> Sequence[str]:
    checkpoint = timestamps.get(at.topic, {}).get(str(at.partition), 0)
    place = f"{at.topic}/{at.partition}", consumer, at.started
    numbers = (number(each) for each in (at.committed, at.end, at.lag, flow.arrived, flow.done, at.blocked_keys))
    return *place, *numbers, when(checkpoint) if checkpoint else "-"
