"""One reconcile for create, update and resume: from the trigger to its objects and its status."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.resources import API_VERSION, KIND
from kafkatrigger.api.validation import Accepted, Refused, accept
from kafkatrigger.controller.cache import Body, Cache, Key, Trigger
from kafkatrigger.controller.checkpointer import Checkpointer, has_checkpoint
from kafkatrigger.controller.cluster import Cluster, ClusterError
from kafkatrigger.controller.conditions import READY, Verdict, find, no, yes
from kafkatrigger.controller.connections import Connection
from kafkatrigger.controller.deployer import Deployer
from kafkatrigger.controller.desired import manifests
from kafkatrigger.controller.events import Recorder, transitions
from kafkatrigger.controller.finalizers import Finalizers, GroupMonitor
from kafkatrigger.controller.groups import Claim, Groups
from kafkatrigger.controller.metrics import ReadyCount
from kafkatrigger.controller.monitor import Monitor
from kafkatrigger.controller.names import STOPPED, consumer_name
from kafkatrigger.controller.observation import Observation, Workload
from kafkatrigger.controller.pods import Pod
from kafkatrigger.controller.settings import Settings
from kafkatrigger.controller.status import same, status
from kafkatrigger.controller.stops import standing, untold
from kafkatrigger.controller.witnesses import Witnesses
from kafkatrigger.kafka.brokers import Target, target
from kafkatrigger.kafka.group_offsets import Servers, servers

BrokerMonitor = Monitor[Key, Target, Connection]
RetentionMonitor = Monitor[Key, Servers, float | None]


class Monitors(NamedTuple):
    """Who asks the brokers."""

    brokers: BrokerMonitor
    retentions: RetentionMonitor
    deletions: GroupMonitor


class Reconciler:
    """Reads the cache, writes through the cluster; one trigger's trouble is never another's."""

    def __init__(
        self,
        settings: Settings,
        cache: Cache,
        cluster: Cluster,
        monitors: Monitors,
        witnesses: Witnesses,
        checkpointer: Checkpointer,
        later: Callable[[Key, float], None],
    ) -> None:
        self._settings, self._cache, self._cluster = settings, cache, cluster
        self._monitors, self._witnesses, self._checkpointer = monitors, witnesses, checkpointer
        self._groups, self._ready = Groups(), ReadyCount()
        self._uids: dict[Key, str] = {}
        self._deployer, self._recorder = Deployer(cache, cluster), Recorder(cluster)
        self._finalizers = Finalizers(cache, cluster, monitors.deletions, checkpointer, self._recorder, later)

    def claim(self, key: Key) -> set[Key]:
        """Updates which group the trigger claims; returns the other triggers that this concerns.

        Comes before any reconcile, so that after a start of the operator the older trigger's claim is known.
        """
        trigger = self._cache.trigger(key)
        if trigger is None:
            return self._groups.release(key)
        accepted = self._accept(trigger)
        if isinstance(accepted, Refused):
            return set()  # what it claimed before it still holds: its pods still run
        return self._groups.claim(accepted.config, Claim(trigger.created, trigger.uid, key))

    async def reconcile(self, key: Key) -> bool:
        """Returns whether all is done; ClusterError where it is not and the API server said why."""
        trigger = self._cache.trigger(key)
        if trigger is None or self._uids.setdefault(key, trigger.uid) != trigger.uid:
            self._forget(key)  # also what is known of one of the same name that was there before
        if trigger is None:
            return True
        accepted = self._accept(trigger)
        if trigger.deleting:
            await self._finalizers.finish(trigger, accepted, holds=self._groups.holder(key) == key)
            return True
        if isinstance(accepted, Accepted):
            await self._finalizers.keep(trigger, accepted)
        seen = await self._bring(trigger, accepted)
        await self._report(trigger, seen)
        await self._tell(seen)
        self._checkpointer.note(trigger, seen)
        return seen.problem is None

    def _accept(self, trigger: Trigger) -> Accepted | Refused:
        return accept(*trigger.key, trigger.spec, self._settings.defaults, self._settings.group_id_prefix)

    def _forget(self, key: Key) -> None:
        """The garbage collector removes the objects, whether the operator runs or not."""
        for monitor in self._monitors:
            monitor.forget(key)
        self._witnesses.forget(key)
        self._checkpointer.forget(key)
        self._finalizers.forget(key)
        self._deployer.forget(key)
        self._ready.forget(key)
        self._uids.pop(key, None)

    async def _bring(self, trigger: Trigger, accepted: Accepted | Refused) -> Observation:
        if isinstance(accepted, Refused):
            return self._observe_refused(trigger, accepted)
        ruling = self._ruling(trigger.key, accepted)
        problem = await self._leftover(trigger) or await self._deployer.deploy(
            trigger, manifests(trigger, accepted, self._settings, hold=not ruling.holds)
        )
        return self._observe(trigger, accepted, ruling, problem)

    async def _leftover(self, trigger: Trigger) -> Verdict | None:
        """What pods of a new trigger must not find."""
        known = self._cache.find(trigger.key, "Deployment", consumer_name(trigger.key.name))
        return None if known else await self._checkpointer.leftover(trigger)

    def _ruling(self, key: Key, accepted: Accepted) -> Verdict:
        holder = self._groups.holder(key)
        if holder in (None, key):
            return yes("Accepted", "the spec is valid")
        return no(
            "GroupInUse",
            f"the consumer group {accepted.config.group_id} on these brokers belongs to the older trigger {'/'.join(holder)}: "
            "delete that one, or delete this one and create it with another source.groupId",
        )

    def _observe_refused(self, trigger: Trigger, refused: Refused) -> Observation:
        """Objects of the last valid spec stay as they are, and are reported as they are."""
        self._monitors.brokers.watch(trigger.key, ())
        workload = self._workload(trigger)
        answers = self._witnesses.watch(trigger.key, workload)
        return Observation(
            name=trigger.key.name,
            generation=trigger.generation,
            accepted=no("InvalidSpec", refused.message),
            desired=workload.scale.wanted if workload else 0,
            workload=workload,
            answers=answers,
            stop=standing(workload, answers) if workload else None,
        )

    def _observe(self, trigger: Trigger, accepted: Accepted, ruling: Verdict, problem: Verdict | None) -> Observation:
        spec, config = accepted.spec, accepted.config
        question = target(trigger.key.namespace, config.bootstrap_servers, config.topics)
        connection = self._monitors.brokers.watch(trigger.key, (question,)).get(question)
        workload = self._workload(trigger)
        answers = self._witnesses.watch(trigger.key, workload)
        desired = 0 if spec.suspend or not ruling.holds else spec.scaling.replicas
        return Observation(
            name=trigger.key.name,
            generation=trigger.generation,
            accepted=ruling,
            servers=tuple(config.bootstrap_servers),
            topics=tuple(config.sources),
            topic_pattern=config.topic_pattern,
            group_id=config.group_id,
            finding=connection.finding if connection else None,
            suspended=spec.suspend,
            desired=desired,
            problem=problem,
            workload=workload,
            answers=answers,
            stop=standing(workload, answers) if workload else None,
            remembered=self._checkpointer.untold(trigger.key),
            has_checkpoint=has_checkpoint(trigger),
            retention=self._retention(trigger.key, config, desired),
        )

    def _retention(self, key: Key, config: ConsumerConfig, desired: int) -> float | None:
        """Asked of the brokers while nobody consumes."""
        question = servers(key.namespace, config.bootstrap_servers)
        return self._monitors.retentions.watch(key, () if desired else (question,)).get(question)

    def _workload(self, trigger: Trigger) -> Workload | None:
        deployment = self._cache.find(trigger.key, "Deployment", consumer_name(trigger.key.name))
        if deployment is None or deployment.scale is None or deployment.owner != trigger.uid:
            return None
        pods = tuple(pod for pod in self._cache.pods(trigger.key) if _is_of(pod, deployment.name))
        return Workload(deployment.generation, deployment.scale, pods)

    async def _tell(self, seen: Observation) -> None:
        """Passes a stop, or its end, on to the pods that do not know of it."""
        for pod, text in untold(seen.workload, seen.stop) if seen.workload else ():
            try:
                self._cache.observe(await self._cluster.patch(_told(pod, text)))
            except ClusterError as error:
                if error.status not in (404, 409):  # gone, or another one of the same name
                    raise

    async def _report(self, trigger: Trigger, seen: Observation) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = status(seen, trigger.status, now)
        self._ready.set(trigger.key, (find(wanted["conditions"], READY) or {})["status"])
        if same(wanted, trigger.status):
            self._checkpointer.told(trigger.key, seen.remembered)
            return
        await self._write(trigger, wanted)
        self._checkpointer.told(trigger.key, seen.remembered)
        for notice in transitions(trigger.status.get("conditions", []), wanted["conditions"]):
            await self._recorder.record(trigger, notice)

    async def _write(self, trigger: Trigger, wanted: dict[str, Any]) -> None:
        try:
            self._cache.observe(await self._cluster.apply(_status_manifest(trigger, wanted), "status"))
        except ClusterError as error:
            # Gone, or another one of the same name: the watch tells what to do next.
            if error.status not in (404, 409):
                raise


def _status_manifest(trigger: Trigger, wanted: Body) -> dict[str, Any]:
    metadata = {"name": trigger.key.name, "namespace": trigger.key.namespace, "uid": trigger.uid}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": wanted}


def _told(pod: Pod, text: str) -> dict[str, Any]:
    metadata = {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid, "annotations": {STOPPED: text or None}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def _is_of(pod: Pod, deployment: str) -> bool:
    """Labels alone would let anybody's pod speak for the trigger."""
    return pod.owner_kind == "ReplicaSet" and pod.owner_name.rpartition("-")[0] == deployment
