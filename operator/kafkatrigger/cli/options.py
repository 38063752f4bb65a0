"""Options that several commands share, and what they mean."""

import time
from collections.abc import Callable
from typing import Any

import click

from kafkatrigger.api.quantities import seconds
from kafkatrigger.api.selection import Selection, parse_id
from kafkatrigger.api.start_policy import epoch_milliseconds
from kafkatrigger.cli.reach import Place

PARTIAL = 3
"""Exit code where something was left undone that was asked for: a consumer that did not answer, a dead letter that could
not be moved."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class Moment(click.ParamType[int]):
    """A time, as milliseconds since the epoch: RFC 3339 with its zone, or how long ago."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds; usage error for what is no time."""
        if isinstance(value, int):
            return value
        try:
            return moment(value, time.time())
        except ValueError:
            self.fail(f"{value!r} is no time: write for instance 2h, 90m or 2026-03-01T02:30:00Z", param, ctx)


def moment(text: str, now: float) -> int:
    """Milliseconds since the epoch of a time, or of a duration before `now` (seconds); ValueError. Pure."""
    try:
        return round((now - seconds(text)) * 1000)
    except ValueError:
        return epoch_milliseconds(text)


class MessageId(click.ParamType[str]):
    """TOPIC-PARTITION-OFFSET."""

    name = "TOPIC-PARTITION-OFFSET"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The id; usage error for what is none."""
        try:
            parse_id(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


def _all(*decorators: Decorator) -> Decorator:
    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for decorator in reversed(decorators):
            command = decorator(command)
        return command

    return decorate


place_options: Decorator = _all(
    click.option("-n", "--namespace", help="Namespace of the trigger; the default is that of the context."),
    click.option("--context", help="Context of the kubeconfig."),
    click.option("--kubeconfig", help="Path of the kubeconfig."),
    click.option("--local", is_flag=True, help="A trigger that `kafkatrigger run` runs on this machine."),
)

selection_options: Decorator = _all(
    click.option("--since", type=Moment(), help="Messages of this time or later, such as 2h or 2026-03-01T02:30:00Z."),
    click.option("--until", type=Moment(), help="Messages from before this time."),
    click.option("--key", help="Messages with this key."),
    click.option("--error", default="", help="Part of the error's class or reason, such as Timeout."),
    click.option("--message", "messages", multiple=True, type=MessageId(), help="This message; may be repeated."),
)

action_options: Decorator = _all(
    click.option("--dry-run", is_flag=True, help="Only count."),
    click.option("-y", "--yes", is_flag=True, help="Do not ask before acting."),
)

output_option: Decorator = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Form of the output.",
)


def take_place(name: str, given: dict[str, Any]) -> Place:
    """Where the trigger is; takes its options out of `given`."""
    return Place(name, given.pop("namespace"), given.pop("context"), given.pop("kubeconfig"), given.pop("local"))


def take_selection(given: dict[str, Any]) -> Selection:
    """What is meant; takes its options out of `given`."""
    key = given.pop("key")
    return Selection(
        since=given.pop("since"),
        until=given.pop("until"),
        key=key.encode() if key is not None else None,
        error=given.pop("error"),
        messages=given.pop("messages"),
    )
