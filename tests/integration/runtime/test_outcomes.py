"""What becomes of messages that run to an end."""

from collections.abc import Callable

import orjson
import pytest

from kafkatrigger.api.frames import Failed, NotRun, Output, Outputs, Results
from tests.integration.runtime.client import Runtime, batch_of

BAD = {"raise": "no"}
FINE = {"return": "fine"}


def test_a_function_sees_all_of_a_message(runtime: Runtime) -> None:
    _, data = runtime.start_session()
    (outcome,) = data.run({"a": 1}, keys=["ä".encode()])
    assert isinstance(outcome, bytes)
    assert orjson.loads(outcome) == {
        "value": {"a": 1},
        "key": "ä",
        "id": "readings-3-0",
        "headers": 0,
        "timestamp": 1_780_000_000_000,
        "attempt": 1,
    }


def test_each_kind_of_outcome(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    good, nothing, tombstone, several, unserialisable, failing, invalid, exiting = data.run(
        {"return": [1, "ä"]}, "none", "tombstone", "several", "set", BAD, b"{no json", "sys.exit"
    )
    assert good == '[1,"ä"]'.encode()
    assert nothing is None
    assert tombstone == Outputs([Output(None)])
    other = Output(None, b"other", source_key=False, headers=[("h", b"1")], partition=2)
    assert several == Outputs([Output(b'"several"'), other])
    assert isinstance(unserialisable, Failed)
    assert (unserialisable.reason, unserialisable.permanent) == ("InvalidResult", True)
    assert unserialisable.message.startswith("the function returned a set, which JSON cannot express: return ")
    assert isinstance(failing, Failed)
    assert (failing.reason, failing.error_class, failing.permanent) == ("FunctionFailed", "ValueError", False)
    assert failing.message.startswith("no (")
    assert "functions.py:" in failing.message
    assert isinstance(invalid, Failed)
    assert (invalid.reason, invalid.permanent) == ("InvalidMessage", True)
    assert isinstance(exiting, Failed)
    assert (exiting.reason, exiting.error_class) == ("FunctionFailed", "SystemExit")


@pytest.mark.parametrize(("action", "permanent"), [("permanent", True), ("retriable", False), ("raise", False)])
def test_only_permanent_says_permanent(runtime: Runtime, action: str, permanent: bool) -> None:
    _, data = runtime.start_session("obedient")
    (outcome,) = data.run({action: "no"})
    assert isinstance(outcome, Failed)
    assert outcome.permanent is permanent


def test_tombstones_pass_or_are_skipped(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    (failed,) = data.run(None)  # the function knows no action None, so it has seen the tombstone
    assert isinstance(failed, Failed)
    assert failed.error_class == "KeyError"
    _, data = runtime.start_session("obedient", skip_tombstones=True)
    assert data.run(None) == [None]


def test_a_failure_holds_its_key_until_the_consumer_releases_it(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    first = data.run(FINE, BAD, FINE, FINE, FINE, keys=[b"a", b"a", b"a", b"b", None])
    assert [type(outcome) for outcome in first] == [bytes, Failed, NotRun, bytes, bytes]
    assert data.run(FINE, FINE, batch=2, keys=[b"a", b"b"]) == [NotRun(), b'"fine"']
    assert data.run(FINE, batch=3, keys=[b"a"], released=[b"b", None, b"unknown"]) == [NotRun()]
    assert data.run(FINE, FINE, batch=4, keys=[b"a", b"a"], released=[b"a"]) == [b'"fine"', b'"fine"']
    assert data.run(FINE, batch=5, keys=[b"a"]) == [b'"fine"']


def test_a_release_may_come_without_records_and_is_not_answered(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    data.run(BAD, keys=[b"a"])
    data.send(batch_of(batch=2, released=[b"a"]))
    assert data.run(FINE, batch=3, keys=[b"a"]) == [b'"fine"']


def test_a_failure_in_a_batch_that_releases_its_key_holds_again(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    data.run(BAD, keys=[b"a"])
    outcomes = data.run(BAD, FINE, batch=2, keys=[b"a", b"a"], released=[b"a"])
    assert [type(outcome) for outcome in outcomes] == [Failed, NotRun]


def test_ordering_by_partition_holds_the_partition(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient", ordering="Partition")
    assert data.run(BAD, FINE)[1] == NotRun()
    assert data.run(FINE, batch=2, released=[b"key-0"]) == [NotRun()]
    assert data.run(FINE, batch=3, released=[None]) == [b'"fine"']


def test_without_an_ordering_nothing_is_held(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient", ordering="Unordered")
    assert data.run(BAD, FINE, keys=[b"a", b"a"])[1] == b'"fine"'


def test_a_new_connection_begins_without_held_keys(runtime: Runtime) -> None:
    control, data = runtime.start_session("obedient")
    data.run(BAD, keys=[b"a"])
    data.close()
    assert runtime.data(control.session).run(FINE, keys=[b"a"]) == [b'"fine"']


def test_finished_results_come_while_the_next_message_still_runs(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    data.send(batch_of(FINE, FINE, "wait", batch=7))
    assert data.expect(Results) == Results(7, 0, [b'"fine"', b'"fine"'])
    runtime.modules.joinpath("go").touch()
    assert data.expect(Results) == Results(7, 2, [b'"went on"'])


def test_large_results_come_in_parts(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    data.send(batch_of(*["large"] * 20))
    sizes: list[int] = []
    while sum(sizes) < 20:
        sizes.append(len(data.expect(Results).outcomes))
    assert max(sizes) < 10


def test_a_result_that_no_frame_could_carry_is_refused(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    failed, next_one = data.run("huge", FINE)
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.permanent) == ("InvalidResult", True)
    assert next_one == b'"fine"'


def test_several_workers_run_side_by_side(start_runtime: Callable[..., Runtime]) -> None:
    runtime = start_runtime(workers=2)
    control, first = runtime.start_session("obedient")
    control.await_state(1, "ready")
    assert first.run("pid") != runtime.data(control.session, 1).run("pid")


def test_what_is_in_messages_stays_out_of_the_log(runtime: Runtime) -> None:
    _, data = runtime.start_session("obedient")
    data.run({"raise": "confidential"}, {"permanent": "confidential"}, b"confidential", keys=[b"private"] * 3)
    data.run({"return": "confidential"}, batch=2, keys=[b"b"])
    log = runtime.log.read_text()
    assert "topic=readings partition=3 offset=0 attempt=1 reason=FunctionFailed error=ValueError" in log
    assert "confidential" not in log
    assert "private" not in log
