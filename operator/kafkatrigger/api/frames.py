"""The frame protocol between consumer and runtime.

A stream of frames over a socket: four bytes of length (little-endian), then one msgpack array whose first element names
the frame. One *control* connection carries the handshake and what the supervisor has to say about its workers. Each
worker then has a connection of its own, so that batches and results take no detour::

    consumer                                   supervisor                     worker i
       Hello ─────────── control ────────────────▶ (loads the function in every worker)
       ◀──────────────── Welcome | Refused
       ◀──────────────── WorkerState ready | failed
       Attach(i) ─────── connection i ───────────▶ hands the socket over ──────▶
       Revisions ─── where messages are requests: what there is to request ───▶
       Batch ─────────────────────────────────────────────────────────────────▶
       ◀─────────────────────────────────────────────────────────────── Results
       ◀──────────────── WorkerExited (what had started and not finished)

Arrays grow at their end only: a decoder ignores elements it does not know and fills in defaults for those it misses.
"""

import struct
from typing import Literal

import msgspec

from kafkatrigger.api.transforming import Transforming

PROTOCOL_VERSIONS = (2, 1)
"""Newest first. A consumer speaks the two versions before its own as well."""

TRANSFORMING_VERSION = 2
"""The first that knows of transformations."""

MAX_FRAME = 256 * 1024 * 1024
"""Bytes; anything that claims to be larger is no frame of ours."""

LENGTH = struct.Struct("<I")

Format = Literal["JSON", "String", "Bytes"]
Ordering = Literal["Key", "Partition", "Unordered"]
Headers = list[tuple[str, bytes | None]]

Record = tuple[int, int, int, int, bytes | None, bytes | None, Headers | None]
"""A message: index into the batch's sources, offset, timestamp (ms), attempt (from 1), key, value, headers."""


class Work(msgspec.Struct, array_like=True):
    """What the runtime has to run, and how."""

    function: str
    value_format: Format
    key_format: Format
    ordering: Ordering
    timeout_ms: int
    skip_tombstones: bool
    filter: str = ""
    """CEL expression; a message for which it is false is not run and not answered. Empty: every message runs."""
    transforming: Transforming | None = None
    """Instead of a function, which is empty then. A runtime that speaks version 1 knows nothing of it."""
    revisions: list[bytes] = []
    """The transformation that runs for every message, and then those that it is made of: `spec` as JSON."""


class Hello(msgspec.Struct, array_like=True, tag="hello"):
    """Opens the control connection. `versions` are those the consumer speaks; `name` is namespace/trigger, for logs."""

    versions: list[int]
    name: str
    work: Work


class Attach(msgspec.Struct, array_like=True, tag="attach"):
    """Opens the connection to one worker: `session` as in Welcome, `worker` from 0."""

    session: str
    worker: int


class End(msgspec.Struct, array_like=True, tag="end"):
    """On the control connection: the worker is to end at once, whatever it runs; its WorkerExited names no suspects."""

    worker: int


class Batch(msgspec.Struct, array_like=True, tag="batch"):
    """Messages to run in this order.

    After a failure a worker holds the message's lane: it answers NotRun to the later messages of the lane, in this batch
    and in every later one, until a batch releases the lane. So the consumer can have batches under way without reordering.
    """

    id: int
    sources: list[tuple[str, int]]
    """Topic and partition that records point to."""
    records: list[Record]
    released: list[tuple[int, bytes | None]] = []
    """Lanes that go on with this batch, as index into `sources` and key (None where the lane is a partition): all that
    the worker had of them was answered, and the consumer has decided about the failed message. May come without records.
    """
    timed: set[int] = set()
    """Indexes of the records of which the consumer wants to know when they ran."""


class Revisions(msgspec.Struct, array_like=True, tag="revisions"):
    """On the connection to a worker, before the batches that it is for: the transformations that there are to request."""

    put: list[tuple[bool, bytes]]
    """New ones and changed ones: whether it may be requested, or only be part of another; and its `spec` as JSON."""
    removed: list[str] = []
    """Ids."""


class Welcome(msgspec.Struct, array_like=True, tag="welcome"):
    """The runtime's answer to Hello: the version that both will speak, and how many workers to attach to."""

    version: int
    session: str
    workers: int


class Refused(msgspec.Struct, array_like=True, tag="refused"):
    """The runtime's answer to a Hello or Attach that it cannot serve; it closes the connection then."""

    reason: str
    message: str


class WorkerState(msgspec.Struct, array_like=True, tag="state"):
    """A worker is loading, is ready to be attached to, or could not load the function (it tries again by itself)."""

    worker: int
    state: Literal["loading", "ready", "failed"]
    message: str = ""
    concurrency: int = 1
    """With `ready`: how many messages it takes at a time."""


class WorkerExited(msgspec.Struct, array_like=True, tag="exited"):
    """A worker process ended; another is started in its place.

    `suspects` are the (batch, index) that had started and not finished: one of them is the cause, unless there are none.
    A timeout names the messages that overran alone: what else ran beside them is innocent.
    """

    worker: int
    reason: Literal["WorkerCrashed", "OutOfMemory", "Timeout", "Ended"]
    """`Ended` because the consumer said so."""
    message: str
    suspects: list[tuple[int, int]]


class Failed(msgspec.Struct, array_like=True, tag="failed", gc=False):
    """The attempt failed. `reason` is InvalidMessage, FunctionFailed or InvalidResult; a permanent one is not retried."""

    reason: str
    error_class: str
    message: str
    permanent: bool


class NotRun(msgspec.Struct, array_like=True, tag="notrun", gc=False):
    """An earlier message of the same lane failed, so this one has to wait."""


class Output(msgspec.Struct, array_like=True, gc=False):
    """One response that differs from "the source's key with this value"."""

    value: bytes | None
    key: bytes | None = None
    source_key: bool = True
    """The key is the source's, whatever `key` says."""
    headers: Headers = []
    partition: int | None = None
    topic: str = ""
    """One of those that the trigger names, or empty for that of responses."""


class Outputs(msgspec.Struct, array_like=True, tag="outputs"):
    """Several responses, in order, or one with a key, headers or partition of its own."""

    outputs: list[Output]


Run = tuple[int, int, int]
"""Of a record: its index in the batch, and when it began and ended, in nanoseconds since the epoch."""

Outcome = bytes | Failed | NotRun | Outputs | None
"""Of one message. Bytes are the value of its one response; None means that it was filtered."""


class Results(msgspec.Struct, array_like=True, tag="results"):
    """Outcomes of the records `first`, `first + 1`, ... of a batch, or of those in `indexes`.

    A batch may be answered in several of these, each record once.
    """

    batch: int
    first: int
    outcomes: list[Outcome]
    indexes: list[int] | None = None
    """For functions that run messages side by side, which finish in any order."""
    runs: list[Run] = []
    """When those records ran that the batch wants to know it of; a runtime that knows nothing of it leaves them out."""


FromConsumer = Hello | Attach | End | Batch | Revisions
FromRuntime = Welcome | Refused | WorkerState | WorkerExited | Results

_encoder = msgspec.msgpack.Encoder()
from_consumer = msgspec.msgpack.Decoder(FromConsumer)
from_runtime = msgspec.msgpack.Decoder(FromRuntime)


def encode(frame: FromConsumer | FromRuntime) -> bytes:
    """The frame with its length in front."""
    buffer = bytearray(LENGTH.size)
    _encoder.encode_into(frame, buffer, LENGTH.size)
    LENGTH.pack_into(buffer, 0, len(buffer) - LENGTH.size)
    return bytes(buffer)


class FrameError(Exception):
    """The peer sent something that is no frame; the connection has to be closed."""


class FrameBuffer:
    """Cuts a byte stream into the payloads of frames. Grows to one frame at most beyond what was fed."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes | memoryview) -> list[bytes]:
        """The payloads that are complete now; FrameError where a length exceeds the limit."""
        self._buffer += data
        payloads = []
        start = 0
        with memoryview(self._buffer) as view:  # a slice of the buffer itself would be one more copy
            while (end := self._end_of_frame(start)) is not None:
                payloads.append(bytes(view[start + LENGTH.size : end]))
                start = end
        del self._buffer[:start]
        return payloads

    def _end_of_frame(self, start: int) -> int | None:
        if len(self._buffer) - start < LENGTH.size:
            return None
        (length,) = LENGTH.unpack_from(self._buffer, start)
        if length > self._limit:
            raise FrameError(f"a frame of {length} bytes exceeds the limit of {self._limit}")
        end = start + LENGTH.size + int(length)
        return end if end <= len(self._buffer) else None
