"""The time of what lies below a watermark, from few samples."""

from hypothesis import given
from hypothesis import strategies as st

from kafkatrigger.consumer.samples import LIMIT, Samples


def test_the_last_below_the_watermark() -> None:
    samples = Samples()
    assert samples.below(5) is None
    samples.add(4, 40)
    samples.add(9, 90)
    assert [samples.below(4), samples.below(5), samples.below(9), samples.below(10)] == [None, 40, 40, 90]
    assert samples.below(10) == 90


@given(st.lists(st.integers(1, 50), max_size=3 * LIMIT), st.integers(0, 200))
def test_however_far_reading_gets_there_is_one_below_the_watermark(steps: list[int], watermark: int) -> None:
    samples, offset, offsets = Samples(), 0, []
    for step in steps:
        samples.add(offset, offset * 10)
        offsets.append(offset)
        offset += step
    found = samples.below(watermark)
    below = [each for each in offsets if each < watermark]
    assert (found is None) == (not below)
    if found is not None:
        assert found // 10 in below
        if len(offsets) <= LIMIT:
            assert found // 10 == below[-1]


def test_a_watermark_that_does_not_move_costs_no_memory() -> None:
    samples = Samples()
    for offset in range(100 * LIMIT):
        samples.add(offset, offset)
        assert len(samples) <= LIMIT
    assert samples.below(1) == 0
