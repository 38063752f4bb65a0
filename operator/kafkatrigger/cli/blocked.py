"""`kafkatrigger blocked` and `kafkatrigger resume`: decisions about messages that a trigger waits with."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import click
import msgspec

from kafkatrigger.api.control import (
    Action,
    Answer,
    BlockedKey,
    BlockedRef,
    ListBlocked,
    Request,
    ResolveBlocked,
    Resume,
)
from kafkatrigger.api.selection import Selection, message_id, selects
from kafkatrigger.cli.options import (
    PARTIAL,
    action_options,
    output_option,
    place_options,
    selection_options,
    take_place,
    take_selection,
)
from kafkatrigger.cli.reach import Consumer, ReachError, consumers
from kafkatrigger.cli.render import WIDEST_KEY, counted, json_text, printable, table, when

CHUNK = 1000
"""Keys of one request."""
EXAMPLES = 5
"""Keys that are shown before a decision."""

_TITLES = ("MESSAGE", "KEY", "TIME", "ATTEMPTS", "REASON", "CLASS", "BLOCKED", "WAITING")


class Found(NamedTuple):
    """A blocked key, and the consumer that waits with it."""

    consumer: Consumer
    key: BlockedKey

    @property
    def id(self) -> str:
        return message_id(self.key.topic, self.key.partition, self.key.offset)


@click.group(short_help="Keys that wait for a decision.")
def blocked() -> None:
    """Keys that stopped at a failed message (onFailure: Block), and wait until somebody decides about it."""


@blocked.command("list")
@click.argument("name")
@place_options
@selection_options
@output_option
@click.pass_context
def list_(context: click.Context, /, name: str, output: str, **given: Any) -> None:
    """List blocked keys by the messages that they stopped at."""
    found, complete = _find(consumers(take_place(name, given)), take_selection(given))
    if output == "json":
        click.echo(json_text([_builtins(each) for each in found]))
    else:
        click.echo(table(_TITLES, [_row(each) for each in found]) if found else "no blocked keys")
    _exit(context, complete)


def _command(action: Action, text: str) -> None:
    @blocked.command(action, help=text)
    @click.argument("name")
    @place_options
    @selection_options
    @action_options
    @output_option
    @click.pass_context
    def command(context: click.Context, /, name: str, dry_run: bool, yes: bool, output: str, **given: Any) -> None:
        everywhere = consumers(take_place(name, given))
        found, complete = _find(everywhere, take_selection(given))
        _preview(action, found)
        if dry_run or not found:
            _result(output, action, len(found), 0)
            _exit(context, complete)
        if not yes:
            click.confirm(f"{action} {counted(len(found), 'message')}?", abort=True, err=True)
        done, all_done = _resolve(action, found)
        _result(output, action, len(found), done)
        _exit(context, complete and all_done and done == len(found))


_command("retry", "Run the failed messages again, with all their attempts; their keys go on behind them.")
_command("skip", "Drop the failed messages; their keys go on behind them.")
_command("dead-letter", "Write the failed messages to the dead-letter topic; their keys go on behind them.")


@click.command(short_help="End a stop.")
@click.argument("name")
@place_options
@output_option
@click.pass_context
def resume(context: click.Context, /, name: str, output: str, **given: Any) -> None:
    """End the stop of a trigger (onFailure: Stop). The message that caused it runs first, with all its attempts."""
    count, complete = 0, True
    for consumer in consumers(take_place(name, given)):
        answer = _asked(consumer, Resume())
        count += answer.count if answer else 0
        complete = complete and answer is not None
    click.echo(json_text({"resumed": count}) if output == "json" else f"resumed {counted(count, 'consumer')}")
    _exit(context, complete)


def _asked(consumer: Consumer, request: Request) -> Answer | None:
    """The answer, or None after a line about why there is none."""
    try:
        answer = consumer.ask(request)
    except ReachError as error:
        answer = Answer(error=error.message)
    if answer.error:
        click.echo(f"{consumer.name}: {answer.error}", err=True)
        return None
    return answer


def _find(everywhere: Sequence[Consumer], selection: Selection) -> tuple[list[Found], bool]:
    """The selected keys of all consumers, and whether all have said all of theirs."""
    found: list[Found] = []
    complete = True
    for consumer in everywhere:
        answer = _asked(consumer, ListBlocked())
        if answer is None or answer.omitted:
            complete = False
        if answer and answer.omitted:
            click.echo(f"{consumer.name}: {answer.omitted} more keys; decide about these first", err=True)
        found += [Found(consumer, key) for key in (answer.blocked if answer else []) if _selected(selection, key)]
    return sorted(found, key=lambda each: (each.key.topic, each.key.partition, each.key.offset)), complete


def _selected(selection: Selection, key: BlockedKey) -> bool:
    ids = (message_id(key.topic, key.partition, key.offset),)
    return selects(selection, ids, key.timestamp, key.key, key.reason, key.error_class)


def _resolve(action: Action, found: Sequence[Found]) -> tuple[int, bool]:
    """How many keys go on, and whether all consumers answered."""
    done, complete = 0, True
    for consumer in dict.fromkeys(each.consumer for each in found):
        for refs in _chunks(_ref(each.key) for each in found if each.consumer == consumer):
            answer = _asked(consumer, ResolveBlocked(action, refs))
            done += answer.count if answer else 0
            complete = complete and answer is not None
    return done, complete


def _ref(key: BlockedKey) -> BlockedRef:
    return BlockedRef(key.topic, key.partition, key.offset)


def _chunks(refs: Iterator[BlockedRef]) -> Iterator[list[BlockedRef]]:
    while chunk := list(islice(refs, CHUNK)):
        yield chunk


def _preview(action: Action, found: Sequence[Found]) -> None:
    waiting = sum(each.key.waiting for each in found)
    behind = f", {counted(waiting, 'known message')} behind them" if waiting else ""
    click.echo(f"{counted(len(found), 'blocked key')} to {action}{behind}", err=True)
    for each in found[:EXAMPLES]:
        click.echo(f"  {each.id}  {each.key.reason or 'failed before this start of the consumer'}", err=True)
    if len(found) > EXAMPLES:
        click.echo(f"  and {len(found) - EXAMPLES} more", err=True)


def _result(output: str, action: Action, selected: int, done: int) -> None:
    if output == "json":
        click.echo(json_text({"action": action, "selected": selected, "done": done}))
    else:
        click.echo(f"{action}: {done} of {selected}")


def _exit(context: click.Context, /, complete: bool) -> None:
    context.exit(0 if complete else PARTIAL)


def _row(found: Found) -> Sequence[str]:
    key = found.key
    return (
        found.id,
        printable(key.key, WIDEST_KEY),
        when(key.timestamp),
        str(key.attempts),
        key.reason,
        key.error_class,
        when(key.blocked_at),
        str(key.waiting),
    )


def _builtins(found: Found) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(found.key, builtin_types=(bytes,))
    return {"id": found.id, "consumer": found.consumer.name, **fields}
