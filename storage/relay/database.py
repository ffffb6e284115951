"""The relay's database: opening it, and transactions on it for each of the three kinds.

Never holds a row, and never lets the driver begin a transaction by itself.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from storage.relay.durability import check_durability
from storage.relay.errors import Collision, Unavailable, UnsafeDatabase

BUSY_TIMEOUT_MS = 5000  # how long another process (backup, `admin`) may hold SQLite's write lock
WAL_KEPT_BYTES = 16 << 20  # of the log's file, when it begins anew
REST_S = 1.0  # after which a server may have closed a connection unseen
CONNECTIONS = 8  # writer, reader, housekeeping, and a few for commands
_DRIVERS = {
    "sqlite": "sqlite+pysqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
}
# A transaction that lost against another relay's: repeated, not reported.
_COLLISIONS = frozenset({"40001", "40P01", "1213", "1205"})


class Database:
    """An open database. `write` and `read` are transactions; each may be used from any thread."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self.engine = engine
        self.path = path  # of SQLite's file

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is on the disk when the block is left; rolled back on any exception.

        Raises Unavailable when the database fails, Collision when another transaction won, Rejected
        for a statement that it does not take.
        """
        with _failing_as_unavailable(), self.engine.connect() as connection:
            connection.execution_options(sotto_write=True)
            with connection.begin():
                yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads. Raises Unavailable when the database fails."""
        with _failing_as_unavailable(), self.engine.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close every connection; SQLite's WAL goes with the last one."""
        self.engine.dispose()


class Kept:
    """One connection kept open for a thread's transactions: taking one each time costs as much as
    a small transaction does.

    `writes`: as Database.write() does, else as read(). `committed` is told how many seconds each
    commit took, fsync included.
    """

    def __init__(
        self,
        database: Database,
        *,
        writes: bool,
        committed: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        self._engine = database.engine
        self._committed = committed
        self._writes = writes
        self._connection: Connection | None = None
        self._used_s = 0.0

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction, with Database's promises and exceptions."""
        with _failing_as_unavailable():
            connection, self._connection = self._sound() or self._new(), None
            try:
                with connection.begin() as transaction:
                    yield connection
                    begun_s = time.monotonic()
                    transaction.commit()
            except BaseException:
                connection.close()  # whatever is wrong with it, the pool finds out
                raise
            self._connection, self._used_s = connection, time.monotonic()
            self._committed(self._used_s - begun_s)

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _new(self) -> Connection:
        connection = self._engine.connect()
        return connection.execution_options(sotto_write=True) if self._writes else connection

    def _sound(self) -> Connection | None:
        """The kept connection; after a rest only if it still answers."""
        connection = self._connection
        if connection is not None and time.monotonic() - self._used_s > REST_S:
            self.close()  # a connection from the pool is one that answers
            return None
        return connection


def open_database(
    url: str, *, connections: int = CONNECTIONS, is_lax_allowed: bool = False
) -> Database:
    """Open a database, checked for durability unless that is waived; the schema is migrate()'s.

    `url`: an SQLAlchemy URL, or a scheme without driver (postgresql://, mariadb://, sqlite://).
    Raises UnsafeDatabase or Unavailable.
    """
    parsed = parse_url(url)
    path = sqlite_path(parsed)
    database = Database(_engine(parsed, connections), path)
    try:
        with database.read() as connection:
            if not is_lax_allowed:
                check_durability(connection)
    except (Unavailable, UnsafeDatabase):
        database.close()
        raise
    return database


def parse_url(url: str) -> URL:
    """Return the URL with the driver that Sotto is tested with; raise ValueError for others."""
    parsed = make_url(url)
    base = parsed.drivername.partition("+")[0]
    if base not in _DRIVERS:
        raise ValueError("The database must be SQLite, PostgreSQL or MariaDB/MySQL.")
    parsed = parsed.set(drivername=_DRIVERS[base])
    if base in ("mysql", "mariadb"):
        parsed = parsed.update_query_dict({"charset": "utf8mb4"})
    return parsed


def sqlite_path(url: URL) -> Path | None:
    """Return the file of an SQLite URL, else None; one in memory is refused with ValueError."""
    if not url.drivername.startswith("sqlite"):
        return None
    if not url.database or url.database == ":memory:":
        raise ValueError("An SQLite database needs a file.")
    return Path(url.database)


def is_collision(error: DBAPIError) -> bool:
    """Whether repeating the transaction may succeed: a lost race, not a failing database."""
    if isinstance(error, IntegrityError):
        return True
    original: Any = error.orig
    number = original.args[0] if getattr(original, "args", ()) else None
    return str(getattr(original, "sqlstate", None)) in _COLLISIONS or str(number) in _COLLISIONS


class Rejected(Exception):
    """The database took offence at a statement or a value: a fault of ours, not of the database."""


@contextmanager
def _failing_as_unavailable() -> Iterator[None]:
    try:
        yield
    except PoolTimeout:
        raise Unavailable("no free database connection") from None
    except DBAPIError as error:
        if is_collision(error):
            raise Collision(type(error.orig).__name__) from error
        if isinstance(error, DataError | ProgrammingError):
            raise Rejected(type(error.orig).__name__) from error
        raise Unavailable(_reason(error)) from error


def _reason(error: DBAPIError) -> str:
    """The driver's words without values of ours: SQLAlchemy would add statement and parameters."""
    words = str(error.orig).splitlines() or [""]
    return re.sub(r"[^ -~]", "?", f"{type(error.orig).__name__}: {words[0][:200]}")


def _engine(url: URL, connections: int) -> Engine:
    sizes: dict[str, Any] = {"pool_size": connections, "max_overflow": 0, "pool_timeout": 10}
    if url.drivername.startswith("sqlite"):
        arguments = {"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}
        engine = create_engine(url, connect_args=arguments, hide_parameters=True, **sizes)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    return create_engine(
        url, isolation_level="READ COMMITTED", pool_pre_ping=True, hide_parameters=True, **sizes
    )


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing: _begin_sqlite does
    # Only an empty file takes it: vacuum.py can then give freed pages back in small pieces.
    if connection.execute("PRAGMA page_count").fetchone() == (0,):
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL").close()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "wal_autocheckpoint=0",  # housekeeping does: a checkpoint would hold up the writer
        f"journal_size_limit={WAL_KEPT_BYTES}",
        "temp_store=MEMORY",
        "cache_size=-65536",
        "mmap_size=0",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("sotto_write", False)
    # A deferred transaction that wants to write later can fail in its middle: never begun.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
