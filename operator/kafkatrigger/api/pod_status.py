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
TRANSFORMATION_NOT_FOUND = "TransformationNotFound"
RUNTIME_TOO_OLD = "RuntimeTooOld"
TRANSFORMATION_LOADING = "TransformationLoading"
TRANSFORMATION_NOT_LOADED = "TransformationNotLoaded"
RUNTIME_BROKEN = "RuntimeBroken"
JOINING_GROUP = "JoiningGroup"
GROUP_SHARED = "GroupShared"
STOPPED_ON_FAILURE = "StoppedOnFailure"
FAILURE_RATE_HIGH = "FailureRateHigh"
PARTITION_STOPPED = "PartitionStopped"
PARTITION_UNAVAILABLE = "PartitionUnavailable"
STALLED = "Stalled"
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
    """Why it started where it did: one of the reasons in docs/triggers.md; after a replay `Replay:` and its nonce."""
    end: int | None = None
    """Log end, of committed transactions where the consumer reads only those; None while it is unknown."""
    in_flight: int = 0
    """Messages handed to the runtime and not yet answered."""
    parked_keys: int = 0
    """Keys that wait for a retry or a decision."""
    blocked_keys: int = 0
    """Those of them that wait for a decision."""
    oldest_in_flight_seconds: float | None = None
    """Age of the oldest message in flight; None while there is none."""
    last_progress_seconds: float | None = None
    """Seconds since a message last became terminal; None while none has."""
    epoch: int = 0
    """Counts the times that this pod was given the partition."""
    processed: int | None = None
    """The watermark as it is now, which the next commit will carry; None before the first message."""
    timestamp: int | None = None
    """Milliseconds since the epoch, of a message below `committed` and close to it; None where none was read yet."""
    topic_id: str = ""
    """In hexadecimal digits; empty where the broker does not say."""


class FailedMessage(msgspec.Struct, rename="camel"):
    """A message whose last attempt failed."""

    topic: str
    partition: int
    offset: int
    reason: str
    """Such as FunctionFailed."""
    error_class: str
    """Such as ValueError; never the error's text, which may quote the message."""
    attempt: int
    final: bool
    """It was the last attempt: what follows is for `delivery.onFailure` to say."""
    failed_at: int
    """Milliseconds since the epoch."""


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
    blocked_keys: int = 0
    """Keys that wait for a decision (`delivery.onFailure: Block`), over all partitions of this pod."""
    parked_keys: int = 0
    """Keys that wait, for a retry or for a decision."""
    blocked_message: str = ""
    """What a person should know about the blocked keys, as a sentence that holds no key. It goes into the trigger's
    status, so it has nothing in it that changes all the time."""
    breaker_open: bool = False
    """Too much fails: one message at a time probes."""
    dead_letter_problem: str = ""
    """Why the dead-letter topic refuses writes, as a sentence; other messages go on, so the pod stays ready."""
    stopped: str = ""
    """The text of the `stop.StopPoint` of a stop in a partition of this pod; empty in pods that were only told of it."""
    attempts: dict[str, int] = {}
    """Attempts since the pod started, by result: succeeded, failed, timeout, crashed."""
    retention_warning: str = ""
    """Which waiting messages the topic's retention is about to remove, as a sentence that holds no key."""
    lost_offsets: int = 0
    """How many offsets retention removed before this pod read them, since it started."""
    log_change: str = ""
    """The latest that happened to a log without the trigger's doing, as a sentence: retention removed what was not read yet,
    the log lost its end, the topic was made anew."""
    last_failures: list[FailedMessage] = []
    """The messages that failed last, a few of them, the latest last."""
    clock: float = 0.0
    """Seconds on a clock of the pod's that never goes back, when this was said: what was counted between two such documents,
    divided by the seconds between them, is a rate. 0 where the pod does not say."""
    spans_dropped: int = 0
    """Spans of traced messages that reached no collector, since the pod started."""
