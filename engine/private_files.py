"""Files and folders that only their owner can read, written whole or not at all.

Never follows a name from outside: callers make the names.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wire.errors import Code, WireError

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if sys.platform != "win32" else {errno.ENOSPC}
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}


@contextmanager
def folder_errors(folder: Path) -> Iterator[None]:
    """Raise what the disk refuses as WireError disk_full, bad_request (the folder), unavailable."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            text = "The disk is full. Nothing was changed; free some space and try again."
            raise WireError(Code.DISK_FULL, text) from error
        reason = os.strerror(error.errno) if error.errno else "unknown error"
        if error.errno in _NOT_ALLOWED:
            text = f"The folder {folder} cannot be used ({reason}). Choose another with --profile."
            raise WireError(Code.BAD_REQUEST, text) from error
        text = f"The folder {folder} cannot be used at the moment ({reason})."
        raise WireError(Code.UNAVAILABLE, text) from error


def make_private_folder(path: Path) -> None:
    """Make `path` (0700) or tighten the one that is there. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sys.platform != "win32" and path.stat().st_mode & 0o077:
        path.chmod(0o700)


def write_private(path: Path, data: bytes) -> None:
    """Put `data` in `path` (0600), durable, in place of what was there. Raises OSError."""
    aside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(aside, flags, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def read_private(path: Path, *, max_bytes: int) -> bytes:
    """Return what is in `path`, after taking away others' right to read it.

    Raises OSError, and WireError store_damaged when it is longer than `max_bytes`.
    """
    with path.open("rb") as file:
        if sys.platform != "win32" and os.fstat(file.fileno()).st_mode & 0o077:
            os.fchmod(file.fileno(), 0o600)
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise WireError(Code.STORE_DAMAGED, f"The file {path.name} of this profile is damaged.")
    return data


def sync_folder(path: Path) -> None:
    """Make new and renamed entries of `path` durable, where the system can."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
