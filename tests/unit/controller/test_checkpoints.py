"""What becomes of a checkpoint when pods say how far they are."""

from typing import Any

import msgspec
import pytest

from kafkatrigger.api.checkpoint import CHUNKS, Checkpoint, Mark, load
from kafkatrigger.api.moves import Move
from kafkatrigger.controller.checkpoints import (
    LARGEST,
    Stored,
    chunks_needed,
    covers,
    following,
    manifests,
    merge,
    moved,
    parse,
    timestamps,
    unreadable,
)
from kafkatrigger.controller.observation import Observation
from kafkatrigger.controller.reports import Held, Report
from kafkatrigger.kafka.brokers import Finding, FoundTopic
from tests.unit.controller.helpers import make_observation, make_pod, make_workload, trigger

OLD, NEW = "0a" * 16, "0b" * 16
TOPIC = "machine-data"
GROUP = "plant-7.rul"


def report(*held: Held, ready: bool = True) -> Report:
    return Report(ready, "Consuming" if ready else "JoiningGroup", "", frozenset(held), group_id=GROUP)


def held(partition: int, offset: int | None, time: int | None = 5, topic_id: str = OLD, topic: str = TOPIC) -> Held:
    return Held(topic, partition, offset, time, topic_id, 0)


def merged(before: Mark | None, found: Held, current: str = "") -> Mark | None:
    """The mark of partition 0."""
    marks: Checkpoint = {TOPIC: {"0": before}} if before else {}
    known = (FoundTopic(TOPIC, 1, current),) if current else ()
    return merge(marks, [report(found)], {TOPIC}, known).get(TOPIC, {}).get("0")


@pytest.mark.parametrize(
    ("before", "found", "after"),
    [
        (None, held(0, 7), Mark(7, 5, OLD)),
        (None, held(0, None), None),
        (Mark(6, 4, OLD), held(0, 7), Mark(7, 5, OLD)),
        (Mark(8, 6, OLD), held(0, 7), Mark(8, 6, OLD)),
        (Mark(8, 6, ""), held(0, 7), Mark(8, 6, "")),
        (Mark(6, 4, OLD), held(0, 7, None), Mark(7, 4, OLD)),
        (Mark(6, 4, OLD), held(0, 7, 5, ""), Mark(7, 5, OLD)),
        (Mark(8, 6, OLD), held(0, 0, None, NEW), Mark(0, None, NEW)),
        (Mark(8, 6, OLD), held(0, None), Mark(8, 6, OLD)),
    ],
    ids=["first", "nothing committed", "forward", "never backward", "nor of a topic without an id",
         "a time that is still true", "an id that is not told", "a topic made anew", "unknown for now"],
)  # fmt: skip
def test_a_mark(before: Mark | None, found: Held, after: Mark | None) -> None:
    assert merged(before, found) == after


def test_what_is_said_of_a_topic_that_is_gone_does_not_count() -> None:
    assert merged(Mark(0, None, NEW), held(0, 8, 6, OLD), current=NEW) == Mark(0, None, NEW)
    assert merged(Mark(8, 6, OLD), held(0, 1, 1, NEW), current=NEW) == Mark(1, 1, NEW)


def test_nothing_is_forgotten_while_its_topic_is_consumed() -> None:
    before = {TOPIC: {"0": Mark(1), "1": Mark(2)}, "left": {"0": Mark(3)}}
    after = merge(before, [report(held(1, 5), held(0, 9, topic="foreign"))], {TOPIC, "quiet"}, ())
    assert after == {TOPIC: {"0": Mark(1), "1": Mark(5, 5, OLD)}}
    assert before[TOPIC]["1"] == Mark(2)


def test_of_two_pods_the_one_that_is_further_counts() -> None:
    ahead, behind = report(held(0, 9, 9)), report(held(0, 7, 7))
    for order in ([ahead, behind], [behind, ahead]):
        assert merge({}, order, {TOPIC}, ()) == {TOPIC: {"0": Mark(9, 9, OLD)}}


FOUND = (FoundTopic(TOPIC, 2, OLD),)
BOTH: Checkpoint = {TOPIC: {"0": Mark(1), "1": Mark(2)}}


@pytest.mark.parametrize(
    ("marks", "topics", "found", "whole"),
    [
        (BOTH, [TOPIC], FOUND, True),
        ({TOPIC: {"0": Mark(1)}}, [TOPIC], FOUND, False),
        (BOTH, [TOPIC], (), False),
        (BOTH, [TOPIC, "quiet"], FOUND, False),
        ({}, [TOPIC], (FoundTopic(TOPIC, 0),), True),
    ],
)
def test_covers(marks: Checkpoint, topics: list[str], found: tuple[FoundTopic, ...], whole: bool) -> None:
    assert covers(marks, topics, found) is whole


def seen(*names: str, desired: int, **changes: Any) -> Observation:
    workload = make_workload(*(make_pod(name) for name in names))
    return make_observation(
        workload=workload, desired=desired, finding=Finding(topics=FOUND), group_id=GROUP, **changes
    )


ONE, TWO = {"uid-a": report(held(0, 1))}, {"uid-b": report(held(1, 2))}
WHOLE = {TOPIC: {"0": Mark(1, 5, OLD), "1": Mark(2, 5, OLD)}}


@pytest.mark.parametrize(
    ("observation", "reports", "taken"),
    [
        (seen("a", "b", desired=2), {**ONE, **TWO}, True),
        (seen("a", "b", desired=2), ONE, False),
        (seen("a", desired=1), ONE, False),
        (seen("a", desired=2), {"uid-a": report(held(0, 1), held(1, 2))}, False),
        (seen("a", "b", desired=2), {**ONE, **TWO, "uid-b": report(ready=False)}, False),
        (seen("a", desired=1), {**ONE, **TWO}, True),
        (seen(desired=0, suspended=True), {**ONE, **TWO}, True),
        (seen(desired=0, suspended=True), ONE, False),
    ],
    ids=["all", "one says nothing", "a partition is missing", "a pod is missing", "one has not joined yet",
         "one that is gone said the rest", "all are gone", "all are gone, and one said nothing"],
)  # fmt: skip
def test_the_first_checkpoint_is_whole(observation: Observation, reports: dict[str, Report], taken: bool) -> None:
    found = following(Stored({}), observation, reports)
    assert (found is not None) is taken
    if found:
        assert found == Stored(WHOLE, 1)


def test_a_later_one_takes_what_there_is() -> None:
    assert following(Stored(WHOLE, 1), seen("a", "b", desired=2), {"uid-a": report(held(0, 9))}) == Stored(
        {TOPIC: {"0": Mark(9, 5, OLD), "1": Mark(2, 5, OLD)}}, 1
    )


def move(partition: int, start: int) -> Move:
    return Move(TOPIC, partition, start, 100, topic_id=OLD)


def test_a_replay_takes_offsets_back_and_nothing_else_does() -> None:
    before = Stored({TOPIC: {"0": Mark(90, 9, OLD), "1": Mark(80, 8, OLD)}}, 1)
    both, nobody = seen("a", "b", desired=2), seen(desired=0, suspended=True)
    assert following(before, both, {**ONE, **TWO}) == before
    after = moved(before, nobody, [move(0, 10)])
    assert after == Stored({TOPIC: {"0": Mark(10, None, OLD), "1": Mark(80, 8, OLD)}}, 1)
    assert before.marks[TOPIC]["0"].offset == 90
    assert following(after, both, {"uid-a": report(held(0, 20))}) == Stored(
        {TOPIC: {"0": Mark(20, 5, OLD), "1": Mark(80, 8, OLD)}}, 1
    )


def test_a_replay_of_everything_makes_the_first_checkpoint() -> None:
    nobody = seen(desired=0, suspended=True)
    assert moved(Stored({}), nobody, [move(0, 10)]) is None
    assert moved(Stored({}), nobody, [move(0, 10), move(1, 20)]) == Stored(
        {TOPIC: {"0": Mark(10, None, OLD), "1": Mark(20, None, OLD)}}, 1
    )


def test_pods_of_another_group_do_not_count() -> None:
    """One that still drains, of a trigger that had the name before."""
    former = msgspec.structs.replace(report(held(0, 90)), group_id="former")
    assert following(Stored(WHOLE, 1), seen("a", desired=1), {"uid-former": former}) == Stored(WHOLE, 1)


def test_the_redrive_topic_is_remembered() -> None:
    observation, redrive = seen("a", desired=1), f"{GROUP}.redrive"
    found = following(Stored(WHOLE, 1), observation, {"uid-a": report(held(0, 4, topic=redrive))})
    assert found
    assert found.marks[redrive] == {"0": Mark(4, 5, OLD)}
    assert redrive not in timestamps(found.marks, observation.group_id)


def test_the_status_has_all_timestamps_or_none() -> None:
    marks = {"a": {"0": Mark(1, 5), "1": Mark(1)}, "b": {"0": Mark(1)}}
    assert timestamps(marks, "g") == {"a": {"0": 5}}
    assert timestamps({"a": {str(number): Mark(1, 5) for number in range(1001)}}, "g") == {}


def large(topics: int, partitions: int) -> Checkpoint:
    mark = Mark(123_456_789_012, 1715764260123, OLD)
    return {f"topic-{topic}": {str(number): mark for number in range(partitions)} for topic in range(topics)}


def written(stored: Stored, folder: Any) -> Checkpoint:
    """As a pod sees it."""
    for manifest in manifests(trigger(), stored):
        for name, text in manifest["data"].items():
            (folder / name).write_text(text)
    return load(folder)


def test_a_small_one_needs_one_config_map(tmp_path: Any) -> None:
    stored = Stored(WHOLE, chunks_needed(WHOLE, 0))
    (manifest,) = manifests(trigger(), stored)
    assert manifest["metadata"]["name"] == "rul-consumer-checkpoint-0"
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-of-rul"
    assert written(stored, tmp_path) == WHOLE
    assert parse(manifest, []) == stored


def test_the_largest_fits_and_is_read_back(tmp_path: Any) -> None:
    marks = large(100, 1000)
    stored = Stored(marks, chunks_needed(marks, 1))
    made = manifests(trigger(), stored)
    assert [each["metadata"]["name"][-1] for each in made] == list("76543210")
    assert max(len(text) for each in made for text in each["data"].values()) < 960 * 1024
    assert written(stored, tmp_path) == marks
    *others, first = made
    assert parse(first, others) == stored


def test_a_partition_stays_in_its_config_map() -> None:
    marks = large(20, 1000)
    assert len(msgspec.json.encode(marks)) > LARGEST
    assert chunks_needed(marks, 1) == CHUNKS
    assert chunks_needed(WHOLE, CHUNKS) == CHUNKS
    more = {**marks, "another": {"0": Mark(1)}}
    changed = [
        each
        for each in manifests(trigger(), Stored(more, CHUNKS))
        if each not in manifests(trigger(), Stored(marks, CHUNKS))
    ]
    assert len(changed) == 1


def test_a_damaged_one_is_taken_anew_in_as_many_config_maps() -> None:
    *_, first = manifests(trigger(), Stored(WHOLE, CHUNKS))
    assert unreadable(first) == Stored({}, CHUNKS)
    assert following(unreadable(first), seen("a", desired=1), ONE) is None
    with pytest.raises(msgspec.DecodeError):
        parse({**first, "data": {"0.json": "[]"}}, [])
