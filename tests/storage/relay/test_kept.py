"""A kept connection: one for many transactions, and a fresh one whenever it may be broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from storage.relay import database as module
from storage.relay.database import Kept
from storage.relay.errors import Collision, Unavailable
from storage.relay.schema import settings
from tests.relay.databases import DATABASES, empty_database

KILL = {
    "postgresql": "SELECT pg_terminate_backend({})",
    "mariadb": "KILL CONNECTION {}",
}
OWN = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}


def put(connection: Connection, *names: str) -> None:
    for name in names:
        connection.execute(insert(settings), {"name": name, "value": "1"})


def put_and_fail(connection: Connection, name: str) -> None:
    put(connection, name)
    raise ZeroDivisionError


@pytest.mark.parametrize("kind", DATABASES)
def test_its_transactions_are_stored_or_undone(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database:
        kept = Kept(database, writes=True)
        with kept.transaction() as connection:
            put(connection, "a")
        with pytest.raises(Collision), kept.transaction() as connection:
            put(connection, "b", "a")
        with pytest.raises(ZeroDivisionError), kept.transaction() as connection:
            put_and_fail(connection, "c")
        with kept.transaction() as connection:
            put(connection, "d")
        kept.close()
        with database.read() as connection:
            assert set(connection.execute(select(settings.c.name)).scalars()) == {"a", "d"}


def test_it_is_one_connection_until_something_goes_wrong(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database:
        kept = Kept(database, writes=True)
        seen = []
        for _ in range(3):
            with kept.transaction() as connection:
                seen.append(connection)
        with pytest.raises(Unavailable), kept.transaction() as connection:
            connection.execute(text("SELECT nothing"))
        with kept.transaction() as connection:
            seen.append(connection)
        kept.close()
        assert seen[0] is seen[1] is seen[2]
        assert seen[3] is not seen[0]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_connection_that_the_server_closed_costs_nothing_after_a_rest(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with empty_database(kind, tmp_path) as database:
        kept = Kept(database, writes=True)

        def end() -> None:
            with kept.transaction() as connection:
                own = connection.exec_driver_sql(OWN[kind]).scalar_one()
            with database.read() as other:
                other.exec_driver_sql(KILL[kind].format(own))

        end()
        with pytest.raises(Unavailable), kept.transaction() as connection:
            put(connection, "at once")
        end()
        monkeypatch.setattr(module, "REST_S", -1.0)
        with kept.transaction() as connection:
            put(connection, "later")
        kept.close()
