"""Giving the room of deleted rows back to the disk, in small pieces.

Never at once: moving pages holds up the writer. PostgreSQL and MariaDB do it themselves.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

KEPT_PAGES: Final = 4096  # 16 MiB that stay free: what comes next needs no growing
PAGES_PER_SLICE: Final = 256  # a few ms


def give_back_pages(connection: Connection) -> int:
    """Shrink SQLite's file by a slice of its free pages; return how many are free."""
    if connection.dialect.name != "sqlite":
        return 0
    free = int(connection.exec_driver_sql("PRAGMA freelist_count").scalar_one())
    if free > KEPT_PAGES:
        pages = min(PAGES_PER_SLICE, free - KEPT_PAGES)
        connection.exec_driver_sql(f"PRAGMA incremental_vacuum({pages})").fetchall()
    return free
