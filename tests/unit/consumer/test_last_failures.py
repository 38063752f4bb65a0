"""The messages that failed last, as a pod tells of them."""

import msgspec

from kafkatrigger.api.frames import Failed, Record
from kafkatrigger.consumer.last_failures import KEPT, LastFailures
from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.partition import Partition

PARTITION = Partition("orders", 3, 100, Origin("Committed"), start(0))
FAILED = Failed("FunctionFailed", "ValueError", "what is in the message", False)


def record(offset: int, attempt: int = 1) -> Record:
    return (0, offset, 0, attempt, b"a key", b"a value", None)


def test_a_message_that_fails_again_counts_once() -> None:
    failures = LastFailures()
    failures.note(PARTITION, record(1), FAILED, final=False)
    failures.note(PARTITION, record(2), FAILED, final=True)
    failures.note(PARTITION, record(1, attempt=2), FAILED, final=True)
    assert [(each.offset, each.attempt, each.final) for each in failures.messages] == [(2, 1, True), (1, 2, True)]


def test_the_oldest_go() -> None:
    failures = LastFailures()
    for offset in range(KEPT + 5):
        failures.note(PARTITION, record(offset), FAILED, final=True)
    assert [each.offset for each in failures.messages] == list(range(5, KEPT + 5))


def test_what_is_in_a_message_stays_in_it() -> None:
    failures = LastFailures()
    failures.note(PARTITION, record(1), FAILED, final=True)
    text = msgspec.json.encode(failures.messages).decode()
    assert '"errorClass":"ValueError"' in text
    assert [words for words in ("a key", "a value", FAILED.message) if words in text] == []
