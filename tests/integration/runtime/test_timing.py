"""When messages ran, of those that the consumer asks about."""

import time

import pytest

from kafkatrigger.api.frames import Batch, Failed, NotRun, Outcome, Results, Run
from tests.integration.runtime.client import Data, Runtime, batch_of


def answers(data: Data, batch: Batch) -> tuple[dict[int, Outcome], dict[int, Run]]:
    """Outcomes and runs by the index of their message; a run is never told behind the outcome of its message."""
    outcomes: dict[int, Outcome] = {}
    runs: dict[int, Run] = {}
    data.send(batch)
    while len(outcomes) < len(batch.records):
        results = data.expect(Results)
        indexes = results.indexes or range(results.first, results.first + len(results.outcomes))
        runs |= {run[0]: run for run in results.runs}
        outcomes |= dict(zip(indexes, results.outcomes, strict=True))
        assert batch.timed & outcomes.keys() <= runs.keys()
    return outcomes, runs


@pytest.mark.parametrize("function", ["obedient", "asynchronous", "in_one_call"])
def test_only_those_asked_about_are_timed_and_all_are_answered(runtime: Runtime, function: str) -> None:
    _, data = runtime.start_session(function)
    batch = batch_of(*[{"return": index} for index in range(20)])
    batch.timed = {0, 7, 8, 19}
    outcomes, runs = answers(data, batch)
    assert sorted(outcomes) == list(range(20))
    assert set(runs) == batch.timed
    batch.timed, batch.id = set(), 2
    assert answers(data, batch) == (outcomes, {})


@pytest.mark.parametrize("function", ["obedient", "asynchronous"])
def test_a_run_takes_as_long_as_its_message(runtime: Runtime, function: str) -> None:
    _, data = runtime.start_session(function)
    batch = batch_of({"sleep": 0.3}, {"sleep": 0.05}, {"return": "fine"}, keys=[b"k"] * 3)
    batch.timed = {1}
    before = time.time_ns()
    _, runs = answers(data, batch)
    _, began, ended = runs[1]
    assert 0.04e9 < ended - began < 0.25e9
    assert before + 0.29e9 < began < ended < time.time_ns()


def test_a_timed_message_that_fails_holds_its_key_as_any_other(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    batch = batch_of({"raise": "no"}, "pid", "pid", keys=[b"a", b"a", b"b"])
    batch.timed = {0, 1, 2}
    outcomes, _ = answers(data, batch)
    assert isinstance(outcomes[0], Failed)
    assert isinstance(outcomes[1], NotRun)
    assert isinstance(outcomes[2], bytes)
