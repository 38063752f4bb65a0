"""The messages of the benchmarks."""

from collections import Counter

import orjson
import pytest

from benchmarks.loads import KEYS, Keys, Load, passes_filter, records


@pytest.mark.parametrize("size", [150, 1024])
def test_values_are_json_of_exactly_this_size(size: int) -> None:
    values = [record["value"] for record in records(Load(1001, size))]
    assert {len(value) for value in values} == {size}
    assert [orjson.loads(value)["n"] for value in values] == list(range(1001))


@pytest.mark.parametrize("keys", ["uniform", "zipf", "hot"])
def test_runs_see_the_same_messages(keys: Keys) -> None:
    assert list(records(Load(2000, keys=keys))) == list(records(Load(2000, keys=keys)))


def _counts(keys: Keys) -> Counter[bytes]:
    return Counter(record["key"] for record in records(Load(50 * KEYS, keys=keys)))


def test_uniform_keys_come_equally_often() -> None:
    assert set(_counts("uniform").values()) == {50}


def test_zipf_keys_fall_off_with_their_rank() -> None:
    counts = _counts("zipf")
    first, tenth = counts[b"0"], counts[b"9"]
    assert first / tenth == pytest.approx(10**1.1, rel=0.25)


def test_half_of_the_messages_are_of_the_hot_key() -> None:
    counts = _counts("hot")
    assert counts[b"hot"] / counts.total() == pytest.approx(0.5, abs=0.02)


def test_half_of_the_values_pass_the_filter() -> None:
    passed = [orjson.loads(record["value"])["value"] > 10 for record in records(Load(200))]
    assert passed == [passes_filter(n) for n in range(200)]
    assert sum(passed) == 100
