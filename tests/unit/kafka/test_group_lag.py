"""How much waits for a group, of one partition."""

import pytest
from confluent_kafka import TopicPartition

from kafkatrigger.api import commit_metadata
from kafkatrigger.api.commit_metadata import Metadata
from kafkatrigger.kafka.group_lag import continued, waiting


@pytest.mark.parametrize(
    ("start", "low", "end", "found"),
    [(30, 10, 50, 20), (10, 10, 50, 40), (4, 10, 50, 40), (50, 10, 50, 0), (70, 10, 50, 0), (0, 0, 0, 0)],
)
def test_it_is_what_the_log_has_from_the_start_on(start: int, low: int, end: int, found: int) -> None:
    assert waiting(start, low, end) == found


@pytest.mark.parametrize(
    ("metadata", "topic_id", "start"),
    [
        (commit_metadata.dump(Metadata("r", b"\xaa")), "aa", 30),
        (commit_metadata.dump(Metadata("r", b"\xaa")), "bb", 10),
        (commit_metadata.dump(Metadata("r", b"\xaa")), "", 30),
        ("of somebody else", "bb", 30),
        (None, "bb", 30),
    ],
)
def test_a_topic_that_was_made_anew_goes_on_at_its_beginning(metadata: str | None, topic_id: str, start: int) -> None:
    at = TopicPartition("t", 0, 30, metadata) if metadata else TopicPartition("t", 0, 30)
    assert continued(at, 10, topic_id) == start
