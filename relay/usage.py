"""What an account has stored at the relay, held under its limit.

Never counts what the relay itself writes.
"""

from __future__ import annotations

from sqlalchemy import Connection

from relay.context import Context
from storage.relay import account_rows
from storage.relay.account_rows import Account
from wire.errors import Code, WireError

_PENDING = "sotto_stored_bytes"


def charge(connection: Connection, context: Context, account: Account, size_bytes: int) -> None:
    """Count bytes that the account stores; raise WireError(rate_limited) over its limit.

    Written with the transaction, once for all its operations, by settle().
    """
    pending: dict[int, int] = connection.info.setdefault(_PENDING, {})
    more = pending.get(account.id, 0) + size_bytes
    if account.stored_bytes + more > context.limits.stored_bytes_per_account:
        text = "You have stored as much as this relay allows. Nothing was sent: try again later."
        raise WireError(Code.RATE_LIMITED, text)
    pending[account.id] = more


def forget(connection: Connection) -> None:
    """Begin a transaction with nothing counted."""
    connection.info.pop(_PENDING, None)


def settle(connection: Connection) -> None:
    """Write what was counted in this transaction."""
    account_rows.add_stored_bytes(connection, connection.info.pop(_PENDING, {}))
