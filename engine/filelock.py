"""A lock that another process sees and that the system takes back when its holder dies.

Never waits unless told to, and never trusts a process number in a file.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


class FileLock:
    """A held lock; `release` gives it back. The file stays: deleting it would make two locks."""

    def __init__(self, descriptor: int) -> None:
        """Use `acquire`."""
        self._descriptor = descriptor

    @classmethod
    def acquire(cls, path: Path, *, wait: bool = False) -> FileLock | None:
        """Return the lock on `path` (made 0600), or None while somebody else holds it.

        Raises OSError when the file cannot be made, and on Windows after ten seconds of `wait`.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            _lock(descriptor, wait=wait)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Give the lock back. A second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)  # closing unlocks, on every system
            self._descriptor = -1


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int, *, wait: bool) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError from error

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool) -> None:
        # flock and not lockf: lockf's locks go when any descriptor of the file is closed.
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
