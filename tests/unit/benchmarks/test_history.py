"""What is wrong with responses, told from their order."""

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.history import History


def history(*responses: tuple[str, int]) -> History:
    found = History()
    for key, n in responses:
        found.add(key.encode(), n)
    return found


def told(found: History, sent: int) -> tuple[int, int, int]:
    return found.violations, found.duplicates, found.losses(sent)


def test_all_is_well() -> None:
    assert told(history(("a", 0), ("b", 1), ("a", 2)), 3) == (0, 0, 0)


def test_keys_do_not_wait_for_one_another() -> None:
    assert told(history(("b", 1), ("a", 0)), 2) == (0, 0, 0)


def test_a_later_message_of_a_key_first_is_a_violation() -> None:
    assert told(history(("a", 1), ("a", 0)), 2) == (1, 0, 0)


def test_what_runs_again_after_a_crash_is_duplicate_and_no_violation() -> None:
    assert told(history(("a", 0), ("a", 1), ("a", 0), ("a", 1), ("a", 2)), 3) == (0, 2, 0)


def test_what_has_no_response_is_lost() -> None:
    assert told(history(("a", 0), ("a", 3)), 5) == (0, 0, 3)


def test_what_a_filter_keeps_back_is_not_lost() -> None:
    found = History(expected=lambda n: n % 2 == 0)
    found.add(b"a", 0)
    assert found.losses(4) == 1


@given(st.permutations(range(8)))
def test_violations_are_the_messages_behind_a_later_one(order: list[int]) -> None:
    found = history(*(("a", n) for n in order))
    behind = sum(1 for place, n in enumerate(order) if any(earlier > n for earlier in order[:place]))
    assert told(found, 8) == (behind, 0, 0)
