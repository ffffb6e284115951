"""Which transaction of a device was stored as which entry, as rows.

Never more than one for a device's transaction id: that is what makes repeating harmless.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import Connection, bindparam, delete, select

from storage.relay.bulk import Bulk
from storage.relay.prepared import PreparedMany
from storage.relay.rows import chunks
from storage.relay.schema import transactions

Key: TypeAlias = tuple[int, bytes]  # device row, transaction id (16 bytes)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A row of transactions."""

    device_id: int
    transaction_id: bytes
    conversation_id: int
    seq: int


_columns = [transactions.c[name] for name in Transaction.__dataclass_fields__]
_insert = Bulk(transactions, tuple(Transaction.__dataclass_fields__))
_of_device = PreparedMany(
    select(*_columns).where(transactions.c.device_id == bindparam("device_id")),
    transactions.c.transaction_id,
    Transaction,
)


def insert(connection: Connection, rows: Sequence[tuple[int, bytes, int, int]]) -> None:
    """Add (device row, transaction id, conversation row, seq); IntegrityError if one is there."""
    _insert.insert(connection, rows)


def find(connection: Connection, keys: Iterable[Key]) -> dict[Key, Transaction]:
    """The transactions that were stored, of some."""
    by_device: dict[int, list[bytes]] = {}
    for device_row, transaction_id in keys:
        by_device.setdefault(device_row, []).append(transaction_id)
    found: dict[Key, Transaction] = {}
    for device_row, wanted in by_device.items():
        for row in _of_device.all(connection, wanted, {"device_id": device_row}):
            found[row.device_id, row.transaction_id] = row
    return found


def delete_those(connection: Connection, device_row: int, ids: Iterable[bytes]) -> None:
    """Forget a device's transactions: their entries are gone."""
    for some in chunks(ids):
        connection.execute(
            delete(transactions).where(
                transactions.c.device_id == device_row, transactions.c.transaction_id.in_(some)
            )
        )
