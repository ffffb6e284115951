"""Moving SQLite's write-ahead log into the database file, beside the writer.

Never blocks the writer unless the log has grown over its bound.
"""

from __future__ import annotations

import sqlite3

from storage.relay.database import WAL_BOUND_BYTES, Database
from storage.relay.errors import Unavailable


def checkpoint(database: Database) -> int:
    """Move what can be moved without waiting for anybody; return the log's size in bytes.

    Does nothing on other databases. Beyond WAL_BOUND_BYTES, readers and the writer wait for it.
    Raises Unavailable.
    """
    if database.path is None:
        return 0
    size = wal_size_bytes(database)
    mode = "TRUNCATE" if size > WAL_BOUND_BYTES else "PASSIVE"
    try:
        raw = database.engine.raw_connection()
        try:
            raw.cursor().execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        finally:
            raw.close()
    except sqlite3.Error as error:
        raise Unavailable(type(error).__name__) from error
    return size


def wal_size_bytes(database: Database) -> int:
    """Return the size of SQLite's write-ahead log file; 0 when there is none."""
    if database.path is None:
        return 0
    wal = database.path.with_name(database.path.name + "-wal")
    try:
        return wal.stat().st_size
    except FileNotFoundError:
        return 0
