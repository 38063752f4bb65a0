"""Types of data as wirings name them."""

import pytest

from kafkatrigger.runtime.adapters.external import parse_type, type_for
from kafkatrigger.runtime.transformations.model import DataType


@pytest.mark.parametrize(
    ("text", "shown", "fits"),
    [
        ("metadata(float)", "metadata(float)", {DataType.FLOAT, DataType.ANY}),
        ("metadata(integer)", "metadata(int)", {DataType.INT, DataType.ANY}),
        ("metadata(str)", "metadata(string)", {DataType.STRING, DataType.ANY}),
        ("metadata(bool)", "metadata(boolean)", {DataType.BOOLEAN, DataType.ANY}),
        ("metadata(any)", "metadata(any)", set(DataType)),
        ("timeseries(float)", "timeseries(float)", {DataType.SERIES, DataType.ANY}),
        ("series(string)", "series(string)", {DataType.SERIES, DataType.ANY}),
        ("dataframe", "dataframe", {DataType.DATAFRAME, DataType.ANY}),
        ("multitsframe", "multitsframe", {DataType.MULTITSFRAME, DataType.ANY}),
    ],
)
def test_a_type_and_what_it_fits(text: str, shown: str, fits: set[DataType]) -> None:
    found = parse_type(text)
    assert str(found) == shown
    assert {kind for kind in DataType if found.fits(kind)} == fits


@pytest.mark.parametrize(
    "text", ["", "float", "metadata", "metadata()", "metadata(frame)", "dataframe(int)", "metadata(int"]
)
def test_others_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no type of data: write dataframe, multitsframe"):
        parse_type(text)


@pytest.mark.parametrize("kind", DataType)
def test_the_type_that_is_not_said_fits(kind: DataType) -> None:
    assert type_for(kind).fits(kind)
