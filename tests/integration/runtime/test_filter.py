"""`source.filter` decides which messages reach the function."""

from typing import Any

import pytest

from kafkatrigger.api.frames import Failed, NotRun
from tests.integration.runtime.client import Runtime, batch_of

HOT, COLD = {"return": 81}, {"return": 79}


@pytest.mark.parametrize("function", ["obedient", "of_keys", "asynchronous"])
def test_messages_for_which_it_is_false_have_no_outcome(runtime: Runtime, function: str) -> None:
    _, data = runtime.start_session(function, filter="value['return'] > 80")
    run = data.run if function == "obedient" else data.run_side_by_side
    assert run(HOT, COLD) == [b"81", None]


@pytest.mark.parametrize("function", ["obedient", "of_keys", "asynchronous"])
def test_one_that_cannot_be_evaluated_fails_the_message_and_holds_its_key(runtime: Runtime, function: str) -> None:
    _, data = runtime.start_session(function, filter="value['return'] > 80")
    run = data.run if function == "obedient" else data.run_side_by_side
    failed, later = run({"raise": "never run"}, HOT, keys=[b"a", b"a"])
    assert isinstance(failed, Failed)
    assert (failed.reason, failed.permanent) == ("FilterFailed", True)
    assert failed.message.startswith("the filter ")
    assert later == NotRun()


def test_all_of_a_message_can_be_asked(runtime: Runtime) -> None:
    expression = (
        "value.a == 1 && key == 'k' && headers['kind'] == 'reading' && topic == 'readings' && partition == 3 && "
        "offset == 0 && timestamp > timestamp('2026-05-28T00:00:00Z')"
    )
    _, data = runtime.start_session("good", filter=expression)

    def passes(value: Any, batch: int) -> bool:
        data.send(batch_of(value, keys=[b"k"], headers=[("kind", b"other"), ("kind", b"reading")], batch=batch))
        return data.outcomes(1, batch) != [None]

    assert passes({"a": 1}, 1)
    assert not passes({"a": 2}, 2)
