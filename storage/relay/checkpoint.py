"""Moving SQLite's write-ahead log into the database file, beside the writer.

Never while it is small: see relay/checkpointing.py for when.
"""

from __future__ import annotations

import sqlite3

from storage.relay.database import Database
from storage.relay.errors import Unavailable


def checkpoint(database: Database) -> None:
    """Move what can be moved without waiting for anybody.

    Does nothing on other databases. Raises Unavailable.
    """
    _checkpoint(database, "PASSIVE")


def restart(database: Database) -> None:
    """Move the rest while the writer waits, and let the log begin anew.

    Soon after checkpoint() that is little. Does nothing on other databases. Raises Unavailable.
    """
    _checkpoint(database, "TRUNCATE")


def _checkpoint(database: Database, mode: str) -> None:
    if database.path is None:
        return
    try:
        raw = database.engine.raw_connection()
        try:
            raw.cursor().execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        finally:
            raw.close()
    except sqlite3.Error as error:
        raise Unavailable(type(error).__name__) from error


def wal_size_bytes(database: Database) -> int:
    """Return the size of SQLite's write-ahead log file; 0 when there is none."""
    if database.path is None:
        return 0
    wal = database.path.with_name(database.path.name + "-wal")
    try:
        return wal.stat().st_size
    except FileNotFoundError:
        return 0
