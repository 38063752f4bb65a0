"""When a failed message runs again. Pure."""

from kafkatrigger.api.consumer_config import RetryPolicy


def delay(policy: RetryPolicy, attempt: int, random: float) -> float:
    """Seconds to wait after the attempt of this number (from 1) failed; `random` lies in [0, 1) and spreads the wait."""
    exponent = min(attempt - 1, 1000)
    try:
        wait = policy.initial_delay * policy.factor**exponent
    except OverflowError:
        wait = policy.max_delay
    return min(wait, policy.max_delay) * (1 + policy.jitter * (random - 0.5))


def exhausted(policy: RetryPolicy, attempt: int) -> bool:
    """Whether the attempt of this number was the last."""
    return attempt >= policy.attempts
