"""The cases are consistent with themselves and with what they compare."""

import pytest

from benchmarks.cases import CASES, LINGER_MS, Case, find
from benchmarks.contestants import trigger
from kafkatrigger.api.resources import KafkaTriggerSpec
from kafkatrigger.kafka import client

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@by_name
def test_names_are_unique(case: Case) -> None:
    assert find(case.name) is case
    labels = [each.label for each in case.contestants]
    assert len(set(labels)) == len(labels)


@by_name
def test_targets_speak_of_contestants_of_the_case(case: Case) -> None:
    labels = {each.label for each in case.contestants}
    assert {target.contestant for target in case.targets} <= labels
    assert {target.than for target in case.targets if target.than} <= labels


@by_name
def test_triggers_are_valid(case: Case) -> None:
    for contestant in case.contestants:
        KafkaTriggerSpec.model_validate(trigger(contestant, case.guarantee, "localhost:9092", "in", "out"))


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    with pytest.raises(ValueError, match="no such case: nothing; there are: at-least-once, "):
        find("nothing")


def test_a_smaller_size_keeps_what_is_smaller_already() -> None:
    messages = [each.messages for each in find("at-least-once").resized(200_000).contestants]
    assert messages == [200_000, 200_000, 200_000, 200_000, 100_000]


def test_all_contestants_linger_as_long_as_ours() -> None:
    assert client.outbox({}, 1024 * 1024)["linger.ms"] == LINGER_MS
