"""From what was read to what is to run: each message once, and none that is terminal or read again later."""

from typing import Any

from confluent_kafka import KafkaError, Message
from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.consumer import intake
from kafkatrigger.consumer.chunk import Chunk
from kafkatrigger.consumer.lanes import Lane
from kafkatrigger.consumer.offsets import RETRYING, Origin, Parked, Position, lane_of, start
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.runs import runs
from kafkatrigger.consumer.sizes import sizes

KEY = b"k"
LANE = lane_of("Key", KEY, 0)


def message(offset: int, partition: int = 0, **more: Any) -> Message:
    fields = {"topic": "t", "key": KEY, "value": b"v", "timestamp": (1, 1_000 + offset), **more}
    return Message(partition=partition, offset=offset, **fields)


def partition(restored: Position | None = None, end: int = 0) -> Partition:
    return Partition("t", 0, end, Origin("Committed"), restored or start(0))


def take(of: Partition, *offsets: int, index: int = 0) -> Chunk:
    return intake.take(of, [message(offset) for offset in offsets], index, "Key")


def offsets(chunk: Chunk) -> list[int]:
    return [record[1] for record in chunk.records]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), st.booleans()), min_size=1, max_size=30))
def test_runs_are_what_was_read_cut_where_the_partition_changes(read: list[tuple[str, int, bool]]) -> None:
    error = KafkaError(KafkaError._PARTITION_EOF)
    messages = [
        message(offset, number, topic=topic, error=error if is_report else None)
        for offset, (topic, number, is_report) in enumerate(read)
    ]
    found = list(runs(messages))
    assert [each for run in found for each in ([run] if isinstance(run, Message) else run)] == messages
    for run in found:
        if isinstance(run, Message):
            assert run.error() is not None
        else:
            assert len({(each.topic(), each.partition()) for each in run}) == 1
            assert all(each.error() is None for each in run)


def test_a_record_has_all_of_its_message() -> None:
    headers = [("h", b"1")]
    of = partition()
    chunk = intake.take(of, [message(3, headers=headers), message(5, key=None, value=None)], 2, "Key")
    assert chunk.records == [(2, 3, 1_003, 1, KEY, b"v", headers), (2, 5, 1_005, 1, None, None, None)]
    assert (chunk.partitions, chunk.size, chunk.plain) == ([of], sizes(chunk.records), False)
    assert of.end == 6


def test_a_chunk_without_headers_is_plain_and_has_its_size() -> None:
    chunk = take(partition(), 0, 1, 2)
    assert (chunk.plain, chunk.size) == (True, sizes(chunk.records))


def test_what_was_read_before_is_not_taken_again() -> None:
    of = partition(end=5)
    assert offsets(take(of, 3, 4, 5, 6)) == [5, 6]
    assert of.end == 7
    assert offsets(take(of, 5, 6)) == []
    assert of.end == 7, "an end never goes back"


def test_of_what_a_commit_covered_only_what_it_left_open_is_taken() -> None:
    of = partition(Position(10, 20, [(10, 12), (15, 16)]), end=10)
    assert offsets(take(of, *range(10, 22))) == [10, 11, 15, 20, 21]


def test_messages_of_a_lane_that_a_commit_told_of_are_taken() -> None:
    of = partition(Position(10, 20, [], [Parked(LANE, 12, 20, 1, RETRYING)]), end=10)
    assert offsets(take(of, 10, 12, 19)) == [12, 19]


def test_what_a_lane_reads_again_later_is_left_to_it_and_the_end_lies_beyond() -> None:
    of = partition()
    lane = of.lanes[LANE] = Lane(LANE, of, KEY, spilled=2)
    chunk = intake.take(of, [message(0), message(1), message(2), message(3, key=b"other"), message(4)], 0, "Key")
    assert offsets(chunk) == [0, 1, 3]
    assert (lane.waiting, of.end) == (2, 5)
    assert offsets(take(of, 5)) == []
    assert (lane.waiting, of.end) == (3, 6)


def test_a_copy_of_a_dead_letter_has_the_time_of_its_message() -> None:
    place = {"topic": b"s", "partition": b"0", "offset": b"7", "timestamp": b"42"}
    marks = [("kafkatrigger.redrive.request", b"r"), ("kafkatrigger.redrive.letter", b"d-0-0")]
    headers = [("own", b"1"), *((f"kafkatrigger.source.{name}", content) for name, content in place.items()), *marks]
    of = partition()
    run = [message(0, headers=headers), message(1, headers=headers[:-1]), message(2)]
    assert [record[2] for record in intake.take(of, run, 0, "Key").records] == [1_000, 1_001, 1_002]
    of = partition()
    of.is_redrive = True
    records = intake.take(of, run, 0, "Key").records
    assert [record[2] for record in records] == [42, 1_001, 1_002]
    assert records[0][6] == headers, "the next redrive finds its source by them"


def test_the_runs_of_one_read_are_one_chunk() -> None:
    first, second = partition(), Partition("t", 1, 0, Origin("Committed"), start(0))
    chunks = [take(first, 0, 1), take(second, 0, index=1)]
    joined = intake.join(chunks)
    assert joined is not None
    assert [(joined.partitions[record[0]], record[1]) for record in joined.records] == [
        (first, 0),
        (first, 1),
        (second, 0),
    ]
    assert (joined.size, joined.plain) == (sizes(joined.records), True)
    assert intake.join([take(first, 0)]) is None
    assert intake.join([]) is None
