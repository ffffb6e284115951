"""What may be deleted, and deleting it, as rows.

Never deletes what a conversation stands on: who calls says up to where.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, exists, func, or_, select

from storage.relay.rows import chunks
from storage.relay.schema import (
    commits,
    conversations,
    devices,
    inbox,
    memberships,
    nodes,
    votes,
)


def next_conversations(connection: Connection, after_row: int, limit: int) -> list[int]:
    """Row ids of conversations in order, after one."""
    query = select(conversations.c.id).where(conversations.c.id > after_row)
    return list(connection.execute(query.order_by(conversations.c.id).limit(limit)).scalars())


def acknowledged_by_all(connection: Connection, row: int) -> int | None:
    """The smallest cursor of the devices that are members, or None when there are none."""
    # A device has one cursor for all its stays: that of the newest.
    query = select(func.min(memberships.c.cursor)).where(
        memberships.c.conversation_id == row, memberships.c.removed_seq.is_(None)
    )
    return connection.execute(query).scalar()


def unread_by_removed(connection: Connection, row: int, since_ms: int) -> int | None:
    """The smallest cursor of removed devices, seen since a time, that have not read their end."""
    query = (
        select(func.min(memberships.c.cursor))
        .select_from(memberships.join(devices, devices.c.id == memberships.c.device_id))
        .where(
            memberships.c.conversation_id == row,
            memberships.c.removed_seq > memberships.c.cursor,
            devices.c.seen_ms > since_ms,
            devices.c.revoked_ms == 0,
        )
    )
    return connection.execute(query).scalar()


def base_commit(connection: Connection, row: int, upto: int) -> int | None:
    """The newest commit up to a number that is not undone: what later ones stand on."""
    query = select(func.max(commits.c.seq)).where(
        commits.c.conversation_id == row, commits.c.seq <= upto, commits.c.undone.is_(False)
    )
    return connection.execute(query).scalar()


def delete_commits(
    connection: Connection, row: int, before: int, limit: int
) -> tuple[int, dict[int, int]]:
    """Delete commits before a number whose Welcomes are taken; (how many, bytes by account)."""
    waits = exists().where(inbox.c.commit_id == commits.c.id)
    size = func.length(commits.c.group_info) + func.coalesce(func.length(commits.c.welcome), 0)
    query = (
        select(commits.c.id, devices.c.account_id, size)
        .select_from(commits.join(devices, devices.c.id == commits.c.device_id))
        .where(commits.c.conversation_id == row, commits.c.seq < before, ~waits)
        .limit(limit)
    )
    found = connection.execute(query).all()
    freed: dict[int, int] = {}
    for _, account, bytes_freed in found:
        freed[account] = freed.get(account, 0) + int(bytes_freed)
    for some in chunks(each[0] for each in found):
        connection.execute(delete(votes).where(votes.c.commit_id.in_(some)))
        connection.execute(delete(commits).where(commits.c.id.in_(some)))
    return len(found), freed


def kept_roots(connection: Connection, row: int) -> list[bytes]:
    """The root hashes of the commits that are kept."""
    query = select(commits.c.root_hash).where(commits.c.conversation_id == row)
    return list(connection.execute(query).scalars())


def node_hashes(connection: Connection, row: int, upto: int) -> list[bytes]:
    """The nodes that no commit after a number brought."""
    query = select(nodes.c.hash).where(nodes.c.conversation_id == row, nodes.c.brought_seq <= upto)
    return list(connection.execute(query).scalars())


def delete_nodes(connection: Connection, row: int, hashes: Iterable[bytes], upto: int) -> None:
    """Delete nodes, but for those that a commit after a number brought again."""
    for some in chunks(hashes):
        connection.execute(
            delete(nodes).where(
                nodes.c.conversation_id == row,
                nodes.c.brought_seq <= upto,
                nodes.c.hash.in_(some),
            )
        )


def idle_lobby_stays(connection: Connection, before_ms: int, limit: int) -> list[int]:
    """Device rows with a leaf in a lobby, last seen before a time."""
    query = (
        select(devices.c.id)
        .select_from(
            memberships.join(devices, devices.c.id == memberships.c.device_id).join(
                conversations, conversations.c.id == memberships.c.conversation_id
            )
        )
        .where(
            conversations.c.kind == "lobby",
            memberships.c.removed_seq.is_(None),
            devices.c.seen_ms < before_ms,
            or_(conversations.c.pending == 0, conversations.c.pending < limit),
        )
        .order_by(devices.c.seen_ms)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())
