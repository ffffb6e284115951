"""Fresh databases on the servers of this machine, for relays that do not use SQLite.

Never touches a database that it did not make. SOTTO_TEST_POSTGRESQL and SOTTO_TEST_MYSQL name other
servers (URLs without a database) than those of the usual ports.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

import pytest
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError

SERVERS = {
    "postgresql": os.environ.get(
        "SOTTO_TEST_POSTGRESQL", "postgresql+psycopg://postgres@127.0.0.1"
    ),
    "mysql": os.environ.get("SOTTO_TEST_MYSQL", "mysql+pymysql://root@127.0.0.1"),
}
_START_AT = {"postgresql": "/postgres", "mysql": "/"}
_MORE = {"postgresql": "", "mysql": " CHARACTER SET utf8mb4"}


@contextlib.contextmanager
def fresh_database(kind: str) -> Iterator[str]:
    """Give the URL of a database that is dropped afterwards; skip where there is no server."""
    server = SERVERS[kind]
    engine = sqlalchemy.create_engine(
        server + _START_AT[kind],
        isolation_level="AUTOCOMMIT",
        connect_args={"connect_timeout": 3},
        poolclass=sqlalchemy.NullPool,
    )
    name = f"sotto_test_{secrets.token_hex(6)}"
    try:
        _run(engine, f"CREATE DATABASE {name}{_MORE[kind]}")
    except SQLAlchemyError as error:
        pytest.skip(f"no {kind} server lets us in at {server}: {str(error).splitlines()[0]}")
    try:
        yield f"{server}/{name}"
    finally:
        force = " WITH (FORCE)" if kind == "postgresql" else ""
        _run(engine, f"DROP DATABASE {name}{force}")
        engine.dispose()


def _run(engine: sqlalchemy.Engine, statement: str) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
