"""The one-time code that makes the account `admin`: printed at the first start, kept as a hash.

Never kept in the open in the database, and never good twice.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from sqlalchemy import Connection

from storage.relay import account_rows as rows
from wire.errors import Code, WireError

ADMIN_NAME = "admin"
_SETTING = "admin_code"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford: nothing that looks like another
_GROUPS, _GROUP_CHARS = 5, 5  # 125 bits


def ensure_admin_code(connection: Connection, random: Callable[[int], bytes]) -> str | None:
    """Return a new code when there is neither an admin nor an open code; else None.

    Only its hash is stored: whoever calls keeps the code.
    """
    if rows.has_admin(connection) or rows.read_setting(connection, _SETTING) is not None:
        return None
    return replace_admin_code(connection, random)


def replace_admin_code(connection: Connection, random: Callable[[int], bytes]) -> str:
    """Return a new code, which replaces one that was lost."""
    letters = [_ALPHABET[byte & 31] for byte in random(_GROUPS * _GROUP_CHARS)]
    starts = range(0, len(letters), _GROUP_CHARS)
    code = "-".join("".join(letters[start : start + _GROUP_CHARS]) for start in starts)
    rows.write_setting(connection, _SETTING, _hash(code))
    return code


def check_admin_code(connection: Connection, code: str) -> None:
    """Raise WireError(bad_admin_code) unless the code is the open one, in any case and spacing."""
    stored = rows.read_setting(connection, _SETTING)
    if stored is None or not hmac.compare_digest(stored, _hash(code)):
        text = "The admin code is wrong or used up. No account was made: read it from the relay."
        raise WireError(Code.BAD_ADMIN_CODE, text)


def use_up_admin_code(connection: Connection) -> None:
    """Forget the code."""
    rows.write_setting(connection, _SETTING, None)


def _hash(code: str) -> str:
    plain = "".join(each for each in code.upper() if each.isalnum())
    return sha256(plain.encode("utf-8")).hexdigest()
