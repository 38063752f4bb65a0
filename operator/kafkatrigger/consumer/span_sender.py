"""The engine's side of the export of spans.

Spans are exported by a process of its own (`span_exporter`): what it does, and what a collector does to it, costs the
engine's thread nothing, not even its turn at the interpreter. Between the two is a socket, whose buffer is the queue: what
does not fit is dropped and counted.
"""

import contextlib
import logging
import socket
import subprocess
import sys
import time

import msgspec

from kafkatrigger.consumer.spans import PACKET, REPORT, SPANS_IN_PACKET, Exporter, Report, Span

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "kafkatrigger.consumer.span_exporter")

RESTART_INTERVAL = 10.0
"""Seconds between two starts of the process."""

LAST_EXPORT = 1.5
"""Seconds that the end waits for spans to be exported: all else is done by then."""

_TOO_MANY = "more are made than are exported: lower spec.tracing.samplingRatio, or have producers sample less"
_ENDED = "the process that exports them ended: its last words stand before this"

_encode = msgspec.msgpack.Encoder().encode
_reports = msgspec.msgpack.Decoder(Report)


class SpanSender:
    """Hands spans to the process; nothing here waits, or fails."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._lost = 0
        """Spans that this side dropped, and those of processes that ended."""
        self._is_told = False
        self._process: subprocess.Popen[bytes] | None = None
        self._start()

    def _start(self) -> None:
        self._sent = 0
        self._report = Report(0, 0, "")
        self._process, self._started_at = None, time.monotonic()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * PACKET)
        with theirs:
            command = [*COMMAND, str(theirs.fileno()), msgspec.json.encode(self._exporter).decode()]
            try:
                self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
            except OSError as error:  # `look` tries again
                log.warning("the process that exports spans cannot be started: %s", error)

    @property
    def dropped(self) -> int:
        """Spans that reached no collector."""
        return self._lost + self._report.dropped

    def send(self, spans: list[Span]) -> None:
        """Hands over what there is room for."""
        for start in range(0, len(spans), SPANS_IN_PACKET):
            part = spans[start : start + SPANS_IN_PACKET]
            try:
                self._channel.send(_encode(part))
            except BlockingIOError:
                self._lose(len(part), _TOO_MANY)
            except OSError:
                self._lose(len(part), _ENDED)
            else:
                self._sent += len(part)

    def look(self) -> None:
        """Hears what became of spans, and starts the process again if it ended."""
        try:
            while data := self._channel.recv(REPORT):
                self._report = _reports.decode(data)
        except BlockingIOError:
            self._tell(self._report.dropped, self._report.why)
            return
        except OSError:
            pass
        if time.monotonic() - self._started_at > RESTART_INTERVAL:
            self._end()
            self._lose(self._report.dropped + self._sent - self._report.done, _ENDED)
            self._start()

    def close(self) -> None:
        """Lets the process export what it has, for a moment."""
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_EXPORT)
        self._end()

    def _end(self) -> None:
        self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _lose(self, count: int, why: str) -> None:
        self._lost += count
        self._tell(count, why)

    def _tell(self, dropped: int, why: str) -> None:
        """Once: the metric has the rest."""
        if dropped and not self._is_told:
            self._is_told = True
            log.warning("spans are dropped, and counted in kafkatrigger_spans_dropped_total; messages go on (%s)", why)
