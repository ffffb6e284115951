"""The Removes that wait for a commit, as the database knows them: for a relay that just started.

Never issues one: relay.removals does.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from relay.context import Context
from relay.outcome import AskCommit, Outcome
from storage.relay import conversation_rows, other_rows
from storage.relay.schema import conversations


def waiting_removes(connection: Connection, _context: Context) -> Outcome:
    """Return an AskCommit for each conversation in which a Remove waits."""
    columns = (conversations.c.id, conversations.c.conversation, conversations.c.head_seq)
    query = select(*columns).where(conversations.c.pending > 0, ~conversations.c.closed)
    return Outcome(
        None,
        tuple(
            AskCommit(conversation, head_seq, _staying(connection, row))
            for row, conversation, head_seq in connection.execute(query).all()
        ),
    )


def _staying(connection: Connection, row: int) -> tuple[bytes, ...]:
    members = conversation_rows.current_members(connection, row)
    leaving = other_rows.pending_of_members(connection, [member.id for member in members])
    return tuple(member.device for member in members if member.id not in leaving)
