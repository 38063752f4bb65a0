"""What a commit goes on to say, after a restart, of messages that were not read again yet."""

from kafkatrigger.consumer.offsets import BLOCKED, RETRYING, Parked, Position, position

KEY, OTHER = 7, 8
RESTORED = Position(10, 100, [(50, 52)], [Parked(KEY, 10, 100, 2, RETRYING)])


def test_a_lane_that_is_over_below_keeps_its_messages_above_open() -> None:
    """All up to 60 was read, and of the lane nothing waits there any more."""
    at = position(60, [], [], RESTORED)
    assert at.is_open(70, KEY)
    assert not at.is_open(70, OTHER)
    assert not at.is_open(30, KEY)
    assert at.watermark == 60


def test_a_lane_that_waits_anew_keeps_its_messages_above_open() -> None:
    at = position(60, [], [Parked(KEY, 55, 60, 1, BLOCKED)], RESTORED)
    assert at.is_open(57, KEY)
    assert at.is_open(70, KEY)
    assert not at.is_open(99, OTHER)
    assert at.parked == [Parked(KEY, 55, 100, 1, BLOCKED)]


def test_what_was_read_is_not_open_because_it_once_was() -> None:
    assert position(100, [], [], RESTORED) == Position(100, 100)
