"""`kafkatrigger replay`: run messages again, or leave some out."""

import time
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from kafkatrigger.api.moves import Answer, Move, Wish
from kafkatrigger.api.selection import message_id
from kafkatrigger.cli.options import action_options, moment, output_option, place_options, take_place
from kafkatrigger.cli.reach import Place, ReachError, configuration, consumers, set_field, trigger
from kafkatrigger.cli.render import counted, json_text, precisely, table
from kafkatrigger.kafka.replay import previewed

MODULE = "kafkatrigger.kafka.replay"
LOOK_SECONDS = 1.0
"""Between two looks at the trigger."""

_TITLES = ("PARTITION", "COMMITTED", "GOES TO", "LOG ENDS", "RUN AGAIN", "LEFT OUT")

Target = tuple[str, int, int]
"""Topic, partition, offset."""


class Start(click.ParamType[str]):
    """earliest, latest or a time; yields what `spec.replay.from` takes."""

    name = "earliest|latest|TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Usage error for anything else."""
        try:
            return value if value in ("earliest", "latest") else precisely(moment(value, time.time()))
        except ValueError:
            self.fail(f"{value!r} is no start: write earliest, latest, 2h or 2026-03-01T02:30:00Z", param, ctx)


class PartitionOffset(click.ParamType[Target]):
    """TOPIC/PARTITION=OFFSET."""

    name = "TOPIC/PARTITION=OFFSET"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        """Usage error for anything else."""
        place, _, offset = str(value).partition("=")
        topic, _, number = place.rpartition("/")
        if not topic or not all(each.isascii() and each.isdigit() for each in (number, offset)):
            self.fail(f"{value!r} names no offset: write for instance orders/0=4711", param, ctx)
        return topic, int(number), int(offset)


@click.command(short_help="Run messages again, or leave some out.")
@click.argument("name")
@place_options
@click.option("--from", "start", type=Start(), help="Where all partitions start again, such as 2h.")
@click.option(
    "--partition", "targets", type=PartitionOffset(), multiple=True, help="Wins over --from; may be repeated."
)
@click.option("--nonce", help="Names the replay, which is done once; the default is the time.")
@click.option("--brokers", metavar="HOST:PORT[,...]", help="Ask these, where no pod runs that could be asked through.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Follow until it has caught up.")
@action_options
@output_option
def replay(
    name: str,
    start: str | None,
    targets: tuple[Target, ...],
    nonce: str | None,
    brokers: str | None,
    wait: bool,
    dry_run: bool,
    yes: bool,
    output: str,
    **given: Any,
) -> None:
    """Move a trigger's offsets, once: back, so that messages run again, or ahead, so that some are left out."""
    place = take_place(name, given)
    if not start and not targets:
        raise click.UsageError("say where to: --from, or --partition for some partitions")
    if place.local and not dry_run:
        raise click.UsageError(
            "offsets are moved by the operator, and a trigger on this machine has none: use --dry-run"
        )
    moves = _moves(place, Wish((), start or "", tuple(sorted(targets))), brokers)
    nonce = nonce or precisely(round(time.time() * 1000))
    if output == "table":
        click.echo(_shown(moves))
    if dry_run:
        phase = "DryRun"
    else:
        if not yes:
            click.confirm(f"replay {name}?", abort=True, err=True)
        set_field(place, "/spec/replay", spec(nonce, start, targets))
        phase = _follow(place, nonce) if wait else "Asked"
    if output == "json":
        click.echo(json_text({"nonce": nonce, "phase": phase, **_builtins(moves)}))


def spec(nonce: str, start: str | None, targets: Sequence[Target]) -> dict[str, Any]:
    """`spec.replay`. Pure."""
    partitions: dict[str, dict[str, int]] = {}
    for topic, number, offset in targets:
        partitions.setdefault(topic, {})[str(number)] = offset
    return {"nonce": nonce} | ({"from": start} if start else {}) | ({"partitions": partitions} if partitions else {})


def _moves(place: Place, wish: Wish, brokers: str | None) -> tuple[Move, ...]:
    answer = _at_brokers(place, wish, brokers) if brokers else _through_a_pod(place, wish)
    if answer.refused or answer.waiting:
        raise click.ClickException(answer.refused or answer.waiting)
    return answer.moves


def _at_brokers(place: Place, wish: Wish, brokers: str) -> Answer:
    config = configuration(place)
    return previewed(msgspec.structs.replace(config, bootstrap_servers=brokers.split(",")), wish)


def _through_a_pod(place: Place, wish: Wish) -> Answer:
    """Any of them will do: it lends its way to the brokers."""
    line = msgspec.json.encode(wish) + b"\n"
    for consumer in _running(place):
        try:
            return msgspec.json.decode(consumer.run([MODULE, "--config", consumer.config], line), type=Answer)
        except ReachError as error:
            click.echo(f"{consumer.name}: {error.message}", err=True)
        except msgspec.DecodeError as error:
            click.echo(f"{consumer.name} does not answer as a consumer of this version: {error}", err=True)
    raise ReachError("no pod could be asked, see above; --brokers asks the brokers from here")


def _running(place: Place) -> Sequence[Any]:
    try:
        return consumers(place)
    except ReachError as error:
        raise ReachError(f"{error.message} Name --brokers to ask them from here") from None


def _follow(place: Place, nonce: str) -> str:
    """The phase at the end; a ClickException where it was refused, or another replay took its place."""
    shown = ""
    while True:
        body = trigger(place)
        status = body.get("status", {})
        said = next((each["message"] for each in status.get("conditions", []) if each["type"] == "Replaying"), "")
        if said != shown:
            click.echo(said, err=True)
            shown = said
        if phase := ended(body, nonce):
            return phase
        time.sleep(LOOK_SECONDS)


def ended(body: dict[str, Any], nonce: str) -> str:
    """How the replay ended; empty while it has not. A ClickException where nothing of it will happen. Pure."""
    wanted, at = body["spec"].get("replay", {}), body.get("status", {}).get("replay", {})
    phase: str = at.get("phase", "") if at.get("nonce") == nonce else ""
    if phase == "Refused":
        raise click.ClickException(at.get("message", "it was refused"))
    if not phase and wanted.get("nonce") != nonce:
        raise click.ClickException("somebody removed this replay, or asked for another")
    is_idle = body["spec"].get("suspend") or not body["spec"].get("scaling", {}).get("replicas", 1)
    return phase if phase == "Done" or (phase == "CatchingUp" and is_idle) else ""


def _again(move: Move) -> int:
    return max(0, (move.committed or 0) - move.start)


def _left_out(move: Move) -> int:
    return max(0, move.start - move.committed) if move.committed is not None else 0


def _shown(moves: Sequence[Move]) -> str:
    again, left_out = sum(map(_again, moves)), sum(map(_left_out, moves))
    lines = [
        table(_TITLES, [_row(move) for move in moves]),
        f"{counted(again, 'message')} run again, {left_out} are left out (by offsets, of which a log may lack some)",
    ]
    if parked := _parked(moves):
        lines.append(f"{counted(len(parked), 'key')} that wait are forgotten, with {', '.join(parked[:10])}")
    return "\n".join(lines)


def _row(move: Move) -> Sequence[str]:
    committed = "-" if move.committed is None else str(move.committed)
    numbers = (move.start, move.end, _again(move), _left_out(move))
    return f"{move.topic}/{move.partition}", committed, *map(str, numbers)


def _parked(moves: Sequence[Move]) -> list[str]:
    return [message_id(move.topic, move.partition, offset) for move in moves for offset in move.parked]


def _builtins(moves: Sequence[Move]) -> dict[str, Any]:
    partitions = [
        {
            "topic": move.topic,
            "partition": move.partition,
            "committed": move.committed,
            "to": move.start,
            "end": move.end,
            "again": _again(move),
            "leftOut": _left_out(move),
        }
        for move in moves
    ]
    sums = {"again": sum(map(_again, moves)), "leftOut": sum(map(_left_out, moves)), "forgotten": _parked(moves)}
    return {"partitions": partitions, **sums}
