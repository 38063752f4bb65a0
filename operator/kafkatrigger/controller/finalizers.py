"""`spec.deletionPolicy: DeleteGroup`: what happens before such a trigger is gone.

    deletion ─▶ Deployment to zero ─▶ pods gone ─▶ group deleted ─▶ checkpoint deleted ─▶ finalizer removed

All of it has PATIENCE. After that the finalizer is removed as well, and an Event says that the group is still there: no
broker, node or pod keeps a trigger, or its namespace, from going.
"""

import logging
import time
from collections.abc import Callable

from kafkatrigger.api.moves import Group
from kafkatrigger.api.resources import API_VERSION, KIND
from kafkatrigger.api.validation import Accepted, Refused
from kafkatrigger.controller.cache import Cache, Key, Trigger
from kafkatrigger.controller.checkpointer import Checkpointer
from kafkatrigger.controller.cluster import Body, Cluster, ClusterError
from kafkatrigger.controller.events import Notice, Recorder
from kafkatrigger.controller.monitor import Monitor
from kafkatrigger.controller.names import FINALIZER, consumer_name
from kafkatrigger.kafka.brokers import group_of

GroupMonitor = Monitor[Key, Group, str]

PATIENCE = 60.0
"""Seconds from when this operator first saw the deletion."""
PAUSE = 2.0
"""Seconds until the brokers are asked again to delete a group."""

_log = logging.getLogger(__name__)


def judge(_before: str | None, found: str) -> tuple[str, float]:
    """Every answer counts; it is asked again for as long as somebody waits for it."""
    return found, PAUSE


class Finalizers:
    """`later` has a key reconciled after so many seconds."""

    def __init__(
        self,
        cache: Cache,
        cluster: Cluster,
        deletions: GroupMonitor,
        checkpointer: Checkpointer,
        recorder: Recorder,
        later: Callable[[Key, float], None],
    ) -> None:
        self._cache, self._cluster = cache, cluster
        self._deletions, self._checkpointer, self._recorder = deletions, checkpointer, recorder
        self._later = later
        self._ends: dict[Key, float] = {}
        """When patience ends."""

    async def keep(self, trigger: Trigger, accepted: Accepted) -> None:
        """Adds or removes the finalizer of a trigger that lives, as its policy says."""
        wanted = accepted.spec.deletion_policy == "DeleteGroup"
        if wanted != (FINALIZER in trigger.finalizers):
            await self._set(trigger, wanted=wanted)

    async def finish(self, trigger: Trigger, accepted: Accepted | Refused, *, holds: bool) -> None:
        """Goes on with a trigger that is being deleted; `holds` says whether the group is this trigger's."""
        if FINALIZER not in trigger.finalizers:
            return
        if not holds or isinstance(accepted, Refused):
            await self._release(trigger, _unknown(accepted) if isinstance(accepted, Refused) else None)
            return
        group = group_of(accepted.config)
        obstacle = await self._obstacle(trigger, group)
        left = self._ends.setdefault(trigger.key, time.monotonic() + PATIENCE) - time.monotonic()
        if obstacle and left > 0:
            self._later(trigger.key, left)
        elif obstacle:
            await self._release(trigger, _still_there(group, obstacle))
        else:
            await self._forget_progress(trigger)
            await self._release(trigger, Notice("Normal", "GroupDeleted", f"the group {group.name} was deleted"))

    def forget(self, key: Key) -> None:
        """The trigger is gone."""
        self._ends.pop(key, None)

    async def _obstacle(self, trigger: Trigger, group: Group) -> str:
        """What is in the way of the group's end, or nothing when it has come."""
        try:
            await self._scale_to_zero(trigger)
        except ClusterError as error:
            return f"its pods could not be ended: {error}"
        # A consumer that starts again is no member for a moment: only when there is no pod can none come back.
        if self._cache.pods(trigger.key):
            return "its pods are not gone yet"
        return self._deletions.watch(trigger.key, (group,)).get(group, "the brokers have not answered")

    async def _scale_to_zero(self, trigger: Trigger) -> None:
        found = self._cache.find(trigger.key, "Deployment", consumer_name(trigger.key.name))
        if found and found.scale and found.scale.wanted and found.owner == trigger.uid:
            metadata = {"name": found.name, "namespace": found.namespace, "uid": found.uid}
            manifest = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 0}}
            self._cache.observe(await self._cluster.patch(manifest))

    async def _forget_progress(self, trigger: Trigger) -> None:
        """Else the garbage collector does."""
        try:
            await self._checkpointer.remove(trigger)
        except ClusterError as error:
            _log.warning("the checkpoint is left to the garbage collector: %s", error, extra=trigger.key.facts)

    async def _release(self, trigger: Trigger, notice: Notice | None) -> None:
        await self._set(trigger, wanted=False)
        self._ends.pop(trigger.key, None)
        if notice:
            await self._recorder.record(trigger, notice)

    async def _set(self, trigger: Trigger, *, wanted: bool) -> None:
        """Of exactly the version that was seen, so that nobody else's finalizer is lost."""
        others = [each for each in trigger.finalizers if each != FINALIZER]
        try:
            body = await self._cluster.patch(_manifest(trigger, [*others, FINALIZER] if wanted else others))
        except ClusterError as error:
            if error.status != 404:
                raise
            return
        if not trigger.deleting:
            self._cache.observe(body)


def _manifest(trigger: Trigger, finalizers: list[str]) -> Body:
    metadata = {
        "name": trigger.key.name,
        "namespace": trigger.key.namespace,
        "uid": trigger.uid,
        "resourceVersion": str(trigger.version),
        "finalizers": finalizers,
    }
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata}


def _unknown(refused: Refused) -> Notice:
    return Notice(
        "Warning",
        "GroupNotDeleted",
        f"its consumer group is still there: the spec does not say which it is. {refused.message}",
    )


def _still_there(group: Group, obstacle: str) -> Notice:
    where = ",".join(group.servers)
    return Notice(
        "Warning",
        "GroupNotDeleted",
        f"the consumer group {group.name} is still there ({obstacle}): delete it with "
        f"`kafka-consumer-groups.sh --bootstrap-server {where} --delete --group {group.name}`",
    )
