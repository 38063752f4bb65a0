"""When dispatch stops because too much fails, and when it goes on."""

import pytest

from kafkatrigger.api.consumer_config import BreakerPolicy
from kafkatrigger.consumer.breaker import FIRST_BACKOFF, LONGEST_BACKOFF, Breaker

POLICY = BreakerPolicy(window=30.0, minimum_messages=100, minimum_keys=10, failure_ratio=0.5)


def fail(breaker: Breaker, count: int, keys: int, now: float = 0.0) -> None:
    for number in range(count):
        breaker.failed(number % keys, now)


def opened() -> Breaker:
    breaker = Breaker(POLICY)
    fail(breaker, 100, 10)
    assert breaker.open
    return breaker


def test_more_than_half_of_enough_messages_over_enough_keys() -> None:
    breaker = Breaker(POLICY)
    breaker.succeeded(50, 0.0)
    fail(breaker, 50, 10)
    assert not breaker.open
    fail(breaker, 1, 10)
    assert breaker.open


@pytest.mark.parametrize(("count", "keys"), [(99, 10), (500, 9)])
def test_few_messages_or_few_keys_are_no_breakdown(count: int, keys: int) -> None:
    breaker = Breaker(POLICY)
    fail(breaker, count, keys)
    assert not breaker.open


def test_what_is_long_ago_does_not_count() -> None:
    breaker = Breaker(POLICY)
    fail(breaker, 99, 10, now=0.0)
    breaker.failed(1, 31.0)
    assert not breaker.open


def test_it_can_be_switched_off() -> None:
    breaker = Breaker(None)
    fail(breaker, 1000, 100)
    breaker.succeeded(1, 0.0)
    assert (breaker.open, breaker.allowance(0.0, 0)) == (False, None)


def test_one_message_at_a_time_probes_with_growing_waits() -> None:
    breaker = opened()
    now, wait = 0.0, FIRST_BACKOFF
    for _ in range(10):
        assert breaker.allowance(now + wait - 0.01, 0) == 0
        now += wait
        assert breaker.allowance(now, 3) == 0, "what is under way is waited for"
        assert breaker.allowance(now, 0) == 1
        breaker.probe_sent()
        breaker.attempt_failed(now)
        wait = min(2 * wait, LONGEST_BACKOFF)
    assert wait == LONGEST_BACKOFF


def test_only_a_probe_that_succeeds_ends_it() -> None:
    breaker = opened()
    breaker.succeeded(10, 0.5)
    assert breaker.open, "what was under way before says nothing"
    assert breaker.allowance(FIRST_BACKOFF, 0) == 1
    breaker.probe_sent()
    breaker.succeeded(1, 1.1)
    assert (breaker.open, breaker.allowance(1.1, 0)) == (False, None)
    fail(breaker, 98, 10, now=1.2)
    assert not breaker.open, "counting began anew"
