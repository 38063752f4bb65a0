"""Files: CSV and Parquet hold tables, JSON holds any value. What a file is, its name says."""

import gzip
import io
import json
import zlib
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO, Any, cast

import pandas as pd

from kafkatrigger.runtime.adapters.frames import table_of, value_of
from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.errors import bounded
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.results import encode

_BROKEN = (ValueError, EOFError, zlib.error, gzip.BadGzipFile, KeyError)
"""What the libraries raise for content that is not what its name says."""


def read(stream: IO[bytes], name: str, kind: DataType) -> Any:
    """The value that a file holds, as `parse` takes it; AdapterError."""
    suffix, is_packed = _suffixes(name)
    try:
        content = cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if is_packed else stream
        return _READERS[suffix](content, kind)
    except _BROKEN as error:
        raise AdapterError(f"it cannot be read as {suffix.upper()}: {bounded(str(error), 300)}") from None
    except ImportError as error:
        raise _missing(error) from None


def written(value: Any, name: str, kind: DataType) -> bytes:
    """The content of a file that holds the value; AdapterError, or InvalidData for what JSON cannot express."""
    suffix, is_packed = _suffixes(name)
    try:
        content = _WRITERS[suffix](value, kind)
    except (ValueError, TypeError) as error:
        raise AdapterError(f"it cannot be written as {suffix.upper()}: {bounded(str(error), 300)}") from None
    except ImportError as error:
        raise _missing(error) from None
    return gzip.compress(content, mtime=0) if is_packed else content


def _suffixes(name: str) -> tuple[str, bool]:
    """The format, and whether gzip packs it: Parquet packs itself."""
    first, *others = reversed(PurePosixPath(name.lower()).suffixes or [""])
    suffix = (others[0] if others else "") if first == ".gz" else first
    if suffix[1:] not in _READERS or (first, suffix) == (".gz", ".parquet"):
        raise AdapterError(
            "the format of the file is not known by its name: it ends with .csv, .json, .parquet, .csv.gz or .json.gz"
        )
    return suffix[1:], first == ".gz"


def _missing(error: ImportError) -> AdapterError:
    return AdapterError(
        f"this format needs {error.name or 'pyarrow'}, which is not installed here: use the analytics image"
    )


def _read_json(stream: IO[bytes], kind: DataType) -> Any:
    """Text, which the run parses; but for a STRING, where that would be the JSON itself."""
    text = stream.read().decode()
    return json.loads(text) if kind is DataType.STRING else text


def _read_csv(stream: IO[bytes], kind: DataType) -> Any:
    return value_of(pd.read_csv(stream), kind)


def _read_parquet(stream: IO[bytes], kind: DataType) -> Any:
    return value_of(pd.read_parquet(io.BytesIO(stream.read())), kind)


def _write_csv(value: Any, kind: DataType) -> bytes:
    content: str = table_of(value, kind).to_csv(index=False)
    return content.encode()


def _write_parquet(value: Any, kind: DataType) -> bytes:
    """With index and attrs, which it keeps by itself; columns have names there."""
    table = value if isinstance(value, pd.DataFrame) else table_of(value, kind)
    content: bytes = table.rename(columns=str).to_parquet()
    return content


def _write_json(value: Any, kind: DataType) -> bytes:
    return encode(kind, value)


_READERS: dict[str, Callable[[IO[bytes], DataType], Any]] = {
    "csv": _read_csv,
    "json": _read_json,
    "parquet": _read_parquet,
}
_WRITERS: dict[str, Callable[[Any, DataType], bytes]] = {
    "csv": _write_csv,
    "json": _write_json,
    "parquet": _write_parquet,
}
