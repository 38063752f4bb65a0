"""`kafkatrigger dlq`: what is in a dead-letter topic, and running it again."""

import uuid
from collections.abc import Callable
from typing import Any

import click
import msgspec

from kafkatrigger.api.dead_letters import (
    LONGEST_LIST,
    Answer,
    Letter,
    ListLetters,
    Redrive,
    Redriven,
    Request,
    ShowLetter,
    Target,
    WholeLetter,
)
from kafkatrigger.cli.options import (
    PARTIAL,
    MessageId,
    action_options,
    output_option,
    place_options,
    selection_options,
    take_place,
    take_selection,
)
from kafkatrigger.cli.reach import ReachError, consumers
from kafkatrigger.cli.render import WIDEST_KEY, counted, json_text, printable, table, when
from kafkatrigger.kafka.dead_letters import answer

MODULE = "kafkatrigger.kafka.dead_letters"
SHOWN_VALUE = 4096
"""Bytes of a value that are shown unless all are asked for."""
DEAD_LETTERS = ".dlq"
REDRIVE = ".redrive"

_TITLES = ("DEAD LETTER", "MESSAGE", "TIME", "KEY", "REASON", "CLASS", "ATTEMPTS", "REDRIVEN")

Ask = Callable[[Request], Answer]


@click.group(short_help="Dead letters: list, show, run again.")
def dlq() -> None:
    """Dead letters of a trigger, by its name, or of a topic, by --brokers."""


def _where(command: Callable[..., Any]) -> Callable[..., Any]:
    options = (
        place_options,
        click.option("--brokers", metavar="HOST:PORT[,...]", help="Ask these brokers, without any trigger."),
        click.option("--topic", help="Dead-letter topic at --brokers; the default is that of --group."),
        click.option("--group", help="Group of the trigger at --brokers; the default is --topic without .dlq."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dlq.command("list")
@click.argument("name", required=False)
@_where
@selection_options
@click.option("--limit", type=click.IntRange(1, LONGEST_LIST), default=100, show_default=True, help="Most to list.")
@output_option
def list_(name: str | None, limit: int, output: str, **given: Any) -> None:
    """List dead letters, the newest last."""
    found = _take_ask(name, given)(ListLetters(take_selection(given), limit))
    if output == "json":
        click.echo(json_text([_builtins(each) for each in found.letters]))
    else:
        click.echo(table(_TITLES, [_row(each) for each in found.letters]) if found.letters else "no dead letters")
    if found.total > len(found.letters):
        click.echo(f"the newest {len(found.letters)} of {found.total}: raise --limit, or select fewer", err=True)


@dlq.command("show")
@click.argument("arguments", nargs=-1, metavar="[NAME] TOPIC-PARTITION-OFFSET")
@_where
@click.option("--raw", is_flag=True, help="Only the value, as it is.")
@output_option
def show(arguments: tuple[str, ...], raw: bool, output: str, **given: Any) -> None:
    """Show one dead letter, by its own id or by that of the message that failed."""
    *names, identity = arguments or ("",)
    if len(names) > 1:
        raise click.UsageError("name one trigger and one dead letter")
    wanted = MessageId().convert(identity, None, click.get_current_context())
    longest = SHOWN_VALUE if not raw and output == "table" else None
    whole = _take_ask(names[0] if names else None, given)(ShowLetter(wanted, longest)).whole
    if whole is None:
        raise click.ClickException("the answer holds no dead letter: command and consumer have different versions")
    if raw:
        click.echo(whole.value or b"", nl=False)
    else:
        click.echo(json_text(_whole_builtins(whole)) if output == "json" else _whole_text(whole))


@dlq.command("redrive")
@click.argument("name", required=False)
@_where
@selection_options
@click.option("--allow-reorder", is_flag=True, help="Also keys that have newer messages, which may have run already.")
@click.option("--again", is_flag=True, help="Also dead letters that were redriven before.")
@click.option("--request", "request_id", help="Id of the request; say that of one with --again that was interrupted.")
@action_options
@output_option
@click.pass_context
def redrive(context: click.Context, /, name: str | None, dry_run: bool, yes: bool, output: str, **given: Any) -> None:
    """Run dead letters again: copy them to the trigger's redrive topic, each once."""
    ask = _take_ask(name, given)
    request = Redrive(
        take_selection(given),
        given["request_id"] or uuid.uuid4().hex[:12],
        dry_run,
        given["allow_reorder"],
        given["again"],
    )
    if not dry_run and not yes:
        request = _confirmed(ask, request)
    done = _redriven(ask(request))
    click.echo(json_text(done) if output == "json" else "\n".join(_counts(done, dry_run)))
    undone = done.unavailable or done.refused or done.more or done.moved < done.letters - done.refused
    context.exit(PARTIAL if undone and not dry_run else 0)


def _confirmed(ask: Ask, request: Redrive) -> Redrive:
    """The request for exactly what was counted; it ends here where that is nothing or not agreed to."""
    counts = _redriven(ask(msgspec.structs.replace(request, dry_run=True)))
    click.echo("\n".join(_counts(counts, True)), err=True)
    if not counts.letters:
        click.get_current_context().exit(PARTIAL if counts.unavailable else 0)
    if counts.reordered_keys and not request.allow_reorder:
        raise click.ClickException(
            f"{counted(counts.reordered_keys, 'key')} would run out of order: select others, or say --allow-reorder"
        )
    click.confirm(f"redrive {counted(counts.letters, 'dead letter')}?", abort=True, err=True)
    return msgspec.structs.replace(request, ends=counts.ends, allow_reorder=True)


def _redriven(found: Answer) -> Redriven:
    if found.redriven is None:
        raise click.ClickException("the answer holds no counts: command and consumer have different versions")
    return found.redriven


def _take_ask(name: str | None, given: dict[str, Any]) -> Ask:
    """Whom to ask; takes the options about that out of `given`."""
    brokers, topic, group = given.pop("brokers"), given.pop("topic"), given.pop("group")
    place = take_place(name or "", given)
    if brokers:
        target = target_at(brokers, topic, group)
        return lambda request: _checked(answer(target, request, lambda line: click.echo(line, err=True)))
    if not name:
        raise click.UsageError("name the trigger, or say --brokers and --topic")
    return lambda request: _checked(_ask_consumers(place, request))


def target_at(brokers: str, topic: str | None, group: str | None) -> Target:
    """The target that options name; a usage error where they do not. Pure."""
    if not topic and not group:
        raise click.UsageError("--brokers needs --topic, the dead-letter topic, or --group, that of the trigger")
    letters = topic or f"{group}{DEAD_LETTERS}"
    owner = group or (letters.removesuffix(DEAD_LETTERS) if letters.endswith(DEAD_LETTERS) else "")
    return Target(brokers.split(","), {}, letters, f"{owner}{REDRIVE}" if owner else "")


def _ask_consumers(place: Any, request: Request) -> Answer:
    """Any of them will do: it lends its way to the brokers."""
    line = msgspec.json.encode(request) + b"\n"
    problem: ReachError | None = None
    for consumer in consumers(place):
        try:
            output = consumer.run([MODULE, "--config", consumer.config], line)
            return msgspec.json.decode(output, type=Answer)
        except ReachError as error:
            problem = error
            click.echo(f"{consumer.name}: {error.message}", err=True)
        except msgspec.DecodeError as error:
            raise ReachError(f"{consumer.name} does not answer as one of this version: {error}") from None
    raise problem or ReachError("no consumer answered")


def _checked(found: Answer) -> Answer:
    if found.error:
        raise click.ClickException(found.error)
    return found


def _counts(counts: Redriven, planned: bool) -> list[str]:
    """What was or would be done, a line for each thing to know."""
    moved = f"{counted(counts.letters, 'dead letter')} of {counted(counts.keys, 'key')} to redrive"
    done = f"request {counts.request}: redrove {counts.moved} of {counted(counts.letters, 'dead letter')}"
    facts = (
        (counts.reordered_keys, "{} of these keys have newer messages in the source, which may have run already"),
        (counts.already, "{} left out: redriven before (--again takes them too)"),
        (
            counts.unavailable,
            "{} cannot be redriven: retention removed them, or the message of one that has no value itself",
        ),
        (counts.refused, "{} are too large for the redrive topic: raise its max.message.bytes and redrive again"),
        (counts.foreign, "{} records of the topic are no dead letters of a trigger: left alone"),
        (counts.more, "there are more: redrive again"),
    )
    return [moved if planned else done, *(text.format(count) for count, text in facts if count), *counts.notes]


def _row(found: Letter) -> tuple[str, ...]:
    return (
        found.id,
        found.source_id,
        when(found.timestamp),
        printable(found.key, WIDEST_KEY),
        found.reason,
        found.error_class,
        str(found.attempts),
        ",".join(found.redriven) or "-",
    )


def _builtins(found: Letter) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(found, builtin_types=(bytes,))
    return {"id": found.id, "messageId": found.source_id, **fields}


def _whole_builtins(whole: WholeLetter) -> dict[str, Any]:
    headers = [{"name": name, "value": value} for name, value in whole.headers]
    return {**_builtins(whole.letter), "key": whole.key, "headers": headers, "value": whole.value}


def _whole_text(whole: WholeLetter) -> str:
    found = whole.letter
    facts = (
        ("dead letter", found.id),
        ("message", found.source_id),
        ("time", when(found.timestamp)),
        ("error", f"{found.reason} {found.error_class}, {counted(found.attempts, 'attempt')}"),
        ("", printable(found.message.encode())),
        ("redriven", ", ".join(found.redriven) or "no"),
        ("key", printable(whole.key)),
    )
    headers = [f"  {name}: {printable(value)}" for name, value in whole.headers]
    return "\n".join([*(f"{name:<12} {text}" for name, text in facts), "headers", *headers, _value_text(whole)])


def _value_text(whole: WholeLetter) -> str:
    if whole.letter.omitted is not None:
        return f"value        left out: its {whole.letter.omitted} bytes were too many for the topic"
    if whole.value is None:
        return "value        <none>"
    rest = f", the first {len(whole.value)}; --raw gives all" if len(whole.value) < whole.value_size else ""
    return f"value        {whole.value_size} bytes{rest}\n{printable(whole.value)}"
