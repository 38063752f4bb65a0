"""One reconcile for create, update and resume: from the trigger to its objects and its status."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from kafkatrigger.api.consumer_config import ConsumerConfig
from kafkatrigger.api.moves import Answer, Errand
from kafkatrigger.api.resources import API_VERSION, KIND, KafkaTriggerSpec
from kafkatrigger.api.validation import Accepted, Refused, accept
from kafkatrigger.controller import lags, membership, references, replay
from kafkatrigger.controller.cache import Body, Cache, Key, Trigger
from kafkatrigger.controller.checkpointer import Checkpointer, has_checkpoint
from kafkatrigger.controller.cluster import Cluster, ClusterError
from kafkatrigger.controller.conditions import ACCEPTED, READY, REPLAYING, Verdict, find, no, recalled, verdict, yes
from kafkatrigger.controller.connections import Connection
from kafkatrigger.controller.deployer import Deployer
from kafkatrigger.controller.desired import manifests
from kafkatrigger.controller.events import Recorder, log_changes, transitions
from kafkatrigger.controller.finalizers import Finalizers, GroupMonitor
from kafkatrigger.controller.groups import Claim, Groups
from kafkatrigger.controller.membership import Change
from kafkatrigger.controller.metrics import ReadyCount
from kafkatrigger.controller.monitor import Monitor
from kafkatrigger.controller.names import LOG_LEVEL, STOPPED, consumer_name
from kafkatrigger.controller.observation import Observation, Workload
from kafkatrigger.controller.pods import Pod
from kafkatrigger.controller.replay import Step
from kafkatrigger.controller.settings import Settings
from kafkatrigger.controller.status import same, status
from kafkatrigger.controller.stops import standing, untold
from kafkatrigger.controller.witnesses import Witnesses
from kafkatrigger.kafka.brokers import Target, group_of, target
from kafkatrigger.kafka.group_lag import Lag
from kafkatrigger.kafka.group_offsets import Servers, servers

BrokerMonitor = Monitor[Key, Target, Connection]
RetentionMonitor = Monitor[Key, Servers, float | None]
ErrandMonitor = Monitor[Key, Errand, Answer]
LagMonitor = Monitor[Key, lags.Question, Lag]
ReferenceMonitor = Monitor[Key, references.Question, references.Answer]

_log = logging.getLogger(__name__)


class Monitors(NamedTuple):
    """Who asks the brokers."""

    brokers: BrokerMonitor
    retentions: RetentionMonitor
    deletions: GroupMonitor
    errands: ErrandMonitor
    """Does what consumer groups need."""
    lags: LagMonitor
    references: ReferenceMonitor
    """Asks the Kubernetes API for the Transformations that are named."""


class Hold(NamedTuple):
    """Whether a trigger may have pods, and what they are."""

    verdict: Verdict | None
    """Why it may have none; None where it may."""
    membership: str
    replay: Step


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
        self._log_changes: dict[Key, frozenset[str]] = {}
        """What pods said of the logs at the last look."""
        self._deployer, self._recorder = Deployer(cache, cluster, later), Recorder(cluster)
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
        seen = await self._follow_replay(trigger, await self._bring(trigger, accepted))
        await self._report(trigger, seen)
        await self._report_logs(trigger, seen)
        await self._tell(trigger, seen)
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
        self._log_changes.pop(key, None)

    async def _bring(self, trigger: Trigger, accepted: Accepted | Refused) -> Observation:
        if isinstance(accepted, Refused):
            self._monitors.references.watch(trigger.key, ())
            return self._observe_refused(trigger, no("InvalidSpec", accepted.message))
        ruling = self._ruling(trigger, accepted)
        if ruling.reason in references.REASONS and _wants_pods(accepted.spec):
            return self._observe_refused(trigger, ruling)
        if ruling.holds and (waiting := self._waits(trigger, accepted)):
            kept = self._leave_group(trigger, accepted)
            return replace(self._observe(trigger, accepted, ruling, kept, None), awaited=waiting)
        hold = self._hold(trigger, accepted) if ruling.holds else self._leave_group(trigger, accepted)
        is_held = not ruling.holds or hold.verdict is not None
        workload = self._workload(trigger)
        wanted = manifests(
            *(trigger, accepted, self._settings),
            hold=is_held,
            membership=hold.membership,
            is_stuck=workload is not None and workload.is_stuck,
        )
        problem = await self._leftover(trigger) or await self._deployer.deploy(trigger, wanted)
        return self._observe(trigger, accepted, ruling, hold, problem)

    def _waits(self, trigger: Trigger, accepted: Accepted) -> Verdict | None:
        """Why the objects stay as they are while the brokers do not have what the spec names."""
        spec, workload = accepted.spec, self._workload(trigger)
        if workload is None or not _wants_pods(spec):
            return None
        connection = self._connection(trigger.key, accepted.config)
        ready = sum(pod.ready for pod in workload.staying)
        return membership.waits(self._change(trigger, accepted), connection.finding if connection else None, ready)

    def _change(self, trigger: Trigger, accepted: Accepted) -> Change:
        config = accepted.config
        wanted = membership.membership(config)
        return Change(self._membership(trigger), wanted, group_of(config), self._pods_left(trigger))

    def _connection(self, key: Key, config: ConsumerConfig) -> Connection | None:
        question = target(key.namespace, config.bootstrap_servers, config.topics, config.topic_pattern)
        return self._monitors.brokers.watch(key, (question,)).get(question)

    def _hold(self, trigger: Trigger, accepted: Accepted) -> Hold:
        """Whether the pods have to wait for a replay, or for those of another group."""
        config, change = accepted.config, self._change(trigger, accepted)
        topics = tuple(config.topics)
        state = replay.State(
            *(change.group, topics, config.topic_pattern),
            *(replay.wanted(accepted.spec, topics), replay.remembered(trigger.status), change.pods),
            is_running=self._is_running(trigger),
        )
        errands = replay.errand(state), membership.errand(change)
        answers = self._monitors.errands.watch(trigger.key, [each for each in errands if each])
        step = replay.step(state, answers.get(errands[0]) if errands[0] else None)
        verdict = membership.hold(change, answers.get(errands[1]) if errands[1] else None)
        kept = change.before if verdict else change.wanted.text()
        return Hold(verdict or (replay.HOLD if replay.holds(state) else None), kept, step)

    def _leave_group(self, trigger: Trigger, accepted: Accepted) -> Hold:
        """The group is another trigger's, or its brokers are not known to answer: nothing of it is moved."""
        self._monitors.errands.watch(trigger.key, ())
        text = self._membership(trigger) or membership.membership(accepted.config).text()
        return Hold(None, text, _stored(trigger))

    def _membership(self, trigger: Trigger) -> str:
        workload = self._workload(trigger)
        return workload.scale.membership if workload else ""

    def _is_running(self, trigger: Trigger) -> bool:
        workload = self._workload(trigger)
        return self._pods_there(trigger) > 0 or (workload is not None and workload.scale.wanted > 0)

    def _pods_left(self, trigger: Trigger) -> int:
        """The trigger's pods, whoever made them; a Deployment counts while it may make one."""
        workload = self._workload(trigger)
        return self._pods_there(trigger) or int(workload is not None and not workload.is_at_rest)

    def _pods_there(self, trigger: Trigger) -> int:
        return sum(not pod.finished for pod in self._cache.pods(trigger.key))

    async def _leftover(self, trigger: Trigger) -> Verdict | None:
        """What pods of a new trigger must not find."""
        known = self._cache.find(trigger.key, "Deployment", consumer_name(trigger.key.name))
        return None if known else await self._checkpointer.leftover(trigger)

    def _ruling(self, trigger: Trigger, accepted: Accepted) -> Verdict:
        unreferenced = self._reference(trigger, accepted.spec)
        holder = self._groups.holder(trigger.key)
        if holder in (None, trigger.key):
            return unreferenced or yes("Accepted", "the spec is valid")
        return no(
            "GroupInUse",
            f"the consumer group {accepted.config.group_id} on these brokers belongs to the older trigger {'/'.join(holder)}: "
            "delete that one, or delete this one and create it with another source.groupId",
        )

    def _reference(self, trigger: Trigger, spec: KafkaTriggerSpec) -> Verdict | None:
        """Why the Transformation that is named cannot run; None where none is named."""
        named, monitor = spec.transformation.ref, self._monitors.references
        if named is None:
            monitor.watch(trigger.key, ())
            return None
        question = references.Question(trigger.key.namespace, named.name)
        before = verdict(trigger.status.get("conditions", []), ACCEPTED, trigger.generation)
        return references.ruling(named, monitor.watch(trigger.key, (question,)).get(question), before)

    def _observe_refused(self, trigger: Trigger, ruling: Verdict) -> Observation:
        """Objects of the last valid spec stay as they are, and are reported as they are."""
        self._monitors.brokers.watch(trigger.key, ())
        self._monitors.errands.watch(trigger.key, ())
        self._monitors.lags.watch(trigger.key, ())
        workload = self._workload(trigger)
        answers = self._witnesses.watch(trigger.key, workload)
        return Observation(
            name=trigger.key.name,
            generation=trigger.generation,
            accepted=ruling,
            desired=workload.scale.wanted if workload else 0,
            workload=workload,
            answers=answers,
            stop=standing(workload, answers) if workload else None,
            replay=_stored(trigger),
        )

    def _observe(
        self, trigger: Trigger, accepted: Accepted, ruling: Verdict, hold: Hold, problem: Verdict | None
    ) -> Observation:
        spec, config = accepted.spec, accepted.config
        connection = self._connection(trigger.key, config)
        workload = self._workload(trigger)
        answers = self._witnesses.watch(trigger.key, workload)
        desired = 0 if spec.suspend or not ruling.holds or hold.verdict else spec.scaling.replicas
        is_well = connection is not None and connection.finding.healthy
        is_silent = not desired or lags.are_silent(workload, answers)
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
            secrets=tuple(spec.transformation.secrets),
            contested=self._deployer.contested(trigger.key),
            workload=workload,
            answers=answers,
            stop=standing(workload, answers) if workload else None,
            held=hold.verdict,
            replay=hold.replay,
            remembered=self._checkpointer.untold(trigger.key),
            has_checkpoint=has_checkpoint(trigger),
            retention=self._retention(trigger.key, config, is_at_rest=not desired and not hold.verdict),
            lag=self._lag(trigger.key, accepted, is_asked=is_well and ruling.holds and is_silent),
        )

    def _retention(self, key: Key, config: ConsumerConfig, *, is_at_rest: bool) -> float | None:
        """Asked of the brokers while nobody consumes for longer than a replay."""
        question = servers(key.namespace, config.bootstrap_servers)
        return self._monitors.retentions.watch(key, (question,) if is_at_rest else ()).get(question)

    def _lag(self, key: Key, accepted: Accepted, *, is_asked: bool) -> Lag | None:
        """Asked of brokers that are well while no pod says it: those that are not would keep others' questions waiting."""
        if not is_asked:
            self._monitors.lags.watch(key, ())
            return None
        question = lags.question(key, accepted)
        return self._monitors.lags.watch(key, (question,)).get(question)

    def _workload(self, trigger: Trigger) -> Workload | None:
        deployment = self._cache.find(trigger.key, "Deployment", consumer_name(trigger.key.name))
        if deployment is None or deployment.scale is None or deployment.owner != trigger.uid:
            return None
        pods = tuple(pod for pod in self._cache.pods(trigger.key) if _is_of(pod, deployment.name))
        return Workload(deployment.generation, deployment.scale, pods)

    async def _follow_replay(self, trigger: Trigger, seen: Observation) -> Observation:
        """Has the checkpoint moved before the status says that the offsets were: else it would stay where it is for good."""
        if seen.replay.memory.handled == replay.remembered(trigger.status).handled:
            return seen
        told = await self._checkpointer.move(trigger, seen)
        return replace(seen, remembered=told) if told else seen

    async def _tell(self, trigger: Trigger, seen: Observation) -> None:
        """Passes a stop, or its end, and the log level on to the pods that do not know of it."""
        for pod, annotations in _untold(trigger, seen):
            try:
                self._cache.observe(await self._cluster.patch(_told(pod, annotations)))
            except ClusterError as error:
                if error.status not in (404, 409):  # gone, or another one of the same name
                    raise

    async def _report(self, trigger: Trigger, seen: Observation) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        wanted = status(seen, trigger.status, now)
        ready = find(wanted["conditions"], READY) or {}
        self._ready.set(trigger.key, ready["status"], ready["reason"])
        if same(wanted, trigger.status):
            self._checkpointer.told(trigger.key, seen.remembered)
            return
        await self._write(trigger, wanted)
        self._checkpointer.told(trigger.key, seen.remembered)
        for notice in seen.replay.notices:
            _log.info("%s", notice.message, extra=trigger.key.facts)
        changes = transitions(trigger.status.get("conditions", []), wanted["conditions"])
        for notice in [*seen.replay.notices, *changes]:
            await self._recorder.record(trigger, notice)

    async def _report_logs(self, trigger: Trigger, seen: Observation) -> None:
        key = trigger.key
        said = frozenset(report.log_change for report in seen.reports)
        for notice in log_changes(said, self._log_changes.get(key, ())):
            await self._recorder.record(trigger, notice)
        self._log_changes[key] = said

    async def _write(self, trigger: Trigger, wanted: dict[str, Any]) -> None:
        try:
            self._cache.observe(await self._cluster.apply(_status_manifest(trigger, wanted), "status"))
        except ClusterError as error:
            # Gone, or another one of the same name: the watch tells what to do next.
            if error.status not in (404, 409):
                raise


def _wants_pods(spec: KafkaTriggerSpec) -> bool:
    return not spec.suspend and spec.scaling.replicas > 0


def _stored(trigger: Trigger) -> Step:
    """A replay that goes no further for now."""
    said = recalled(trigger.status.get("conditions", []), REPLAYING)
    return Step(replay.remembered(trigger.status), said)


def _status_manifest(trigger: Trigger, wanted: Body) -> dict[str, Any]:
    metadata = {"name": trigger.key.name, "namespace": trigger.key.namespace, "uid": trigger.uid}
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "status": wanted}


def _untold(trigger: Trigger, seen: Observation) -> Iterator[tuple[Pod, dict[str, str]]]:
    if seen.workload is None:
        return
    for pod, text in untold(seen.workload, seen.stop):
        yield pod, {STOPPED: text}
    for pod in seen.workload.staying:
        if pod.log_level != trigger.log_level:
            yield pod, {LOG_LEVEL: trigger.log_level}


def _told(pod: Pod, told: dict[str, str]) -> dict[str, Any]:
    annotations = {name: text or None for name, text in told.items()}
    metadata = {"name": pod.name, "namespace": pod.namespace, "uid": pod.uid, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


def _is_of(pod: Pod, deployment: str) -> bool:
    """Labels alone would let anybody's pod speak for the trigger."""
    return pod.owner_kind == "ReplicaSet" and pod.owner_name.rpartition("-")[0] == deployment
