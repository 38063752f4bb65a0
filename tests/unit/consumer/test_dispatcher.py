"""Which worker gets what, and when a lane may run: the cases that a random walk seldom meets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.frames import Batch, Ordering, Record, Results
from kafkatrigger.consumer.chunk import FRAME_BYTES, Chunk
from kafkatrigger.consumer.dispatcher import FRAME_RECORDS, Dispatcher, OutOfTurnError
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.offsets import Origin, lane_of, start
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import sizes


def record(offset: int, key: bytes | None = b"k", value: bytes = b"v", source: int = 0) -> Record:
    return (source, offset, 0, 1, key, value, None)


def ready(workers: int = 1, ordering: Ordering = "Key", window: int = 10_000, most: int = 10_000) -> Dispatcher:
    dispatcher = Dispatcher(ordering, most, Lanes(1 << 30, 10_000))
    dispatcher.resize(workers)
    for number in range(workers):
        dispatcher.attach(number)
        dispatcher.workers[number].window = window
    return dispatcher


def add(dispatcher: Dispatcher, records: list[Record], partitions: list[Partition] | None = None) -> None:
    dispatcher.add(Chunk(partitions or [PARTITION], records, sizes(records), plain=True))


def sent(dispatcher: Dispatcher, limit: int | None = None) -> list[tuple[int, Batch]]:
    dispatcher.queue_lanes()
    return list(dispatcher.departures(limit))


def offsets(batches: list[tuple[int, Batch]]) -> list[int]:
    return [each[1] for _, batch in batches for each in batch.records]


def partition(number: int = 0) -> Partition:
    return Partition("t", number, 0, Origin("Committed"), start(0))


PARTITION = partition()


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=60), st.integers(1, 5))
def test_a_key_is_always_at_one_worker_and_in_order(keys: list[bytes], workers: int) -> None:
    dispatcher = ready(workers)
    for first in range(0, len(keys), 7):
        chunk = [record(first + index, key) for index, key in enumerate(keys[first : first + 7])]
        add(dispatcher, chunk)
    places: dict[bytes | None, set[int]] = {}
    seen: dict[bytes | None, list[int]] = {}
    for number, batch in sent(dispatcher):
        for each in batch.records:
            places.setdefault(each[4], set()).add(number)
            seen.setdefault(each[4], []).append(each[1])
    assert all(len(numbers) == 1 for numbers in places.values())
    assert all(found == sorted(found) for found in seen.values())
    assert sum(map(len, seen.values())) == len(keys)


def test_a_key_stays_where_it_is_while_workers_come_one_after_the_other() -> None:
    dispatcher = Dispatcher("Key", 100, Lanes(1 << 30, 10_000))
    dispatcher.resize(4)
    dispatcher.attach(0)
    keys = [b"key-%d" % n for n in range(40)]
    add(dispatcher, [record(n, key) for n, key in enumerate(keys)])
    first = {each[4]: number for number, batch in sent(dispatcher) for each in batch.records}
    for number in (1, 2, 3):
        dispatcher.attach(number)
    add(dispatcher, [record(100 + n, key) for n, key in enumerate(keys)])
    for number, batch in sent(dispatcher):
        for each in batch.records:
            assert first.setdefault(each[4], number) == number
    assert len(first) == len(keys)


def test_messages_without_a_key_avoid_a_worker_that_is_away() -> None:
    dispatcher = ready(2)
    dispatcher.detach(0)
    add(dispatcher, [record(0, None)])
    assert [number for number, _ in sent(dispatcher)] == [1]


def test_by_partition_all_goes_to_one_worker() -> None:
    dispatcher = ready(4, "Partition")
    add(dispatcher, [record(n, b"%d" % n) for n in range(50)])
    assert len({number for number, _ in sent(dispatcher)}) == 1


def test_a_frame_is_bounded_and_carries_one_message_however_large() -> None:
    dispatcher = ready()
    add(dispatcher, [record(n) for n in range(FRAME_RECORDS + 1)])
    large = b"x" * (FRAME_BYTES + 1)
    half = b"x" * (FRAME_BYTES // 2 - 10)
    add(dispatcher, [record(n, value=large) for n in (1000, 1001)])
    add(dispatcher, [record(n, value=half) for n in (1002, 1003, 1004)])
    batches = sent(dispatcher)
    assert [len(batch.records) for _, batch in batches] == [FRAME_RECORDS, 1, 1, 1, 2, 1]
    assert offsets(batches) == [*range(FRAME_RECORDS + 1), 1000, 1001, 1002, 1003, 1004]


def test_no_more_is_in_flight_than_may_be() -> None:
    dispatcher = ready(2, most=10)
    add(dispatcher, [record(n, b"%d" % n) for n in range(50)])
    sent(dispatcher)
    assert dispatcher.in_flight == 10
    assert dispatcher.held == 50


def test_a_limit_holds_for_all_workers_together() -> None:
    dispatcher = ready(3)
    add(dispatcher, [record(n, b"%d" % n) for n in range(50)])
    assert len(offsets(sent(dispatcher, limit=1))) == 1
    assert sent(dispatcher, limit=0) == []


def test_an_answer_out_of_turn_changes_nothing() -> None:
    dispatcher = ready()
    add(dispatcher, [record(0), record(1)])
    ((_, batch),) = sent(dispatcher)
    for wrong in (
        Results(batch.id + 1, 0, [b""]),
        Results(batch.id, 2, [b""]),
        Results(batch.id, 0, []),
        Results(batch.id, 0, [b""] * 3),
        Results(batch.id, 0, [b""] * 2, indexes=[0, 0]),
        Results(batch.id, 0, [b""], indexes=[-1]),
    ):
        with pytest.raises(OutOfTurnError):
            dispatcher.answered(0, wrong)
    assert [offset for _, offset in dispatcher.open_offsets()] == [0, 1]
    dispatcher.answered(0, Results(batch.id, 0, [b"", b""]))
    assert list(dispatcher.open_offsets()) == []
    assert (dispatcher.bytes, dispatcher.held) == (0, 0)


def test_answers_come_in_any_order_and_each_once() -> None:
    dispatcher = ready()
    add(dispatcher, [record(n, b"%d" % n) for n in range(5)])
    ((_, batch),) = sent(dispatcher)
    _, records = dispatcher.answered(0, Results(batch.id, 0, [b"", b""], indexes=[3, 1]))
    assert [each[1] for each in records] == [3, 1]
    assert [offset for _, offset in dispatcher.open_offsets()] == [0, 2, 4]
    with pytest.raises(OutOfTurnError):
        dispatcher.answered(0, Results(batch.id, 1, [b""]))
    _, records = dispatcher.answered(0, Results(batch.id, 0, [b""] * 3, indexes=[4, 0, 2]))
    assert [each[1] for each in records] == [4, 0, 2]
    assert (dispatcher.bytes, dispatcher.held, dispatcher.workers[0].flights) == (0, 0, {})


def test_what_is_put_back_goes_before_what_waits() -> None:
    dispatcher = ready(window=2)
    add(dispatcher, [record(n) for n in range(6)])
    assert offsets(sent(dispatcher)) == [0, 1]
    (flight,) = dispatcher.detach(0)
    dispatcher.put_back(0, flight.partitions, [each for _, each in flight.open_records])
    dispatcher.attach(0)
    dispatcher.workers[0].window = 6
    assert offsets(sent(dispatcher)) == list(range(6))


def test_messages_of_a_lane_under_way_are_counted() -> None:
    dispatcher = ready()
    add(dispatcher, [record(n, b"ab"[n % 2 :][:1]) for n in range(6)])
    add(dispatcher, [record(6, b"a")])
    (_, first), (_, second) = sent(dispatcher)
    lane = lane_of("Key", b"a", 0)
    assert dispatcher.under_way(PARTITION, lane) == 4
    dispatcher.answered(0, Results(first.id, 0, [b""] * 3))
    assert dispatcher.under_way(PARTITION, lane) == 2
    dispatcher.answered(0, Results(second.id, 0, [b""]))
    assert dispatcher.under_way(PARTITION, lane) == 1


def test_a_lane_that_goes_on_is_released_at_its_worker() -> None:
    lanes = Lanes(1 << 30, 100)
    dispatcher = Dispatcher("Key", 100, lanes)
    dispatcher.resize(1)
    dispatcher.attach(0)
    of = partition()
    lane = dispatcher.open_lane(of, record(0))
    lane.held_by = dispatcher.workers[0].generation
    lanes.put(lane, record(0))
    lanes.consider(lane)
    lanes.tick(1.0)
    ((_, batch),) = sent(dispatcher)
    assert (offsets([(0, batch)]), batch.released, batch.sources) == ([0], [(0, b"k")], [("t", 0)])


def test_a_lane_that_is_over_is_released_without_a_message_but_not_at_another_process() -> None:
    for is_same in (True, False):
        lanes = Lanes(1 << 30, 100)
        dispatcher = Dispatcher("Key", 100, lanes)
        dispatcher.resize(1)
        dispatcher.attach(0)
        lane = dispatcher.open_lane(partition(), record(0))
        lane.held_by = dispatcher.workers[0].generation
        if not is_same:
            dispatcher.detach(0)
            dispatcher.attach(0)
        lanes.consider(lane)
        batches = sent(dispatcher)
        assert [(batch.released, batch.records) for _, batch in batches] == ([([(0, b"k")], [])] if is_same else [])


def test_what_was_not_sent_of_a_partition_that_was_given_up_is_forgotten() -> None:
    dispatcher = ready(window=1)
    kept, gone = partition(1), partition(2)
    add(dispatcher, [record(0), record(1, source=1), record(2), record(3, source=1)], [kept, gone])
    assert offsets(sent(dispatcher)) == [0]
    gone.revoked = True
    dispatcher.drop_revoked()
    assert list(dispatcher.open_offsets()) == [(kept, 2), (kept, 0)]
    assert dispatcher.held == 2


def test_more_workers_take_over_what_waits() -> None:
    dispatcher = ready(1)
    add(dispatcher, [record(n, b"%d" % (n % 20)) for n in range(60)])
    held = dispatcher.bytes
    dispatcher.resize(3)
    assert (dispatcher.bytes, dispatcher.held) == (held, 60)
    for number in range(3):
        dispatcher.attach(number)
    batches = sent(dispatcher)
    assert sorted(offsets(batches)) == list(range(60))
    assert len({number for number, _ in batches}) == 3


def suspects(dispatcher: Dispatcher, count: int, value: bytes = b"v") -> list[Lane]:
    """Lanes in quarantine, each with its first message."""
    of = partition()
    lanes = []
    for number in range(count):
        each = record(number, b"%d" % number, value)
        lane = dispatcher.open_lane(of, each)
        dispatcher._lanes.put(lane, each)
        lane.quarantined = True
        lanes.append(lane)
    return lanes


def suspect(dispatcher: Dispatcher, lanes: list[Lane], everywhere: bool) -> None:
    (dispatcher.suspect_of_all if everywhere else dispatcher.suspect)([lanes])


def answer(dispatcher: Dispatcher, batches: list[tuple[int, Batch]]) -> None:
    for number, batch in batches:
        dispatcher.answered(number, Results(batch.id, 0, [b""] * len(batch.records)))


EVERYWHERE = pytest.mark.parametrize("everywhere", [False, True], ids=["at its worker", "anywhere"])


@EVERYWHERE
def test_no_more_suspects_are_in_flight_than_may_be(everywhere: bool) -> None:
    dispatcher = ready(most=3)
    suspect(dispatcher, suspects(dispatcher, 8), everywhere)
    seen = []
    for count in (3, 3, 2):
        batches = sent(dispatcher)
        assert dispatcher.in_flight == count
        seen += offsets(batches)
        answer(dispatcher, batches)
    assert seen == list(range(8))


@EVERYWHERE
def test_nothing_else_runs_beside_suspects(everywhere: bool) -> None:
    """Nor beside the last group of them: else it would be looked for among ever new messages."""
    dispatcher = ready()
    for lane in suspects(dispatcher, 2):
        suspect(dispatcher, [lane], everywhere)
    dispatcher.add(Chunk([PARTITION], [record(100)], 0, plain=True))
    for expected in ([0], [1], [100]):
        batches = sent(dispatcher)
        assert offsets(batches) == expected
        assert sent(dispatcher) == []
        answer(dispatcher, batches)


@EVERYWHERE
def test_a_limit_holds_for_suspects_too(everywhere: bool) -> None:
    dispatcher = ready()
    suspect(dispatcher, suspects(dispatcher, 3), everywhere)
    assert sent(dispatcher, limit=0) == []
    for offset in range(3):
        batches = sent(dispatcher, limit=1)
        assert offsets(batches) == [offset]
        answer(dispatcher, batches)


def test_suspects_wait_for_room_that_others_take() -> None:
    dispatcher = ready(2, most=2)
    group = suspects(dispatcher, 2)
    number = dispatcher._home(group[0])
    dispatcher.workers[1 - number].backlog.append(Chunk([PARTITION], [record(100), record(101)], 0, plain=True))
    dispatcher.workers[1 - number].waiting = 2
    others = list(dispatcher.departures())
    assert offsets(others) == [100, 101]
    dispatcher.suspect([group])
    assert sent(dispatcher) == []
    answer(dispatcher, others)
    assert offsets(sent(dispatcher)) == [0, 1]


@EVERYWHERE
def test_a_frame_of_suspects_is_bounded(everywhere: bool) -> None:
    dispatcher = ready()
    suspect(dispatcher, suspects(dispatcher, 3, b"x" * (FRAME_BYTES // 2 - 10)), everywhere)
    assert offsets(sent(dispatcher)) == [0, 1]
