"""What an account has stored at the relay, held under its limit.

Never counts what the relay itself writes, and never writes for each message: housekeeping does,
for a second's together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Connection

from relay.caches import Usage
from relay.context import Context
from storage.relay import account_rows
from storage.relay.account_rows import Account, Standing
from wire.errors import Code, WireError

_PENDING = "sotto_stored_bytes"


@dataclass(frozen=True, slots=True)
class Pending:
    """What the open transaction stores, by account (row)."""

    usage: Usage
    sizes: dict[int, int] = field(default_factory=dict)

    def keep(self) -> None:
        """Count it, now that the transaction is on the disk."""
        self.usage.add(self.sizes)


def charge(
    connection: Connection, context: Context, account: Account | Standing, size_bytes: int
) -> None:
    """Count bytes that the account stores; raise WireError(rate_limited) over its limit."""
    sizes = connection.info.setdefault(_PENDING, Pending(context.usage)).sizes
    more = sizes.get(account.id, 0) + size_bytes
    stored = account.stored_bytes + context.usage.of(account.id)
    if stored + more > context.limits.stored_bytes_per_account:
        text = "You have stored as much as this relay allows. Nothing was sent: try again later."
        raise WireError(Code.RATE_LIMITED, text)
    sizes[account.id] = more


def give_back(connection: Connection, account_id: int, size_bytes: int) -> None:
    """Take back what was charged in this transaction: it is not stored after all."""
    pending: Pending = connection.info[_PENDING]
    pending.sizes[account_id] -= size_bytes


def forget(connection: Connection) -> None:
    """Begin a transaction with nothing counted."""
    connection.info.pop(_PENDING, None)


def settle(connection: Connection) -> Pending | None:
    """End a transaction: return what it stored, to be kept once it is on the disk."""
    pending: Pending | None = connection.info.pop(_PENDING, None)
    return pending


def write_usage(connection: Connection, context: Context) -> None:
    """Write what accounts stored since the last time."""
    account_rows.add_stored_bytes(connection, context.usage.take())
