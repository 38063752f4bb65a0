"""Where a partition starts that has no committed offset: the reset policy and the partition timestamps.

Both travel in the consumer's environment, so that `kubectl get deployment -o yaml` shows them and a change rolls the pods.
Timestamps too long for an environment travel in the mounted configuration, and the environment holds their digest.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

POLICY_VARIABLE = "KAFKATRIGGER_INITIAL_OFFSET_RESET_POLICY"
TIMESTAMPS_VARIABLE = "KAFKATRIGGER_PARTITION_TIMESTAMPS"

LONGEST_VARIABLE = 32 * 1024
"""Bytes of timestamps that the environment carries; Linux allows 128 KiB for one variable."""

_DIGEST = "sha256:"

PartitionTimestamps = dict[str, dict[str, int]]
"""Topic -> partition number as text -> milliseconds since the epoch."""


class StartPolicy(msgspec.Struct, frozen=True):
    """`initial` is earliest, latest, epoch milliseconds or an RFC 3339 time."""

    initial: str = "earliest"
    timestamps: PartitionTimestamps = {}

    def timestamp_for(self, topic: str, partition: int) -> int | None:
        """Milliseconds to start at, or None to follow `initial`.

        A partition without a timestamp of its own takes the earliest of its topic's: it was created after the
        timestamps were recorded, so everything it holds is younger.
        """
        of_topic = self.timestamps.get(topic)
        if of_topic:
            return of_topic.get(str(partition), min(of_topic.values()))
        return self.initial_timestamp()

    def initial_timestamp(self) -> int | None:
        """Milliseconds of `initial`, or None for earliest and latest."""
        if self.initial in ("earliest", "latest"):
            return None
        return epoch_milliseconds(self.initial)


def epoch_milliseconds(text: str) -> int:
    """Milliseconds since the epoch of digits or an RFC 3339 time with its zone; ValueError for anything else."""
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            f"{text!r} is not a start: write earliest, latest, epoch milliseconds or an RFC 3339 time with its zone"
        )
    if moment < datetime.fromtimestamp(0, UTC):
        raise ValueError(f"{text!r} lies before 1970")
    return round(moment.timestamp() * 1000)


def to_environment(policy: StartPolicy) -> dict[str, str]:
    """The environment variables that carry the policy."""
    text = _canonical(policy.timestamps)
    fits = len(text) <= LONGEST_VARIABLE
    return {
        POLICY_VARIABLE: policy.initial,
        TIMESTAMPS_VARIABLE: text.decode() if fits else f"{_DIGEST}{hashlib.sha256(text).hexdigest()}",
    }


def mounted_timestamps(policy: StartPolicy) -> PartitionTimestamps:
    """What the mounted configuration has to carry: the timestamps where the environment cannot, else nothing."""
    return policy.timestamps if len(_canonical(policy.timestamps)) > LONGEST_VARIABLE else {}


def from_environment(environment: Mapping[str, str], mounted: PartitionTimestamps) -> StartPolicy:
    """The policy of a process; msgspec.ValidationError where the timestamps are not of the form."""
    text = environment.get(TIMESTAMPS_VARIABLE, "{}")
    timestamps = mounted if text.startswith(_DIGEST) else msgspec.json.decode(text, type=PartitionTimestamps)
    return StartPolicy(environment.get(POLICY_VARIABLE, "earliest"), timestamps)


def _canonical(timestamps: PartitionTimestamps) -> bytes:
    return msgspec.json.encode(timestamps, order="sorted")
