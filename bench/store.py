"""What the client's encrypted store can do: durable sends and receipts a second, pages, searches.

Prints figures for this machine and its disk; each transaction is one that a message costs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from storage.client import schema
from storage.client.database import ClientStore, open_store
from storage.client.search import search
from storage.client.timeline import history

ROOM = bytes(16)
SENDS = 1000
ROWS = 100_000
TEXT = "the quick brown fox jumps over the lazy dog, number"


def main() -> None:
    """Print every figure."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        path = Path(name) / "store.db"
        key = os.urandom(32)
        store = open_store(path, key, create=True)
        with store.transaction() as connection:
            values = {"kind": "room", "name": "bench", "state": "active"}
            connection.execute(schema.conversations.insert().values(id=ROOM, **values))
        _rate("durable sends", SENDS, lambda n: _in_transaction(store, n, _send))
        _rate("durable receipts", SENDS, lambda n: _in_transaction(store, n, _receive))
        begun = time.perf_counter()
        with store.transaction() as connection:
            _fill(connection)
        _show(f"{ROWS} messages in one transaction", time.perf_counter() - begun, "s")
        _median("newest 50 messages", lambda: _read(store, _page), "ms")
        _median("search, common word", lambda: _read(store, _common), "ms")
        _median("search, rare word", lambda: _read(store, _rare), "ms")
        _median("search, nothing", lambda: _read(store, _nothing), "ms")
        store.close()
        _median("open and close", lambda: open_store(path, key).close(), "ms")
        _show("file", path.stat().st_size / 1e6, "MB")


def _send(connection: Connection, n: int) -> None:
    """The next ratchet state, the outbox row and the timeline row of one message."""
    _ratchet(connection, n)
    connection.execute(
        schema.outbox.insert().values(
            conversation=ROOM,
            target="#bench",
            transaction_id=n.to_bytes(16, "big"),
            kind="message",
            body=bytes(200),
            message=bytes(400),
            state="queued",
            created_at_ms=n,
        )
    )
    _message(connection, n, seq=None, sender="me")


def _receive(connection: Connection, n: int) -> None:
    """The next ratchet state without the consumed key, the cursor and the timeline row."""
    _ratchet(connection, n)
    moved = schema.conversations.update().where(schema.conversations.c.id == ROOM)
    connection.execute(moved.values(cursor=n))
    hashed = schema.running_hashes.insert().values(conversation=ROOM, seq=n, hash=bytes(32))
    connection.execute(hashed)
    _message(connection, n, seq=n, sender="them")


def _ratchet(connection: Connection, n: int) -> None:
    value = n.to_bytes(8, "big") * 20
    statement = insert(schema.group_rows).values(conversation=ROOM, key="leaf/7", value=value)
    connection.execute(statement.on_conflict_do_update(set_={"value": value}))


def _message(connection: Connection, n: int, *, seq: int | None, sender: str) -> None:
    row = {"kind": "message", "sender": sender, "sent_at_ms": n, "arrived_at_ms": n}
    text = f"{TEXT} {n}"
    connection.execute(
        schema.timeline.insert().values(
            conversation=ROOM, seq=seq, text=text, state="stored", **row
        )
    )


def _fill(connection: Connection) -> None:
    row = {"conversation": ROOM, "kind": "message", "sender": "them", "state": "stored"}
    times = {"sent_at_ms": 1, "arrived_at_ms": 1}
    rows = [{**row, **times, "seq": SENDS + n, "text": f"{TEXT} {n}"} for n in range(ROWS)]
    connection.execute(schema.timeline.insert(), rows)


def _page(connection: Connection) -> object:
    return history(connection, ROOM, limit=50)


def _common(connection: Connection) -> object:
    return search(connection, "quick fox", limit=50)


def _rare(connection: Connection) -> object:
    return search(connection, "77777", limit=50)


def _nothing(connection: Connection) -> object:
    return search(connection, "marmalade", limit=50)


def _in_transaction(store: ClientStore, n: int, work: Callable[[Connection, int], None]) -> None:
    with store.transaction() as connection:
        work(connection, n)


def _read(store: ClientStore, work: Callable[[Connection], object]) -> None:
    with store.read() as connection:
        work(connection)


def _rate(what: str, count: int, work: Callable[[int], None]) -> None:
    begun = time.perf_counter()
    for n in range(count):
        work(n)
    _show(what, count / (time.perf_counter() - begun), "a second")


def _median(what: str, work: Callable[[], object], unit: str) -> None:
    times_ms = []
    for _ in range(7):
        begun = time.perf_counter()
        work()
        times_ms.append((time.perf_counter() - begun) * 1000)
    _show(what, sorted(times_ms)[3], unit)


def _show(what: str, value: float, unit: str) -> None:
    print(f"{what:<40} {value:10.1f} {unit}")


if __name__ == "__main__":
    main()
