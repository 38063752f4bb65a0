"""Which messages options mean."""

import click
import pytest

from kafkatrigger.api.selection import Selection, message_id, parse_id, selects
from kafkatrigger.cli.dlq import target_at
from kafkatrigger.cli.options import moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", 1_000_000_000 - 7_200_000),
        ("1h30m", 1_000_000_000 - 5_400_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-02T00:00:00Z", 86_400_000),
        ("1234", 1234),
    ],
)
def test_moments(text: str, expected: int) -> None:
    assert moment(text, now=1_000_000.0) == expected


@pytest.mark.parametrize("text", ["", "2 hours", "1970-01-01", "1970-01-01T00:00:00", "1960-01-01T00:00:00Z"])
def test_no_moments(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        moment(text, now=0.0)


@pytest.mark.parametrize("topic", ["orders", "plant-7.rul.dlq", "a-1-2"])
def test_ids_can_be_read_again(topic: str) -> None:
    assert parse_id(message_id(topic, 3, 12)) == (topic, 3, 12)


@pytest.mark.parametrize("text", ["", "orders", "orders-1", "-1-2", "orders-1-x", "orders-1-²", "orders--1-2x"])
def test_no_ids(text: str) -> None:
    with pytest.raises(ValueError, match="TOPIC-PARTITION-OFFSET"):
        parse_id(text)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), True),
        (Selection(since=100), True),
        (Selection(since=101), False),
        (Selection(until=100), False),
        (Selection(until=101), True),
        (Selection(key=b"k"), True),
        (Selection(key=b""), False),
        (Selection(error="VALUE"), True),
        (Selection(error="failed"), True),
        (Selection(error="rorFunc"), False),
        (Selection(messages=("t-0-1",)), True),
        (Selection(messages=("t-0-2",)), False),
        (Selection(messages=("t-0-1",), key=b"other"), False),
    ],
)
def test_all_that_is_said_has_to_hold(selection: Selection, expected: bool) -> None:
    assert selects(selection, ("t.dlq-0-7", "t-0-1"), 100, b"k", "FunctionFailed", "ValueError") is expected


def test_a_message_without_key_is_not_one_with_an_empty_key() -> None:
    assert not selects(Selection(key=b""), (), 0, None, "", "")


def test_targets_of_brokers() -> None:
    by_topic = target_at("a:1,b:2", "g.dlq", None)
    assert (by_topic.servers, by_topic.topic, by_topic.redrive_topic) == (["a:1", "b:2"], "g.dlq", "g.redrive")
    assert target_at("a:1", None, "g") == target_at("a:1", "g.dlq", None)
    assert target_at("a:1", "own", "g").redrive_topic == "g.redrive"
    assert target_at("a:1", "own", None).redrive_topic == ""
    with pytest.raises(click.UsageError):
        target_at("a:1", None, None)
