"""`kafkatrigger top`: which triggers fall behind, fail or wait, live."""

import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import click

from kafkatrigger.api.pod_status import PartitionStatus
from kafkatrigger.cli import fleet, rates
from kafkatrigger.cli.fleet import Trigger
from kafkatrigger.cli.live import INTERVAL, live
from kafkatrigger.cli.looks import Memory, look
from kafkatrigger.cli.options import PARTIAL, output_option, place_options, take_place
from kafkatrigger.cli.rates import Pods, Rates
from kafkatrigger.cli.reach import Place
from kafkatrigger.cli.render import json_text, number, table
from kafkatrigger.cli.tables import failure_table, held, short

_TRIGGERS = ("TRIGGER", "READY", "REASON", "PODS", "IN/S", "OUT/S", "FAILED/S", "LAG", "IN FLIGHT", "BLOCKED KEYS")
_PARTITIONS = ("PARTITION", "CONSUMER", "IN/S", "OUT/S", "LAG", "IN FLIGHT", "OLDEST", "PARKED KEYS", "BLOCKED KEYS")


class Row(NamedTuple):
    """A trigger at a moment; None where nobody could be asked."""

    namespace: str
    name: str
    ready: str
    reason: str
    pods: int
    """That are there."""
    answered: int
    rates: Rates
    lag: int | None
    in_flight: int | None
    blocked_keys: int | None


class Screen(NamedTuple):
    """All that is shown at a moment."""

    rows: list[Row]
    before: Pods
    now: Pods
    problems: list[str]


@click.command(short_help="Which triggers fall behind, fail or wait, live.")
@click.argument("name", required=False)
@place_options
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Triggers of all namespaces.")
@click.option("--once", is_flag=True, help="Show it once, and end.")
@output_option
@click.pass_context
def top(context: click.Context, /, name: str | None, everywhere: bool, once: bool, output: str, **given: Any) -> None:
    """Show triggers with their rates, lag and failures, those with the most lag first; or the partitions of one.

    On a terminal it is shown again every two seconds until Ctrl-C; elsewhere, with --once or as JSON once. IN/S are the
    offsets that were written to the source, OUT/S the messages that came to their end, each for a second.
    """
    place, memory = take_place(name or "", given), Memory()
    if name and everywhere:
        raise click.UsageError("a name and --all-namespaces: say --namespace instead")
    if sys.stdout.isatty() and output == "table" and not once:
        live(lambda: text(take(place, everywhere, memory), single=bool(name)))
        return
    take(place, everywhere, memory)
    time.sleep(INTERVAL)
    screen = take(place, everywhere, memory)
    click.echo(json_text(document(screen)) if output == "json" else text(screen, single=bool(name)))
    context.exit(PARTIAL if screen.problems else 0)


def take(place: Place, everywhere: bool, memory: Memory) -> Screen:
    """Looks at all triggers and their consumers; ReachError where the triggers cannot be listed."""
    triggers = fleet.triggers(place, everywhere=everywhere)
    seen = look([consumer for trigger in triggers for consumer in trigger.consumers])
    before = memory.before(seen.pods)
    rows = sorted((row(trigger, before, seen.pods) for trigger in triggers), key=_most_lag_first)
    silent = [each for trigger in triggers for each in trigger.silent]
    return Screen(rows, before, seen.pods, [*silent, *seen.problems])


def row(trigger: Trigger, before: Pods, now: Pods) -> Row:
    """The trigger at this moment. Pure."""
    pods = {each.name: now[each.name] for each in trigger.consumers if each.name in now}
    unready = next((pod for pod in pods.values() if not pod.ready), None)
    ready, reason = trigger.ready, trigger.reason
    if not ready and pods:  # on this machine nobody else says so
        ready, reason = str(unready is None), (unready or next(iter(pods.values()))).reason
    lag = rates.total(each.lag for _, _, each in held(pods)) if pods else trigger.lag
    return Row(
        *(trigger.namespace, trigger.name, ready, reason),
        *(len(trigger.consumers) + len(trigger.silent), len(pods)),
        rates=rates.of_pods(before, pods),
        lag=None if lag is None else round(lag),
        in_flight=sum(pod.in_flight for pod in pods.values()) if pods else None,
        blocked_keys=sum(pod.blocked_keys for pod in pods.values()) if pods else None,
    )


def _most_lag_first(each: Row) -> tuple[float, str, str]:
    return -(-1 if each.lag is None else each.lag), each.namespace, each.name


def text(screen: Screen, *, single: bool) -> str:
    """For people: triggers, and of a single one its partitions and last failures. Pure."""
    parts = [table(_TRIGGERS, [_cells(each) for each in screen.rows]) if screen.rows else "no triggers"]
    if single:
        parts += [_partition_table(screen), failure_table(screen.now)]
    return "\n\n".join(part for part in [*parts, "\n".join(screen.problems)] if part)


def _cells(each: Row) -> Sequence[str]:
    pods = f"{each.answered}/{each.pods}"
    numbers = (number(value) for value in (*each.rates, each.lag, each.in_flight, each.blocked_keys))
    return f"{each.namespace}/{each.name}", each.ready, each.reason, pods, *numbers


def _partition_table(screen: Screen) -> str:
    rows = sorted(held(screen.now), key=lambda row: -(row[2].lag or 0))
    cells = [_partition_cells(name, at, rates.of_partition(screen.before.get(name), pod, at)) for name, pod, at in rows]
    return table(_PARTITIONS, cells) if cells else ""


def _partition_cells(consumer: str, at: PartitionStatus, flow: Rates) -> Sequence[str]:
    oldest = "-" if at.oldest_in_flight_seconds is None else f"{number(at.oldest_in_flight_seconds)} s"
    place = f"{at.topic}/{at.partition}", short(consumer), number(flow.arrived), number(flow.done)
    return *place, number(at.lag), str(at.in_flight), oldest, str(at.parked_keys), str(at.blocked_keys)


def document(screen: Screen) -> dict[str, Any]:
    """For programs. Pure."""
    return {"triggers": [_document_of(each) for each in screen.rows], "problems": screen.problems}


def _document_of(each: Row) -> dict[str, Any]:
    return {
        "namespace": each.namespace,
        "name": each.name,
        "ready": each.ready,
        "reason": each.reason,
        "pods": each.pods,
        "answered": each.answered,
        **each.rates.document(),
        "lag": each.lag,
        "inFlight": each.in_flight,
        "blockedKeys": each.blocked_keys,
    }
