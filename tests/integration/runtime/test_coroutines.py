"""`async def` functions: many messages at once, in order within a key."""

import time
from collections import defaultdict

import pytest

from kafkatrigger.api.frames import Failed, NotRun, Output, Outputs, Results
from tests.integration.runtime.client import Control, Runtime, batch_of
from tests.support.waiting import until

FINE = {"return": "fine"}
BAD = {"raise": "no"}
AWAIT = {"await": "go"}


def test_each_kind_of_outcome(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous")
    good, nothing, tombstone, several, unserialisable, failing, invalid, exiting = data.run_side_by_side(
        {"return": [1, "ä"]}, "none", "tombstone", "several", "set", BAD, b"{no json", "sys.exit"
    )
    assert (good, nothing, tombstone) == ('[1,"ä"]'.encode(), None, Outputs([Output(None)]))
    assert isinstance(several, Outputs)
    assert len(several.outputs) == 2
    failures = [each for each in (unserialisable, failing, invalid, exiting) if isinstance(each, Failed)]
    assert [each.reason for each in failures] == [
        *("InvalidResult", "FunctionFailed", "InvalidMessage", "FunctionFailed")
    ]
    assert failures[1].message.startswith("no (")


def test_several_responses_from_an_async_generator(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous_several")
    good, failed = data.run_side_by_side("good", "raise")
    assert good == Outputs([Output(b'"good"'), Output(None, b"other", source_key=False)])
    assert isinstance(failed, Failed)
    assert failed.message.startswith("halfway")


def test_messages_of_other_keys_finish_first_and_are_told(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous")
    data.send(batch_of(AWAIT, FINE, FINE, keys=[b"a", b"b", None]))
    assert [name for name, _ in data.outcomes_as_they_come(2)] == [(1, 1), (1, 2)]
    assert data.run_side_by_side(FINE, batch=2) == [b'"fine"']
    (runtime.modules / "go").touch()
    assert data.outcomes_as_they_come(1) == [((1, 0), b'"go"')]


@pytest.mark.parametrize("ordering", ["Key", "Partition"])
def test_a_lane_runs_one_after_another_in_order(runtime: Runtime, ordering: str) -> None:
    _, data = runtime.start_session("asynchronous", ordering=ordering)
    keys: list[bytes | None] = [b"%d" % (offset % 7) for offset in range(200)]
    for batch in (1, 2):
        data.send(batch_of(*[{"order": offset} for offset in range(200)], keys=keys, batch=batch))
    data.outcomes_as_they_come(400)
    by_lane = defaultdict(list)
    for line in runtime.modules.joinpath("order").read_text().splitlines():
        key, offset = line.split()
        by_lane[key if ordering == "Key" else ""].append(int(offset))
    for offsets in by_lane.values():
        assert offsets == sorted(offsets[: len(offsets) // 2]) * 2


def test_by_partition_one_runs_at_a_time(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous", ordering="Partition")
    data.send(batch_of(FINE, AWAIT, FINE, keys=[b"a", b"b", None]))
    assert data.expect(Results).indexes == [0]
    (runtime.modules / "go").touch()
    assert [name for name, _ in data.outcomes_as_they_come(2)] == [(1, 1), (1, 2)]


def test_unordered_a_key_runs_side_by_side(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous", ordering="Unordered")
    data.send(batch_of(AWAIT, FINE, keys=[b"a", b"a"]))
    assert data.expect(Results).indexes == [1]
    (runtime.modules / "go").touch()
    assert data.expect(Results).indexes == [0]


def test_more_keys_than_slots(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous")
    outcomes = data.run_side_by_side(*[{"sleep": 0.01}] * 3000, keys=[b"%d" % key for key in range(3000)])
    assert outcomes == [b'"slept"'] * 3000


def test_a_failure_holds_its_key_until_it_is_released(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous")
    outcomes = data.run_side_by_side(BAD, FINE, FINE, keys=[b"a", b"a", b"b"])
    assert [type(outcome) for outcome in outcomes] == [Failed, NotRun, bytes]
    assert data.run_side_by_side(FINE, batch=2, keys=[b"a"]) == [NotRun()]
    data.send(batch_of(batch=3, released=[b"a"]))
    assert data.run_side_by_side(FINE, batch=4, keys=[b"a"]) == [b'"fine"']


def test_under_load_many_outcomes_share_a_frame(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous")
    data.send(batch_of(*[FINE] * 1000))
    answered = frames = 0
    while answered < 1000:
        answered += len(data.expect(Results).outcomes)
        frames += 1
    assert frames < 200


@pytest.mark.parametrize("action", ["cancel itself", "cancel its task"])
def test_a_cancellation_of_its_own_is_a_failure(runtime: Runtime, action: str) -> None:
    _, data = runtime.start_session("asynchronous")
    failed, after = data.run_side_by_side(action, "inner timeout")
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.permanent) == ("FunctionFailed", False)
    assert failed.error_class.endswith("CancelledError")
    assert after == b'"timed out inside"'


@pytest.mark.parametrize("slow", [{"sleep": 1000}, "end late"])
def test_a_message_that_overruns_is_cancelled_alone(runtime: Runtime, slow: object) -> None:
    control, data = runtime.start_session("asynchronous", timeout=0.5)
    (pid,) = data.run_side_by_side("pid")
    values = [slow, FINE, AWAIT, {"sleep": 1000}]
    data.send(batch_of(*values, keys=[b"a", b"a", b"b", b"c"], batch=2))
    outcomes = dict(data.outcomes_as_they_come(4))
    for index in (0, 2, 3):
        failed = outcomes[2, index]
        assert isinstance(failed, Failed)
        assert (failed.reason, failed.permanent) == ("Timeout", False)
        assert failed.message == "the function ran for longer than the 0.5 s that spec.delivery.timeout allows"
    assert outcomes[2, 1] == NotRun()
    assert data.run_side_by_side("pid", batch=3) == [pid]
    assert data.run_side_by_side("inner timeout", batch=4) == [b'"timed out inside"']
    assert control.states[0].state == "ready"


def serves_again(runtime: Runtime, control: Control) -> bool:
    control.await_state(0, "ready")
    return runtime.data(control.session).run_side_by_side(FINE) == [b'"fine"']


def test_one_that_does_not_let_itself_be_cancelled_costs_the_worker_and_is_named(runtime: Runtime) -> None:
    control, data = runtime.start_session("asynchronous", timeout=0.5)
    data.send(batch_of("swallow", keys=[b"a"], batch=5))
    until(runtime.modules.joinpath("swallowed").exists, what="the cancellation")
    data.send(batch_of(*[{"sleep": 0.3}] * 10, keys=[b"b"] * 10, batch=6))
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("Timeout", [(5, 0)])
    assert "did not let itself be cancelled" in exited.message
    assert serves_again(runtime, control)


def test_one_that_blocks_the_event_loop_is_named_alone(runtime: Runtime) -> None:
    control, data = runtime.start_session("asynchronous", timeout=1)
    data.send(batch_of(AWAIT, AWAIT, keys=[b"a", b"b"], batch=5))
    until(runtime.modules.joinpath("go-awaited").exists, what="those that merely wait")
    data.send(batch_of("block", keys=[b"c"], batch=6))
    exited = control.await_exit()
    assert (exited.reason, exited.suspects) == ("Timeout", [(6, 0)])
    assert serves_again(runtime, control)


def test_a_crash_suspects_all_that_had_started(runtime: Runtime) -> None:
    control, data = runtime.start_session("asynchronous")
    data.send(batch_of(FINE, AWAIT, AWAIT, FINE, keys=[b"a", b"b", b"c", b"c"], batch=11))
    assert data.expect(Results).indexes == [0]
    until(runtime.modules.joinpath("go-awaited").exists, what="those that wait")
    data.send(batch_of("exit", batch=12))
    exited = control.await_exit()
    assert exited.reason == "WorkerCrashed"
    assert sorted(exited.suspects) == [(11, 1), (11, 2), (12, 0)]
    assert serves_again(runtime, control)


def test_a_consumer_that_goes_away_ends_what_runs_for_it(runtime: Runtime) -> None:
    control, data = runtime.start_session("asynchronous")
    (pid,) = data.run_side_by_side("pid")
    data.send(batch_of(*[{"sleep": 1000}] * 2000, batch=2))
    data.close()
    again = runtime.data(control.session)
    assert again.run_side_by_side("pid") == [pid]


def test_while_the_consumer_does_not_read_little_starts_and_no_clock_runs(runtime: Runtime) -> None:
    control, data = runtime.start_session("asynchronous", timeout=0.5)
    for batch in range(1, 21):
        data.send(batch_of(*["large counted"] * 10, batch=batch))
    time.sleep(1)  # nobody reads the results for longer than the timeout
    assert (runtime.modules / "counted").stat().st_size < 100
    outcomes = data.outcomes_as_they_come(200)
    assert {type(outcome) for _, outcome in outcomes} == {bytes}
    assert control.states[0].state == "ready"


def test_messages_that_never_wait_do_not_keep_results_back(runtime: Runtime) -> None:
    _, data = runtime.start_session("asynchronous")
    data.send(batch_of(*["spin until answered"] * 1000))
    assert data.expect(Results).outcomes
    (runtime.modules / "answered").touch()
    until(lambda: data.expect(Results).outcomes[-1] == b'"answered"', what="the end")
