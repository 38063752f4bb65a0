"""What a consumer pod says about itself at `/status`: read by the operator and by people."""

import msgspec

# Reasons, in the order in which they are looked for: the first that applies is the one reported.
DRAINING = "Draining"
OPTIONS_REFUSED = "OptionsRefused"
BROKER_UNREACHABLE = "BrokersUnreachable"
TOPIC_MISSING = "TopicNotFound"
RESPONSE_UNAVAILABLE = "ResponseUnavailable"
DEAD_LETTER_UNAVAILABLE = "DeadLetterUnavailable"
RUNTIME_NOT_CONNECTED = "RuntimeNotConnected"
RUNTIME_TOO_OLD = "RuntimeTooOld"
TRANSFORMATION_LOADING = "TransformationLoading"
TRANSFORMATION_NOT_LOADED = "TransformationNotLoaded"
JOINING_GROUP = "JoiningGroup"
CONSUMING = "Consuming"


class PartitionStatus(msgspec.Struct, rename="camel"):
    """One partition that this pod holds."""

    topic: str
    partition: int
    watermark: int
    """Lowest offset that is not terminal."""
    committed: int | None
    lag: int | None
    """Log end minus watermark; None while the end is unknown."""
    started: str
    """Why it started where it did: Committed, PartitionTimestamps or InitialOffsetResetPolicy."""


class PodStatus(msgspec.Struct, rename="camel"):
    """The pod's state in one document; holds no key, no value and no credential."""

    trigger: str
    """namespace/name"""
    ready: bool
    reason: str
    message: str
    group_id: str
    partitions: list[PartitionStatus] = []
    in_flight: int = 0
    waiting: int = 0
    """Messages that wait for a retry or behind one."""
    outcomes: dict[str, int] = {}
    """Terminal messages since the pod started: succeeded, filtered, dead_lettered, skipped."""
    worker_restarts: dict[str, int] = {}
    """Worker processes that ended, by reason."""
    rebalances: int = 0
    group_protocol: str = ""
