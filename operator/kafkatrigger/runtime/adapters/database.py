"""A database: statements that are limited in time, and its troubles as AdapterError."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy import event, exc

from kafkatrigger.runtime.adapters.protocol import AdapterError
from kafkatrigger.runtime.errors import bounded

Records = list[dict[str, Any]]


class Database:
    """What is behind a URL of SQLAlchemy; several threads use it."""

    def __init__(self, url: str, timeout: float) -> None:
        self._engine = _engine(url, timeout)
        self._tables = functools.cache(self._reflected)

    def table(self, name: str) -> sa.Table:
        """A table as it was when it was first asked for, or first after a failure."""
        with self._troubles():
            return self._tables(name)

    def rows(self, statement: Any, parameters: Mapping[str, Any]) -> pd.DataFrame:
        """What a statement finds. It is rolled back: loading changes nothing."""
        with self._troubles(), self._engine.connect() as connection:
            result = connection.execute(statement, parameters)
            return pd.DataFrame.from_records(result.fetchall(), columns=list(result.keys()), coerce_float=True)

    def append(self, name: str, records: Callable[[sa.Table], Records]) -> None:
        """Adds rows, all or none."""
        table = self.table(name)
        with self._troubles(), self._engine.begin() as connection:
            connection.execute(table.insert(), records(table))

    def close(self) -> None:
        """Closes the connections."""
        self._engine.dispose()

    def _reflected(self, name: str) -> sa.Table:
        """As it is in the database when it is first used."""
        schema, _, table = name.rpartition(".")
        return sa.Table(table, sa.MetaData(), schema=schema or None, autoload_with=self._engine, resolve_fks=False)

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        """What the database says, as AdapterError; tables are looked at again after it, since they may have changed."""
        try:
            yield
        except exc.NoSuchTableError as error:
            raise AdapterError(f"the database has no table {error}: make it, or correct the options") from None
        except exc.SQLAlchemyError as error:
            self._tables.cache_clear()
            cause = getattr(error, "orig", None) or error
            text = bounded(" ".join(str(cause).split()), 300)
            raise AdapterError(f"the database says: {text}", retriable=self._is_retriable(error)) from None

    def _is_retriable(self, error: exc.SQLAlchemyError) -> bool:
        """Whether it is the connection's or the server's trouble. SQLite calls everything operational."""
        if self._engine.dialect.name == "sqlite":
            return "locked" in str(error)
        return isinstance(error, exc.OperationalError | exc.InterfaceError | exc.TimeoutError)


def _engine(url: str, timeout: float) -> sa.Engine:
    """With a limit on connecting, on waiting for a connection, and, where it can be said, on statements."""
    try:
        parsed = sa.make_url(url)
        engine = sa.create_engine(
            parsed,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args=_arguments(parsed, timeout),
            **_pool(parsed, timeout),
        )
    except (exc.SQLAlchemyError, ValueError, TypeError):
        raise AdapterError(
            "the key 'url' of its secret is no URL of SQLAlchemy: write postgresql://USER:PASSWORD@HOST/NAME"
        ) from None
    except ImportError as error:
        raise AdapterError(f"the driver {error.name} of its URL is not installed here: add it to the image") from None
    if engine.dialect.name == "postgresql":
        event.listen(engine, "begin", _limit_statements(timeout))
    return engine


def _pool(url: sa.URL, timeout: float) -> dict[str, Any]:
    """A database of SQLite in memory has one connection, and nothing to wait for."""
    return {} if url.get_backend_name() == "sqlite" else {"pool_timeout": timeout}


def _arguments(url: sa.URL, timeout: float) -> dict[str, Any]:
    if url.get_backend_name() == "postgresql":
        alive = {"keepalives_idle": 5, "keepalives_interval": 5, "keepalives_count": 3}  # a server that is gone
        return {"connect_timeout": max(2, round(timeout)), "tcp_user_timeout": round(timeout * 1000), **alive}
    return {"timeout": timeout} if url.get_backend_name() == "sqlite" else {}


def _limit_statements(timeout: float) -> Any:
    """For each transaction, and no option of the connection: poolers refuse these."""

    def limit(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {round(timeout * 1000)}")

    return limit
