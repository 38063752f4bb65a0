"""What asks the process to end: heard from its beginning, and told to whoever can end it, once there is somebody."""

import signal
from collections.abc import Callable

_heard: list[int] = []
_listeners: list[Callable[[], None]] = []


def listen() -> None:
    """From now on SIGTERM and SIGINT do not end the process by themselves."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _on_signal)


def on_stop(stop: Callable[[], None]) -> None:
    """Calls it, in the main thread, when the process is asked to end, or at once if it was. It may be called again."""
    _listeners.append(stop)
    if _heard:
        stop()


def _on_signal(number: int, _: object) -> None:
    _heard.append(number)
    for stop in _listeners:
        stop()
