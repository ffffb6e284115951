"""The error codes that relay, client and scripts share, and the exception that carries one.

Never holds a secret: `text` is one line for a person, `data` small public facts for a program.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Every code that a JSON-RPC error's ``data.code`` or a relay's answer may carry."""

    WEAK_PASSWORD = "weak_password"  # noqa: S105
    NAME_TAKEN = "name_taken"
    BAD_NAME = "bad_name"
    BAD_CREDENTIALS = "bad_credentials"
    BANNED = "banned"
    NOT_ADMIN = "not_admin"
    FORBIDDEN = "forbidden"
    NO_SUCH_USER = "no_such_user"
    NO_SUCH_ROOM = "no_such_room"
    ROOM_EXISTS = "room_exists"
    WRONG_ROOM_PASSWORD = "wrong_room_password"  # noqa: S105
    RATE_LIMITED = "rate_limited"
    TOO_LARGE = "too_large"
    UNTRUSTED_RELAY = "untrusted_relay"
    IDENTITY_CHANGED = "identity_changed"
    NOT_CONNECTED = "not_connected"
    BAD_REQUEST = "bad_request"
    LOCKED = "locked"
    BAD_PASSPHRASE = "bad_passphrase"  # noqa: S105
    STORE_DAMAGED = "store_damaged"
    PROFILE_IN_USE = "profile_in_use"
    DISK_FULL = "disk_full"
    MUTED = "muted"
    REMOVED = "removed"
    ALREADY_MEMBER = "already_member"
    EMAIL_TAKEN = "email_taken"
    BAD_ADMIN_CODE = "bad_admin_code"
    BAD_RECOVERY_CODE = "bad_recovery_code"
    NOT_SOTTO = "not_sotto"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class WireError(Exception):
    """A request that was refused, with what to tell the person and the program.

    `text` says in one line what went wrong, what was kept and what to do next.
    """

    def __init__(self, code: Code | str, text: str, **data: Any) -> None:
        super().__init__(text)
        self.code = Code(code)
        self.text = text
        self.data = data

    def __repr__(self) -> str:
        return f"WireError({self.code.value!r}, {self.text!r})"
