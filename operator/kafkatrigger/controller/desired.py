"""The objects that a trigger needs, as manifests. Pure: the same trigger and settings give the same manifests."""

import hashlib
from typing import Any

import msgspec

from kafkatrigger.api.configure import start_policy
from kafkatrigger.api.resources import API_VERSION, GROUP, KIND, KafkaTriggerSpec
from kafkatrigger.api.validation import Accepted
from kafkatrigger.controller import access
from kafkatrigger.controller.cache import Trigger
from kafkatrigger.controller.containers import (
    CONFIG_VOLUME,
    RUN_VOLUME,
    TEMPORARY_VOLUME,
    adapter_volumes,
    consumer,
    consumer_volumes,
    log_volume,
    runtime,
    short_timestamps,
)
from kafkatrigger.controller.names import (
    CONFIG_HASH,
    MEMBERSHIP,
    RESET_POLICY,
    REVISION,
    TEMPLATE_HASH,
    TIMESTAMPS,
    consumer_name,
    labels,
    selector,
)
from kafkatrigger.controller.settings import Settings

Manifest = dict[str, Any]

SHARED_GROUP = 65534
"""Owns the emptyDirs: consumer and runtime are different users and meet in one socket."""


def manifests(
    trigger: Trigger, accepted: Accepted, settings: Settings, *, hold: bool, membership: str, is_stuck: bool
) -> list[Manifest]:
    """What to apply, in this order. With `hold` there are no pods, whatever the spec says; `membership` is the text of
    what the Deployment's pods are. `is_stuck`: pods of an older template are there, and nothing is ready.
    """
    config = msgspec.json.encode(accepted.config, order="sorted")
    replicas = 0 if hold or accepted.spec.suspend else accepted.spec.scaling.replicas
    template = _template(trigger, accepted.spec, settings, hashlib.sha256(config).hexdigest())
    return [
        _object(trigger, "v1", "ConfigMap", data={"consumer.json": config.decode()}),
        *_access(trigger, accepted.spec, settings),
        _with_membership(
            _object(trigger, "apps/v1", "Deployment", spec=_deployment(trigger.key.name, replicas, template, is_stuck)),
            membership,
        ),
        _object(trigger, "policy/v1", "PodDisruptionBudget", spec=_budget(trigger.key.name)),
    ]


def revision(spec: KafkaTriggerSpec) -> str:
    """Differs when the spec does, but for how many pods there are, what is replayed, what happens at the end and where spans
    go; new fields that are left at their default make no difference, so that an upgrade of the operator is no change of
    the spec.
    """
    without = {"suspend", "scaling", "replay", "deletion_policy", "tracing"}
    said = spec.model_dump(mode="json", exclude=without, exclude_defaults=True)
    return digest(said)[:16]


def digest(manifest: object) -> str:
    """Tells manifests apart."""
    return hashlib.sha256(msgspec.json.encode(manifest, order="sorted")).hexdigest()


def _access(trigger: Trigger, spec: KafkaTriggerSpec, settings: Settings) -> list[Manifest]:
    """What lets the consumer read Transformations; nothing where a function runs. An account of the user's own is bound too."""
    name, namespace = trigger.key.name, trigger.key.namespace
    if not spec.transformation.needs_transformations:
        return []
    own = _object(trigger, "v1", "ServiceAccount", automountServiceAccountToken=False)
    bound = access.binding(access.account(name, spec), namespace, settings)
    binding = _object(trigger, f"{access.RBAC}/v1", "RoleBinding", access.binding_name(name, settings), **bound)
    return [binding] if spec.pod_template.service_account_name else [own, binding]


def _object(trigger: Trigger, version: str, kind: str, name: str = "", **content: Any) -> Manifest:
    metadata = {
        "name": name or consumer_name(trigger.key.name),
        "namespace": trigger.key.namespace,
        "labels": labels(trigger.key.name),
        "ownerReferences": [owner_of(trigger)],
    }
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}


def _with_membership(deployment: Manifest, membership: str) -> Manifest:
    return {**deployment, "metadata": {**deployment["metadata"], "annotations": {MEMBERSHIP: membership}}}


def owner_of(trigger: Trigger) -> Manifest:
    """The reference by which the garbage collector removes an object with its trigger."""
    # blockOwnerDeletion would need the right to update finalizers, and would make a deletion wait for the pods' drain.
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": trigger.key.name,
        "uid": trigger.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def _deployment(name: str, replicas: int, template: Manifest, is_stuck: bool) -> Manifest:
    return {
        "replicas": replicas,
        "minReadySeconds": 0,
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selector(name)},
        # The new pod joins the group, then the old one drains and leaves: nothing stands still in between. Where everything
        # does, an old pod may be what keeps the new ones from being ready: it has partitions that they could mend.
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "100%" if is_stuck else 0},
        },
        "template": template,
    }


def _budget(name: str) -> Manifest:
    return {"maxUnavailable": 1, "selector": {"matchLabels": selector(name)}}


def _template(trigger: Trigger, spec: KafkaTriggerSpec, settings: Settings, config_hash: str) -> Manifest:
    pod, policy = spec.pod_template, start_policy(spec)
    theirs = {name: value for name, value in pod.annotations.items() if not name.startswith(f"{GROUP}/")}
    ours = {CONFIG_HASH: config_hash, RESET_POLICY: policy.initial, REVISION: revision(spec)}
    annotations = {**theirs, **ours}
    if timestamps := short_timestamps(policy):
        annotations[TIMESTAMPS] = timestamps
    template: Manifest = {
        "metadata": {"labels": {**pod.labels, **labels(trigger.key.name)}, "annotations": annotations},
        "spec": _pod(trigger, spec, settings),
    }
    annotations[TEMPLATE_HASH] = digest(template)
    return template


def _pod(trigger: Trigger, spec: KafkaTriggerSpec, settings: Settings) -> Manifest:
    name = trigger.key.name
    return {
        **_placement(name, spec, settings),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": spec.grace_period_seconds,
        "securityContext": {
            "runAsNonRoot": True,
            "fsGroup": SHARED_GROUP,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "initContainers": [runtime(name, spec, settings)],
        "containers": [consumer(trigger.uid, spec, settings, revision(spec))],
        "volumes": [
            {"name": CONFIG_VOLUME, "configMap": {"name": consumer_name(name)}},
            {"name": RUN_VOLUME, "emptyDir": {}},
            {"name": TEMPORARY_VOLUME, "emptyDir": {}},
            *consumer_volumes(name),
            *access.token_volumes(spec),
            log_volume(),
            *adapter_volumes(spec),
            *(volume.model_dump(by_alias=True, exclude_none=True) for volume in spec.pod_template.volumes),
        ],
    }


def _placement(name: str, spec: KafkaTriggerSpec, settings: Settings) -> Manifest:
    """What the closed list of podTemplate says about the pod itself; what is not said is left to Kubernetes."""
    pod = spec.pod_template
    secrets = {secret: {"name": secret} for secret in settings.image_pull_secrets}
    secrets |= {secret.get("name", ""): secret for secret in pod.image_pull_secrets}
    fields = {
        "imagePullSecrets": list(secrets.values()),
        "serviceAccountName": access.account(name, spec),
        "nodeSelector": pod.node_selector,
        "tolerations": pod.tolerations,
        "affinity": pod.affinity,
        "topologySpreadConstraints": pod.topology_spread_constraints,
        "priorityClassName": pod.priority_class_name,
        "runtimeClassName": pod.runtime_class_name,
        "hostAliases": pod.host_aliases,
        "dnsConfig": pod.dns_config,
    }
    return {field: value for field, value in fields.items() if value}
