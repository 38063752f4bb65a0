"""Traces in a world: which messages have a context, and what has to be told of it wherever a message goes."""

import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Sequence

from kafkatrigger.consumer.spans import Span
from kafkatrigger.consumer.tracing import Tracing

Id = tuple[str, int, int]
Headers = Sequence[tuple[str, bytes | None]]

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = b"00-%s-b7ad6b7169203331-01" % TRACE.encode()
UNSAMPLED = b"00-%s-b7ad6b7169203331-00" % TRACE.encode()
PARENT = "traceparent"


class Traces:
    """What functions were told, and what was written and exported of that. Kept by the world, over all of its pods.

    An attempt of a message has one context, whoever runs it again and whenever: so what its responses and its span say is
    that.
    """

    dropped = 0

    def __init__(self, seed: int, fail: Callable[[str], None]) -> None:
        rng = random.Random(f"traces of {seed}")
        self.ratio = rng.choice([None, 0.0, 0.1, 1.0])
        """None where nothing is traced."""
        self._with_headers = rng.random() < 0.5
        self._fail = fail
        self._told: dict[Id, dict[int, bytes | None]] = defaultdict(dict)

    def tracing(self) -> Tracing | None:
        """A pod's."""
        return None if self.ratio is None else Tracing(self.ratio, "group", self)

    def headers(self, of: Id) -> list[tuple[str, bytes]] | None:
        """Those of a message."""
        kind = zlib.crc32(repr(of).encode()) % 4
        if self.ratio is None or not self._with_headers or kind == 3:
            return None
        return [("own", b"1"), *([(PARENT, SAMPLED if kind else UNSAMPLED)] if kind < 2 else [])]

    def started(self, of: Id, attempt: int, headers: Headers, is_timed: bool) -> None:
        """A worker begins with a message that has these headers."""
        told, own = dict(headers).get(PARENT), dict(self.headers(of) or []).get(PARENT)
        if is_timed != (told != own) or is_timed != self._is_traced(own, told):
            self._fail(f"{of} is told {told!r}, and its own context is {own!r}")
        if self._told[of].setdefault(attempt, told) != told:
            self._fail(f"attempt {attempt} of {of} has the context {told!r}, and had {self._told[of][attempt]!r}")

    def _is_traced(self, own: bytes | None, told: bytes | None) -> bool:
        if own is not None:
            return own == SAMPLED
        return told is not None if self.ratio == 0.1 else self.ratio == 1.0

    def published(self, of: Id, headers: Headers, is_dead_letter: bool) -> None:
        """A response, or a dead letter, can be read."""
        said = [content for name, content in headers if name == PARENT]
        own = dict(self.headers(of) or []).get(PARENT)
        known = set(self._told[of].values())
        if not is_dead_letter and said not in [[told] if told else [] for told in known]:
            self._fail(f"a response to {of} says {said}, and its attempts were told {known}")
        if is_dead_letter and said != ([own] if own else []):
            self._fail(f"a dead letter of {of} says {said}, and the message {own!r}")
        failed = dict(headers).get("kafkatrigger.traceparent")
        if is_dead_letter and failed not in (known if known != {own} else {None}):
            self._fail(
                f"a dead letter of {of} is said to have failed in {failed!r}, and its attempts were told {known}"
            )

    # What a sender does

    def send(self, spans: list[Span]) -> None:
        for span in spans:
            header = b"00-%s-%s-%02x" % (span.trace_id, span.span_id, span.flags)
            of = span.topic, span.partition, span.offset
            if self._told[of].get(span.attempt) != header:
                self._fail(f"the span of attempt {span.attempt} of {of} is {header!r}: it was told {self._told[of]}")

    def look(self) -> None:
        pass

    def close(self) -> None:
        pass
