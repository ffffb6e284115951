"""Writing what is only remembered between two transactions, all of it.

Never in slices: for when nothing else is to be written, at the end and before a backup.
"""

from __future__ import annotations

from sqlalchemy import Connection

from relay.context import Context
from relay.history import write_cursors
from relay.logins import write_seen
from relay.usage import write_usage


def write_remembered(connection: Connection, context: Context) -> None:
    """Write the cursors, when devices were seen, and what accounts stored."""
    write_cursors(connection, context)
    write_seen(connection, context, len(context.seen))
    write_usage(connection, context)
