"""Tables and queries of a database, by SQLAlchemy. `ref_id` names a table or query that the options allow: no SQL comes
from a message.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from math import isnan
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import sqlalchemy as sa

from kafkatrigger.runtime.adapters.database import Database, Records
from kafkatrigger.runtime.adapters.frames import TIME, VALUE, table_of, value_of
from kafkatrigger.runtime.adapters.protocol import AdapterError, NetworkOptions, Wired, options_of, secret
from kafkatrigger.runtime.transformations.model import DataType

FROM, TO, METRICS = "timestampFrom", "timestampTo", "metrics"
"""Filters of tables; the first two are also parameters of queries, as times."""
METRIC = "metric"


class SqlOptions(NetworkOptions, frozen=True, kw_only=True):
    """Tables are named as `table` or `schema.table`."""

    tables: tuple[str, ...] = ()
    """That may be read."""
    writable_tables: tuple[str, ...] = ()
    """That rows may be appended to."""
    queries: dict[str, str] = msgspec.field(default_factory=dict)
    """SQL by the names that wirings use; `:name` in it is the filter of this name."""
    time_column: str = TIME
    metric_column: str = METRIC
    value_column: str = VALUE


class SqlAdapter:
    """Reads tables and queries, and appends to tables. The URL is the key `url` of the secret."""

    def __init__(self, options: Mapping[str, Any], secrets: Path) -> None:
        self._options = options_of(options, SqlOptions)
        if not (self._options.tables or self._options.writable_tables or self._options.queries):
            raise AdapterError("it may reach nothing: name tables in tables or writableTables, or give queries")
        self._queries = {name: sa.text(query) for name, query in self._options.queries.items()}
        self._database = Database(secret(secrets, "url"), self._options.timeout)

    def load(self, wired: Wired, kind: DataType) -> Any:
        """The rows of a table or query."""
        if wired.ref_id in self._queries:
            query = self._queries[wired.ref_id]
            return value_of(self._database.rows(query, _parameters(query, wired.filters)), kind)
        if wired.ref_id not in self._options.tables:
            there = ", ".join((*self._options.tables, *self._queries)) or "none"
            raise AdapterError(
                f"this is none of the tables and queries that its options allow to be read, which are {there}"
            )
        frame = self._database.rows(self._selection(wired, kind), {})
        names = {
            self._options.time_column: TIME,
            self._options.metric_column: METRIC,
            self._options.value_column: VALUE,
        }
        return value_of(frame if kind is DataType.DATAFRAME else frame.rename(columns=names), kind)

    def send(self, wired: Wired, kind: DataType, value: Any) -> None:
        """Appends the rows, all or none. They are there twice where a message runs twice."""
        if wired.ref_id not in self._options.writable_tables:
            there = ", ".join(self._options.writable_tables) or "none"
            raise AdapterError(f"this is none of the tables that option writableTables allows, which are {there}")
        options = self._options
        frame = table_of(value, kind, options.time_column, options.value_column)
        if kind in (DataType.MULTITSFRAME, DataType.SINGLETSFRAME):
            frame = frame.rename(columns={TIME: options.time_column, METRIC: options.metric_column})
        if frame.empty:
            return
        self._database.append(wired.ref_id, lambda table: _records(frame, table))

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def _selection(self, wired: Wired, kind: DataType) -> Any:
        table, options = self._database.table(wired.ref_id), self._options
        wanted = [options.time_column, options.value_column] if kind is DataType.SERIES else list(table.c.keys())
        selection = sa.select(*(_column(table, name) for name in wanted))
        for name, text in wired.filters.items():
            if name not in (FROM, TO, METRICS):
                raise AdapterError(f"it has no filter {name!r} for tables: there are {FROM}, {TO} and {METRICS}")
            if text:
                selection = selection.where(self._condition(table, name, text))
        return selection.order_by(_column(table, options.time_column)) if kind in _OF_TIME else selection

    def _condition(self, table: sa.Table, name: str, text: str) -> Any:
        if name == METRICS:
            metrics = _metrics(text)
            return _column(table, self._options.metric_column).in_(metrics) if metrics else sa.true()
        column = _column(table, self._options.time_column)
        bound = _bound(column, _moment(name, text))
        return column >= bound if name == FROM else column <= bound


_OF_TIME = (DataType.SERIES, DataType.MULTITSFRAME, DataType.SINGLETSFRAME)


def _parameters(query: sa.TextClause, filters: Mapping[str, str]) -> dict[str, Any]:
    """The parameters of a query from filters of their names; AdapterError where these are not the same."""
    names = set(query.compile().params)
    missing, unknown = sorted(names - set(filters)), sorted(name for name in set(filters) - names if filters[name])
    if missing or unknown:
        problem = f"has no filter {', '.join(missing)}" if missing else f"knows no filter {', '.join(unknown)}"
        raise AdapterError(f"the query {problem}: its parameters are {', '.join(sorted(names)) or 'none'}")
    return {name: _moment(name, filters[name]) if name in (FROM, TO) else filters[name] for name in names}


def _column(table: sa.Table, name: str) -> Any:
    if name not in table.c:
        names = ", ".join(table.c.keys())
        raise AdapterError(
            f"the table has no column {name!r}: it has {names}; set timeColumn, metricColumn or valueColumn"
        )
    return table.c[name]


def _metrics(text: str) -> list[str]:
    """`a, b`, a list in JSON, or ALL, which is no condition."""
    try:
        found = json.loads(text)
    except ValueError:
        found = text.split(",")
    names = [str(each).strip() for each in found] if isinstance(found, list) else [text.strip()]
    return [] if names == ["ALL"] else names


def _moment(name: str, text: str) -> datetime:
    try:
        moment: datetime = pd.to_datetime(text, utc=True).to_pydatetime(warn=False)
    except (ValueError, TypeError, OverflowError):
        raise AdapterError(f"the filter {name} is no time: write it as 2026-01-01T00:00:00Z") from None
    return moment


def _bound(column: sa.Column[Any], moment: datetime) -> Any:
    """The moment as a column holds times."""
    if isinstance(column.type, sa.DateTime):
        return moment if column.type.timezone else moment.replace(tzinfo=None)
    if isinstance(column.type, sa.Date):
        return moment.date()
    if isinstance(column.type, sa.String):
        return moment.isoformat().replace("+00:00", "Z")
    raise AdapterError(f"the column {column.name!r} holds no times, but {column.type}: set timeColumn")


def _records(frame: pd.DataFrame, table: sa.Table) -> Records:
    """The rows as the table's columns take them: null for what is missing, times as these hold times."""
    if unknown := [str(name) for name in frame.columns if name not in table.c]:
        raise AdapterError(f"the table has no column {', '.join(unknown)}: it has {', '.join(table.c.keys())}")
    columns = {name: [_cell(value, table.c[name]) for value in frame[name].tolist()] for name in frame.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _cell(value: Any, column: sa.Column[Any]) -> Any:
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        moment = (value.tz_localize("UTC") if value.tz is None else value).to_pydatetime(warn=False)
        return _bound(column, moment.astimezone(UTC))
    return value.item() if hasattr(value, "item") else value  # numbers of numpy, in columns of objects
