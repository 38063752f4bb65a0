"""Triggers, messages and what to make of responses: for the tests of this folder."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from confluent_kafka import Message

from tests.cluster.broker import HostBroker
from tests.support.pipeline import Pod
from tests.support.topics import Topics
from tests.support.waiting import until


def spec(broker: HostBroker, topic: str, /, function: str = "functions:tell", **more: Any) -> dict[str, Any]:
    """A trigger on the topic with responses in <topic>.out and dead letters in <topic>.dlq; quick to retry."""
    return {
        "kafka": {"bootstrapServers": [broker.bootstrap]},
        "source": {"topics": [topic], **more.pop("source", {})},
        "transformation": {"function": function},
        "response": {"topic": f"{topic}.out", **more.pop("response", {})},
        "delivery": {
            "deadLetter": {"topic": f"{topic}.dlq"},
            "retry": {"attempts": 3, "initialDelay": "20ms", "maxDelay": "100ms"},
            **more.pop("delivery", {}),
        },
        **more,
    }


def action(do: str, **more: Any) -> bytes:
    """A message for `functions:tell`."""
    return orjson.dumps({"do": do, **more})


def numbered(count: int, keys: int = 50, start: int = 0) -> list[tuple[bytes, bytes]]:
    """Messages that are told apart by `n`, in the order of their numbers within each key."""
    return [(b"k%d" % (n % keys), action("echo", n=n)) for n in range(start, start + count)]


def numbers(answers: Iterable[Message]) -> list[int]:
    """`n` of each answer."""
    return [orjson.loads(answer.value())["n"] for answer in answers]


def by_key(answers: Iterable[Message]) -> dict[bytes, list[int]]:
    """`n` of the answers of each key, in their order."""
    found: dict[bytes, list[int]] = defaultdict(list)
    for answer in answers:
        found[answer.key()].append(orjson.loads(answer.value())["n"])
    return found


def assert_in_order(answers: Iterable[Message]) -> None:
    """Per key the first answers to each message are in the order of the messages, repeated ones left out.

    After a handover or a crash what was not committed runs again, so an owner repeats a stretch from its beginning: the
    first occurrences still ascend, and never goes an answer back further than to what was repeated.
    """
    for key, found in by_key(answers).items():
        first = list(dict.fromkeys(found))
        assert first == sorted(first), f"key {key!r} was answered out of order: {found}"


def committed_up_to(topics: Topics, pod: Pod, source: str) -> Callable[[], bool]:
    """Whether everything that is in the source now is terminal, by what is committed."""
    ends = topics.ends(source)

    def is_reached() -> bool:
        committed = topics.committed(pod.config.group_id, source)
        return all(committed.get(number, 0) >= end for number, end in ends.items())

    return is_reached


def wait_committed(topics: Topics, pod: Pod, source: str, seconds: float = 60.0) -> None:
    """Until that is so; AssertionError, with what the pod says, when it takes longer."""
    is_reached = committed_up_to(topics, pod, source)
    try:
        until(is_reached, seconds, "commits to the end")
    except AssertionError as error:
        raise AssertionError(f"{error}; {pod.status}\n{pod.logs[-4000:]}") from None
