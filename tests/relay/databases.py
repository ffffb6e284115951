"""Empty databases of each kind for tests: SQLite always, the two servers where they run.

Each process makes, on a server, a database of its own, and drops it at its end.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, text
from sqlalchemy.exc import OperationalError

from storage.relay.database import Database, open_database, parse_url
from storage.relay.migrate import HEAD, migrate, schema_version
from storage.relay.schema import metadata

DATABASES = ("sqlite", "postgresql", "mariadb")
URLS = {
    "postgresql": os.environ.get("SOTTO_TEST_POSTGRESQL", "postgresql://postgres@127.0.0.1/test"),
    "mariadb": os.environ.get(
        "SOTTO_TEST_MARIADB", "mariadb://root@localhost/test?unix_socket=/run/mysqld/mysqld.sock"
    ),
}


@contextmanager
def empty_database(kind: str, folder: Path) -> Iterator[Database]:
    """An open, empty database of a kind with its tables; skips the test when there is none."""
    if kind == "sqlite":
        database = open_database(f"sqlite:///{folder / 'relay.db'}")
    else:
        database = _server_database(kind)
    try:
        migrate(database)
        yield database
    finally:
        database.close()


def _server_database(kind: str) -> Database:
    url = _own_database(kind)
    if url is None:
        pytest.skip(f"no {kind} server for tests here")
    database = open_database(url)
    with database.write() as connection:
        if schema_version(connection) == HEAD:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
    return database


@cache
def _own_database(kind: str) -> str | None:
    """The URL of a database that only this process has, or None when there is no server."""
    url = parse_url(URLS[kind])
    name = f"sotto_test_{os.getpid()}"
    server = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name}"))
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        return None

    def drop() -> None:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))
        server.dispose()

    atexit.register(drop)
    return url.set(database=name).render_as_string(hide_password=False)
