"""Opens a client's encrypted store and gives out its transactions.

Never keeps a store half open, never shares its one connection between two threads at a time, and
never writes a byte of a message, a key or an index outside the encrypted file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool
from sqlcipher3 import dbapi2

from storage.client import schema
from storage.client.faults import faults_translated
from storage.errors import STORE_DAMAGED, UNAVAILABLE, StoreError

KEY_SIZE_BYTES: Final = 32

_BEGIN_WRITE: Final = "BEGIN IMMEDIATE"
_BEGIN_READ: Final = "BEGIN"


class ClientStore:
    """One account's open store. Used from one thread at a time; nothing in it waits for a lock."""

    def __init__(self, raw: Any) -> None:
        """Take over `raw`, an unlocked and configured driver connection in autocommit mode."""
        self._raw = raw
        self._begin = _BEGIN_WRITE
        self._engine = create_engine(
            "sqlite+pysqlite://",
            module=dbapi2,
            creator=lambda: raw,
            poolclass=StaticPool,
            hide_parameters=True,
        )
        # The driver's own BEGIN comes too late for DDL and never for SELECT, so ours is explicit.
        event.listen(self._engine, "begin", lambda c: c.exec_driver_sql(self._begin))
        self._connection = self._engine.connect()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Yield the connection inside BEGIN IMMEDIATE; durable at the end, undone on any error.

        Raises StoreError with disk_full, store_damaged, profile_in_use or unavailable.
        """
        with faults_translated(), self._connection.begin():
            yield self._connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield the connection for reading one consistent state; whatever is written is undone."""
        self._begin = _BEGIN_READ
        try:
            with faults_translated():
                transaction = self._connection.begin()
                try:
                    yield self._connection
                finally:
                    transaction.rollback()
        finally:
            self._begin = _BEGIN_WRITE

    def truncate_wal(self) -> None:
        """Bring the write-ahead log into the file and cut it to nothing: no old page stays."""
        with faults_translated(), closing(self._raw.cursor()) as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Truncate the write-ahead log if the disk allows it, and close the file."""
        try:
            with suppress(StoreError):
                self.truncate_wal()
        finally:
            self._connection.close()
            self._engine.dispose()


def open_store(path: Path, key: bytes, *, create: bool = False) -> ClientStore:
    """Return the store at `path`, encrypted under the 32-byte `key`, with the newest schema.

    With `create` the file must not exist and is made, for its owner alone (0600). Without, it must
    be there and whole: an empty file is a damaged store, never a new one. Raises StoreError:
    store_damaged (also for a wrong key: the account's lock tells that case apart beforehand),
    profile_in_use, disk_full, unavailable.
    """
    _prepare_file(path, create=create)
    with faults_translated():
        raw = dbapi2.connect(os.fspath(path), isolation_level=None, check_same_thread=False)
    try:
        with faults_translated():
            unlock(raw, key)
            configure(raw)
        store = ClientStore(raw)
        _bring_up_to_date(store, create=create)
    except BaseException:
        raw.close()
        raise
    return store


def unlock(raw: Any, key: bytes) -> None:
    """Give the driver connection its raw key; the first page that is read shows whether it fits."""
    if len(key) != KEY_SIZE_BYTES:
        raise ValueError("a store key has 32 bytes")
    # SQLCipher would write a line to standard error for each page that it cannot read.
    raw.execute("PRAGMA cipher_log_level = NONE").fetchall()
    raw.execute(f"PRAGMA key = \"x'{key.hex()}'\"").fetchall()
    # SQLCipher's own default: wiping its buffers tripled the cost of a message, while the same
    # texts and keys stand in Python's memory, which nobody can wipe (docs/decisions).
    raw.execute("PRAGMA cipher_memory_security = OFF").fetchall()


def configure(raw: Any) -> None:
    """Set what durability and erasure rest on, and check that it took.

    EXCLUSIVE keeps a second process out and needs no shared-memory file beside the store, if it is
    set before the first page is read.
    """
    wanted = {
        "locking_mode": "exclusive",
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "foreign_keys": 1,
        "temp_store": 2,
        "busy_timeout": 0,
        "trusted_schema": 0,
    }
    for pragma, value in wanted.items():
        raw.execute(f"PRAGMA {pragma} = {value}").fetchall()
        (found,) = raw.execute(f"PRAGMA {pragma}").fetchone()
        if found != value:
            raise StoreError(
                UNAVAILABLE, f"The disk of this profile does not allow {pragma}={value}."
            )


def _prepare_file(path: Path, *, create: bool) -> None:
    """Make the empty file 0600 before SQLite would with wider rights, or look at the one there."""
    if create:
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
            os.close(os.open(path, flags, 0o600))
        except OSError as error:
            raise StoreError(UNAVAILABLE, "The store cannot be made in this folder.") from error
        return
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise StoreError(STORE_DAMAGED, "The store of this account is missing.") from error
    if not size_bytes:
        raise StoreError(STORE_DAMAGED, "The store of this account is empty.")


def _bring_up_to_date(store: ClientStore, *, create: bool) -> None:
    """Create or migrate in one transaction: killed inside it, the old schema stays whole."""
    if create:
        with store.transaction() as connection:
            schema.create(connection)
        return
    if stored_version(store) != schema.HEAD:
        from storage.client.migrate import (
            upgrade,
        )  # Alembic costs a start more than the store itself

        upgrade(store)


def stored_version(store: ClientStore) -> str:
    """Return the migration the store stands on; raises StoreError store_damaged without one."""
    with store.read() as connection:
        try:
            query = select(schema.versions.c.version_num)
            version: str | None = connection.execute(query).scalar_one_or_none()
        except DatabaseError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) != 1:  # 1: there is no such table
                raise
            version = None
    if version is None:
        raise StoreError(STORE_DAMAGED, "The store of this account has lost its tables.")
    return version
