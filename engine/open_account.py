"""One account of a profile while this process has it open: its store, its label, its lock.

Never leaves the store open behind a lock that was given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from engine.filelock import FileLock
from engine.lock import Header, Label, Method, write_header
from engine.private_files import folder_errors
from storage.client.thread import StoreThread
from storage.errors import StoreError
from wire.errors import WireError


class OpenAccount:
    """An account that no other process can open until `release`."""

    def __init__(
        self, account_id: str, *, folder: Path, header: Header, store: StoreThread, hold: FileLock
    ) -> None:
        """Use Profile.open_account or Profile.create_account."""
        self.id: Final = account_id
        self.store: Final = store
        self._folder = folder
        self._header = header
        self._hold = hold

    @property
    def label(self) -> Label:
        """The account and server that the profile shows for it."""
        return self._header.label

    @property
    def method(self) -> Method:
        """How it is locked."""
        return self._header.method

    def relabel(self, label: Label) -> None:
        """Show another account and server for it. Raises WireError disk_full, unavailable."""
        header = msgspec.structs.replace(self._header, label=label)
        with folder_errors(self._folder):
            write_header(self._folder, header)
        self._header = header

    async def release(self) -> None:
        """Close the store and let other processes open the account. A second call does nothing."""
        try:
            await self.store.close()
        finally:
            self._hold.release()


@contextmanager
def store_errors() -> Iterator[None]:
    """Raise the store's errors as WireError: the codes are the same."""
    try:
        yield
    except StoreError as error:
        raise WireError(error.code, error.text) from error
