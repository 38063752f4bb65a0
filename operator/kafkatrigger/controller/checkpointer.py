"""Takes checkpoints: of each trigger about every five minutes, and when one of its pods is gone.

What is stored is read anew each time, so a restart of the operator forgets nothing, and thousands of checkpoints need no
memory. The ConfigMaps carry labels that the watches do not select: nobody sees them as drift.

A replay moves the checkpoint along before the status says that it was handled, so no pod ever finds one of before it.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Iterable

import msgspec

from kafkatrigger.api.checkpoint import Checkpoint
from kafkatrigger.controller import checkpoints
from kafkatrigger.controller.cache import Body, Cache, Key, Trigger, child
from kafkatrigger.controller.checkpoints import Stored
from kafkatrigger.controller.cluster import Cluster, ClusterError
from kafkatrigger.controller.conditions import Verdict
from kafkatrigger.controller.deployer import NotOursError, check_owner
from kafkatrigger.controller.desired import Manifest
from kafkatrigger.controller.names import checkpoint_name, checkpoint_selector
from kafkatrigger.controller.observation import Observation, Remembered
from kafkatrigger.controller.queue import WorkQueue
from kafkatrigger.controller.reports import lag
from kafkatrigger.controller.witnesses import Witnesses

INTERVAL = 300.0
"""Seconds between two checkpoints of a trigger; more where there are so many triggers that RATE forbids it."""
FIRST_PAUSE = 15.0
"""Seconds until it is tried again to take the first one, which needs an answer of every pod."""
SOON = 1.0
"""Seconds in which pods that go together are gone."""
RATE = 10.0
"""Most writes a second, of ConfigMaps and of the status that tells of them."""

_log = logging.getLogger(__name__)


class Checkpointer:
    """`changed` is called when the status has something to tell of a checkpoint."""

    def __init__(self, cache: Cache, cluster: Cluster, witnesses: Witnesses, changed: Callable[[Key], None]) -> None:
        self._cache, self._cluster = cache, cluster
        self._witnesses, self._changed = witnesses, changed
        self._queue: WorkQueue[Key] = WorkQueue()
        self._writing = asyncio.Lock()
        """Held from reading to writing."""
        self._seen: dict[Key, Observation] = {}
        self._untold: dict[Key, Remembered] = {}

    def note(self, trigger: Trigger, seen: Observation) -> None:
        """What there is now: how often and of whom a checkpoint is taken."""
        key = trigger.key
        if key not in self._seen:
            pause = self._interval if has_checkpoint(trigger) else FIRST_PAUSE
            self._queue.add_after(key, pause * random.random())  # noqa: S311 - so that they do not bunch
        self._seen[key] = seen
        pods = {pod.uid for pod in seen.workload.pods} if seen.workload else set()
        if self._witnesses.reports(key).keys() - pods:
            self._queue.add_after(key, SOON)

    def untold(self, key: Key) -> Remembered | None:
        """What the status does not tell yet."""
        return self._untold.get(key)

    def told(self, key: Key, remembered: Remembered | None) -> None:
        """The status tells it."""
        if self._untold.get(key) is remembered:
            self._untold.pop(key, None)

    def forget(self, key: Key) -> None:
        """The trigger is gone."""
        self._queue.drop(key)
        self._seen.pop(key, None)
        self._untold.pop(key, None)

    async def run(self) -> None:
        """Takes checkpoints for ever."""
        while True:
            key = await self._queue.get()
            begun = time.monotonic()
            writes = await self._try(key)
            self._queue.done(key)
            await asyncio.sleep(writes / RATE - (time.monotonic() - begun))

    async def move(self, trigger: Trigger, seen: Observation) -> Remembered | None:
        """The checkpoint follows the replay in `seen`; what the status is to tell of it. ClusterError where it cannot.

        All that pods said was before the replay, and does not count any more: there are none while offsets are moved.
        """
        async with self._writing:
            self._witnesses.silence(trigger.key)
            self._untold.pop(trigger.key, None)
            try:
                before = await self._read(trigger)
            except NotOursError as error:
                _log.warning("no checkpoint is moved: %s", error, extra=trigger.key.facts)
                return None
            wanted = checkpoints.moved(before, seen, seen.replay.memory.moves)
            if wanted is None:
                return None
            await self._write(trigger, before, wanted)
        return Remembered(checkpoints.timestamps(wanted.marks, seen.group_id), trigger.status.get("lag"))

    async def marks(self, key: Key) -> Checkpoint:
        """What is stored of a trigger, where its status told of some; ClusterError."""
        trigger = self._cache.trigger(key)
        if trigger is None or not has_checkpoint(trigger):
            return {}
        try:
            return (await self._read(trigger)).marks
        except NotOursError:
            return {}

    async def leftover(self, trigger: Trigger) -> Verdict | None:
        """A checkpoint of a deleted trigger of the same name, which this one's pods would take for their own; None without."""
        try:
            for body in await self._all(trigger):
                check_owner(trigger, child(body))
        except NotOursError as error:
            return error.verdict
        return None

    async def remove(self, trigger: Trigger) -> None:
        """Deletes the trigger's checkpoint before the garbage collector would."""
        for body in await self._all(trigger):
            found = child(body)
            if found.owner == trigger.uid:
                await self._cluster.delete(found.kind, found.namespace, found.name, found.uid)

    @property
    def _interval(self) -> float:
        """Time for two writes of each trigger, and for those that cannot wait."""
        return max(INTERVAL, 2.5 * len(self._seen) / RATE)

    async def _try(self, key: Key) -> int:
        """Takes a checkpoint, and returns how many writes that took."""
        trigger, seen = self._cache.trigger(key), self._seen.get(key)
        if trigger is None or seen is None or trigger.deleting:
            return 0
        self._queue.add_after(key, self._pause(trigger))
        try:
            async with self._writing:
                return await self._take(trigger, seen)
        except (ClusterError, NotOursError) as error:
            _log.warning("no checkpoint is taken: %s; it is tried again", error, extra=key.facts)
        except Exception:  # noqa: BLE001 - one bad trigger must not end the operator
            _log.exception("no checkpoint is taken", extra=key.facts)
        return 0

    def _pause(self, trigger: Trigger) -> float:
        pause = self._interval if has_checkpoint(trigger) else FIRST_PAUSE
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - so that they do not bunch

    async def _take(self, trigger: Trigger, seen: Observation) -> int:
        reports = self._witnesses.reports(trigger.key)
        if not reports or not seen.topics or seen.awaited:
            return 0
        if not (has_checkpoint(trigger) or checkpoints.following(Stored({}), seen, reports)):
            return 0  # nothing to add to, nor enough to begin with: what is stored need not be read
        before = await self._read(trigger)
        # A thread, because a checkpoint of thousands of partitions takes its time.
        wanted = await asyncio.to_thread(checkpoints.following, before, seen, reports)
        if wanted is None:
            return 0
        writes = await self._write(trigger, before, wanted)
        self._witnesses.release(trigger.key, reports)
        return writes + self._tell(
            trigger, Remembered(checkpoints.timestamps(wanted.marks, seen.group_id), lag(reports.values()))
        )

    async def _write(self, trigger: Trigger, before: Stored, wanted: Stored) -> int:
        """Writes what differs, and returns how many writes that takes."""
        changed = await asyncio.to_thread(_differing, trigger, before, wanted)
        for manifest in changed:
            await self._cluster.apply(manifest)
        return len(changed)

    def _tell(self, trigger: Trigger, remembered: Remembered) -> int:
        """Has the status written where it says something else; how many writes that takes."""
        before = Remembered(trigger.status.get("partitionTimestamps", {}), trigger.status.get("lag"))
        if has_checkpoint(trigger) and remembered == before:
            return 0
        self._untold[trigger.key] = remembered
        self._changed(trigger.key)
        return 1

    async def _read(self, trigger: Trigger) -> Stored:
        """What is stored; nothing where a part of it is missing or damaged, so that it is taken anew as a whole."""
        first = await self._get(trigger, 0)
        if first is None:
            return Stored({})
        others = [await self._get(trigger, chunk) for chunk in range(1, checkpoints.chunk_count(first))]
        there = [body for body in others if body]
        try:
            stored = await asyncio.to_thread(checkpoints.parse, first, there)
        except msgspec.DecodeError as error:
            _log.warning("the checkpoint is damaged (%s) and taken anew", error, extra=trigger.key.facts)
            return checkpoints.unreadable(first)
        return stored if len(there) == len(others) else checkpoints.unreadable(first)

    async def _all(self, trigger: Trigger) -> Iterable[Body]:
        return (
            await self._cluster.list_all("ConfigMap", trigger.key.namespace, checkpoint_selector(trigger.key.name))
        )[0]

    async def _get(self, trigger: Trigger, chunk: int) -> Body | None:
        body = await self._cluster.get("ConfigMap", trigger.key.namespace, checkpoint_name(trigger.key.name, chunk))
        if body:
            check_owner(trigger, child(body))
        return body


def has_checkpoint(trigger: Trigger) -> bool:
    """Whether there was one when the status was last written: it tells its times, but of one that a replay moved."""
    return bool({"partitionTimestamps", "replay"} & trigger.status.keys())


def _differing(trigger: Trigger, before: Stored, wanted: Stored) -> list[Manifest]:
    """The ConfigMaps that are to be written."""
    known = checkpoints.manifests(trigger, before)
    return [each for each in checkpoints.manifests(trigger, wanted) if each not in known]
