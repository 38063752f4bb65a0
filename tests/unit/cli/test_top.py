"""What `top` shows of what was seen."""

import signal
from typing import Any

import click
import pytest

from kafkatrigger.api.pod_status import FailedMessage, PartitionStatus, PodStatus
from kafkatrigger.cli import live
from kafkatrigger.cli.fleet import Trigger
from kafkatrigger.cli.live import fitted
from kafkatrigger.cli.rates import UNKNOWN
from kafkatrigger.cli.reach import Consumer, ReachError
from kafkatrigger.cli.top import Row, Screen, document, row, text


def pod(*lags: int | None, **more: Any) -> PodStatus:
    partitions = [PartitionStatus("orders", number, 0, 0, lag, "Committed") for number, lag in enumerate(lags)]
    return PodStatus(
        "plant-7/rul", more.pop("ready", True), more.pop("reason", "Consuming"), "", "g", partitions, **more
    )


def trigger(*pods: str, ready: str = "True", lag: int | None = None, silent: int = 0) -> Trigger:
    asked = [Consumer(name, lambda *_: b"", "", "") for name in pods]
    reason = "Consuming" if ready else ""
    return Trigger("plant-7", "rul", ready, reason, lag, asked, [f"p{number}: no" for number in range(silent)])


def test_a_trigger_is_the_sum_of_its_pods() -> None:
    now = {"a": pod(3, 4, in_flight=2, blocked_keys=1), "b": pod(None, 5, in_flight=3), "other": pod(100)}
    found = row(trigger("a", "b", silent=1), {}, now)
    assert (found.lag, found.in_flight, found.blocked_keys, found.pods, found.answered) == (12, 5, 1, 3, 2)
    assert found.rates == UNKNOWN


def test_without_an_answer_the_operators_word_on_the_lag_is_all_there_is() -> None:
    found = row(trigger("a", lag=77), {}, {})
    assert (found.lag, found.in_flight, found.blocked_keys, found.answered) == (77, None, None, 0)


def test_on_this_machine_the_consumers_say_whether_it_is_ready() -> None:
    now = {"a": pod(1), "b": pod(1, ready=False, reason="BrokersUnreachable")}
    assert row(trigger("a", ready=""), {}, now)[2:4] == ("True", "Consuming")
    assert row(trigger("a", "b", ready=""), {}, now)[2:4] == ("False", "BrokersUnreachable")


def shown(*rows: Row, now: dict[str, PodStatus] | None = None, single: bool = False) -> list[list[str]]:
    return [line.split() for line in text(Screen(list(rows), {}, now or {}, ["p: no"]), single=single).splitlines()]


def test_one_trigger_is_shown_with_its_partitions_and_failures() -> None:
    failed = [FailedMessage("orders", 1, number, "Timeout", "Timeout", 1, False, number * 1000) for number in (1, 2)]
    now = {"plant-7/a": pod(3, 40, last_failures=failed)}
    lines = shown(row(trigger("plant-7/a"), {}, now), now=now, single=True)
    assert ["plant-7/rul", "True", "Consuming", "1/1", "-", "-", "-", "43", "0", "0"] in lines
    places = [line[:2] for line in lines if line and line[0].startswith("orders")]
    assert places == [["orders/1", "a"], ["orders/0", "a"], ["orders-1-2", "Timeout"], ["orders-1-1", "Timeout"]]
    assert lines[-1] == ["p:", "no"]


def test_no_triggers_are_said_to_be_none() -> None:
    assert shown()[0] == ["no", "triggers"]


def test_programs_get_numbers() -> None:
    (found,) = document(Screen([row(trigger("a"), {}, {"a": pod(3)})], {}, {}, []))["triggers"]
    assert (found["lag"], found["donePerSecond"], found["namespace"]) == (3, None, "plant-7")


def test_a_screen_has_room_for_so_much() -> None:
    assert fitted("abc\nabcd", 3, 2) == "abc\nab…"
    assert fitted("a\nb\nc", 60, 2) == "a\nand 2 more lines: enlarge the window"


def test_a_screen_that_cannot_be_drawn_ends_nothing_but_the_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    events: list[str] = ["first", "", "second"]
    before = signal.getsignal(signal.SIGINT)

    def draw() -> str:
        if not events[0]:
            raise ReachError("nobody answers")
        if events[0] == "second":
            signal.raise_signal(signal.SIGINT)
        return events.pop(0)

    def tell(text: str, *, err: bool = False) -> None:
        print(text)
        if err:
            del events[0]

    monkeypatch.setattr(live, "INTERVAL", 0)
    monkeypatch.setattr(click, "echo", tell)
    live.live(draw)
    assert capsys.readouterr().out == "first\nnobody answers\nsecond\n", "Ctrl-C ends no screen in its middle"
    assert signal.getsignal(signal.SIGINT) is before
    events = [""]
    with pytest.raises(ReachError):
        live.live(draw)
