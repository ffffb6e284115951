"""Statements that go straight to the driver behave as SQLAlchemy's own, on each database."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import Connection, bindparam, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from storage.relay.errors import Collision, Unavailable
from storage.relay.prepared import Prepared, executed, savepoint
from storage.relay.schema import accounts, settings
from tests.relay.actors import World
from tests.relay.databases import DATABASES, empty_database


class Found(NamedTuple):
    name: str
    root: bytes
    is_admin: bool


PUT: Prepared[None] = Prepared(insert(settings), names=("name", "value"))
FIND = Prepared(
    select(accounts.c.name, accounts.c.root, accounts.c.is_admin).where(
        accounts.c.name == bindparam("who")
    ),
    Found,
)


@pytest.mark.parametrize("kind", DATABASES)
def test_a_row_has_the_columns_types(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database:
        alice = World(database).account("Alice")
        with database.read() as connection:
            found = FIND.one(connection, {"who": "alice"})
            assert found == Found("alice", alice.root.identity, False)
            assert type(found.is_admin) is bool
            assert type(found.root) is bytes
            assert FIND.one(connection, {"who": "nobody"}) is None


@pytest.mark.parametrize("kind", DATABASES)
def test_a_lost_race_is_a_collision(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database:
        with database.write() as connection:
            PUT.run(connection, {"name": "a", "value": "b"})
        with pytest.raises(Collision), database.write() as connection:
            PUT.run(connection, {"name": "a", "value": "c"})


def test_a_failing_database_is_unavailable(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database:
        with database.write() as connection:
            connection.exec_driver_sql("DROP TABLE settings")
        row = {"name": "canary", "value": "canary"}
        failing = pytest.raises(Unavailable, match="no such table")
        with failing as caught, database.write() as connection:
            PUT.run(connection, row)
        assert "canary" not in str(caught.value.__cause__)


def test_a_savepoint_gives_way_to_the_error_that_ended_the_transaction(tmp_path: Path) -> None:
    """As a deadlock does on a server: what there is to go back to is gone with it."""

    def end_and_fail(connection: Connection) -> None:
        executed(connection, "ROLLBACK", ()).close()
        executed(connection, "SELECT * FROM nowhere", ())

    with empty_database("sqlite", tmp_path) as database, database.engine.connect() as connection:
        connection.begin()
        with pytest.raises(OperationalError, match="nowhere"), savepoint(connection):
            end_and_fail(connection)


def test_what_was_written_before_a_savepoint_stays(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database, database.write() as connection:
        PUT.run(connection, {"name": "before", "value": "b"})
        with pytest.raises(IntegrityError), savepoint(connection):
            PUT.run_each(connection, [{"name": name, "value": "b"} for name in ("in", "before")])
        rows = connection.execute(select(settings.c.name)).scalars()
        assert list(rows) == ["before"]
