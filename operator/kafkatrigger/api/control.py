"""What people may ask of a running consumer, over its control socket: one JSON line each way, then it closes.

The socket is in a volume that the consumer container alone mounts, so on a cluster Kubernetes' RBAC decides who may
(`kubectl exec`). Keys are personal data: they are told to whoever asks here, and to nobody else.
"""

from typing import Literal

import msgspec

from kafkatrigger.api.pod_status import PodStatus

REQUEST_LIMIT = 1024 * 1024
"""Bytes of a request; who has more keys to decide about sends several."""
ANSWER_LIMIT = 16 * 1024 * 1024
"""Bytes of an answer; what does not fit is counted in `omitted`."""
ENGINE_SECONDS = 10.0
"""How long the engine has to take up a request. What it did not take up in that time is not done later either."""

Action = Literal["retry", "skip", "dead-letter"]


class ListBlocked(msgspec.Struct, tag="blocked.list", tag_field="command", rename="camel"):
    """The keys that this pod's partitions have blocked."""


class BlockedRef(msgspec.Struct, rename="camel", frozen=True):
    """One blocked key, by the message that it stopped at."""

    topic: str
    partition: int
    offset: int


class ResolveBlocked(msgspec.Struct, tag="blocked.resolve", tag_field="command", rename="camel"):
    """Decides about the failed message of each: `retry` runs it again with all its attempts, `skip` drops it, and
    `dead-letter` writes it to the dead-letter topic. The key goes on behind it.
    """

    action: Action
    keys: list[BlockedRef]


class Resume(msgspec.Struct, tag="resume", tag_field="command", rename="camel"):
    """Ends a stop (`onFailure: Stop`); the message that caused it runs first, with all its attempts."""


class Describe(msgspec.Struct, tag="describe", tag_field="command", rename="camel"):
    """What the pod says of itself: the same as its /status."""


Request = ListBlocked | ResolveBlocked | Resume | Describe


class BlockedKey(msgspec.Struct, rename="camel"):
    """A key that waits for a decision."""

    topic: str
    partition: int
    offset: int
    """Of the failed message."""
    key: bytes | None
    """As in the message; in JSON base64. None for a message without a key, and until it is read again after a restart."""
    attempts: int
    reason: str
    """Such as FunctionFailed; empty where it failed before this pod started."""
    error_class: str
    message: str
    timestamp: int
    """Of the failed message, in milliseconds since the epoch; 0 where it failed before this pod started."""
    blocked_at: int
    """Milliseconds since the epoch; 0 where it failed before this pod started."""
    waiting: int
    """Messages of the key behind it that this pod has come by."""


class Answer(msgspec.Struct, rename="camel"):
    """`error` says what is wrong and what to do; empty where all went well."""

    error: str = ""
    blocked: list[BlockedKey] = []
    count: int = 0
    """Keys or triggers that the request took effect on; those it named that were not blocked (any more) are not counted."""
    omitted: int = 0
    """Blocked keys that there are beside those in `blocked`, because the answer would have become too long."""
    status: PodStatus | None = None
    """Of Describe."""
