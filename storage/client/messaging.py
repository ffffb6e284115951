"""The rows of conversations: MLS state, cursors, running hashes, counters, acknowledgements, keys.

Never decides anything: one `Change` holds everything that one step of a conversation changes, and
`apply` writes it inside the caller's transaction, all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from storage.client.schema import (
    acks,
    conversations,
    counters,
    group_rows,
    outbox,
    pending_commits,
    room_secrets,
    running_hashes,
    timeline,
)
from storage.killpoints import reached


@dataclass(frozen=True, slots=True)
class ConversationRow:
    """One row of `conversations`; see schema.py for the columns."""

    id: bytes
    kind: str
    name: str
    state: str
    peer: str | None = None
    cursor: int = 0
    stands_on: int = 0
    epoch_seq: int = 0
    epoch_hash: bytes = b""
    own_counter: int = 0
    last_update_at_ms: int = 0
    sent_since_update: int = 0
    read_seq: int = 0
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class Line:
    """One new row of `timeline`."""

    kind: str
    sender: str
    text: str
    seq: int | None = None
    message_id: bytes | None = None
    sender_device: bytes = b""
    sent_at_ms: int = 0
    arrived_at_ms: int = 0
    state: str = "stored"
    extra: bytes = b""


@dataclass(frozen=True, slots=True)
class PendingCommit:
    """A commit of this device that is durable before it is sent.

    `rows`: the next group's rows; `extra`: what must be sent with it. Both are secret.
    """

    conversation: bytes
    transaction_id: bytes
    message: bytes = field(repr=False)
    rows: bytes = field(repr=False)
    extra: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """Everything that a step of one conversation writes, at once.

    `group_put`/`group_delete`: rows of the MLS state (`whole_group`: these rows are all of it).
    `hashes`: new (seq, hash); `new_epoch`: older ones go. `forget_counters`: those known so far go.
    `acks`: (seq, verdict or None). `sent`: transaction ids whose outbox rows are done. `pending`: a
    commit to keep; `pending_done`: the kept one goes.
    """

    row: ConversationRow
    group_put: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    group_delete: Collection[str] = ()
    whole_group: bool = False
    hashes: tuple[tuple[int, bytes], ...] = ()
    new_epoch: bool = False
    counters: Mapping[bytes, int] = field(default_factory=dict)
    forget_counters: bool = False
    acks: tuple[tuple[int, str | None], ...] = ()
    lines: tuple[Line, ...] = ()
    sent: tuple[bytes, ...] = ()
    secrets: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    pending: PendingCommit | None = None
    pending_done: bool = False


def apply(connection: Connection, change: Change) -> None:
    """Write a change inside the caller's transaction."""
    row = change.row
    put_conversation(connection, row)
    reached("client_row")
    _change_group(connection, change)
    reached("client_group")
    _change_hashes(connection, change)
    if change.forget_counters:
        connection.execute(delete(counters).where(counters.c.conversation == row.id))
    rows = [{"conversation": row.id, "device": d, "counter": n} for d, n in change.counters.items()]
    _put(connection, counters, rows)
    verdicts = [{"conversation": row.id, "seq": s, "verdict": v} for s, v in change.acks]
    _put(connection, acks, verdicts)
    for line in change.lines:
        add_line(connection, row.id, line)
    reached("client_lines")
    if change.sent:
        connection.execute(delete(outbox).where(outbox.c.transaction_id.in_(change.sent)))
    secrets = [{"conversation": row.id, "psk_id": i, "psk": key} for i, key in change.secrets]
    _put(connection, room_secrets, secrets)
    if change.pending_done:
        drop_pending_commit(connection, row.id)
    if change.pending is not None:
        _put(connection, pending_commits, [_values(change.pending)])


def _change_group(connection: Connection, change: Change) -> None:
    is_ours = group_rows.c.conversation == change.row.id
    if change.whole_group:
        connection.execute(delete(group_rows).where(is_ours))
    elif change.group_delete:
        gone = [{"old_key": key, "old_conversation": change.row.id} for key in change.group_delete]
        connection.execute(_delete_group_row, gone)
    _put(
        connection,
        group_rows,
        [
            {"conversation": change.row.id, "key": k, "value": v}
            for k, v in change.group_put.items()
        ],
    )


def _change_hashes(connection: Connection, change: Change) -> None:
    if change.new_epoch:
        is_ours = running_hashes.c.conversation == change.row.id
        connection.execute(delete(running_hashes).where(is_ours))
    rows = [{"conversation": change.row.id, "seq": s, "hash": h} for s, h in change.hashes]
    _put(connection, running_hashes, rows)


def _put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    """Insert rows; one whose primary key is there already is replaced."""
    if rows:
        connection.execute(_upserts[table.name], rows)


def _values(row: Any) -> dict[str, Any]:
    return {column.name: getattr(row, column.name) for column in fields(row)}


def _upsert(table: Table) -> Any:
    statement = insert(table)
    keys = [column.name for column in table.primary_key]
    others = {c.name: statement.excluded[c.name] for c in table.c if c.name not in keys}
    if table is conversations:
        del others["notices_muted"]
    return statement.on_conflict_do_update(index_elements=keys, set_=others)


_upserts = {
    table.name: _upsert(table)
    for table in (
        conversations,
        group_rows,
        running_hashes,
        counters,
        acks,
        room_secrets,
        pending_commits,
    )
}


_delete_group_row = delete(group_rows).where(
    group_rows.c.conversation == bindparam("old_conversation"),
    group_rows.c.key == bindparam("old_key"),
)


def put_conversation(connection: Connection, row: ConversationRow) -> None:
    """Insert the row or replace the one with its id."""
    _put(connection, conversations, [_values(row)])


def load_conversations(connection: Connection) -> list[ConversationRow]:
    """Return all conversations."""
    columns = [conversations.c[column.name] for column in fields(ConversationRow)]
    return [ConversationRow(**row._mapping) for row in connection.execute(select(*columns))]


def forget_conversation(connection: Connection, conversation: bytes) -> None:
    """Delete a conversation with its keys (by cascade); its lines stay."""
    connection.execute(delete(acks).where(acks.c.conversation == conversation))
    connection.execute(delete(conversations).where(conversations.c.id == conversation))


def forget_group(connection: Connection, conversation: bytes) -> None:
    """Delete the MLS state and what hangs on it; cursor, counters and lines stay."""
    for table in (group_rows, running_hashes, pending_commits):
        connection.execute(delete(table).where(table.c.conversation == conversation))


def close_all(connection: Connection, *, state: str) -> None:
    """Put every conversation into `state` and forget its group; what was said stays readable."""
    connection.execute(update(conversations).values(state=state))
    for table in (group_rows, running_hashes, pending_commits):
        connection.execute(delete(table))


def load_group(connection: Connection, conversation: bytes) -> dict[str, bytes]:
    """Return the rows of the MLS state; empty when there is none."""
    query = select(group_rows.c.key, group_rows.c.value)
    rows = connection.execute(query.where(group_rows.c.conversation == conversation))
    return {row.key: row.value for row in rows}


def load_hashes(connection: Connection, conversation: bytes, *, limit: int) -> dict[int, bytes]:
    """Return the newest running hashes of the epoch by seq."""
    query = select(running_hashes.c.seq, running_hashes.c.hash)
    query = query.where(running_hashes.c.conversation == conversation)
    rows = connection.execute(query.order_by(running_hashes.c.seq.desc()).limit(limit))
    return {row.seq: row.hash for row in rows}


def load_counters(connection: Connection, conversation: bytes) -> dict[bytes, int]:
    """Return the last content counter seen of each sending device."""
    query = select(counters.c.device, counters.c.counter)
    rows = connection.execute(query.where(counters.c.conversation == conversation))
    return {row.device: row.counter for row in rows}


def load_secrets(connection: Connection, conversation: bytes) -> dict[bytes, bytes]:
    """Return the room's keys by id; secret."""
    query = select(room_secrets.c.psk_id, room_secrets.c.psk)
    rows = connection.execute(query.where(room_secrets.c.conversation == conversation))
    return {row.psk_id: row.psk for row in rows}


def put_secret(connection: Connection, conversation: bytes, *, psk_id: bytes, psk: bytes) -> None:
    """Keep a room's key."""
    row = {"conversation": conversation, "psk_id": psk_id, "psk": psk}
    _put(connection, room_secrets, [row])


def forget_secrets(connection: Connection, conversation: bytes) -> None:
    """Delete the room's keys."""
    connection.execute(delete(room_secrets).where(room_secrets.c.conversation == conversation))


def load_acks(connection: Connection, conversation: bytes) -> list[tuple[int, str]]:
    """Return the verdicts that the relay has not confirmed yet, oldest first."""
    query = select(acks.c.seq, acks.c.verdict).where(
        acks.c.conversation == conversation, acks.c.verdict.is_not(None)
    )
    return [(row.seq, row.verdict) for row in connection.execute(query.order_by(acks.c.seq))]


def drop_acks(connection: Connection, conversation: bytes, *, up_to: int) -> None:
    """Forget verdicts that the relay has confirmed."""
    connection.execute(delete(acks).where(acks.c.conversation == conversation, acks.c.seq <= up_to))


def load_pending_commit(connection: Connection, conversation: bytes) -> PendingCommit | None:
    """Return the commit that may have been sent and was not answered yet."""
    query = select(pending_commits).where(pending_commits.c.conversation == conversation)
    row = connection.execute(query).one_or_none()
    return None if row is None else PendingCommit(**row._mapping)


def put_pending_commit(connection: Connection, pending: PendingCommit) -> None:
    """Keep a commit before it is sent."""
    _put(connection, pending_commits, [_values(pending)])


def drop_pending_commit(
    connection: Connection, conversation: bytes, *, transaction_id: bytes | None = None
) -> None:
    """Forget a commit that did not take place, or that has become the group; None: whichever."""
    statement = delete(pending_commits).where(pending_commits.c.conversation == conversation)
    if transaction_id is not None:
        statement = statement.where(pending_commits.c.transaction_id == transaction_id)
    connection.execute(statement)


def add_line(connection: Connection, conversation: bytes, line: Line) -> bool:
    """Add a line of the timeline; False when this message of this device is there already."""
    statement = insert(timeline).values(conversation=conversation, **_values(line))
    return connection.execute(statement.on_conflict_do_nothing()).rowcount > 0


def find_message(
    connection: Connection, conversation: bytes, *, device: bytes, message_id: bytes
) -> int | None:
    """Return the seq of a device's message in the timeline, or None."""
    query = select(timeline.c.seq).where(
        timeline.c.conversation == conversation,
        timeline.c.sender_device == device,
        timeline.c.message_id == message_id,
    )
    seq: int | None = connection.execute(query).scalar()
    return seq
