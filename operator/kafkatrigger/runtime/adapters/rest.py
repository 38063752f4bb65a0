"""A web service of hetida designer's generic REST adapters, as a client of it.

The endpoints are those of its "web service interface": `dataframe`, `timeseries` and `multitsframe` give records as lines
of JSON, and take a list of them; `sources`, `sinks` and `thingNodes` have metadata. `ref_id` is the id of a source or sink.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
import orjson
import pandas as pd

from kafkatrigger.runtime.adapters.frames import TIME, VALUE, in_utc
from kafkatrigger.runtime.adapters.http import Answer, Client
from kafkatrigger.runtime.adapters.protocol import AdapterError, NetworkOptions, Wired, options_of
from kafkatrigger.runtime.transformations.data import with_times
from kafkatrigger.runtime.transformations.model import DataType
from kafkatrigger.runtime.transformations.results import encode, plain

_OWNERS = {"SOURCE": "sources", "SINK": "sinks", "THINGNODE": "thingNodes"}
_ATTRIBUTES = "Data-Attributes"
_RANGED = ("timeseries", "multitsframe", "singletsframe")
_RANGE = {"timestampFrom": "from", "timestampTo": "to"}


class RestOptions(NetworkOptions, frozen=True, kw_only=True):
    """Ids are written with `*` for any characters; `*` alone allows all."""

    base_url: Annotated[str, msgspec.Meta(pattern=r"^https?://[^/@?#\s]+(/[^@?#\s]*)?$")]
    """Without credentials."""
    sources: tuple[str, ...] = ()
    """Ids that may be read."""
    sinks: tuple[str, ...] = ()
    """Ids that may be written."""
    max_response_bytes: Annotated[int, msgspec.Meta(gt=0)] = 100 * 1024 * 1024
    """Unpacked."""


class RestAdapter:
    """Gets and posts. The secret, if any, has `token`, or `username` and `password`, and `ca.crt` where needed."""

    def __init__(self, options: Mapping[str, Any], secrets: Path) -> None:
        self._options = options_of(options, RestOptions)
        if not self._options.sources and not self._options.sinks:
            raise AdapterError("it may reach nothing: name ids in sources or sinks")
        given = self._options
        self._client = Client(given.base_url, secrets, timeout=given.timeout, limit=given.max_response_bytes)

    def load(self, wired: Wired, kind: DataType) -> Any:  # noqa: ARG002 - the type that the wiring names decides
        """The data of a source."""
        _check(wired.ref_id, self._options.sources, "sources")
        if wired.type.shape == "metadata":
            return self._metadatum(wired)
        shape = _endpoint(wired)
        answer = self._client.get(shape, [("id", wired.ref_id), *_query(wired, shape)], empty="RESULT_EMPTY")
        frame = _frame(answer)
        if shape == "timeseries":
            return _series(frame, wired, answer)
        if shape == "dataframe" and TIME in frame.columns and frame[TIME].dtype.kind == "M":
            frame = frame.set_index(pd.DatetimeIndex(frame[TIME]).rename(None)).sort_index(kind="stable")
        frame.attrs.update(_attributes(answer))
        return frame

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:
        """Posts data to a sink."""
        _check(wired.ref_id, self._options.sinks, "sinks")
        if wired.type.shape == "metadata":
            content = b'{"key":%b,"value":%b,"dataType":%b}' % (
                orjson.dumps(wired.ref_key),
                encode(kind, value),
                orjson.dumps(wired.type.values),
            )
            self._client.post(_path(wired), [], content, {})
            return
        shape = _endpoint(wired)
        name = "timeseriesId" if shape == "timeseries" else "id"
        attributes = getattr(value, "attrs", {})
        headers = {_ATTRIBUTES: base64.b64encode(json.dumps(plain(attributes)).encode()).decode()} if attributes else {}
        self._client.post(shape, [(name, wired.ref_id)], _records(value, kind), headers)

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _metadatum(self, wired: Wired) -> Any:
        answer = self._client.get(_path(wired), list(wired.filters.items()))
        try:
            return msgspec.json.decode(answer.content, type=_Metadatum).value
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise AdapterError(f"what came is no metadatum: {error}") from None


class _Metadatum(msgspec.Struct):
    value: Any


def _check(ref_id: str, allowed: tuple[str, ...], option: Literal["sources", "sinks"]) -> None:
    if not any(fnmatchcase(ref_id, pattern) for pattern in allowed):
        raise AdapterError(
            f"this is none of the ids that option {option} allows, which are {', '.join(allowed) or 'none'}"
        )


def _endpoint(wired: Wired) -> str:
    return "timeseries" if wired.type.shape == "series" else wired.type.shape


def _path(wired: Wired) -> str:
    """Of a metadatum. What would lead elsewhere is no id and no key."""
    if not wired.ref_key:
        raise AdapterError("metadata are wired without a ref_key: set it to the metadatum's key")
    for each in (wired.ref_id, wired.ref_key):
        if each in (".", ".."):
            raise AdapterError(f"{each!r} is no id and no key: correct the wiring")
    owner = _OWNERS.get(wired.ref_id_type)
    if owner is None:
        raise AdapterError("metadata are wired without a ref_id_type: set it to SOURCE, SINK or THINGNODE")
    return f"{owner}/{quote(wired.ref_id, safe='')}/metadata/{quote(wired.ref_key, safe='')}"


def _query(wired: Wired, shape: str) -> list[tuple[str, str]]:
    """The filters as the service names them. A filter cannot replace the id, which is checked."""
    filters = {_RANGE.get(name, name) if shape in _RANGED else name: text for name, text in wired.filters.items()}
    if "id" in filters:
        raise AdapterError("a filter is called id: which data are read, the ref_id says")
    if shape in _RANGED and not (filters.get("from") and filters.get("to")):
        raise AdapterError("no range of time is given: set the filters timestampFrom and timestampTo")
    return list(filters.items())


def _frame(answer: Answer) -> pd.DataFrame:
    """Lines of JSON, with times converted."""
    try:
        frame = pd.DataFrame([orjson.loads(line) for line in answer.content.splitlines() if line.strip()])
    except (ValueError, AttributeError) as error:
        raise AdapterError(f"what came is no JSON, line by line: {error}") from None
    return in_utc(with_times(frame))


def _series(frame: pd.DataFrame, wired: Wired, answer: Answer) -> pd.Series:
    if frame.empty:
        series = pd.Series([], index=pd.DatetimeIndex([], dtype="datetime64[us, UTC]"), dtype="float64")
    elif {TIME, VALUE} <= set(frame.columns):
        series = pd.Series(frame[VALUE].to_numpy(), index=pd.DatetimeIndex(frame[TIME]).rename(None)).sort_index(
            kind="stable"
        )
    else:
        raise AdapterError(f"what came are no time series: its records have {', '.join(frame.columns)}")
    series.attrs.update(_attributes(answer).get(wired.ref_id) or {})
    return series


def _attributes(answer: Answer) -> dict[str, Any]:
    text = answer.headers.get(_ATTRIBUTES)
    try:
        found = json.loads(base64.b64decode(text)) if text else {}
    except (ValueError, binascii.Error) as error:
        raise AdapterError(f"the header {_ATTRIBUTES} of what came is no JSON in base64: {error}") from None
    return found if isinstance(found, dict) else {}


def _records(value: Any, kind: DataType) -> bytes:
    """A list of records. The index of a frame is left out, as the interface says."""
    if isinstance(value, pd.Series):
        value = pd.DataFrame({TIME: value.index, VALUE: value.to_numpy()})
    elif not isinstance(value, pd.DataFrame):
        raise AdapterError(f"the value of type {kind} is no table: wire it as metadata")
    columns = {str(name): _text_of_times(value[name]) for name in value.columns}
    content: str = pd.DataFrame(columns).reset_index(drop=True).to_json(orient="records", double_precision=15)
    return content.encode()


def _text_of_times(column: pd.Series) -> pd.Series:
    """Times in UTC, with as many digits as nanoseconds have."""
    if column.dtype.kind != "M":
        return column
    return pd.to_datetime(column, utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
