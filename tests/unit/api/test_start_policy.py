"""Where a partition starts, and how that travels."""

import pytest

from kafkatrigger.api.start_policy import (
    LONGEST_VARIABLE,
    TIMESTAMPS_VARIABLE,
    StartPolicy,
    epoch_milliseconds,
    from_environment,
    mounted_timestamps,
    to_environment,
)

LONG = {f"topic-{topic}": {str(number): 1715764260123 for number in range(500)} for topic in range(10)}


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("1715764260123", 1715764260123), ("1970-01-01T00:00:01Z", 1000), ("1970-01-01T01:00:00.5+01:00", 500)],
)
def test_times(text: str, value: int) -> None:
    assert epoch_milliseconds(text) == value


@pytest.mark.parametrize(
    "text", ["soon", "2024-13-01T00:00:00Z", "2024-01-01T00:00:00", "1969-12-31T23:59:59Z", "-5", "²"]
)
def test_no_times(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a start|lies before 1970"):
        epoch_milliseconds(text)


@pytest.mark.parametrize(
    "policy", [StartPolicy(), StartPolicy("latest", {"t": {"0": 5}}), StartPolicy("1715764260123", LONG)]
)
def test_it_survives_the_environment(policy: StartPolicy) -> None:
    environment = to_environment(policy)
    assert all(len(value) <= LONGEST_VARIABLE for value in environment.values())
    assert from_environment(environment, mounted_timestamps(policy)) == policy


def test_long_timestamps_are_mounted_and_short_ones_are_not() -> None:
    assert mounted_timestamps(StartPolicy(timestamps=LONG)) == LONG
    assert to_environment(StartPolicy(timestamps=LONG))[TIMESTAMPS_VARIABLE].startswith("sha256:")
    assert mounted_timestamps(StartPolicy(timestamps={"t": {"0": 5}})) == {}


def test_a_partition_without_a_time_takes_the_earliest_of_its_topic() -> None:
    policy = StartPolicy("latest", {"t": {"0": 50, "1": 40}})
    assert [policy.timestamp_for("t", number) for number in (0, 1, 2)] == [50, 40, 40]
    assert policy.timestamp_for("u", 0) is None
    assert StartPolicy("7").timestamp_for("u", 0) == 7
