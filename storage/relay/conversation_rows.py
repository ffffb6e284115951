"""Conversations and the stays of devices in them, as rows.

Never decides who may join or leave.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from storage.relay.errors import Collision
from storage.relay.prepared import Prepared, PreparedMany
from storage.relay.rows import chunks, columns_of, inserted_id, like_prefix, many, one
from storage.relay.schema import accounts, conversations, devices, direct_roots, memberships


@dataclass(frozen=True, slots=True)
class Conversation:
    """A row of conversations."""

    id: int
    conversation: bytes
    suite: int
    kind: str
    name: str
    pair: bytes | None
    join_rule: str
    psk_id: bytes | None
    locked: bool
    closed: bool
    founder_id: int
    last_seq: int
    head_seq: int
    commit_seq: int
    epoch: int
    pending: int
    members_version: int
    contested: int


@dataclass(frozen=True, slots=True)
class Membership:
    """A stay of a device, with what is often asked about the device."""

    id: int
    conversation_id: int
    device_id: int
    account_id: int
    leaf: int
    key_hash: bytes
    added_seq: int
    removed_seq: int | None
    cursor: int
    device: bytes
    account: str


_conversation = select(*columns_of(conversations, Conversation))
_matches = conversations.c.conversation == bindparam("id")
_by_id = Prepared(_conversation.where(_matches), Conversation)
_by_id_locked = Prepared(_conversation.where(_matches).with_for_update(), Conversation)
_by_ids_locked = PreparedMany(
    # Everybody locks them in one order.
    _conversation.order_by(conversations.c.conversation).with_for_update(),
    conversations.c.conversation,
    Conversation,
)
_advance: Prepared[None] = Prepared(
    update(conversations)
    .where(conversations.c.id == bindparam("row"), conversations.c.last_seq == bindparam("before"))
    .values(last_seq=bindparam("seq"))
)
_moves = (
    func.unnest(
        *(bindparam(n, type_=postgresql.ARRAY(BigInteger)) for n in ("rows", "befores", "seqs"))
    )
    .table_valued("row", "before", "seq", name="moves")
    .render_derived()
)
_advance_all: Prepared[None] = Prepared(  # PostgreSQL's: one statement, however many
    update(conversations)
    .where(
        conversations.c.id == _moves.c.row,
        conversations.c.last_seq == _moves.c.before,
    )
    .values(last_seq=_moves.c.seq)
)
_by_row = _conversation.where(conversations.c.id == bindparam("id"))
_by_row_locked = _by_row.with_for_update()
_joined = memberships.join(devices, devices.c.id == memberships.c.device_id).join(
    accounts, accounts.c.id == memberships.c.account_id
)
_membership = select(
    *(memberships.c[name] for name in list(Membership.__dataclass_fields__)[:9]),
    devices.c.device,
    accounts.c.name,
).select_from(_joined)
_in = memberships.c.conversation_id == bindparam("conversation_id")
_current = _membership.where(_in, memberships.c.removed_seq.is_(None))
_stays = _membership.where(_in, memberships.c.device_id == bindparam("device_id")).order_by(
    memberships.c.id
)
_readers = (
    select(devices.c.device)
    .select_from(memberships.join(devices, devices.c.id == memberships.c.device_id))
    .where(_in, memberships.c.removed_seq.is_(None))
)


def find(connection: Connection, conversation: bytes, *, lock: bool = False) -> Conversation | None:
    """The conversation with this id of 16 bytes; locked against other relays if so asked."""
    return (_by_id_locked if lock else _by_id).one(connection, {"id": conversation})


def find_locked(connection: Connection, conversations: Iterable[bytes]) -> list[Conversation]:
    """The conversations with these ids, those that exist; locked against other relays."""
    return _by_ids_locked.all(connection, sorted(conversations))


def find_row(connection: Connection, row: int, *, lock: bool = False) -> Conversation:
    """The conversation of a row id that exists."""
    found = one(connection, _by_row_locked if lock else _by_row, Conversation, id=row)
    assert found is not None
    return found


def find_active(connection: Connection, name: str) -> Conversation | None:
    """The room or lobby that has this canonical name now."""
    return one(connection, _conversation.where(conversations.c.active_name == name), Conversation)


def find_pair(connection: Connection, pair: bytes) -> Conversation | None:
    """The direct conversation of a pair (hash of both roots) that is not closed."""
    return one(connection, _conversation.where(conversations.c.pair == pair), Conversation)


def insert_conversation(connection: Connection, roots: Sequence[bytes], **values: Any) -> int:
    """Add a conversation, for `roots` when direct; return its row id. IntegrityError if taken."""
    result = connection.execute(insert(conversations), values)
    row = inserted_id(result)
    if roots:
        links = [{"root": root, "conversation_id": row} for root in roots]
        connection.execute(insert(direct_roots), links)
    return row


def update_conversation(connection: Connection, row: int, **values: Any) -> None:
    """Change columns of a conversation."""
    connection.execute(update(conversations).where(conversations.c.id == row), values)


def advance(connection: Connection, moves: Sequence[tuple[int, int, int]]) -> None:
    """Move the ends of logs: (row, from, to). Raises Collision when one is not there any more."""
    if not moves:
        return
    if connection.dialect.name == "postgresql":
        rows, befores, seqs = (list(column) for column in zip(*moves, strict=True))
        values = {"rows": rows, "befores": befores, "seqs": seqs}
        moved = _advance_all.run(connection, values)
    else:
        each = [{"row": row, "before": before, "seq": seq} for row, before, seq in moves]
        moved = _advance.run_each(connection, each)
    if moved != len(moves):
        raise Collision("another relay moved a log's end")


def founded_by(connection: Connection, account_id: int) -> int:
    """How many conversations that are not closed an account's devices founded."""
    joined = conversations.join(devices, devices.c.id == conversations.c.founder_id)
    query = select(func.count()).select_from(joined)
    query = query.where(devices.c.account_id == account_id, conversations.c.closed.is_(False))
    return int(connection.execute(query).scalar_one())


def direct_roots_of(connection: Connection, row: int) -> list[bytes]:
    """The one or two roots that a direct conversation is for."""
    query = select(direct_roots.c.root).where(direct_roots.c.conversation_id == row)
    return list(connection.execute(query).scalars())


def rooms_page(
    connection: Connection, *, prefix: str, after: str, limit: int
) -> list[Conversation]:
    """Open and password rooms by name."""
    name = conversations.c.active_name
    query = _conversation.where(
        conversations.c.kind == "room",
        conversations.c.join_rule.in_(("open", "password")),
        name > after,
        name.like(like_prefix(prefix), escape="!"),
    )
    return many(connection, query.order_by(name).limit(limit), Conversation)


def member_counts(connection: Connection, rows: Iterable[int]) -> dict[int, int]:
    """How many accounts are in each conversation."""
    counts: dict[int, int] = {}
    accounts_in = func.count(memberships.c.account_id.distinct())
    for some in chunks(rows):
        query = select(memberships.c.conversation_id, accounts_in)
        query = query.where(
            memberships.c.conversation_id.in_(some), memberships.c.removed_seq.is_(None)
        ).group_by(memberships.c.conversation_id)
        counts.update((row[0], row[1]) for row in connection.execute(query))
    return counts


def of_account(
    connection: Connection, *, account_id: int, root: bytes, after: bytes, limit: int
) -> list[Conversation]:
    """Conversations in which an account's devices have or had a leaf, or for its root, by id."""
    stays = select(memberships.c.conversation_id).where(memberships.c.account_id == account_id)
    direct = select(direct_roots.c.conversation_id).where(direct_roots.c.root == root)
    query = _conversation.where(
        conversations.c.conversation > after,
        or_(conversations.c.id.in_(stays), conversations.c.id.in_(direct)),
    )
    return many(connection, query.order_by(conversations.c.conversation).limit(limit), Conversation)


def current_members(connection: Connection, row: int) -> list[Membership]:
    """The stays that last, of a conversation."""
    return many(connection, _current, Membership, conversation_id=row)


def members_at(connection: Connection, row: int, seq: int) -> list[Membership]:
    """The stays that lasted just after the commit at `seq`, as far as later ones are not undone."""
    removed = memberships.c.removed_seq
    query = _membership.where(
        memberships.c.conversation_id == row,
        memberships.c.added_seq <= seq,
        or_(removed.is_(None), removed > seq),
    )
    return many(connection, query, Membership)


def stays_of(connection: Connection, row: int, device_row: int) -> list[Membership]:
    """Every stay of one device in a conversation, oldest first."""
    return many(connection, _stays, Membership, conversation_id=row, device_id=device_row)


def current_stays(
    connection: Connection, *, account_id: int = 0, device_row: int = 0
) -> list[Membership]:
    """The stays that last, of an account or of a device, by conversation."""
    query = _membership.where(memberships.c.removed_seq.is_(None))
    if account_id:
        query = query.where(memberships.c.account_id == account_id)
    if device_row:
        query = query.where(memberships.c.device_id == device_row)
    return many(connection, query.order_by(memberships.c.conversation_id), Membership)


def all_stays_in(
    connection: Connection, rows: Iterable[int], account_id: int
) -> dict[int, list[Membership]]:
    """Every stay of an account's devices in some conversations, oldest first."""
    found: dict[int, list[Membership]] = {}
    for some in chunks(rows):
        query = _membership.where(
            memberships.c.conversation_id.in_(some), memberships.c.account_id == account_id
        ).order_by(memberships.c.id)
        for stay in many(connection, query, Membership):
            found.setdefault(stay.conversation_id, []).append(stay)
    return found


def readers(connection: Connection, row: int) -> tuple[bytes, ...]:
    """The ids of the devices that are members now, each once, however many stays it has."""
    found = connection.execute(_readers, {"conversation_id": row}).scalars()
    return tuple(dict.fromkeys(found))


def add_members(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Add stays."""
    if rows:
        connection.execute(insert(memberships), rows)


def end_stays(connection: Connection, ids: Iterable[int], removed_seq: int | None) -> None:
    """Set where stays ended; None for stays that go on after all."""
    for some in chunks(ids):
        connection.execute(
            update(memberships).where(memberships.c.id.in_(some)), {"removed_seq": removed_seq}
        )


def stays_added_by(connection: Connection, row: int, seq: int) -> list[Membership]:
    """The stays that began with the commit at `seq`."""
    query = _membership.where(memberships.c.conversation_id == row, memberships.c.added_seq == seq)
    return many(connection, query, Membership)


def stays_ended_by(connection: Connection, row: int, seq: int) -> list[Membership]:
    """The stays that ended with the commit at `seq`."""
    query = _membership.where(
        memberships.c.conversation_id == row, memberships.c.removed_seq == seq
    )
    return many(connection, query, Membership)


def delete_stays(connection: Connection, ids: Iterable[int]) -> None:
    """Forget stays that never should have been."""
    for some in chunks(ids):
        connection.execute(delete(memberships).where(memberships.c.id.in_(some)))


def stays_of_devices(
    connection: Connection, row: int, devices_rows: Iterable[int]
) -> dict[int, list[Membership]]:
    """Every stay of some devices in one conversation, by device row, oldest first."""
    found: dict[int, list[Membership]] = {}
    for some in chunks(devices_rows):
        query = _membership.where(
            memberships.c.conversation_id == row, memberships.c.device_id.in_(some)
        ).order_by(memberships.c.id)
        for stay in many(connection, query, Membership):
            found.setdefault(stay.device_id, []).append(stay)
    return found


def set_cursors(connection: Connection, cursors: Mapping[int, int]) -> None:
    """Set what stays (by row id) have acknowledged."""
    statement = update(memberships).where(memberships.c.id == bindparam("stay"))
    rows = [{"stay": stay, "seq": seq} for stay, seq in sorted(cursors.items())]
    if rows:
        connection.execute(statement.values(cursor=bindparam("seq")), rows)
