"""What a database error means to the person: full disk, damage, another process, or our own fault.

Never hides a fault of our own: an error that it does not know passes through unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlcipher3 import dbapi2

from storage.errors import DISK_FULL, PROFILE_IN_USE, STORE_DAMAGED, UNAVAILABLE, StoreError

_FULL = StoreError(
    DISK_FULL, "The disk is full. Nothing was changed; free some space and try again."
)
_DAMAGED = StoreError(
    STORE_DAMAGED,
    "The store of this account is damaged. Log in as a new device, with your recovery code.",
)
_IN_USE = StoreError(PROFILE_IN_USE, "Another Sotto uses this account at the moment.")
_DISK = StoreError(UNAVAILABLE, "The store cannot be read or written. Nothing was changed.")

# https://sqlite.org/rescode.html
_BY_RESULT_CODE = {
    5: _IN_USE,  # BUSY
    6: _IN_USE,  # LOCKED
    8: _DISK,  # READONLY
    10: _DISK,  # IOERR
    11: _DAMAGED,  # CORRUPT
    13: _FULL,  # FULL
    14: _DISK,  # CANTOPEN
    26: _DAMAGED,  # NOTADB
}


def fault_of(error: BaseException) -> StoreError | None:
    """Return what `error`, the driver's or SQLAlchemy's, means; None: it is our own fault."""
    original = error.orig if isinstance(error, DBAPIError) else error
    known = _BY_RESULT_CODE.get(getattr(original, "sqlite_errorcode", 0) & 0xFF)
    return StoreError(known.code, known.text) if known else None


@contextmanager
def faults_translated() -> Iterator[None]:
    """Raise StoreError for what the disk is to blame for; leave every other error as it is."""
    try:
        yield
    except (DBAPIError, dbapi2.Error) as error:
        fault = fault_of(error)
        if fault is None:
            raise
        raise fault from error
