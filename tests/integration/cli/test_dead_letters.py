"""Listing and showing dead letters, with a real broker."""

import msgspec
import pytest

from kafkatrigger.api.dead_letters import Answer, ListLetters, ShowLetter
from kafkatrigger.api.selection import Selection
from tests.integration.cli.letters import START, Failed, Letters, timestamp


def listed(letters: Letters, limit: int = 100, **selection: object) -> list[str]:
    """Ids of the messages that the list names."""
    answer = letters.ask(ListLetters(Selection(**selection), limit))  # type: ignore[arg-type]
    assert not answer.error
    return [each.source_id.removeprefix(letters.source) for each in answer.letters]


def test_lists_what_failed_by_age(letters: Letters) -> None:
    letters.write(Failed(0, 5, b"a"), Failed(1, 3, b"b"), Failed(0, 9, None))
    assert listed(letters) == ["-1-3", "-0-5", "-0-9"]
    (first, *_) = letters.ask(ListLetters(Selection())).letters
    assert (first.key, first.reason, first.error_class, first.attempts) == (b"b", "FunctionFailed", "ValueError", 5)
    assert (first.timestamp, first.message) == (timestamp(3), "it did not work (line 7)")


def test_selects_by_time_key_error_and_id(letters: Letters) -> None:
    letters.write(
        Failed(0, 1, b"a"),
        Failed(0, 2, b"b", reason="Timeout", error_class="Timeout"),
        Failed(0, 3, b"a", error_class="KeyError"),
    )
    assert listed(letters, since=timestamp(2)) == ["-0-2", "-0-3"]
    assert listed(letters, until=timestamp(2)) == ["-0-1"]
    assert listed(letters, since=timestamp(100)) == []
    assert listed(letters, key=b"a") == ["-0-1", "-0-3"]
    assert listed(letters, error="timeOUT") == ["-0-2"]
    assert listed(letters, error="keyerror", key=b"b") == []
    assert listed(letters, messages=(f"{letters.source}-0-3",)) == ["-0-3"]
    first = letters.ask(ListLetters(Selection(key=b"b"))).letters[0]
    assert listed(letters, messages=(first.id,)) == ["-0-2"]


def test_a_long_topic_gives_its_newest(letters: Letters) -> None:
    letters.write(*(Failed(n % 2, n, b"k%d" % n) for n in range(5000)))
    answer = letters.ask(ListLetters(Selection(), limit=10))
    assert [each.source_offset for each in answer.letters] == list(range(4990, 5000))
    assert answer.total == 5000


def test_records_of_others_are_left_out(letters: Letters) -> None:
    letters.topics.produce(letters.target.topic, [(b"k", b"of somebody else")])
    letters.write(Failed(0, 1, b"a"))
    assert listed(letters) == ["-0-1"]


def test_shows_a_letter_by_its_id_and_by_its_message(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a", b"\x00\xff" * 1000, headers=(("own", b"1"),)), Failed(0, 2, b"a"))
    (one, _) = letters.ask(ListLetters(Selection())).letters
    for name in (one.id, one.source_id):
        whole = letters.ask(ShowLetter(name, longest_value=10)).whole
        assert whole is not None
        assert (whole.value, whole.value_size, whole.key) == (b"\x00\xff" * 5, 2000, b"a")
        assert whole.headers[0] == ("own", b"1")
    whole = letters.ask(ShowLetter(one.id)).whole
    assert whole is not None
    assert whole.value == b"\x00\xff" * 1000


def test_a_tombstone_has_no_value(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a", None))
    whole = letters.ask(ShowLetter(f"{letters.source}-0-1")).whole
    assert whole is not None
    assert (whole.value, whole.value_size) == (None, 0)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("{dlq}-0-77", "no dead letter"),
        ("{dlq}-9-0", "no dead letter"),
        ("else-0-1", "no dead letter"),
        ("x", "write TOPIC"),
    ],
)
def test_what_is_not_there_is_said(letters: Letters, name: str, words: str) -> None:
    letters.write(Failed(0, 1, b"a"))
    answer = letters.ask(ShowLetter(name.format(dlq=letters.target.topic)))
    assert words in answer.error
    assert answer.whole is None


def test_a_topic_that_does_not_exist(letters: Letters) -> None:
    letters.target = msgspec.structs.replace(letters.target, topic="nowhere")
    assert "nowhere does not exist" in letters.ask(ListLetters(Selection())).error


def test_a_broker_that_does_not_answer(letters: Letters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kafkatrigger.kafka.reading.Reader.__init__.__defaults__", (2.0,))
    letters.target = msgspec.structs.replace(letters.target, servers=["127.0.0.1:1"])
    assert "no broker answers" in letters.ask(ListLetters(Selection())).error


def test_answers_travel_as_json(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"\xff\x00"))
    answer = letters.ask(ListLetters(Selection(since=START)))
    assert msgspec.json.decode(msgspec.json.encode(answer), type=Answer) == answer
