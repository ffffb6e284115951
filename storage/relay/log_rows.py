"""Commits, votes, tree nodes and inboxes, as rows.

Never looks inside a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from storage.relay.rows import chunks, columns_of, inserted_id, many, one
from storage.relay.schema import commits, conversations, devices, inbox, nodes, votes


@dataclass(frozen=True, slots=True)
class Commit:
    """A row of commits; `device_id` is its committer's row."""

    id: int
    conversation_id: int
    seq: int
    parent_seq: int
    epoch: int
    device_id: int
    root_hash: bytes
    group_info: bytes = field(repr=False)
    undone: bool
    voters: int
    accepted: int
    refused: int
    first_refused_ms: int


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A Welcome in a device's inbox."""

    seq: int
    conversation: bytes
    commit_seq: int
    welcome: bytes = field(repr=False)


_commit = select(*columns_of(commits, Commit))
_commit_at = _commit.where(
    commits.c.conversation_id == bindparam("conversation_id"), commits.c.seq == bindparam("seq")
)


def insert_commit(connection: Connection, **values: Any) -> int:
    """Add a commit; return its row id."""
    return inserted_id(connection.execute(insert(commits), values))


def commit_at(connection: Connection, row: int, seq: int) -> Commit | None:
    """The commit at `seq` of a conversation (0: its founding), or None."""
    return one(connection, _commit_at, Commit, conversation_id=row, seq=seq)


def newest_commit(connection: Connection, row: int, *, epoch: int | None = None) -> Commit | None:
    """The newest commit that is not undone, of all or of those that opened `epoch`."""
    query = _commit.where(commits.c.conversation_id == row, commits.c.undone.is_(False))
    if epoch is not None:
        query = query.where(commits.c.epoch == epoch)
    return one(connection, query.order_by(commits.c.seq.desc()).limit(1), Commit)


def commits_from(connection: Connection, row: int, seq: int) -> list[Commit]:
    """Commits at `seq` and later that are not undone, in order."""
    query = _commit.where(
        commits.c.conversation_id == row, commits.c.seq >= seq, commits.c.undone.is_(False)
    )
    return many(connection, query.order_by(commits.c.seq), Commit)


def contested_commits(connection: Connection, before_ms: int, limit: int) -> list[Commit]:
    """Commits that are not undone and that more refuse than accept, first before a time."""
    query = _commit.select_from(
        commits.join(conversations, conversations.c.id == commits.c.conversation_id)
    ).where(
        conversations.c.contested > 0,
        commits.c.undone.is_(False),
        commits.c.refused > commits.c.accepted,
        commits.c.first_refused_ms < before_ms,
    )
    return many(connection, query.order_by(commits.c.id).limit(limit), Commit)


def update_commit(connection: Connection, commit_id: int, **values: Any) -> None:
    """Change columns of a commit."""
    connection.execute(update(commits).where(commits.c.id == commit_id), values)


def has_voted(connection: Connection, commit_id: int, device_row: int) -> bool:
    """Whether a device has judged a commit."""
    query = select(votes.c.verdict).where(
        votes.c.commit_id == commit_id, votes.c.device_id == device_row
    )
    return connection.execute(query).first() is not None


def insert_vote(connection: Connection, commit_id: int, device_row: int, verdict: int) -> None:
    """Keep a device's judgement. IntegrityError for a second one."""
    row = {"commit_id": commit_id, "device_id": device_row, "verdict": verdict}
    connection.execute(insert(votes), row)


def known_nodes(connection: Connection, row: int, hashes: Iterable[bytes]) -> set[bytes]:
    """Which of the hashes (32 bytes each) a conversation has nodes for."""
    found: set[bytes] = set()
    for some in chunks(hashes):
        query = select(nodes.c.hash).where(nodes.c.conversation_id == row, nodes.c.hash.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def nodes_by_hash(connection: Connection, row: int, hashes: Iterable[bytes]) -> dict[bytes, bytes]:
    """Nodes by hash, those that exist."""
    found: dict[bytes, bytes] = {}
    for some in chunks(hashes):
        query = select(nodes.c.hash, nodes.c.node)
        query = query.where(nodes.c.conversation_id == row, nodes.c.hash.in_(some))
        found.update((each[0], each[1]) for each in connection.execute(query))
    return found


def store_nodes(connection: Connection, row: int, seq: int, new: Mapping[bytes, bytes]) -> None:
    """Add the nodes that a commit brings; those that are there count as brought again."""
    known = known_nodes(connection, row, new)
    for some in chunks(known):
        again = update(nodes).where(nodes.c.conversation_id == row, nodes.c.hash.in_(some))
        connection.execute(again, {"brought_seq": seq})
    rows = [
        {"conversation_id": row, "hash": name, "brought_seq": seq, "node": node}
        for name, node in new.items()
        if name not in known
    ]
    if rows:
        connection.execute(insert(nodes), rows)


def store_welcome(connection: Connection, device_rows: Iterable[int], commit_id: int) -> list[int]:
    """Put a commit's Welcome into the inboxes of devices; return the number it has in each."""
    numbers: list[int] = []
    for device_row in device_rows:
        mine = devices.c.id == device_row
        last = connection.execute(select(devices.c.inbox_seq).where(mine)).scalar_one()
        numbers.append(last + 1)
        connection.execute(update(devices).where(mine), {"inbox_seq": last + 1})
        row = {"device_id": device_row, "seq": last + 1, "commit_id": commit_id}
        connection.execute(insert(inbox), row)
    return numbers


def inbox_after(connection: Connection, device_row: int, after: int, limit: int) -> list[InboxRow]:
    """A device's Welcomes after a number, in order."""
    joined = inbox.join(commits, commits.c.id == inbox.c.commit_id).join(
        conversations, conversations.c.id == commits.c.conversation_id
    )
    query = select(
        inbox.c.seq, conversations.c.conversation, commits.c.seq, commits.c.welcome
    ).select_from(joined)
    query = query.where(inbox.c.device_id == device_row, inbox.c.seq > after)
    return many(connection, query.order_by(inbox.c.seq).limit(limit), InboxRow)


def inbox_seq(connection: Connection, device_row: int) -> int:
    """The number of a device's last Welcome."""
    query = select(devices.c.inbox_seq).where(devices.c.id == device_row)
    return int(connection.execute(query).scalar_one())


def delete_inbox(connection: Connection, device_row: int, upto: int) -> None:
    """Forget Welcomes that a device has stored."""
    mine = inbox.c.device_id == device_row
    connection.execute(delete(inbox).where(mine, inbox.c.seq <= upto))


def delete_welcomes_of(connection: Connection, commit_id: int) -> None:
    """Forget the Welcomes of an undone commit."""
    connection.execute(delete(inbox).where(inbox.c.commit_id == commit_id))
