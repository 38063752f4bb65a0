"""Durations and quantities."""

import pytest

from kafkatrigger.api.quantities import quantity_bytes, seconds


@pytest.mark.parametrize(
    ("text", "value"), [("200ms", 0.2), ("30s", 30), ("1h30m", 5400), ("1.5s", 1.5), ("1m500ms", 60.5)]
)
def test_seconds(text: str, value: float) -> None:
    assert seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "30", "s", "30 s", "-1s", "1d", "30s\n"])
def test_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds(text)


@pytest.mark.parametrize(
    ("text", "value"), [("64Mi", 64 << 20), ("1G", 10**9), ("500", 500), ("2k", 2000), ("1Gi", 1 << 30)]
)
def test_bytes(text: str, value: int) -> None:
    assert quantity_bytes(text) == value


@pytest.mark.parametrize("text", ["", "64MB", "1.5Gi", "-1", "500\n"])
def test_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is not a number of bytes"):
        quantity_bytes(text)
