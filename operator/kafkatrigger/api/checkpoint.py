"""The checkpoint: what a trigger remembers of its progress apart from the group's offsets, which a broker may expire and
anybody may delete.

    consumer ── /status: the mark of each partition ──▶ operator ── ConfigMaps ──▶ CHECKPOINT_PATH in each pod

Pods mount a fixed number of ConfigMaps, all of them optional, so a checkpoint that grows never changes a pod's template.
A consumer reads it when it is assigned a partition of which the group has no committed offset.
"""

from pathlib import Path
from typing import AnyStr

import msgspec

CHECKPOINT_PATH = Path("/etc/kafkatrigger-checkpoint")
"""Folder with the files `0.json`, `1.json`, ...; those that do not exist are empty. Mounted in the consumer alone."""

CHUNKS = 8
"""ConfigMaps of a trigger: enough for 100 topics of 1,000 partitions each."""


class Mark(msgspec.Struct, array_like=True, frozen=True):
    """How far one partition is."""

    offset: int
    """What was committed: all below is terminal, but for what the commit's metadata said."""
    timestamp: int | None = None
    """Milliseconds since the epoch, of a message below the offset, close to it; None where none was read yet. To start at
    the first offset whose timestamp is not earlier never skips a message that is not terminal.
    """
    topic_id: str = ""
    """In hexadecimal digits: another one says that the topic was made anew. Empty where the broker does not say."""


Checkpoint = dict[str, dict[str, Mark]]
"""Topic -> partition number as text -> mark. Where it is not empty, it has all partitions that the trigger knew."""


def is_another(recorded: AnyStr, topic_id: AnyStr) -> bool:
    """Whether the topic was deleted and made again since its id was recorded; nobody knows where either is empty."""
    return bool(recorded and topic_id) and recorded != topic_id


def load(folder: Path = CHECKPOINT_PATH) -> Checkpoint:
    """The checkpoint of all files in the folder; empty where there are none. msgspec.DecodeError where one is no checkpoint."""
    checkpoint: Checkpoint = {}
    for number in range(CHUNKS):
        path = folder / f"{number}.json"
        if path.exists():
            for topic, marks in msgspec.json.decode(path.read_bytes(), type=Checkpoint).items():
                checkpoint.setdefault(topic, {}).update(marks)
    return checkpoint
