"""Redrive with a real broker: each dead letter once, in order, whatever dies."""

import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from kafkatrigger.api.configure import consumer_config
from kafkatrigger.api.dead_letters import Answer, ListLetters
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.api.selection import Selection
from kafkatrigger.kafka import copies
from kafkatrigger.kafka.topics import settings
from tests.integration.cli.letters import Failed, Letters, offsets_by_key, redrive_of, source_of, timestamp
from tests.support.waiting import until


def test_copies_keep_key_value_and_headers(letters: Letters) -> None:
    letters.write(Failed(1, 3, b"a", b"\x00\xff", headers=(("own", b"1"), ("own", b"2"))), Failed(0, 4, None, None))
    done = letters.redrive(request="r1")
    assert (done.moved, done.letters, done.keys) == (2, 2, 1)
    by_key = {each.key(): each for each in letters.copies}
    copy = by_key[b"a"]
    assert copy.value() == b"\x00\xff"
    assert copy.partition() == 1
    dead = letters.ask(ListLetters(Selection(key=b"a"))).letters[0]
    assert copy.headers() == [
        ("own", b"1"),
        ("own", b"2"),
        ("kafkatrigger.source.topic", letters.source.encode()),
        ("kafkatrigger.source.partition", b"1"),
        ("kafkatrigger.source.offset", b"3"),
        ("kafkatrigger.source.timestamp", b"%d" % timestamp(3)),
        ("kafkatrigger.redrive.request", b"r1"),
        ("kafkatrigger.redrive.letter", dead.id.encode()),
    ]
    assert by_key[None].value() is None
    assert copy.timestamp()[1] > timestamp(10_000), "by the old time retention could remove it before it is read"


def test_a_dry_run_counts_and_moves_nothing(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a"), Failed(0, 2, b"a"), Failed(0, 3, b"b"))
    counts = letters.redrive(dry_run=True)
    assert (counts.letters, counts.keys, counts.moved, counts.reorder_checked) == (3, 2, 0, True)
    assert letters.topics.count(letters.target.redrive_topic) == 0


def test_each_is_moved_once_whoever_asks(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a"), Failed(0, 2, b"b"))
    assert letters.redrive(selection=Selection(key=b"a"), request="r1").moved == 1
    second = letters.redrive(request="r2")
    assert (second.moved, second.already) == (1, 1)
    assert letters.redrive(request="r3").moved == 0
    found = letters.ask(ListLetters(Selection())).letters
    assert [each.redriven for each in found] == [["r1"], ["r2"]]
    assert len(letters.copies) == 2


def test_again_moves_again_but_once_for_each_request(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a"))
    letters.redrive(request="r1")
    assert [letters.redrive(request="r2", again=True).moved for _ in range(2)] == [1, 0]
    assert letters.ask(ListLetters(Selection())).letters[0].redriven == ["r1", "r2"]


def test_what_was_counted_is_what_is_moved(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a"))
    ends = letters.redrive(dry_run=True).ends
    letters.write(Failed(0, 2, b"a"))
    assert letters.redrive(ends=ends).moved == 1
    assert letters.redrive().moved == 1


def test_a_limit_leaves_the_rest_for_the_next(letters: Letters) -> None:
    letters.write(*(Failed(0, n, b"a") for n in range(10)))
    first = letters.redrive(limit=4)
    assert (first.moved, first.more) == (4, True)
    second = letters.redrive()
    assert (second.moved, second.more) == (6, False)
    assert offsets_by_key(letters.copies) == {b"a": list(range(10))}


def test_they_run_in_the_order_of_the_source(letters: Letters) -> None:
    places = list(range(3000))
    random.Random(1).shuffle(places)
    letters.write(*(Failed(n % 2, n, b"k%d" % (n % 7 + 7 * (n % 2))) for n in places))
    assert letters.redrive().moved == 3000
    found = offsets_by_key(letters.copies)
    assert sum(map(len, found.values())) == 3000
    assert all(offsets == sorted(offsets) for offsets in found.values())


def test_keys_with_newer_messages_need_a_word(letters: Letters) -> None:
    letters.fill(b"old", b"new", b"both", b"new", b"both", None, None)
    letters.write(Failed(0, 0, b"old"), Failed(0, 1, b"new"), Failed(0, 2, b"both"), Failed(0, 4, b"both"))
    letters.write(Failed(0, 5, None))
    counts = letters.redrive(dry_run=True)
    assert (counts.letters, counts.keys, counts.reordered_keys) == (5, 3, 1), (
        "of `both` only what is redriven itself is newer"
    )
    refused = letters.ask(redrive_of())
    assert "1 of 3 keys have newer messages" in refused.error
    assert letters.topics.count(letters.target.redrive_topic) == 0
    assert letters.redrive(selection=Selection(key=b"both")).moved == 2
    assert letters.redrive(allow_reorder=True).moved == 3


@pytest.mark.parametrize(("ordering", "keys"), [("Key", 0), ("Partition", 1), ("Unordered", 0)])
def test_what_is_newer_depends_on_the_order_that_is_kept(letters: Letters, ordering: str, keys: int) -> None:
    letters.target = msgspec.structs.replace(letters.target, ordering=ordering)
    letters.fill(b"a", b"b")
    letters.write(Failed(0, 0, b"a"))
    assert letters.redrive(dry_run=True).reordered_keys == keys


def test_a_source_that_is_gone_has_nothing_newer(letters: Letters) -> None:
    letters.write(Failed(0, 0, b"a"), topic="gone")
    assert letters.redrive().moved == 1


def test_a_reference_is_copied_from_the_source(letters: Letters) -> None:
    letters.fill(b"a", b"b", b"c", value=b"large")
    letters.topics.delete_before(letters.source, 0, 1)
    letters.write(Failed(0, 0, b"a", omitted=5), Failed(0, 1, b"b", omitted=5), Failed(0, 9, b"d", omitted=5))
    counts = letters.redrive(dry_run=True)
    assert (counts.letters, counts.unavailable) == (1, 2)
    done = letters.redrive(request="r1")
    assert (done.moved, done.unavailable) == (1, 2)
    (copy,) = letters.copies
    assert (copy.key(), copy.value(), copy.headers()[0]) == (b"b", b"large", ("own", b"1"))
    assert source_of(copy) == (0, 1)


def test_a_reference_into_a_topic_made_anew_is_none(letters: Letters) -> None:
    letters.topics.produce(letters.source, [(b"a", b"another")], partition=0)
    letters.write(Failed(0, 0, b"a", omitted=5))
    assert letters.redrive(dry_run=True).unavailable == 1


def test_what_failed_again_knows_where_it_came_from(letters: Letters) -> None:
    letters.write(Failed(1, 7, b"a", headers=(("kafkatrigger.source.topic", b"of another trigger"),)))
    letters.redrive(request="r1")
    (copy,) = letters.copies
    again = Failed(copy.partition(), copy.offset(), b"a", headers=tuple(copy.headers()))
    letters.write(again, topic=letters.target.redrive_topic)
    found = letters.ask(ListLetters(Selection())).letters
    assert [each.source_id for each in found] == [f"{letters.source}-1-7"] * 2
    assert sorted(map(len, (each.redriven for each in found))) == [0, 1]
    assert letters.redrive(request="r2").moved == 1
    (_, second) = letters.copies
    assert [name for name, _ in second.headers()] == [name for name, _ in copy.headers()]
    assert source_of(second) == (1, 7)
    assert dict(second.headers())["kafkatrigger.redrive.request"] == b"r2"


def test_one_too_large_for_the_topic_costs_only_itself(letters: Letters) -> None:
    letters.topics.create_named(letters.target.redrive_topic, 2, max_message_bytes="2000")
    letters.write(*(Failed(0, n, b"a", b"x" * (5000 if n == 33 else 10)) for n in range(100)))
    done = letters.redrive()
    assert (done.moved, done.refused) == (99, 1)
    assert offsets_by_key(letters.copies) == {b"a": [n for n in range(100) if n != 33]}


def test_the_topic_is_made_for_what_it_holds(letters: Letters) -> None:
    wide = letters.topics.create(5, prefix="wide", max_message_bytes="3000000")
    letters.topics.create_named("own.dlq", 1, retention_ms="-1")
    letters.target = msgspec.structs.replace(letters.target, topic="own.dlq")
    letters.write(Failed(4, 0, b"a"), topic=wide)
    assert letters.redrive().notes == []
    found = settings(AdminClient({"bootstrap.servers": letters.bootstrap}), letters.target.redrive_topic)
    assert (found["retention.ms"], found["max.message.bytes"]) == ("-1", "3065536")
    (copy,) = letters.copies
    assert copy.partition() == 4


def test_a_topic_that_forgets_earlier_is_said(letters: Letters) -> None:
    letters.topics.create_named(letters.target.redrive_topic, 2, retention_ms="60000")
    letters.write(Failed(0, 0, b"a"))
    (note,) = letters.redrive().notes
    assert "Raise retention.ms" in note


def test_without_a_group_nothing_is_redriven(letters: Letters) -> None:
    letters.write(Failed(0, 0, b"a"))
    letters.target = msgspec.structs.replace(letters.target, redrive_topic="")
    assert "name its group" in letters.ask(redrive_of()).error


def test_an_older_redrive_is_fenced(letters: Letters, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at once: the second goes on where the first was stopped."""
    monkeypatch.setattr(copies, "BATCH", 10)
    letters.write(*(Failed(0, n, b"a") for n in range(30)))
    others: list[Answer] = []
    began: list[str] = []

    def begin_another(line: str) -> None:
        if line.startswith("moved 10 ") and not began:
            began.append(line)
            others.append(letters.ask(redrive_of(request="second")))

    letters.reports = _Listener(begin_another)
    first = letters.ask(redrive_of(request="first"))
    assert "another redrive" in first.error
    assert others[0].redriven is not None
    assert others[0].redriven.moved == 20
    assert offsets_by_key(letters.copies) == {b"a": list(range(30))}


class _Listener(list[str]):
    """Reports that somebody listens to."""

    def __init__(self, listener: Callable[[str], None]) -> None:
        super().__init__()
        self._listener = listener

    def append(self, line: str) -> None:
        super().append(line)
        self._listener(line)


COUNT = 40_000


def test_killed_at_any_moment_each_is_moved_once(letters: Letters, tmp_path: Path) -> None:
    """SIGKILL somewhere behind its first transaction, three times; then once to the end."""
    letters.write(*(Failed(n % 2, n // 2, b"k%d" % (n % 50), b"x" * 100) for n in range(COUNT)))
    config = tmp_path / "consumer.json"
    config.write_bytes(msgspec.json.encode(_config(letters)))
    command = [sys.executable, "-m", "kafkatrigger.kafka.dead_letters", "--config", str(config)]
    request = msgspec.json.encode(redrive_of(request="r"))
    progress = 0
    for _ in range(3):
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            assert running.stdin and running.stderr
            running.stdin.write(request + b"\n")
            running.stdin.close()
            next(line for line in running.stderr if line.startswith(b"moved"))
            running.send_signal(signal.SIGKILL)
        moved = len(letters.copies)
        assert moved > progress, "each of them got on"
        progress = moved
    assert progress < COUNT, "it was killed too late to show anything"
    assert letters.redrive(request="r").moved == COUNT - progress
    found = letters.copies
    assert len({source_of(each) for each in found}) == len(found) == COUNT
    assert all(offsets == sorted(offsets) for offsets in offsets_by_key(found).values())


def test_a_transaction_left_open_is_ended_first(letters: Letters) -> None:
    letters.write(Failed(0, 1, b"a"))
    letters.topics.create_named(letters.target.redrive_topic, 1)
    left = Producer({"bootstrap.servers": letters.bootstrap, "transactional.id": letters.target.redrive_topic})
    left.init_transactions(30)
    left.begin_transaction()
    left.produce(letters.target.redrive_topic, b"never committed")
    assert left.flush(30) == 0
    assert letters.redrive().moved == 1
    until(lambda: len(letters.copies) == 1)


def _config(letters: Letters) -> object:
    spec = {
        "kafka": {"bootstrapServers": [letters.bootstrap]},
        "source": {"topics": [letters.source], "groupId": letters.group},
        "transformation": {"function": "module:function"},
    }
    return consumer_config("tests", "redrive", KafkaTriggerSpec.model_validate(spec))
