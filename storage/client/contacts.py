"""The people this account has met: the root each was first seen with, and what was said since.

Never decides whom to trust: a root changes only through `accept_root`, on the person's word.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from storage.client.schema import contacts


@dataclass(frozen=True, slots=True)
class Contact:
    """One pinned person; `account` is the canonical name, `display` the name as typed."""

    account: str
    display: str
    root_identity: bytes
    """32 bytes: SHA-256 of the root's SubjectPublicKeyInfo."""
    root_certificate: bytes
    first_seen_at_ms: int
    verified: bool
    changed_root_certificate: bytes | None
    """A root seen since, which waits for the person's word; None when nothing has changed."""


def find_contact(connection: Connection, account: str) -> Contact | None:
    """Return the contact with the canonical name `account`, or None before the first contact."""
    row = connection.execute(select(contacts).where(contacts.c.account == account)).one_or_none()
    return None if row is None else Contact(*row)


def list_contacts(connection: Connection) -> list[Contact]:
    """Return every contact, by name."""
    query = select(contacts).order_by(contacts.c.account)
    return [Contact(*row) for row in connection.execute(query)]


def pin_contact(
    connection: Connection,
    *,
    account: str,
    display: str,
    root_identity: bytes,
    root_certificate: bytes,
    now_ms: int,
) -> Contact:
    """Remember a first contact, and return what is pinned: the earlier pin, if there is one."""
    statement = insert(contacts).values(
        account=account,
        display=display,
        root_identity=root_identity,
        root_certificate=root_certificate,
        first_seen_at_ms=now_ms,
        verified=False,
    )
    connection.execute(statement.on_conflict_do_nothing())
    query = select(contacts).where(contacts.c.account == account)
    return Contact(*connection.execute(query).one())


def set_changed_root(connection: Connection, account: str, certificate: bytes | None) -> None:
    """Note the root that `account` shows now in place of the pinned one; None: the pinned one."""
    _change(connection, account, changed_root_certificate=certificate)


def accept_root(
    connection: Connection, account: str, *, root_identity: bytes, root_certificate: bytes
) -> None:
    """Pin another root on the person's word; whoever was verified before is so no longer."""
    _change(
        connection,
        account,
        root_identity=root_identity,
        root_certificate=root_certificate,
        verified=False,
        changed_root_certificate=None,
    )


def set_verified(connection: Connection, account: str, *, verified: bool) -> None:
    """Note whether the safety number was compared with `account`."""
    _change(connection, account, verified=verified)


def _change(connection: Connection, account: str, **values: object) -> None:
    connection.execute(update(contacts).where(contacts.c.account == account).values(values))
