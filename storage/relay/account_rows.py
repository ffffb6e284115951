"""Accounts, their devices, and small facts about the relay, as rows.

Never decides who may do what, and never sees a password.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, or_, select, update

from storage.relay.prepared import Prepared, PreparedMany
from storage.relay.rows import chunks, columns_of, inserted_id, many, one
from storage.relay.schema import accounts, devices, direct_roots, retired_roots, settings

NEVER = 0
FOR_GOOD = -1


@dataclass(frozen=True, slots=True)
class Account:
    """A row of accounts."""

    id: int
    name: str
    display: str
    email: str | None
    password_hash: str = field(repr=False)
    root: bytes
    root_certificate: bytes = field(repr=False)
    sealed_root: bytes = field(repr=False)
    is_admin: bool
    created_ms: int
    banned_until_ms: int
    muted_until_ms: int
    reason: str
    ban_order: bytes | None
    stored_bytes: int

    def is_banned(self, now_ms: int) -> bool:
        """Whether a ban lasts."""
        return lasts(self.banned_until_ms, now_ms)

    def is_muted(self, now_ms: int) -> bool:
        """Whether a mute lasts."""
        return lasts(self.muted_until_ms, now_ms)


@dataclass(frozen=True, slots=True)
class Device:
    """A row of devices."""

    id: int
    account_id: int
    device: bytes
    signature_key: bytes
    key_hash: bytes
    added_ms: int
    seen_ms: int
    revoked_ms: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What of an account's row counts for each of its messages."""

    id: int
    muted_until_ms: int
    stored_bytes: int


def _peer(conversation_row: int, *fields: Any) -> tuple[int, Account]:
    return conversation_row, Account(*fields)


def lasts(until_ms: int, now_ms: int) -> bool:
    """Whether something with this end is still on: 0 never was, -1 has no end."""
    return until_ms == FOR_GOOD or until_ms > now_ms


_account = select(*columns_of(accounts, Account))
_by_id = Prepared(_account.where(accounts.c.id == bindparam("id")), Account)
_standing = PreparedMany(select(*columns_of(accounts, Standing)), accounts.c.id, Standing)
_banned = or_(
    accounts.c.banned_until_ms == bindparam("for_good"),
    accounts.c.banned_until_ms > bindparam("now_ms"),
)
_banned_peers = PreparedMany(
    select(direct_roots.c.conversation_id, *columns_of(accounts, Account))
    .join_from(direct_roots, accounts, direct_roots.c.root == accounts.c.root)
    .where(_banned),
    direct_roots.c.conversation_id,
    _peer,
)
_by_name = _account.where(accounts.c.name == bindparam("name"))
_by_email = _account.where(accounts.c.email == bindparam("email"))
_by_root = _account.where(accounts.c.root == bindparam("root"))
_device = select(*columns_of(devices, Device))
_by_device = Prepared(_device.where(devices.c.device == bindparam("device")), Device)
_seen: Prepared[None] = Prepared(
    update(devices).where(devices.c.id == bindparam("row")).values(seen_ms=bindparam("ms"))
)
_of_account = _device.where(devices.c.account_id == bindparam("account_id")).order_by(devices.c.id)


def account_by_id(connection: Connection, account_id: int) -> Account:
    """The account of a row id that exists."""
    found = _by_id.one(connection, {"id": account_id})
    assert found is not None
    return found


def account_by_name(connection: Connection, name: str) -> Account | None:
    """The account with this canonical name."""
    return one(connection, _by_name, Account, name=name)


def account_by_email(connection: Connection, email: str) -> Account | None:
    """The account with this canonical e-mail address."""
    return one(connection, _by_email, Account, email=email)


def account_by_root(connection: Connection, root: bytes) -> Account | None:
    """The account that stands under this root now."""
    return one(connection, _by_root, Account, root=root)


def standings(connection: Connection, rows: Iterable[int]) -> dict[int, Standing]:
    """What counts for messages, of accounts by row id. For every message."""
    return {found.id: found for found in _standing.all(connection, list(rows))}


def banned_peers(
    connection: Connection, conversation_rows: Sequence[int], now_ms: int
) -> dict[int, list[Account]]:
    """Of direct conversations (rows), who of the two is banned now. For every message there."""
    values = {"for_good": FOR_GOOD, "now_ms": now_ms}
    found: dict[int, list[Account]] = {}
    for row, account in _banned_peers.all(connection, conversation_rows, values):
        found.setdefault(row, []).append(account)
    return found


def insert_account(connection: Connection, **values: Any) -> int:
    """Add an account; return its row id. IntegrityError when name, skeleton... are taken."""
    return inserted_id(connection.execute(insert(accounts), values))


def update_account(connection: Connection, account_id: int, **values: Any) -> None:
    """Change columns of an account."""
    connection.execute(update(accounts).where(accounts.c.id == account_id), values)


def has_admin(connection: Connection, *, besides: int = 0) -> bool:
    """Whether there is an admin whose row id is not `besides`."""
    found = select(accounts.c.id).where(accounts.c.is_admin, accounts.c.id != besides).limit(1)
    return connection.execute(found).first() is not None


def skeleton_taken(connection: Connection, skeleton: str) -> bool:
    """Whether a name that looks the same exists."""
    found = select(accounts.c.id).where(accounts.c.skeleton == skeleton)
    return connection.execute(found).first() is not None


def root_taken(connection: Connection, root: bytes) -> bool:
    """Whether a root is or was an account's."""
    now = select(accounts.c.id).where(accounts.c.root == root)
    before = select(retired_roots.c.account_id).where(retired_roots.c.root == root)
    return any(connection.execute(query).first() is not None for query in (now, before))


def retire_root(connection: Connection, account: Account) -> None:
    """Keep the root that an account is about to lose."""
    row = {"root": account.root, "account_id": account.id}
    connection.execute(insert(retired_roots), row)


def accounts_page(connection: Connection, *, after: str, limit: int, admins: bool) -> list[Account]:
    """Accounts by name, after a name; only admins if so asked."""
    query = _account.where(accounts.c.name > after).order_by(accounts.c.name).limit(limit)
    if admins:
        query = query.where(accounts.c.is_admin)
    return many(connection, query, Account)


def add_stored_bytes(connection: Connection, sizes: dict[int, int]) -> None:
    """Count bytes that accounts (by row id) stored, or (negative) that were deleted."""
    column = accounts.c.stored_bytes
    statement = update(accounts).where(accounts.c.id == bindparam("account"))
    statement = statement.values(stored_bytes=column + bindparam("more"))
    rows = [{"account": account, "more": more} for account, more in sorted(sizes.items()) if more]
    if rows:
        connection.execute(statement, rows)


def device_by_id(connection: Connection, device: bytes) -> Device | None:
    """The device with this id of 16 bytes, revoked or not."""
    return _by_device.one(connection, {"device": device})


def device_name(connection: Connection, device_row: int) -> bytes:
    """The id, 16 bytes, of the device of a row that exists."""
    query = select(devices.c.device).where(devices.c.id == device_row)
    return bytes(connection.execute(query).scalar_one())


def devices_by_ids(connection: Connection, ids: Iterable[bytes]) -> dict[bytes, Device]:
    """Devices by id, those that exist."""
    found: dict[bytes, Device] = {}
    for some in chunks(ids):
        query = _device.where(devices.c.device.in_(some))
        found.update((row.device, row) for row in many(connection, query, Device))
    return found


def devices_of(connection: Connection, account_id: int) -> list[Device]:
    """An account's devices that are not revoked, oldest first."""
    rows = many(connection, _of_account, Device, account_id=account_id)
    return [row for row in rows if not row.revoked_ms]


def insert_device(connection: Connection, **values: Any) -> int:
    """Add a device; return its row id. IntegrityError when the id is taken."""
    return inserted_id(connection.execute(insert(devices), values))


def update_device(connection: Connection, device_row: int, **values: Any) -> None:
    """Change columns of a device."""
    connection.execute(update(devices).where(devices.c.id == device_row), values)


def set_seen(connection: Connection, seen: Mapping[int, int]) -> None:
    """Set when devices (row ids) were here last, in ms."""
    if seen:
        _seen.run_each(connection, [{"row": row, "ms": ms} for row, ms in seen.items()])


def read_setting(connection: Connection, name: str) -> str | None:
    """A fact about the relay, or None."""
    query = select(settings.c.value).where(settings.c.name == name)
    return connection.execute(query).scalar()


def write_setting(connection: Connection, name: str, value: str | None) -> None:
    """Set a fact; None forgets it."""
    connection.execute(delete(settings).where(settings.c.name == name))
    if value is not None:
        connection.execute(insert(settings), {"name": name, "value": value})
