"""The folder of one person's accounts on this machine: who is in it, who uses it, and opening one.

Never makes a path from a name that came from outside: account folders have random names of its own.

    PROFILE/                 0700
      profile.lock           held for an instant, while something here is looked at or made
      known_relays.json      {server: fingerprint}, the relays that were trusted once
      accounts/<32 hex>/     lock.json (last written: without it there is no account), store.db,
                             in_use (locked while a process has the account open), store.key
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import msgspec

from crypto.sealing import KEY_BYTES
from engine.filelock import FileLock
from engine.keyrings import KeyStore, SystemKeyring
from engine.lock import (
    HEADER_NAME,
    Header,
    Label,
    LockChoice,
    Method,
    make_lock,
    open_lock,
    read_header,
    write_header,
)
from engine.open_account import OpenAccount, store_errors
from engine.private_files import (
    folder_errors,
    make_private_folder,
    read_private,
    sync_folder,
    write_private,
)
from storage.client.thread import StoreThread, finish
from wire.errors import Code, WireError

_ACCOUNT_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_STORE_NAME: Final = "store.db"
_IN_USE_NAME: Final = "in_use"
_RELAYS_NAME: Final = "known_relays.json"
_MAX_RELAYS_BYTES: Final = 1 << 20

_ShortText = Annotated[str, msgspec.Meta(max_length=512)]


@dataclass(frozen=True, slots=True)
class AccountEntry:
    """One account of a profile. `label` and `method` are None when its lock file is damaged."""

    id: str
    label: Label | None
    method: Method | None
    in_use: bool


class Profile:
    """A profile folder that exists, is ours and can be written. All methods may raise WireError."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        keyring: KeyStore | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Make or check `folder` (default: the platform's user data folder).

        Raises WireError: bad_request when it is not a folder, not ours, or not writable, disk_full.
        """
        self.folder: Final = (folder or default_folder()).absolute()
        self._accounts = self.folder / "accounts"
        self._keyring: KeyStore = keyring or SystemKeyring()
        self._random = random
        with folder_errors(self.folder):
            _claim_folder(self.folder)
            make_private_folder(self._accounts)
            _refuse_foreign(self._accounts)
        with self._guard():
            pass  # shows that it can be written, before anybody types a password

    def list_accounts(self) -> list[AccountEntry]:
        """Return every account, by label; a damaged one last, so that nobody thinks it is gone."""
        with self._guard():
            found = [path for path in self._accounts.iterdir() if _ACCOUNT_ID.fullmatch(path.name)]
            entries = [_entry(path) for path in found if (path / HEADER_NAME).exists()]
        return sorted(entries, key=_by_label)

    async def open_account(self, account_id: str, *, passphrase: str | None = None) -> OpenAccount:
        """Open an account of this profile, which no other process then can.

        Raises WireError: bad_request (no such account), profile_in_use, locked, bad_passphrase,
        store_damaged, disk_full, unavailable.
        """
        folder = self._folder_of(account_id)
        hold = self._hold(folder)
        try:
            with folder_errors(folder), store_errors():
                header = read_header(folder)
                work = partial(
                    open_lock, folder, header, passphrase=passphrase, keyring=self._keyring
                )
                store = await StoreThread.open(folder / _STORE_NAME, await finish(None, work))
        except BaseException:
            hold.release()
            raise
        return OpenAccount(account_id, folder=folder, header=header, store=store, hold=hold)

    async def create_account(self, label: Label, choice: LockChoice) -> OpenAccount:
        """Make a new account with an empty store, locked as `choice` says, and open it.

        A failure or a crash leaves no account. Raises WireError: unavailable when the keyring does
        not take the key (choose another way then), bad_passphrase, disk_full.
        """
        account_id = self._random(16).hex()
        folder = self._accounts / account_id
        with folder_errors(self.folder):
            folder.mkdir(mode=0o700)
        hold: FileLock | None = None
        store: StoreThread | None = None
        try:
            hold = self._hold(folder)
            data_key = self._random(KEY_BYTES)
            with folder_errors(self.folder), store_errors():
                path = folder / _STORE_NAME
                store = await StoreThread.open(path, data_key, create=True)
                header = await self._make_lock(folder, choice, data_key=data_key, label=label)
                sync_folder(self._accounts)
                write_header(folder, header)
        except BaseException:
            if store is not None:
                await store.close()
            if hold is not None:
                hold.release()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return OpenAccount(account_id, folder=folder, header=header, store=store, hold=hold)

    async def discard(self, account: OpenAccount) -> None:
        """Close `account` and delete it with all that it holds: for a registration that failed."""
        await account.release()
        if account.method is Method.KEYRING:
            forget = partial(_forget, self._keyring, account.id)
            await finish(None, forget)
        shutil.rmtree(self._folder_of(account.id), ignore_errors=True)

    def known_relay(self, server: str) -> str | None:
        """Return the fingerprint that was trusted for `server`, or None."""
        with self._guard():
            return self._read_relays().get(server)

    def remember_relay(self, server: str, fingerprint: str) -> None:
        """Trust `fingerprint` for `server` from now on, in every account of this profile."""
        with self._guard():
            relays = {**self._read_relays(), server: fingerprint}
            write_private(self.folder / _RELAYS_NAME, msgspec.json.encode(relays) + b"\n")

    async def _make_lock(
        self, folder: Path, choice: LockChoice, *, data_key: bytes, label: Label
    ) -> Header:
        work = partial(
            make_lock,
            folder,
            choice,
            data_key=data_key,
            label=label,
            key_name=folder.name,
            keyring=self._keyring,
            random=self._random,
        )
        return await finish(None, work)

    def _folder_of(self, account_id: str) -> Path:
        folder = self._accounts / account_id if _ACCOUNT_ID.fullmatch(account_id) else None
        if folder is None or not (folder / HEADER_NAME).is_file():
            raise WireError(Code.BAD_REQUEST, "There is no such account in this profile.")
        return folder

    def _hold(self, folder: Path) -> FileLock:
        with self._guard():
            hold = FileLock.acquire(folder / _IN_USE_NAME)
        if hold is None:
            text = "Another Sotto uses this account at the moment. Choose another, or a new one."
            raise WireError(Code.PROFILE_IN_USE, text)
        return hold

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Keep others out for an instant: asking whether an account is held takes its lock."""
        with folder_errors(self.folder):
            lock = FileLock.acquire(self.folder / "profile.lock", wait=True)
            try:
                yield
            finally:
                if lock is not None:
                    lock.release()

    def _read_relays(self) -> dict[str, str]:
        """A damaged file is told, not replaced: else every relay were a first contact again."""
        try:
            encoded = read_private(self.folder / _RELAYS_NAME, max_bytes=_MAX_RELAYS_BYTES)
        except FileNotFoundError:
            return {}
        try:
            return msgspec.json.decode(encoded, type=dict[_ShortText, _ShortText])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            text = f"The file {_RELAYS_NAME} of this profile is damaged. Delete it to start anew."
            raise WireError(Code.STORE_DAMAGED, text) from error


def default_folder() -> Path:
    """Return the platform's user data folder for Sotto's clients."""
    import platformdirs  # only here: a start with --profile does not need it

    return Path(platformdirs.user_data_dir("sotto", appauthor=False)) / "profile"


def _claim_folder(folder: Path) -> None:
    """Make the folder, or check it; one with other things in it keeps its rights."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "accounts").exists():
        _refuse_foreign(folder)
        return
    if folder.is_dir():
        _refuse_foreign(folder)
    make_private_folder(folder)


def _refuse_foreign(folder: Path) -> None:
    """Raise WireError bad_request unless `folder` belongs to this process's user."""
    if sys.platform != "win32" and folder.stat().st_uid != os.geteuid():
        text = f"The folder {folder} belongs to another user. Choose another with --profile."
        raise WireError(Code.BAD_REQUEST, text)


def _entry(folder: Path) -> AccountEntry:
    """What `folder` holds; the guard is held."""
    lock = FileLock.acquire(folder / _IN_USE_NAME)
    if lock is not None:
        lock.release()
    try:
        header = read_header(folder)
    except WireError:
        return AccountEntry(folder.name, label=None, method=None, in_use=lock is None)
    return AccountEntry(folder.name, header.label, header.method, in_use=lock is None)


def _by_label(entry: AccountEntry) -> tuple[bool, str, str, str]:
    if entry.label is None:
        return True, "", "", entry.id
    return False, entry.label.account, entry.label.server, entry.id


def _forget(keyring: KeyStore, key_name: str) -> None:
    """Take a key out of the keyring; one that stays behind opens nothing that is left."""
    try:
        keyring.delete(key_name)
    except (LookupError, TimeoutError):
        return
