"""Reads what people see of a conversation: pages of history, single messages, unread counts.

Never writes a row: the engine's messaging does, in the transaction that consumes the message's key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import ColumnElement, Connection, FromClause, func, select, tuple_

from storage.client.schema import conversations, timeline

MESSAGE: Final = "message"
"""The kind of the rows that count as unread and that a search finds."""

MEMBERSHIP: Final = "membership"
CAME_IN: Final = ("joined", "invited")
"""The texts of the membership rows with which somebody comes in."""

MAX_PAGE_ROWS: Final = 1000
"""A page is drawn at once and held in memory, so nobody gets more of it in one call."""

COLUMNS: Final = tuple(c for c in timeline.columns if c.name != "position")


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One row of a conversation, as stored; `extra` belongs to whoever wrote it."""

    id: int
    conversation: bytes
    seq: int | None
    kind: str
    message_id: bytes | None
    sender: str
    sender_device: bytes
    sent_at_ms: int
    arrived_at_ms: int
    text: str = field(repr=False)
    state: str
    extra: bytes = field(repr=False)


def history(
    connection: Connection,
    conversation: bytes,
    *,
    limit: int,
    before: int | None = None,
    before_seq: int | None = None,
) -> list[TimelineRow]:
    """Return up to `limit` rows, oldest first, before the row `before` or the entry `before_seq`.

    Without either, the newest. The order is the log's; what has no seq yet stands last.
    """
    query = select(*COLUMNS).where(timeline.c.conversation == conversation)
    if before is not None:
        anchor = timeline.alias()
        query = query.join(anchor, anchor.c.id == before).where(_stands_before(anchor))
    if before_seq is not None:
        query = query.where(timeline.c.position < before_seq)
    newest_first = query.order_by(timeline.c.position.desc(), timeline.c.id.desc())
    rows = connection.execute(newest_first.limit(page_size(limit))).all()
    return [TimelineRow(*row) for row in reversed(rows)]


def following(
    connection: Connection, conversation: bytes, *, limit: int, after: int
) -> list[TimelineRow]:
    """Return up to `limit` rows, oldest first, that stand after the row `after`."""
    anchor = timeline.alias()
    query = select(*COLUMNS).where(timeline.c.conversation == conversation)
    query = query.join(anchor, anchor.c.id == after).where(_stands_after(anchor))
    oldest_first = query.order_by(timeline.c.position, timeline.c.id)
    return [TimelineRow(*r) for r in connection.execute(oldest_first.limit(page_size(limit)))]


def first_from(
    connection: Connection, conversation: bytes, *, seq: int = 0, at_ms: int = 0
) -> TimelineRow | None:
    """Return the first row from the entry `seq` on that arrived at `at_ms` or later, or None."""
    query = select(*COLUMNS).where(
        timeline.c.conversation == conversation,
        timeline.c.position >= seq,
        timeline.c.arrived_at_ms >= at_ms,
    )
    row = connection.execute(query.order_by(timeline.c.position, timeline.c.id).limit(1)).first()
    return None if row is None else TimelineRow(*row)


def newest_of(
    connection: Connection, conversation: bytes, *, kinds: tuple[str, ...], limit: int
) -> list[TimelineRow]:
    """Return the newest rows of these kinds, oldest first."""
    query = select(*COLUMNS).where(
        timeline.c.conversation == conversation, timeline.c.kind.in_(kinds)
    )
    newest_first = query.order_by(timeline.c.position.desc(), timeline.c.id.desc())
    rows = connection.execute(newest_first.limit(page_size(limit))).all()
    return [TimelineRow(*row) for row in reversed(rows)]


def arrivals(connection: Connection, conversation: bytes) -> dict[str, TimelineRow]:
    """Return the line that says how each account came in last: joined, or invited."""
    newest = (
        select(func.max(timeline.c.id))
        .where(
            timeline.c.conversation == conversation,
            timeline.c.kind == MEMBERSHIP,
            timeline.c.text.in_(CAME_IN),
        )
        .group_by(timeline.c.sender)
    )
    rows = connection.execute(select(*COLUMNS).where(timeline.c.id.in_(newest)))
    return {row.sender: TimelineRow(*row) for row in rows}


def find_row(connection: Connection, row_id: int) -> TimelineRow | None:
    """Return the row with the local id `row_id`, or None."""
    row = connection.execute(select(*COLUMNS).where(timeline.c.id == row_id)).one_or_none()
    return None if row is None else TimelineRow(*row)


def find_message(
    connection: Connection, conversation: bytes, message_id: bytes
) -> list[TimelineRow]:
    """Return the rows of `message_id`: at most one per device, as senders choose ids."""
    query = select(*COLUMNS).where(
        timeline.c.conversation == conversation, timeline.c.message_id == message_id
    )
    return [TimelineRow(*row) for row in connection.execute(query.order_by(timeline.c.id))]


def unread_counts(connection: Connection, own_account: str) -> dict[bytes, int]:
    """Return, for each conversation, how many messages of others stand after its read_seq."""
    unread = (
        select(func.count())
        .where(
            timeline.c.conversation == conversations.c.id,
            timeline.c.position > conversations.c.read_seq,
            timeline.c.seq.is_not(None),
            timeline.c.kind == MESSAGE,
            timeline.c.sender != own_account,
        )
        .scalar_subquery()
    )
    counted = connection.execute(select(conversations.c.id, unread)).all()
    return {row[0]: row[1] for row in counted}


def _stands_before(anchor: FromClause) -> ColumnElement[bool]:
    place, other = (
        tuple_(timeline.c.position, timeline.c.id),
        tuple_(anchor.c.position, anchor.c.id),
    )
    return place < other


def _stands_after(anchor: FromClause) -> ColumnElement[bool]:
    place, other = (
        tuple_(timeline.c.position, timeline.c.id),
        tuple_(anchor.c.position, anchor.c.id),
    )
    return place > other


def page_size(limit: int) -> int:
    """Return `limit` within what one call may return."""
    return max(0, min(limit, MAX_PAGE_ROWS))
