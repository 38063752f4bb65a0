"""What a committed offset says beside itself: the form of the commit's metadata.

What it means is the consumer's business (`consumer.offsets`). Whoever moves a group's offsets writes the same form, and
reads what gets lost by it.
"""

import base64
import binascii
from typing import Annotated

import msgspec


class Metadata(msgspec.Struct, array_like=True):
    """All offsets as distances, which are short numbers."""

    reason: str
    """Why the partition started where it did."""
    topic_id: bytes = b""
    bound: int = 0
    """From the watermark."""
    steps: list[int] = []
    """From the watermark on: distance to the next open range, its length, distance to the next, ..."""
    parked: list[Annotated[list[int], msgspec.Meta(min_length=5, max_length=6)]] = []
    """Lane, offset from the watermark, bound minus `until`, attempts, state; where it is another, `since` from the watermark."""
    config: int = 0


def dump(metadata: Metadata) -> str:
    """As Kafka keeps it."""
    return base64.b64encode(msgspec.msgpack.encode(metadata)).decode()


def load(text: str | None) -> Metadata | None:
    """None for nothing, and for what is not ours: that is no error."""
    try:
        return msgspec.msgpack.decode(base64.b64decode(text or "", validate=True), type=Metadata)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        return None
