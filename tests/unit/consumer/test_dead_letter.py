"""The form of a dead letter."""

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer import dead_letter
from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.output import Output
from kafkatrigger.consumer.partition import Partition

RECORD: Record = (0, 42, 1_760_000_000_000, 3, b"key", b"value", [("own", b"1"), ("own", None)])
PARTITION = Partition("orders", 5, 0, Origin("Committed"), start(0))


def letter(message: str = "boom") -> Output:
    headers = dead_letter.headers(PARTITION, RECORD, "FunctionFailed", "ValueError", message)
    return Output(PARTITION, RECORD, "dlq", RECORD[5], RECORD[4], headers, "dead_lettered", timestamp=RECORD[2])


def test_the_headers_of_the_message_come_first_and_ours_say_what_happened() -> None:
    headers = letter().headers
    assert headers[:2] == [("own", b"1"), ("own", None)]
    assert dict(headers[2:]) == {
        "kafkatrigger.error.reason": b"FunctionFailed",
        "kafkatrigger.error.class": b"ValueError",
        "kafkatrigger.error.message": b"boom",
        "kafkatrigger.source.topic": b"orders",
        "kafkatrigger.source.partition": b"5",
        "kafkatrigger.source.offset": b"42",
        "kafkatrigger.source.timestamp": b"1760000000000",
        "kafkatrigger.attempts": b"3",
    }


def test_texts_of_errors_are_cut_and_need_not_be_valid() -> None:
    headers = dict(letter("\ud800" + "x" * 5000).headers)
    assert headers["kafkatrigger.error.message"] == b"?" + b"x" * (dead_letter.LONGEST_TEXT - 1)


def test_a_reference_leaves_out_the_value_then_all_that_is_not_ours_then_nothing() -> None:
    first = dead_letter.reference(letter())
    assert (first.value, first.key, first.timestamp) == (None, b"key", 0)
    assert dict(first.headers)["kafkatrigger.value.omitted"] == b"5"
    assert ("own", b"1") in first.headers
    second = dead_letter.reference(first)
    assert (second.value, second.key) == (None, None)
    assert all(name.startswith("kafkatrigger.") for name, _ in second.headers)
    assert dict(second.headers)["kafkatrigger.source.offset"] == b"42"
    assert dead_letter.reference(second) is second
