"""What is deleted: entries that all have read or that are old, and what nothing stands on any more.

Never the newest commit, its GroupInfo or its tree; and never much in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.mls.tree_object import object_children
from relay import segments
from relay.context import Context
from relay.outcome import Outcome
from relay.removals import remove_stays
from storage.relay import (
    account_rows,
    conversation_rows,
    log_rows,
    other_rows,
    retention_rows,
    segment_rows,
    transaction_rows,
)
from wire.policy import Kind

SEGMENTS_PER_SLICE = 64  # of at most a thousand entries each, mostly of one
ENTRIES_PER_SLICE = 1024  # a few ms of the writer's time
COMMITS_PER_SLICE = 100
LEAVES_PER_SLICE = 20


class Deleted(NamedTuple):
    """What one slice was: how many commits, and whether there is more to delete."""

    commits: int
    is_more: bool


def delete_old(connection: Connection, context: Context, row: int) -> Deleted:
    """Delete a slice of what a conversation needs no more."""
    conversation = conversation_rows.find_row(connection, row, lock=True)
    old_ms = context.now_ms() - context.limits.retention_s * 1000
    oldest = segment_rows.oldest(connection, row, SEGMENTS_PER_SLICE)
    upto = _needed_by_nobody(connection, row, old_ms, conversation.last_seq, oldest)
    unneeded = [each for each in oldest if each[1] <= upto]
    gone = list(_slice(unneeded))
    _delete_segments(connection, row, gone)
    is_more = len(gone) < len(unneeded) or len(gone) == SEGMENTS_PER_SLICE
    base = retention_rows.base_commit(connection, row, min(upto, conversation.commit_seq))
    if base is None:
        return Deleted(0, is_more)
    count, freed = retention_rows.delete_commits(connection, row, base, COMMITS_PER_SLICE)
    _give_back(connection, freed)
    return Deleted(count, is_more)


def _slice(unneeded: Sequence[tuple[int, int, int]]) -> Iterator[int]:
    """Yield the first numbers of segments until there are entries enough for one transaction."""
    count = 0
    for first, last, _ in unneeded:
        if count and count + last - first >= ENTRIES_PER_SLICE:
            return
        count += last - first + 1
        yield first


def _needed_by_nobody(
    connection: Connection,
    row: int,
    old_ms: int,
    last_seq: int,
    oldest: Sequence[tuple[int, int, int]],
) -> int:
    # Nothing says where in a long log the old ones end: what is beyond the slice is for next time.
    aged = max((last for _, last, arrived_ms in oldest if arrived_ms < old_ms), default=0)
    acknowledged = retention_rows.acknowledged_by_all(connection, row)
    unread = retention_rows.unread_by_removed(connection, row, old_ms)
    read = last_seq if acknowledged is None else acknowledged
    return max(aged, read if unread is None else min(read, unread))


def _delete_segments(connection: Connection, row: int, firsts: Sequence[int]) -> None:
    if not firsts:
        return
    freed: dict[int, int] = {}
    sent: dict[int, list[bytes]] = {}
    for packed in segment_rows.origins_of(connection, row, firsts):
        for account, device, size, ids in segments.origins_of(packed):
            if device:  # what the relay wrote itself is nobody's
                freed[account] = freed.get(account, 0) + size
                sent.setdefault(device, []).extend(one for one in ids if one is not None)
    for device, ids in sent.items():
        transaction_rows.delete_those(connection, device, ids)
    segment_rows.delete_those(connection, row, firsts)
    _give_back(connection, freed)


def _give_back(connection: Connection, freed: dict[int, int]) -> None:
    account_rows.add_stored_bytes(connection, {who: -size for who, size in freed.items()})


def unreachable_nodes(connection: Connection, row: int) -> tuple[list[bytes], int]:
    """Return nodes of no kept commit's tree, and up to which commit that is known.

    Reads the whole tree: for a connection that only reads.
    """
    seq = conversation_rows.find_row(connection, row).last_seq
    reached = set(retention_rows.kept_roots(connection, row))
    level = list(reached)
    while level:
        below: list[bytes] = []
        for start in range(0, len(level), 512):
            some = level[start : start + 512]
            for node in log_rows.nodes_by_hash(connection, row, some).values():
                below += [child for child in _children(node) if child not in reached]
                reached.update(below)
        level = below
    known = retention_rows.node_hashes(connection, row, seq)
    return [name for name in known if name not in reached], seq


def _children(node: bytes) -> tuple[bytes, ...]:
    try:
        return object_children(node)
    except PeerError:  # it was checked before it was stored: a damaged database keeps what it has
        return ()


def remove_idle(connection: Connection, context: Context) -> Outcome:
    """Propose to remove lobby leaves of devices that were away for long."""
    before_ms = context.now_ms() - context.limits.lobby_idle_s * 1000
    rows = retention_rows.idle_lobby_stays(connection, before_ms, LEAVES_PER_SLICE)
    stays = []
    for device_row in rows:
        if context.is_connected(account_rows.device_name(connection, device_row)):
            continue
        for stay in conversation_rows.current_stays(connection, device_row=device_row):
            if conversation_rows.find_row(connection, stay.conversation_id).kind == Kind.LOBBY:
                stays.append(stay)
    return Outcome(None, remove_stays(connection, context, stays, None))


def delete_expired(connection: Connection, context: Context) -> Outcome:
    """Forget KeyPackages whose time is over."""
    other_rows.delete_expired_packages(connection, context.now_ms() // 1000)
    return Outcome(None)
