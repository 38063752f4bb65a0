"""Names, labels and annotations that the operator gives, each said once."""

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

CHILDREN = f"{MANAGED_BY_LABEL}=kafkatrigger,{COMPONENT_LABEL}=consumer"
"""Selects everything that the operator made, in all namespaces."""


def consumer_name(trigger: str) -> str:
    """The name of every object made for a trigger."""
    return f"{trigger}-consumer"


def selector(trigger: str) -> dict[str, str]:
    """The labels that select a trigger's pods; a Deployment's selector can never change."""
    return {NAME_LABEL: "kafkatrigger", INSTANCE_LABEL: trigger, COMPONENT_LABEL: "consumer"}


def labels(trigger: str) -> dict[str, str]:
    """The labels of every object made for a trigger."""
    return selector(trigger) | {MANAGED_BY_LABEL: "kafkatrigger", PART_OF_LABEL: "kafkatrigger"}


def selector_text(trigger: str) -> str:
    """The selector as the scale subresource wants it."""
    return ",".join(f"{name}={value}" for name, value in sorted(selector(trigger).items()))
