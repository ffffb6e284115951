"""Transactions are found by device and id, and only so, on each database."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage.relay import transaction_rows
from storage.relay.errors import Collision
from storage.relay.transaction_rows import Transaction
from tests.relay.databases import DATABASES, empty_database


@pytest.mark.parametrize("kind", DATABASES)
def test_those_that_are_there_are_found(kind: str, tmp_path: Path) -> None:
    ids = [os.urandom(16) for _ in range(300)]
    with empty_database(kind, tmp_path) as database:
        with database.write() as connection:
            rows = [(1 + number % 2, each, 7, number) for number, each in enumerate(ids)]
            transaction_rows.insert(connection, rows)
        with database.write() as connection:
            wanted = [(1, each) for each in ids] + [(3, ids[0])]
            found = transaction_rows.find(connection, wanted)
            assert found == {
                (1, each): Transaction(1, each, 7, number)
                for number, each in enumerate(ids)
                if number % 2 == 0
            }
            transaction_rows.delete_those(connection, 1, [ids[0], ids[1]])
            gone = transaction_rows.find(connection, [(1, ids[0]), (2, ids[1])])
            assert list(gone) == [(2, ids[1])]


@pytest.mark.parametrize("kind", DATABASES)
def test_a_device_uses_an_id_once(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database:
        with database.write() as connection:
            transaction_rows.insert(connection, [(1, bytes(16), 1, 1), (2, bytes(16), 1, 2)])
        with pytest.raises(Collision), database.write() as connection:
            transaction_rows.insert(connection, [(1, bytes(16), 2, 1)])
