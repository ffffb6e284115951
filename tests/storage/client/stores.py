"""Stores and rows that the tests of this room begin with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from storage.client import schema
from storage.client.database import ClientStore, open_store

KEY = bytes(range(32))
ROOM = b"r" * 16
OTHER_ROOM = b"o" * 16


@contextmanager
def new_store(folder: Path) -> Iterator[ClientStore]:
    """A new store in `folder`, closed at the end."""
    store = open_store(folder / "store.db", KEY, create=True)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def reopened(folder: Path) -> Iterator[ClientStore]:
    """The store that is in `folder` already."""
    store = open_store(folder / "store.db", KEY)
    try:
        yield store
    finally:
        store.close()


def add_room(connection: Connection, conversation: bytes = ROOM, **values: Any) -> None:
    row = {"kind": "room", "name": "den", "state": "active", **values}
    connection.execute(schema.conversations.insert().values(id=conversation, **row))


def add_message(
    connection: Connection, text: str, *, seq: int | None, conversation: bytes = ROOM, **values: Any
) -> int:
    row = {
        "kind": "message",
        "sender": "bob",
        "sent_at_ms": 1,
        "arrived_at_ms": 2,
        "state": "stored",
        **values,
    }
    statement = schema.timeline.insert().values(
        conversation=conversation, seq=seq, text=text, **row
    )
    inserted = connection.execute(statement).inserted_primary_key
    assert inserted is not None
    return int(inserted[0])
