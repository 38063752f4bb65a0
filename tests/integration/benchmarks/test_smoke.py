"""The benchmarks measure: a few messages through the bare loop and through kafkatrigger."""

from typing import cast

import pytest

from benchmarks import rate
from benchmarks.cases import Contestant, Guarantee, Program, find
from benchmarks.contestants import ContestantError, running
from benchmarks.kafka import Kafka
from tests.cluster.broker import HostBroker
from tests.support.waiting import until

MESSAGES = 40_000


@pytest.mark.parametrize(
    ("program", "guarantee", "processes"),
    [
        ("bare loop", "AtLeastOnce", {"process"}),
        ("bare loop", "ExactlyOnce", {"process"}),
        ("kafkatrigger", "AtLeastOnce", {"consumer", "runtime", "worker 0", "worker 1"}),
    ],
)
def test_a_rate_is_measured(broker: HostBroker, program: Program, guarantee: Guarantee, processes: set[str]) -> None:
    case = find("at-least-once" if guarantee == "AtLeastOnce" else "exactly-once")
    run = rate.measure(Kafka(broker), case, Contestant(program, MESSAGES))
    assert {name: run.values[name] for name in ("violations", "duplicates", "losses")} == {
        "violations": 0,
        "duplicates": 0,
        "losses": 0,
    }
    assert run.values["rate"] > 0
    assert set(run.cpu) == processes | {"broker"}
    assert set(run.memory) == processes
    assert 0 < run.values["busiest thread, us"] <= sum(run.cpu.values())
    assert run.cpu["consumer" if program == "kafkatrigger" else "process"] > 0
    assert all(mebibytes > 1 for mebibytes in run.memory.values())


def test_a_contestant_that_ends_is_a_failure_that_says_why(broker: HostBroker) -> None:
    kafka = Kafka(broker)
    source, target = kafka.create(), kafka.create()
    with (
        pytest.raises(ContestantError, match=r"it ended with 1: [^$]*KeyError"),
        running(Contestant("bare loop", 1), cast("Guarantee", "Never"), kafka.bootstrap, source, target) as at_work,
    ):
        until(lambda: at_work.check())
