"""The rows of the outbox: what this device wants sent, from the person's Enter to the relay's word.

Never sends: engine/outbox.py does, in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from storage.client.schema import outbox, timeline

QUEUED: Final = "queued"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One row: `target` is "#room" or "@account", `body` the encoded body.

    `message`: what was protected and may have been sent. `reason` (state failed) is a wire code.
    """

    id: int
    conversation: bytes | None
    target: str
    transaction_id: bytes
    kind: str
    body: bytes = field(repr=False)
    message: bytes | None = field(repr=False)
    state: str
    created_at_ms: int

    @property
    def failure(self) -> str:
        """The wire code of a failed row, "" otherwise."""
        return self.state.removeprefix(f"{FAILED}:") if self.is_failed else ""

    @property
    def is_failed(self) -> bool:
        """Whether it waits for the person."""
        return self.state.startswith(FAILED)


# Statements that run for every message, built once: building one costs more than running it.
_INSERT = insert(outbox)
_FIND = select(outbox).where(outbox.c.transaction_id == bindparam("number"))
_FIND_ALL = (
    select(outbox)
    .where(outbox.c.transaction_id.in_(bindparam("numbers", expanding=True)))
    .order_by(outbox.c.id)
)
_SET_MESSAGE = (
    update(outbox)
    .where(outbox.c.id == bindparam("row"))
    .values(conversation=bindparam("in_conversation"), message=bindparam("protected"))
)
_DROP = delete(outbox).where(outbox.c.transaction_id == bindparam("number"))


def queue(
    connection: Connection,
    *,
    target: str,
    transaction_id: bytes,
    kind: str,
    body: bytes,
    now_ms: int,
    conversation: bytes | None = None,
) -> OutboxRow:
    """Add a row; the one with this transaction id is returned when there is one already."""
    known = find(connection, transaction_id)
    if known is not None:
        return known
    values = {
        "conversation": conversation,
        "target": target,
        "transaction_id": transaction_id,
        "kind": kind,
        "body": body,
        "state": QUEUED,
        "created_at_ms": now_ms,
    }
    connection.execute(_INSERT, values)
    row = find(connection, transaction_id)
    assert row is not None  # inserted above, in the same transaction
    return row


def find(connection: Connection, transaction_id: bytes) -> OutboxRow | None:
    """Return the row of a transaction id."""
    row = connection.execute(_FIND, {"number": transaction_id}).one_or_none()
    return None if row is None else OutboxRow(**row._mapping)


def find_all(connection: Connection, transaction_ids: Sequence[bytes]) -> list[OutboxRow]:
    """Return those of these rows that are there, oldest first."""
    rows = connection.execute(_FIND_ALL, {"numbers": list(transaction_ids)})
    return [OutboxRow(**row._mapping) for row in rows]


def unseal(connection: Connection, target: str) -> None:
    """Forget the ciphertexts of what waits for a target: they are made anew."""
    is_ours = (outbox.c.target == target) & (outbox.c.state == QUEUED)
    connection.execute(update(outbox).where(is_ours).values(message=None))


def load_outbox(connection: Connection, *, limit: int = 10_000) -> list[OutboxRow]:
    """Return all rows, oldest first."""
    rows = connection.execute(select(outbox).order_by(outbox.c.id).limit(limit))
    return [OutboxRow(**row._mapping) for row in rows]


def next_queued(connection: Connection, target: str, *, limit: int = 1) -> list[OutboxRow]:
    """Return the oldest rows for a target that are not given up."""
    query = select(outbox).where(outbox.c.target == target, outbox.c.state == QUEUED)
    rows = connection.execute(query.order_by(outbox.c.id).limit(limit))
    return [OutboxRow(**row._mapping) for row in rows]


def queued_targets(connection: Connection) -> list[str]:
    """Return the targets that have something to send."""
    query = select(outbox.c.target).where(outbox.c.state == QUEUED).distinct()
    return list(connection.execute(query).scalars())


def set_messages(
    connection: Connection, messages: Sequence[tuple[int, bytes]], *, conversation: bytes
) -> None:
    """Note what was protected for rows, each by its id."""
    values = [
        {"row": row_id, "in_conversation": conversation, "protected": message}
        for row_id, message in messages
    ]
    connection.execute(_SET_MESSAGE, values)


def set_failed(connection: Connection, transaction_id: bytes, *, code: str) -> None:
    """Give a row up with its reason; the text is kept."""
    values = {"state": f"{FAILED}:{code}", "message": None}
    is_it = outbox.c.transaction_id == transaction_id
    connection.execute(update(outbox).where(is_it).values(values))


def set_queued(connection: Connection, transaction_id: bytes) -> None:
    """Try a failed row again."""
    is_it = outbox.c.transaction_id == transaction_id
    connection.execute(update(outbox).where(is_it).values(state=QUEUED, message=None))


def drop(connection: Connection, transaction_id: bytes) -> None:
    """Forget a row."""
    connection.execute(_DROP, {"number": transaction_id})


def find_sent(
    connection: Connection, *, device: bytes, message_id: bytes
) -> tuple[bytes, int] | None:
    """Return (conversation, seq) of an own message that the relay has stored."""
    query = select(timeline.c.conversation, timeline.c.seq).where(
        timeline.c.sender_device == device,
        timeline.c.message_id == message_id,
        timeline.c.seq.is_not(None),
    )
    row = connection.execute(query.limit(1)).one_or_none()
    return None if row is None else (row.conversation, row.seq)


def load_protected(connection: Connection, conversation: bytes) -> list[OutboxRow]:
    """Return the rows of a conversation whose ciphertext may have been sent."""
    query = select(outbox).where(
        outbox.c.conversation == conversation, outbox.c.message.is_not(None)
    )
    return [OutboxRow(**row._mapping) for row in connection.execute(query.order_by(outbox.c.id))]
