"""Functions that take several messages in a call."""

import orjson
import pytest

from kafkatrigger.api.frames import Failed, NotRun, Output, Outputs, Results
from tests.integration.runtime.client import Runtime, batch_of

FINE = {"return": "fine"}
BAD = {"raise": "no"}


def test_a_call_has_as_many_as_its_size_and_one_of_each_key(runtime: Runtime) -> None:
    _, data = runtime.start_session("of_keys")
    keys = [b"a", b"a", b"b", b"c", b"a", None, None]
    outcomes = data.run_side_by_side(*[None] * 7, keys=keys)
    assert [orjson.loads(outcome) for outcome in outcomes] == [  # type: ignore[arg-type]
        [0, 2, 3, 5],
        [1],
        [0, 2, 3, 5],
        [0, 2, 3, 5],
        [4],
        [0, 2, 3, 5],
        [6],
    ]


def test_with_same_key_a_call_has_messages_as_they_come(runtime: Runtime) -> None:
    _, data = runtime.start_session("of_any")
    outcomes = data.run_side_by_side(*[None] * 6, keys=[b"a", b"a", b"b", b"a", b"a", b"a"])
    assert [orjson.loads(outcome) for outcome in outcomes] == [[0, 1, 2, 3]] * 4 + [[4, 5]] * 2  # type: ignore[arg-type]


def test_each_element_is_an_outcome_of_its_own(runtime: Runtime) -> None:
    _, data = runtime.start_session("of_keys")
    good, nothing, tombstone, several = data.run_side_by_side(FINE, "none", "tombstone", {"generate": 0})
    assert (good, nothing, tombstone) == (b'"fine"', None, Outputs([Output(None)]))
    assert several == Outputs([Output(b"%d" % offset) for offset in range(4)])
    retriable, permanent, unserialisable, invalid = data.run_side_by_side(
        {"fail": "not now"}, {"fail permanently": "sensor"}, "set", b"{no json", batch=2
    )
    assert isinstance(retriable, Failed)
    assert (retriable.reason, retriable.permanent, retriable.message) == ("FunctionFailed", False, "not now")
    assert isinstance(permanent, Failed)
    assert (permanent.error_class, permanent.permanent) == ("KeyError", True)
    assert isinstance(unserialisable, Failed)
    assert unserialisable.reason == "InvalidResult"
    assert isinstance(invalid, Failed)
    assert invalid.reason == "InvalidMessage"


def test_when_a_call_raises_only_the_guilty_message_fails(runtime: Runtime) -> None:
    _, data = runtime.start_session("of_keys")
    outcomes = data.run_side_by_side(None, BAD, None, "sys.exit")
    assert (outcomes[0], outcomes[2]) == (b"[0]", b"[2]")
    assert [type(outcome) for outcome in outcomes] == [bytes, Failed, bytes, Failed]


def test_messages_that_run_again_are_as_they_came(runtime: Runtime) -> None:
    _, data = runtime.start_session("of_keys")
    first, second = data.run_side_by_side(FINE, "mutate")
    assert first == b'"fine"'
    assert isinstance(second, Failed)


@pytest.mark.parametrize("function", ["of_keys", "of_any"])
def test_a_wrong_number_of_results_fails_all_for_good(runtime: Runtime, function: str) -> None:
    _, data = runtime.start_session(function)
    for outcome in data.run_side_by_side(FINE, "short", FINE):
        assert isinstance(outcome, Failed)
        assert (outcome.reason, outcome.permanent) == ("InvalidResult", True)
        assert outcome.message.startswith("the batch function returned 0 results for 3 messages: ")


@pytest.mark.parametrize("function", ["of_keys", "of_any"])
@pytest.mark.parametrize("culprit", [BAD, {"fail": "no"}])
def test_a_failure_holds_its_key(runtime: Runtime, function: str, culprit: object) -> None:
    _, data = runtime.start_session(function)
    outcomes = data.run_side_by_side(culprit, FINE, FINE, keys=[b"a", b"a", b"b"])
    assert [type(outcome) for outcome in outcomes] == [Failed, NotRun, bytes]
    assert data.run_side_by_side(FINE, batch=2, keys=[b"a"]) == [NotRun()]
    assert data.run_side_by_side(FINE, batch=3, keys=[b"a"], released=[b"a"]) == [b'"fine"']


def test_results_of_finished_calls_come_while_the_next_still_runs(runtime: Runtime) -> None:
    _, data = runtime.start_session("of_keys")
    data.send(batch_of(FINE, "wait", keys=[b"a", b"a"]))
    assert data.expect(Results).indexes == [0]
    (runtime.modules / "go").touch()
    assert data.expect(Results).indexes == [1]


def test_a_crash_suspects_the_messages_of_the_call(runtime: Runtime) -> None:
    control, data = runtime.start_session("of_keys")
    data.send(batch_of(*[FINE] * 5, "exit", FINE, b"{no json", FINE, batch=11))
    exited = control.await_exit()
    assert exited.reason == "WorkerCrashed"
    assert exited.suspects == [(11, 4), (11, 5), (11, 6)]


def test_the_timeout_is_for_a_call(runtime: Runtime) -> None:
    control, data = runtime.start_session("of_keys", timeout=0.5)
    assert len(data.run_side_by_side(*[{"sleep": 0.2}] * 6, keys=[b"a"] * 6)) == 6
    data.send(batch_of(FINE, "spin", keys=[b"a", b"b"], batch=2))
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("Timeout", [(2, 0), (2, 1)])


def test_a_message_that_runs_again_has_a_timeout_of_its_own(runtime: Runtime) -> None:
    _, data = runtime.start_session("of_keys", timeout=0.8)
    slept, failed = data.run_side_by_side({"sleep": 0.5}, BAD)
    assert slept == b"0.5"
    assert isinstance(failed, Failed)
