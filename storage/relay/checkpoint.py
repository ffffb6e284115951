"""Moving SQLite's write-ahead log into the database file, beside the writer.

Never blocks the writer unless the log has grown over its bound.
"""

from __future__ import annotations

from storage.relay.database import WAL_BOUND_BYTES, Database


def checkpoint(database: Database) -> int:
    """Move what can be moved without waiting for anybody; return the log's size in bytes.

    Does nothing on other databases. Beyond WAL_BOUND_BYTES, readers and the writer wait for it.
    """
    if database.path is None:
        return 0
    size = wal_size_bytes(database)
    mode = "TRUNCATE" if size > WAL_BOUND_BYTES else "PASSIVE"
    raw = database.engine.raw_connection()
    try:
        raw.cursor().execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    finally:
        raw.close()
    return size


def wal_size_bytes(database: Database) -> int:
    """Return the size of SQLite's write-ahead log file; 0 when there is none."""
    if database.path is None:
        return 0
    wal = database.path.with_name(database.path.name + "-wal")
    return wal.stat().st_size if wal.exists() else 0
