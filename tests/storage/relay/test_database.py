"""Opening a database: what is refused, and what a transaction promises."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from storage.relay.database import Database, open_database, parse_url
from storage.relay.durability import check_durability, lax_settings
from storage.relay.errors import Collision, Unavailable, UnsafeDatabase
from tests.relay.databases import DATABASES, empty_database


def opened(folder: Path) -> Database:
    return open_database(f"sqlite:///{folder / 'relay.db'}")


@pytest.mark.parametrize("kind", DATABASES)
def test_a86_what_is_committed_is_on_the_disk(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database, database.read() as connection:
        check_durability(connection)
        assert lax_settings(connection) == []


@pytest.mark.parametrize(
    ("pragma", "name"),
    [
        ("synchronous=NORMAL", "synchronous"),
        ("synchronous=OFF", "synchronous"),
        ("journal_mode=MEMORY", "journal_mode"),
        ("journal_mode=OFF", "journal_mode"),
        ("foreign_keys=OFF", "foreign_keys"),
    ],
)
def test_a86_sqlite_with_a_bad_setting_is_refused(tmp_path: Path, pragma: str, name: str) -> None:
    database = opened(tmp_path)
    raw = database.engine.raw_connection()
    raw.cursor().execute(f"PRAGMA {pragma}")
    raw.close()
    with database.read() as connection:
        connection.exec_driver_sql("COMMIT")
        connection.exec_driver_sql(f"PRAGMA {pragma}")
        connection.exec_driver_sql("BEGIN")
        with pytest.raises(UnsafeDatabase, match=name):
            check_durability(connection)
    database.close()


def test_a86_mariadb_counts_its_binary_log_only_where_it_writes_one() -> None:
    class Server:
        """What a server with such settings answers."""

        def __init__(self, **settings: str) -> None:
            self.settings = {
                "innodb_flush_log_at_trx_commit": "1",
                "innodb_doublewrite": "ON",
            } | settings
            self.dialect = SimpleNamespace(name="mariadb")

        def exec_driver_sql(self, statement: str) -> Any:
            name = statement.removeprefix("SELECT @@")
            return SimpleNamespace(scalar=lambda: self.settings[name])

    def lax(**settings: str) -> list[str]:
        return lax_settings(Server(**settings))  # type: ignore[arg-type]

    assert lax(log_bin="0", sync_binlog="0") == []
    assert lax(log_bin="1", sync_binlog="1") == []
    assert lax(log_bin="1", sync_binlog="0") == ["sync_binlog is 0, not 1"]


def test_a86_a_lax_database_can_be_wanted(tmp_path: Path) -> None:
    with empty_database("postgresql", tmp_path) as database:
        plain = database.engine.url.render_as_string(hide_password=False)
    url = f"{plain}?options=-c%20synchronous_commit=off"
    with pytest.raises(UnsafeDatabase, match="--allow-lax-durability"):
        open_database(url)
    lax = open_database(url, is_lax_allowed=True)
    with lax.read() as connection:
        assert [each.split()[0] for each in lax_settings(connection)] == ["synchronous_commit"]
    lax.close()


@pytest.mark.parametrize("value", ["off"])
def test_a86_postgresql_without_synchronous_commit_is_refused(tmp_path: Path, value: str) -> None:
    with empty_database("postgresql", tmp_path) as database, database.read() as connection:
        connection.execute(text(f"SET synchronous_commit = {value}"))
        with pytest.raises(UnsafeDatabase, match="synchronous_commit"):
            check_durability(connection)


def test_a86_mysql_that_flushes_once_a_second_is_refused(tmp_path: Path) -> None:
    with empty_database("mariadb", tmp_path) as database, database.read() as connection:
        connection.execute(text("SET GLOBAL innodb_flush_log_at_trx_commit = 2"))
        try:
            with pytest.raises(UnsafeDatabase, match="innodb_flush_log"):
                check_durability(connection)
        finally:
            connection.execute(text("SET GLOBAL innodb_flush_log_at_trx_commit = 1"))


def test_every_pooled_connection_is_set_up(tmp_path: Path) -> None:
    database = opened(tmp_path)
    with database.read() as one, database.read() as other:
        for connection in (one, other):
            check_durability(connection)
    database.close()


def test_a_transaction_is_whole_or_nothing(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database:
        insert = text("INSERT INTO settings VALUES ('a', 'b')")
        with pytest.raises(Collision), database.write() as connection:
            [connection.execute(insert) for _ in range(2)]
        with database.write() as connection:
            connection.execute(insert)
        with database.read() as connection:
            assert connection.execute(text("SELECT count(*) FROM settings")).scalar() == 1


def test_a_write_begins_by_taking_the_lock(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database, database.write():
        other = sqlite3.connect(tmp_path / "relay.db", timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()


def test_a_damaged_file_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "relay.db").write_bytes(b"this is no database at all" * 400)
    with pytest.raises(Unavailable, match="not a database"):
        opened(tmp_path)


def test_an_error_says_nothing_of_the_rows(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database:
        with pytest.raises(Unavailable) as caught, database.write() as connection:
            connection.execute(text("INSERT INTO nowhere VALUES (:v)"), {"v": "canary"})
        assert "canary" not in str(caught.value)
        assert "canary" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:////tmp/x", "sqlite+pysqlite"),
        ("postgresql://h/d", "postgresql+psycopg"),
        ("postgres://h/d", "postgresql+psycopg"),
        ("mariadb://h/d", "mysql+pymysql"),
        ("mysql+mysqldb://h/d", "mysql+pymysql"),
    ],
)
def test_a_url_needs_no_driver(url: str, driver: str) -> None:
    parsed = parse_url(url)
    assert parsed.drivername == driver
    assert ("charset" in parsed.query) == driver.startswith("mysql")


@pytest.mark.parametrize("url", ["oracle://h/d", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="database"):
        open_database(url)
