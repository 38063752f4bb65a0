"""Where a partition without a committed offset starts: each step wins over those after it."""

import pytest
from msgspec.structs import replace

from kafkatrigger.api.checkpoint import Mark
from kafkatrigger.api.start_policy import StartPolicy
from kafkatrigger.api.starting_point import Facts, StartingPoint, decide

FACTS = Facts("t", 3, "aa", low=10, high=50, mark=None, held_id="", is_new=False, is_redrive=False)
OWN = StartPolicy("latest", {"t": {"3": 700, "4": 600}})
OTHERS = StartPolicy("latest", {"t": {"4": 600, "5": 500}})


@pytest.mark.parametrize(
    ("mark", "wanted"),
    [
        (Mark(20, 300, "bb"), StartingPoint("TopicRecreated", 10)),
        (Mark(20, 300, "aa"), StartingPoint("CheckpointOffset", 20)),
        (Mark(20, 300), StartingPoint("CheckpointOffset", 20)),
        (Mark(50, 300), StartingPoint("CheckpointOffset", 50)),
        (Mark(4, 300), StartingPoint("CheckpointOffset", 10, lost=6)),
        (Mark(51, 300), StartingPoint("CheckpointTimestamp", 50, 300)),
        (Mark(-1, 300), StartingPoint("CheckpointTimestamp", 50, 300)),
        (Mark(-1), StartingPoint("PartitionTimestamps", 50, 700)),
        (None, StartingPoint("PartitionTimestamps", 50, 700)),
    ],
)
def test_a_mark_wins_over_the_spec(mark: Mark | None, wanted: StartingPoint) -> None:
    assert decide(replace(FACTS, mark=mark), OWN) == wanted


def test_a_topic_that_was_another_while_this_process_had_it_is_read_from_its_beginning() -> None:
    """With the topic the brokers forgot what was committed of it, and there may be no checkpoint yet."""
    held = replace(FACTS, held_id="bb")
    assert decide(held, StartPolicy("latest")) == StartingPoint("TopicRecreated", 10)
    assert decide(replace(held, mark=Mark(20, 300, "aa")), OWN) == StartingPoint("CheckpointOffset", 20)
    assert decide(replace(held, topic_id="bb"), StartPolicy("latest")).offset == 50


def test_a_broker_that_tells_no_topic_ids_makes_no_topic_another() -> None:
    assert decide(replace(FACTS, topic_id="", mark=Mark(20, 300, "bb")), OWN).reason == "CheckpointOffset"


@pytest.mark.parametrize("policy", [OWN, OTHERS, StartPolicy("latest")])
def test_what_the_checkpoint_does_not_know_is_new(policy: StartPolicy) -> None:
    assert decide(replace(FACTS, is_new=True), policy) == StartingPoint("NewPartition", 10)


@pytest.mark.parametrize(
    ("policy", "wanted"),
    [
        (OWN, StartingPoint("PartitionTimestamps", 50, 700)),
        (OTHERS, StartingPoint("PartitionTimestamps", 50, 500)),
        (StartPolicy("earliest"), StartingPoint("InitialOffsetResetPolicy", 10)),
        (StartPolicy("latest"), StartingPoint("InitialOffsetResetPolicy", 50)),
        (StartPolicy("900"), StartingPoint("InitialOffsetResetPolicy", 50, 900)),
    ],
)
def test_the_spec(policy: StartPolicy, wanted: StartingPoint) -> None:
    assert decide(FACTS, policy) == wanted


def test_all_of_the_redrive_topic_was_asked_for() -> None:
    assert decide(replace(FACTS, is_redrive=True), StartPolicy("latest")) == StartingPoint("Redrive", 10)
    # But not twice.
    assert decide(replace(FACTS, is_redrive=True, mark=Mark(20)), StartPolicy("latest")).offset == 20
