"""A worker process: loads what is to run, then serves one connection after another.

    python -m kafkatrigger.runtime.worker DESCRIPTOR

The supervisor starts it, with its task in a file that has this descriptor. It is a fresh interpreter, so a function never
shares a process with the supervisor and a failed import can be tried again; and it is killed, never asked to end, since a
function may not listen.
"""

import asyncio
import contextlib
import gc
import io
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from types import FrameType

import msgspec

from kafkatrigger.api import logs
from kafkatrigger.api.frames import Batch, FrameError, Work

from . import coroutines
from .batches import BatchExecution
from .execution import Execution
from .function import Batching, batching_of
from .handlers import FunctionHandler, NewHandler
from .lifeline import die_with_parent
from .loading import Accepts, Function, LoadError, is_async, load
from .notices import Notice, Task
from .progress import Progress
from .reading import FrameReader
from .results import EarlyResults, ResultStream

SOCKET_BUFFER = 1 << 22
THREADS = 32
"""For adapters, and for what functions run on threads: what waits needs no processor, so it is not their number."""
_UPON = "build spec.runtime.image upon a newer runtime image, or install kafkatrigger[runtime]"
Serve = Callable[[socket.socket], None]
log = logging.getLogger("kafkatrigger.runtime")
_batches = msgspec.msgpack.Decoder(Batch)


class Loaded(msgspec.Struct, frozen=True):
    """What runs, and how."""

    serve: Callable[[Progress], AbstractContextManager[Serve]]
    is_async: bool
    concurrency: int


def main(descriptor: int) -> None:
    """The life of the process."""
    task = Task.from_file(descriptor)
    die_with_parent(task.parent)
    _set_up_process(task.trigger)
    _yield_to_the_consumer()
    for descriptor in (task.channel, task.progress):
        os.set_inheritable(descriptor, False)
    with socket.socket(fileno=task.channel) as channel:
        try:
            loaded = _load(task.work)
        except LoadError as error:
            channel.sendall(Notice("failed", str(error)).line())
            return
        gc.collect()
        gc.freeze()  # what was imported stays: no collection needs to walk through pandas
        channel.sendall(Notice("ready", is_async=loaded.is_async, concurrency=loaded.concurrency).line())
        with loaded.serve(Progress(task.progress)) as serve:
            _serve_all(channel, task.number, serve)


def _load(work: Work) -> Loaded:
    """LoadError where it cannot run."""
    if work.transforming is not None:
        from .serving.loading import load_transformations  # only where there are any: they cost memory

        return _on_loop(work, load_transformations(work, work.transforming))
    function = load(work.function)
    if is_async(function):
        return _on_loop(work, lambda: FunctionHandler(work, function))
    accepts, batching = _filter(work), batching_of(function)
    return Loaded(partial(_blocking, work, function, batching, accepts), False, batching.size if batching else 1)


def _on_loop(work: Work, new_handler: NewHandler) -> Loaded:
    return Loaded(partial(_looping, work, new_handler, _filter(work)), True, new_handler().concurrency)


def _filter(work: Work) -> Accepts | None:
    if not work.filter:
        return None
    try:
        from .filter import compile_filter  # only where there is one: it costs memory
    except ImportError as error:
        raise LoadError(f"spec.source.filter needs a package that is not there ({error}): {_UPON}") from None
    return compile_filter(work.filter)


@contextlib.contextmanager
def _looping(work: Work, new_handler: NewHandler, accepts: Accepts | None, progress: Progress) -> Iterator[Serve]:
    """What serves a connection on an event loop, which stays the same for the life of the process."""
    with asyncio.Runner(loop_factory=_new_event_loop()) as runner:
        runner.get_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        yield lambda connection: runner.run(coroutines.serve(connection, work, new_handler, accepts, progress))


@contextlib.contextmanager
def _blocking(
    work: Work, function: Function, batching: Batching | None, accepts: Accepts | None, progress: Progress
) -> Iterator[Serve]:
    """What serves a connection with ordinary functions."""

    def execution(results: ResultStream) -> Execution | BatchExecution:
        if batching is None:
            return Execution(work, function, accepts, progress, results)
        return BatchExecution(work, function, batching, accepts, progress, results)

    yield lambda connection: _serve(connection, execution)


def _new_event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """uvloop's, on which a message that waits costs a quarter less, where that is installed; every runtime image has it."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _serve_all(channel: socket.socket, number: int, serve: Serve) -> None:
    while (connection := _next_connection(channel)) is not None:
        with connection:
            try:
                serve(connection)
            except (OSError, FrameError, msgspec.DecodeError) as error:
                log.warning("a connection was closed", extra={"worker": number, "error": repr(error)})
        channel.sendall(Notice("detached").line())


def _next_connection(channel: socket.socket) -> socket.socket | None:
    """Waits for the supervisor to hand over a connection; None when it is gone."""
    data, descriptors, _, _ = socket.recv_fds(channel, 1, 1)
    if not data or not descriptors:
        return None
    connection = socket.socket(fileno=descriptors[0])
    connection.setblocking(True)
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        connection.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
    return connection


def _serve(connection: socket.socket, new_execution: Callable[[ResultStream], Execution | BatchExecution]) -> None:
    """Runs batches until the consumer closes the connection. What it has not been told by then it asks for again."""
    results = ResultStream(connection)
    early = EarlyResults(results)
    early.start()
    execution = new_execution(results)
    try:
        for payload in FrameReader(connection).payloads():
            batch = _batches.decode(payload)
            early.resume()
            execution.run(batch)
            early.pause()
    finally:
        early.close()
        execution.clear()


def _set_up_process(trigger: str) -> None:
    """Signals meant for the runtime are the supervisor's to handle; a crash in native code leaves a traceback.

    The signals get a handler instead of being ignored, because a function's child processes would inherit the latter
    and could not be terminated any more.
    """
    _handle_signals(lambda *_: None)
    os.register_at_fork(after_in_child=lambda: _handle_signals(signal.SIG_DFL))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(line_buffering=True)
    logs.configure()
    logs.speak_of(trigger)
    logs.follow_level()


def _yield_to_the_consumer() -> None:
    """A worker that is woken by a batch must not take the processor from the consumer that has just sent it: with fewer
    processors than processes the consumer would wait after every batch. Its share of the processor stays the same.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # some sandboxes forbid it
            os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))


def _handle_signals(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


if __name__ == "__main__":
    with contextlib.suppress(ConnectionError):  # the supervisor is gone
        main(int(sys.argv[1]))
