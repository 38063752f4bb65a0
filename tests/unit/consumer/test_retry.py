"""When a failed message runs again."""

from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.consumer_config import RetryPolicy
from kafkatrigger.consumer.retry import delay, exhausted

policies = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 100),
    initial_delay=st.floats(0, 3600),
    factor=st.floats(1, 100),
    max_delay=st.floats(0, 86_400),
    jitter=st.floats(0, 1),
)
fractions = st.floats(0, 1, exclude_max=True)


@given(policies, st.integers(1, 10**6), fractions)
def test_a_delay_is_bounded_by_its_policy(policy: RetryPolicy, attempt: int, random: float) -> None:
    assert 0 <= delay(policy, attempt, random) <= policy.max_delay * (1 + policy.jitter / 2)


@given(policies, st.integers(1, 1000), fractions)
def test_delays_never_shrink(policy: RetryPolicy, attempt: int, random: float) -> None:
    assert delay(policy, attempt, random) <= delay(policy, attempt + 1, random)


def test_delays_double_up_to_the_longest_and_jitter_spreads_them_evenly() -> None:
    policy = RetryPolicy(attempts=5, initial_delay=0.2, factor=2, max_delay=1, jitter=0.2)
    assert [delay(policy, attempt, 0.5) for attempt in (1, 2, 3, 4, 5)] == [0.2, 0.4, 0.8, 1, 1]
    assert delay(policy, 1, 0) == 0.2 * 0.9


def test_attempts_are_counted_from_one() -> None:
    policy = RetryPolicy(attempts=3, initial_delay=1, factor=2, max_delay=1, jitter=0)
    assert [exhausted(policy, attempt) for attempt in (1, 2, 3, 4)] == [False, False, True, True]
