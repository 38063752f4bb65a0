"""Names, labels and annotations that the operator gives, each said once."""

from kafkatrigger.api.logs import LEVEL_ANNOTATION
from kafkatrigger.api.resources import GROUP

FIELD_MANAGER = "kafkatrigger"

NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
PART_OF_LABEL = "app.kubernetes.io/part-of"

CONFIG_HASH = f"{GROUP}/config-hash"
TEMPLATE_HASH = f"{GROUP}/template-hash"
RESET_POLICY = f"{GROUP}/initial-offset-reset-policy"
TIMESTAMPS = f"{GROUP}/partition-timestamps"
REVISION = f"{GROUP}/revision"
MEMBERSHIP = f"{GROUP}/membership"
"""Written on the Deployment itself, never on the pods' template: it must replace none."""
STOPPED = f"{GROUP}/stopped"
"""Written on pods alone, never on their template: it must replace none."""

LOG_LEVEL = LEVEL_ANNOTATION
"""On a trigger, and copied to its pods, never to their template."""

FINALIZER = f"{GROUP}/group"
"""On triggers whose group is to be deleted with them."""
CHUNKED = f"{GROUP}/chunks"
"""On the first ConfigMap of a checkpoint: how many there are."""

CHILDREN = f"{MANAGED_BY_LABEL}=kafkatrigger,{COMPONENT_LABEL}=consumer,{INSTANCE_LABEL}"
"""Selects what the operator watches of all that it made, in all namespaces; checkpoints it never needs to see change. What
loses one of these labels is gone for a watch, such as a pod that somebody sets aside.
"""


def consumer_name(trigger: str) -> str:
    """The name of every object made for a trigger."""
    return f"{trigger}-consumer"


def checkpoint_name(trigger: str, chunk: int) -> str:
    """The name of a ConfigMap with a part of the trigger's checkpoint."""
    return f"{consumer_name(trigger)}-checkpoint-{chunk}"


def checkpoint_labels(trigger: str) -> dict[str, str]:
    """Its labels, which the watches do not select."""
    return labels(trigger) | {COMPONENT_LABEL: "checkpoint"}


def checkpoint_selector(trigger: str) -> str:
    """Selects the ConfigMaps of the trigger's checkpoint."""
    return f"{INSTANCE_LABEL}={trigger},{COMPONENT_LABEL}=checkpoint"


def selector(trigger: str) -> dict[str, str]:
    """The labels that select a trigger's pods; a Deployment's selector can never change."""
    return {NAME_LABEL: "kafkatrigger", INSTANCE_LABEL: trigger, COMPONENT_LABEL: "consumer"}


def labels(trigger: str) -> dict[str, str]:
    """The labels of every object made for a trigger."""
    return selector(trigger) | {MANAGED_BY_LABEL: "kafkatrigger", PART_OF_LABEL: "kafkatrigger"}


def selector_text(trigger: str) -> str:
    """The selector as the scale subresource wants it."""
    return ",".join(f"{name}={value}" for name, value in sorted(selector(trigger).items()))
