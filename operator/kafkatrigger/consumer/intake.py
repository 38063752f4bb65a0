"""From what the client read to what the dispatcher takes: the data path's first loop.

What can be asked of a whole run is asked once, and what has to be asked of each message is asked in comprehensions.
"""

from collections.abc import Sequence
from itertools import repeat

from confluent_kafka import Message

from kafkatrigger.api.frames import Ordering, Record
from kafkatrigger.consumer.chunk import Chunk
from kafkatrigger.consumer.offsets import lane_of
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.sizes import headers_size, sizes
from kafkatrigger.kafka.letters import first_timestamp, headers_of


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
