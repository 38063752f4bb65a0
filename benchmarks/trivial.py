"""The function of the benchmarks: next to no work, so that what is measured is ours."""

from kafkatrigger import Message


def handler(message: Message) -> object:
    """Adds a field."""
    reading = message.value
    reading["result"] = reading["value"] * 2
    return reading
