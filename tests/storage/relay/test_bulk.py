"""Many rows in few statements: what is read back is what was put in, on each database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.relay.bulk import SIZES, Bulk
from storage.relay.errors import Collision
from storage.relay.schema import transactions
from tests.relay.databases import DATABASES, empty_database

NAMES = ("device_id", "transaction_id", "conversation_id", "seq")
COLUMNS = [transactions.c[name] for name in NAMES]
BULK = Bulk(transactions, NAMES)


def some_rows(count: int) -> list[tuple[int, bytes, int, int]]:
    return [(number, os.urandom(16), -number, number << 40) for number in range(count)]


@pytest.mark.parametrize("count", [0, 1, 5, 63, sum(SIZES) + 3])
@pytest.mark.parametrize("kind", DATABASES)
def test_every_row_is_there_once(kind: str, count: int, tmp_path: Path) -> None:
    rows = some_rows(count)
    with empty_database(kind, tmp_path) as database:
        with database.write() as connection:
            BULK.insert(connection, rows)
        with database.read() as connection:
            query = select(*COLUMNS).order_by(transactions.c.device_id)
            assert [tuple(row) for row in connection.execute(query)] == rows


@pytest.mark.parametrize("kind", DATABASES)
def test_one_row_that_is_there_undoes_all(kind: str, tmp_path: Path) -> None:
    rows = some_rows(90)
    with empty_database(kind, tmp_path) as database:
        with database.write() as connection:
            BULK.insert(connection, rows[70:71])
        with pytest.raises(Collision), database.write() as connection:
            BULK.insert(connection, rows)
        with database.read() as connection:
            assert len(connection.execute(select(*COLUMNS)).all()) == 1


@pytest.mark.parametrize("kind", DATABASES)
def test_a_statement_has_no_more_rows_than_it_may(kind: str, tmp_path: Path) -> None:
    bulk = Bulk(transactions, NAMES, most=4)
    with empty_database(kind, tmp_path) as database:
        with database.write() as connection:
            bulk.insert(connection, some_rows(11))
        with database.read() as connection:
            assert len(connection.execute(select(*COLUMNS)).all()) == 11
    assert all(size <= 4 for _, size in bulk._texts)
