"""Groups of suspects: parts that say more with each attempt, in order, with the records of a message together."""

from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.api.frames import Record
from kafkatrigger.consumer.offsets import Origin, start
from kafkatrigger.consumer.output import Output
from kafkatrigger.consumer.partition import Partition
from kafkatrigger.consumer.verdicts import split

PARTITION = Partition("t", 0, 0, Origin("Committed"), start(0))


def outputs(sizes: list[int]) -> list[Output]:
    """Of each message as many records."""
    found = []
    for offset, size in enumerate(sizes):
        source: Record = (0, offset, 0, 1, None, None, None)
        found += [Output(PARTITION, source, "t", b"", None, [], "") for _ in range(size)]
    return found


@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=20), seed=st.data())
def test_the_parts_are_the_group_and_smaller(sizes: list[int], seed: st.DataObject) -> None:
    group = outputs(sizes)
    chosen = seed.draw(st.sets(st.integers(0, len(group) - 1)))
    parts = split(group, [group[index] for index in chosen])
    assert [output for part in parts for output in part] == group
    assert all(parts)
    if len(sizes) > 1:
        assert max(map(len, parts)) < len(group)


@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=20), seed=st.data())
def test_the_records_of_a_message_stay_together(sizes: list[int], seed: st.DataObject) -> None:
    group = outputs(sizes)
    chosen = seed.draw(st.sets(st.integers(0, len(group) - 1), min_size=1))
    for part in split(group, [group[index] for index in chosen]):
        for other in split(group, [group[index] for index in chosen]):
            assert part == other or not {id(each.source) for each in part} & {id(each.source) for each in other}


def test_a_single_suspect_is_alone_after_one_attempt() -> None:
    group = outputs([1] * 1000)
    assert [len(part) for part in split(group, [group[700]])] == [700, 1, 299]
