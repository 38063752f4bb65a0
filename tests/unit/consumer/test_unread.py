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


def test_what_was_terminal_stays_terminal_behind_a_lane_that_begins_to_wait_below() -> None:
    """Of the key two messages were open, 10 and 50, and those between them terminal."""
    restored = Position(10, 100, [(10, 11), (50, 51)])
    waits = Parked(KEY, 10, 60, 1, RETRYING)
    at = position(60, [], [waits], restored, {10: KEY, 50: KEY})
    assert [offset for offset in range(10, 101) if at.is_open(offset, KEY)] == [10, 50, 100]
    assert at.parked == [Parked(KEY, 10, 60, 1, RETRYING, 60)]
    later = position(120, [], [Parked(KEY, 10, 120, 1, RETRYING)], restored, {10: KEY, 50: KEY})
    assert [offset for offset in range(10, 121) if later.is_open(offset, KEY)] == [10, 50, *range(100, 121)]
    assert not later.is_open(110, OTHER)


def test_after_one_more_restart_it_stays_so() -> None:
    first = Position(10, 100, [(50, 51)], [Parked(KEY, 10, 100, 1, BLOCKED, 90)])
    at = position(120, [], [Parked(KEY, 10, 120, 1, BLOCKED)], first, {50: KEY})
    assert at == Position(10, 120, [(50, 51)], [Parked(KEY, 10, 120, 1, BLOCKED, 90)])
    over = position(60, [], [], first, {50: KEY})
    assert over == Position(90, 100, [], [Parked(KEY, 90, 100, 0, RETRYING)])


def test_an_earlier_message_does_not_hide_the_one_that_used_up_attempts() -> None:
    """Of a lane that a commit told of, a message in an open range waits before it."""
    restored = Position(8, 100, [(8, 9)], [Parked(KEY, 10, 100, 2, RETRYING)])
    at = position(9, [], [Parked(KEY, 10, 100, 2, RETRYING, 8)], restored, {8: KEY})
    assert at == Position(8, 100, [(8, 9)], [Parked(KEY, 10, 100, 2, RETRYING)])


def test_what_was_read_is_not_open_because_it_once_was() -> None:
    assert position(100, [], [], RESTORED) == Position(100, 100)
