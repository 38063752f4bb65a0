"""Reading again what lanes have outside memory, with a consumer of its own that is no member of the group.

A pass over a partition begins where the first of the lanes that want it left off, and ends where reading the partition has
got to, or when all of its lanes have enough. Lanes that want more later get another pass.
"""

import logging
from collections.abc import Callable, Iterable

import msgspec
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from kafkatrigger.api.frames import Ordering, Record
from kafkatrigger.consumer import intake
from kafkatrigger.consumer.lanes import Lane, Lanes
from kafkatrigger.consumer.offsets import LaneId, lane_of
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.kafka.client import Configuration

log = logging.getLogger(__name__)

BATCH = 500
RANGE_TIMEOUT = 5.0


class _Pass(msgspec.Struct, eq=False):
    """One pass over one partition."""

    partition: Partition
    lanes: dict[LaneId, Lane]
    at: int
    """The next offset."""
    reached: dict[LaneId, int]
    """Where each lane goes on. One that dropped messages again meanwhile, which were read already, needs another pass."""

    def goes_on(self, lane: Lane) -> bool:
        """Whether what comes next of the lane is what it has to have next."""
        return self.reached[lane.id] == lane.spilled


class Rereader:
    """Brings messages back. `deliver` takes one of a lane, and says whether the lane may have more."""

    def __init__(
        self,
        settings: Configuration,
        ordering: Ordering,
        lanes: Lanes,
        deliver: Callable[[Lane, Record], bool],
    ) -> None:
        self._settings = settings
        self._ordering = ordering
        self._lanes = lanes
        self._deliver = deliver
        self._consumer: Consumer | None = None
        self._passes: dict[tuple[str, int], _Pass] = {}
        self.lost = 0
        """Offsets that retention removed before their lanes could go on."""

    @property
    def busy(self) -> bool:
        """Whether a pass is under way."""
        return bool(self._passes)

    def step(self) -> None:
        """Reads on, if a lane wants it; never waits."""
        if self._lanes.outside:
            # What goes before all else is read even if others take all the memory: they wait for it.
            self._begin(self._lanes.outside & self._lanes.foremost if self._lanes.is_full else self._lanes.outside)
        if not self._passes or self._consumer is None:
            return
        for message in self._consumer.consume(BATCH, 0):
            going = self._passes.get((message.topic(), message.partition()))
            if going is None:
                continue
            if going.partition.revoked:
                self._end(going)
            elif message.error() is not None:
                self._report(going, message)
            else:
                self._read(going, message)

    def close(self) -> None:
        """Ends the client."""
        if self._consumer is not None:
            self._consumer.close()

    def _begin(self, outside: Iterable[Lane]) -> None:
        wanted: dict[Partition, list[Lane]] = {}
        for lane in outside:
            # What a commit told of the lane reaches beyond what was read of the partition yet: reading again would end too
            # early, and forget the lane's attempts and its messages beyond.
            # What goes before all else cannot wait for that: others wait for it, and nothing more is read.
            is_first = lane in self._lanes.foremost and lane.spilled is not None and lane.spilled < lane.partition.end
            if is_first or lane.partition.end >= lane.restored_until:
                wanted.setdefault(lane.partition, []).append(lane)
        for partition, lanes in wanted.items():
            if (partition.topic, partition.number) in self._passes or partition.revoked:
                continue
            first = min(lane.spilled for lane in lanes if lane.spilled is not None)
            reached = {lane.id: lane.spilled for lane in lanes if lane.spilled is not None}
            self._assign(_Pass(partition, {lane.id: lane for lane in lanes}, first, reached))

    def _assign(self, going: _Pass) -> None:
        if self._consumer is None:
            self._consumer = Consumer(self._settings)
        partition = going.partition
        self._passes[(partition.topic, partition.number)] = going
        self._consumer.incremental_assign([TopicPartition(partition.topic, partition.number, going.at)])

    def _end(self, going: _Pass) -> None:
        partition = going.partition
        del self._passes[(partition.topic, partition.number)]
        if self._consumer is not None:
            self._consumer.incremental_unassign([TopicPartition(partition.topic, partition.number)])

    def _read(self, going: _Pass, message: Message) -> None:
        offset = message.offset()
        if offset >= going.partition.end:
            self._caught_up(going)
            return
        going.at = offset + 1
        key = message.key()
        lane_id = lane_of(self._ordering, key, offset)
        lane = going.lanes.get(lane_id)
        if lane is None or lane.spilled is None or not going.goes_on(lane) or offset < lane.spilled:
            return
        if not going.partition.restored.is_open(offset, lane_id):
            return
        when = intake.timestamp(going.partition, message)
        record: Record = (0, offset, when, 1, key, message.value(), message.headers())
        goes_on = self._deliver(lane, record)
        going.reached[lane_id] = offset + 1
        if not goes_on:
            del going.lanes[lane_id]
            self._lanes.leave_outside(lane)
        if not going.lanes:
            self._end(going)

    def _caught_up(self, going: _Pass) -> None:
        """Everything that was read of the partition was read again."""
        self._end(going)
        for lane in going.lanes.values():
            if going.goes_on(lane):
                self._lanes.caught_up(lane)

    def _report(self, going: _Pass, message: Message) -> None:
        error = message.error()
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            # An end may be older than what was read since: what came by of the lanes in between was left to this pass.
            if message.offset() >= going.partition.end:
                self._caught_up(going)
        elif code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            self._continue_in_range(going)
        else:
            log.warning("reading again: %s", error.str())

    def _continue_in_range(self, going: _Pass) -> None:
        """Retention removed what a lane waited for."""
        assert self._consumer is not None  # noqa: S101 - its message came from it
        where = TopicPartition(going.partition.topic, going.partition.number)
        self._end(going)
        try:
            low, _ = self._consumer.get_watermark_offsets(where, timeout=RANGE_TIMEOUT)
        except KafkaException as error:  # another pass meets the same
            log.warning("reading again: the range of %s is not known (%s)", going.partition.name, error.args[0].str())
            return
        if low <= going.at:
            return  # another pass begins where this one was
        log.error(
            "%s: messages of keys that waited were removed by retention: those of offsets %d to %d are lost",
            going.partition.name, going.at, low - 1, extra=going.partition.facts(going.at),
        )  # fmt: skip
        self.lost += low - going.at
        for lane in going.lanes.values():
            if lane.spilled is not None and lane.spilled < low:
                lane.spilled, lane.decision = low, None
                lane.tried = {offset: attempts for offset, attempts in lane.tried.items() if offset >= low}
