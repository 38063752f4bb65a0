"""The pods: the runtime container, and the closed list of what else may be said about them."""

from typing import Annotated, Any, Literal

from pydantic import Field

from kafkatrigger.api.schema import KubernetesObject, Model

DRAIN_SECONDS = 15
"""What a stopping pod needs beyond one attempt: flush, commit, leave the group."""


class EnvironmentVariable(Model):
    """One variable of the runtime container."""

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        max_length=253,
        description="Name of the variable.",
        json_schema_extra={
            "rules": [
                [
                    "!self.startsWith('KAFKATRIGGER_')",
                    "names that start with KAFKATRIGGER_ are the operator's: choose another",
                ]
            ]
        },
    )
    value: str | None = Field(default=None, max_length=32768, description="Its value.")
    value_from: KubernetesObject | None = Field(
        default=None, description="Its source, as in a pod: secretKeyRef, configMapKeyRef or fieldRef."
    )


class Resources(Model):
    """Requests and limits of a container."""

    requests: dict[str, int | str] = Field(
        default_factory=dict,
        max_length=16,
        description="Guaranteed resources.",
        json_schema_extra={"values": {"x-kubernetes-int-or-string": True}},
    )
    limits: dict[str, int | str] = Field(
        default_factory=dict,
        max_length=16,
        description="Upper bounds.",
        json_schema_extra={"values": {"x-kubernetes-int-or-string": True}},
    )


class Runtime(Model):
    """The container that runs the transformation."""

    mode: Literal["Sidecar"] = Field(default="Sidecar", description="Sidecar: a container of the consumer's pod.")
    workers: int = Field(default=2, ge=1, le=64, description="Worker processes.")
    image: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Image with the transformation; the default is the chart's runtime image.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the kubelet pulls the image, as in a pod."
    )
    resources: Resources = Field(default_factory=Resources, description="Resources of the container.")
    env: list[EnvironmentVariable] = Field(
        default_factory=list,
        max_length=100,
        description="Variables of the container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )


class Volume(Model):
    """A volume for the runtime: exactly one of the closed list of sources."""

    RULES = (
        (
            "[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.projected), has(self.persistentVolumeClaim)]"
            ".filter(x, x).size() == 1",
            "a volume has exactly one of configMap, secret, emptyDir, projected, persistentVolumeClaim",
        ),
    )

    name: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        max_length=63,
        description="Name of the volume.",
        json_schema_extra={
            "rules": [
                [
                    "!self.startsWith('kafkatrigger-')",
                    "names that start with kafkatrigger- are the operator's: choose another",
                ]
            ]
        },
    )
    config_map: KubernetesObject | None = Field(default=None, description="As in a pod.")
    secret: KubernetesObject | None = Field(default=None, description="As in a pod.")
    empty_dir: KubernetesObject | None = Field(default=None, description="As in a pod.")
    projected: KubernetesObject | None = Field(default=None, description="As in a pod.")
    persistent_volume_claim: KubernetesObject | None = Field(default=None, description="As in a pod.")


class VolumeMount(Model):
    """Where a volume appears in the runtime container."""

    name: str = Field(max_length=63, description="Name of a volume of podTemplate.volumes.")
    mount_path: str = Field(
        max_length=1024,
        description="Absolute path in the container.",
        json_schema_extra={
            "rules": [
                [
                    "self.startsWith('/') && !self.startsWith('/run/kafkatrigger')",
                    "mountPath is an absolute path, and /run/kafkatrigger is the operator's",
                ]
            ]
        },
    )
    sub_path: str | None = Field(default=None, max_length=1024, description="Path inside the volume.")
    read_only: bool | None = Field(default=None, description="Mount it read-only.")


def _pod_objects(description: str) -> Any:
    return Field(
        default_factory=list,
        max_length=64,
        description=description,
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )


class PodTemplate(Model):
    """What may be said about the pods: a closed list, without any security setting."""

    RULES = (
        (
            "!has(self.volumeMounts) || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",
            "podTemplate.volumeMounts names a volume that podTemplate.volumes does not have",
        ),
    )

    labels: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict, max_length=64, description="Further labels of the pods."
    )
    annotations: dict[str, Annotated[str, Field(max_length=16384)]] = Field(
        default_factory=dict, max_length=64, description="Further annotations of the pods."
    )
    image_pull_secrets: list[KubernetesObject] = _pod_objects("As in a pod.")
    service_account_name: str | None = Field(
        default=None,
        max_length=253,
        description="ServiceAccount of the pods. Its token is not mounted, but in the consumer alone where Transformations run.",
    )
    node_selector: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        default_factory=dict, max_length=64, description="As in a pod."
    )
    tolerations: list[KubernetesObject] = _pod_objects("As in a pod.")
    affinity: KubernetesObject | None = Field(default=None, description="As in a pod.")
    topology_spread_constraints: list[KubernetesObject] = _pod_objects("As in a pod.")
    priority_class_name: str | None = Field(default=None, max_length=253, description="As in a pod.")
    runtime_class_name: str | None = Field(default=None, max_length=253, description="As in a pod.")
    termination_grace_period_seconds: int | None = Field(
        default=None,
        ge=DRAIN_SECONDS,
        le=7200,
        description="Time to drain at the end; at least delivery.timeout and 15 seconds, which is also the default.",
    )
    host_aliases: list[KubernetesObject] = _pod_objects("As in a pod.")
    dns_config: KubernetesObject | None = Field(default=None, description="As in a pod.")
    volumes: list[Volume] = Field(
        default_factory=list,
        max_length=32,
        description="Volumes for the runtime container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
    )
    volume_mounts: list[VolumeMount] = Field(
        default_factory=list,
        max_length=64,
        description="Where the volumes appear in the runtime container.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["mountPath"]},
    )
