"""KeyPackages, removals and the audit log, as rows.

Never decides what is to be removed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from storage.relay.prepared import PreparedMany
from storage.relay.rows import chunks, columns_of, many
from storage.relay.schema import audit, key_packages, removals


@dataclass(frozen=True, slots=True)
class Removal:
    """A row of removals: a stay that is to end, or ended with the commit at `done_seq`.

    `issued_on`: on which commits (numbers with commas) the Remove was proposed.
    """

    id: int
    conversation_id: int
    membership_id: int
    request: bytes | None
    issued_on: str
    done_seq: int | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of audit."""

    id: int
    at_ms: int
    by: str
    act: str
    name: str
    reason: str
    until_ms: int


_removal = select(*columns_of(removals, Removal)).order_by(removals.c.id)


def pending_removals(connection: Connection, row: int) -> list[Removal]:
    """The removals in a conversation that no commit has carried out."""
    query = _removal.where(removals.c.conversation_id == row, removals.c.done_seq.is_(None))
    return many(connection, query, Removal)


def pending_of_members(connection: Connection, memberships: Iterable[int]) -> set[int]:
    """Which of the stays are to end."""
    found: set[int] = set()
    for some in chunks(memberships):
        query = select(removals.c.membership_id)
        query = query.where(removals.c.membership_id.in_(some), removals.c.done_seq.is_(None))
        found.update(connection.execute(query).scalars())
    return found


def removals_done_by(connection: Connection, row: int, seq: int) -> list[Removal]:
    """The removals that the commit at `seq` carried out."""
    query = _removal.where(removals.c.conversation_id == row, removals.c.done_seq == seq)
    return many(connection, query, Removal)


def insert_removal(connection: Connection, **values: Any) -> None:
    """Add a removal."""
    connection.execute(insert(removals), values)


def update_removals(connection: Connection, ids: Iterable[int], **values: Any) -> None:
    """Change columns of removals."""
    for some in chunks(ids):
        connection.execute(update(removals).where(removals.c.id.in_(some)), values)


def delete_removals_of(connection: Connection, memberships: Iterable[int]) -> None:
    """Forget the removals of stays that never should have been."""
    for some in chunks(memberships):
        connection.execute(delete(removals).where(removals.c.membership_id.in_(some)))


class _PackageCount(NamedTuple):
    suite: int
    is_last_resort: bool
    number: int


_kinds = (key_packages.c.suite, key_packages.c.last_resort)
_package_counts = PreparedMany(
    select(*_kinds, func.count()).group_by(*_kinds), key_packages.c.device_id, _PackageCount
)


def package_counts(connection: Connection, device_row: int) -> dict[int, tuple[int, bool]]:
    """By suite: (one-time packages, whether there is one of last resort) of a device."""
    found: dict[int, tuple[int, bool]] = {}
    for suite, is_last_resort, count in _package_counts.all(connection, [device_row]):
        left, has_last_resort = found.get(suite, (0, False))
        found[suite] = (left, True) if is_last_resort else (int(count), has_last_resort)
    return found


def insert_packages(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Publish packages. IntegrityError for one that was published before."""
    if rows:
        connection.execute(insert(key_packages), rows)


def delete_last_resort(connection: Connection, device_row: int, suite: int) -> None:
    """Forget a device's package of last resort in a suite."""
    mine = (key_packages.c.device_id == device_row) & (key_packages.c.suite == suite)
    connection.execute(delete(key_packages).where(mine, key_packages.c.last_resort))


def delete_packages(connection: Connection, device_row: int) -> None:
    """Forget all packages of a device."""
    connection.execute(delete(key_packages).where(key_packages.c.device_id == device_row))


def delete_expired_packages(connection: Connection, now_s: int) -> int:
    """Forget packages whose time is over; return how many."""
    old = key_packages.c.not_after_s < now_s
    return int(connection.execute(delete(key_packages).where(old)).rowcount)


def take_package(
    connection: Connection, device_row: int, *, suite: int, now_s: int
) -> bytes | None:
    """A suite's oldest one-time package, which is forgotten, or its last resort, or None."""
    query = select(key_packages.c.id, key_packages.c.package, key_packages.c.last_resort)
    query = query.where(
        key_packages.c.device_id == device_row,
        key_packages.c.suite == suite,
        key_packages.c.not_after_s >= now_s,
    ).order_by(key_packages.c.last_resort, key_packages.c.id)
    row = connection.execute(query.limit(1).with_for_update()).one_or_none()
    if row is None:
        return None
    if not row[2]:
        connection.execute(delete(key_packages).where(key_packages.c.id == row[0]))
    return bytes(row[1])


def known_references(connection: Connection, references: Iterable[bytes]) -> set[bytes]:
    """Which of these KeyPackages (by reference) are published."""
    found: set[bytes] = set()
    for some in chunks(references):
        query = select(key_packages.c.reference).where(key_packages.c.reference.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def insert_audit(connection: Connection, **values: Any) -> None:
    """Keep an act."""
    connection.execute(insert(audit), values)


def audit_page(connection: Connection, *, before: int | None, limit: int) -> list[AuditRow]:
    """Acts, newest first."""
    query = select(*columns_of(audit, AuditRow)).order_by(audit.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.id < before)
    return many(connection, query, AuditRow)
