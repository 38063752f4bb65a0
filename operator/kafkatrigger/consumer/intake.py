"""From what the client read to what the dispatcher takes: the data path's first loop.

Messages come in runs of one partition, nearly always one run to a read. What can be asked of a whole run is asked once,
and what has to be asked of each message is asked in comprehensions.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby, repeat

from confluent_kafka import Message

from kafkatrigger.api.frames import Ordering, Record
from kafkatrigger.consumer.dispatcher import Chunk
from kafkatrigger.consumer.offsets import lane_of
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import headers_size, sizes
from kafkatrigger.kafka.letters import first_timestamp, headers_of


def runs(messages: Sequence[Message]) -> Iterator[list[Message] | Message]:
    """Runs of messages of one partition; a report, which is no message, by itself, in its place."""
    # By identity: comparing one of the client's errors with None leaves an exception behind.
    if [None for message in messages if message.error() is not None]:
        for is_report, group in groupby(messages, lambda message: message.error() is not None):
            if is_report:
                yield from group
            else:
                yield from _runs(list(group))
    else:
        yield from _runs(list(messages))


def _runs(messages: list[Message]) -> Iterator[list[Message]]:
    numbers = [message.partition() for message in messages]
    topics = [message.topic() for message in messages]
    if numbers.count(numbers[0]) == topics.count(topics[0]) == len(messages):
        yield messages
        return
    places = zip(topics, numbers, strict=True)
    for _, group in groupby(zip(places, messages, strict=True), lambda each: each[0]):
        yield [message for _, message in group]


def take(partition: Partition, run: list[Message], index: int, ordering: Ordering) -> Chunk:
    """The messages of a run that have to be run; moves the partition's end beyond it.

    The records' keys and values are those of the client: nothing is copied.
    """
    offsets = [message.offset() for message in run]
    if not partition.samples:
        partition.samples.add(offsets[0], run[0].timestamp()[1])
    partition.samples.add(offsets[-1], run[-1].timestamp()[1])
    if partition.lanes or offsets[0] < max(partition.end, partition.restored.bound):
        run = [each for each in run if _is_wanted(partition, each.offset(), each.key(), ordering)]
        # Beyond all of them: the last may be one that its lane reads again, and that reading ends here.
        partition.end = max(partition.end, offsets[-1] + 1)
        if not run:
            return Chunk([partition], [], 0, True)
        offsets = [message.offset() for message in run]
    else:
        partition.end = offsets[-1] + 1
    epoch = run[-1].leader_epoch()
    partition.leader_epoch = -1 if epoch is None else epoch
    keys = [message.key() for message in run]
    values = [message.value() for message in run]
    headers = [message.headers() for message in run]
    times = (
        [timestamp(partition, message) for message in run]
        if partition.is_redrive
        else [message.timestamp()[1] for message in run]
    )
    records: list[Record] = list(zip(repeat(index), offsets, times, repeat(1), keys, values, headers))
    plain = headers.count(None) == len(headers)
    try:
        size = sum(map(len, values)) + sum(map(len, keys))
        if not plain:
            size += sum(headers_size(each) for each in headers if each)
    except TypeError:  # a tombstone, or no key
        size = sizes(records)
    return Chunk([partition], records, size, plain)


def timestamp(partition: Partition, message: Message) -> int:
    """When the message came to be, in milliseconds since the epoch: of a copy of a dead letter, its first time."""
    written: int = message.timestamp()[1]
    return (partition.is_redrive and first_timestamp(headers_of(message))) or written


def _is_wanted(partition: Partition, offset: int, key: bytes | None, ordering: Ordering) -> bool:
    """Whether the message has to be run, and by way of memory.

    It was not read before, what was committed does not say that it is terminal, and its lane is not one that reads its
    messages again later.
    """
    lane_id = lane_of(ordering, key, offset)
    if offset < partition.end or not partition.restored.is_open(offset, lane_id):
        return False
    if partition.restored.names(offset):
        partition.named[offset] = lane_id
    lane = partition.lanes.get(lane_id)
    if lane is None or lane.spilled is None or offset < lane.spilled:
        return True
    lane.waiting += 1
    return False


def join(chunks: Sequence[Chunk]) -> Chunk | None:
    """The runs of one read as one chunk; each was taken with its number as index."""
    full = [chunk for chunk in chunks if chunk.records]
    if len(full) == 1 and len(chunks) == 1:
        return full[0]
    if not full:
        return None
    return Chunk(
        [chunk.partitions[0] for chunk in chunks],
        [record for chunk in chunks for record in chunk.records],
        sum(chunk.size for chunk in chunks),
        all(chunk.plain for chunk in chunks),
    )
