"""The lock of one account: the header file beside its store, and the ways to its data key.

Never keeps the data key in a file unwrapped, and never makes a key file that was not asked for.

The data key (32 random bytes) encrypts the store. It is wrapped by a passphrase (Argon2id), by a
key in the operating system's keyring, or by a key file beside it. As the wrapped key is
authenticated, a wrong passphrase and a damaged file are told apart before the store is touched.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from crypto import sealing
from crypto.errors import PeerError
from engine.keyrings import KeyStore
from engine.private_files import read_private, write_private
from wire.errors import Code, WireError

HEADER_NAME: Final = "lock.json"
KEY_FILE_NAME: Final = "store.key"
KEY_FILE_WARNING: Final = (
    "No passphrase: the key lies in a file beside the messages, readable by your user alone. "
    "Whoever gets a copy of the folder reads everything in it."
)
"""What a face says in plain words before, and after, it lets a person choose a key file."""

MAX_PASSPHRASE_CHARS: Final = 1024
_MAX_HEADER_BYTES: Final = 16 * 1024

_Text = Annotated[str, msgspec.Meta(max_length=512)]


class Method(StrEnum):
    """How the data key is wrapped."""

    KEYRING = "keyring"
    PASSPHRASE = "passphrase"  # noqa: S105 - a name
    KEY_FILE = "keyfile"


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person sees when choosing an account; readable without the key."""

    account: _Text
    server: _Text


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The lock file. `wrapped` is crypto.sealing's; `key_name` is the keyring's name for it."""

    version: Literal[1]
    label: Label
    method: Method
    wrapped: bytes
    key_name: _Text = ""


@dataclass(frozen=True, slots=True)
class LockChoice:
    """How a new account is to be locked; `passphrase` goes with Method.PASSPHRASE only."""

    method: Method
    passphrase: str | None = field(default=None, repr=False)


def make_lock(
    folder: Path,
    choice: LockChoice,
    *,
    data_key: bytes,
    label: Label,
    key_name: str,
    keyring: KeyStore,
    random: Callable[[int], bytes] = os.urandom,
) -> Header:
    """Wrap `data_key` and return the header, not written yet; the key file or keyring entry is.

    Blocking (Argon2id, the keyring). Raises WireError: bad_passphrase for one that cannot be used,
    unavailable when the keyring does not take the key (choose another way then), and OSError.
    """
    if choice.method is Method.PASSPHRASE:
        passphrase = _checked(choice.passphrase)
        wrapped = sealing.lock(passphrase, data_key, random=random)
        return Header(version=1, label=label, method=choice.method, wrapped=wrapped)
    wrapping_key = random(sealing.KEY_BYTES)
    wrapped = sealing.wrap_key(
        wrapping_key, data_key, context=choice.method.value.encode(), random=random
    )
    if choice.method is Method.KEY_FILE:
        write_private(folder / KEY_FILE_NAME, wrapping_key)
        return Header(version=1, label=label, method=choice.method, wrapped=wrapped)
    try:
        keyring.put(key_name, wrapping_key)
    except (LookupError, TimeoutError) as error:
        text = "This system's keyring does not take the key. Use a passphrase instead."
        raise WireError(Code.UNAVAILABLE, text) from error
    return Header(version=1, label=label, method=choice.method, wrapped=wrapped, key_name=key_name)


def open_lock(folder: Path, header: Header, *, passphrase: str | None, keyring: KeyStore) -> bytes:
    """Return the data key, 32 bytes. Blocking (Argon2id, the keyring).

    Raises WireError: locked (a passphrase is needed, or the keyring does not give the key now),
    bad_passphrase, store_damaged.
    """
    try:
        if header.method is Method.PASSPHRASE:
            if passphrase is None:
                raise WireError(Code.LOCKED, "This account is locked with a passphrase.")
            return sealing.unlock(passphrase[: MAX_PASSPHRASE_CHARS + 1], header.wrapped)
        wrapping_key = _wrapping_key(folder, header, keyring)
        context = header.method.value.encode()
        return sealing.unwrap_key(wrapping_key, header.wrapped, context=context)
    except PeerError as error:
        if error.code == "bad_passphrase" and header.method is Method.PASSPHRASE:
            raise WireError(Code.BAD_PASSPHRASE, "That passphrase does not open it.") from error
        if error.code == "bad_passphrase":
            raise WireError(Code.LOCKED, _OTHER_KEY[header.method]) from error
        raise _damaged("The lock of this account is damaged.") from error


_OTHER_KEY: Final = {
    Method.KEYRING: "The key that this system's keyring has for this account is another one.",
    Method.KEY_FILE: "The key file of this account belongs to another one.",
}


def _wrapping_key(folder: Path, header: Header, keyring: KeyStore) -> bytes:
    if header.method is Method.KEY_FILE:
        try:
            key = read_private(folder / KEY_FILE_NAME, max_bytes=sealing.KEY_BYTES)
        except FileNotFoundError as error:
            raise WireError(Code.LOCKED, "The key file of this account is missing.") from error
    else:
        key = _from_keyring(header, keyring)
    if len(key) != sealing.KEY_BYTES:
        raise _damaged("The key of this account is damaged.")
    return key


def _from_keyring(header: Header, keyring: KeyStore) -> bytes:
    try:
        return keyring.get(header.key_name)
    except TimeoutError as error:
        text = "The keyring does not answer. Unlock it and try again."
        raise WireError(Code.LOCKED, text) from error
    except LookupError as error:
        text = "The keyring of this system has no key for this account."
        raise WireError(Code.LOCKED, text) from error


def read_header(folder: Path) -> Header:
    """Return the header in `folder`; raises WireError store_damaged, and OSError."""
    encoded = read_private(folder / HEADER_NAME, max_bytes=_MAX_HEADER_BYTES)
    try:
        return msgspec.json.decode(encoded, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged("The lock of this account is damaged.") from error


def write_header(folder: Path, header: Header) -> None:
    """Write `header`, whole or not at all. Raises OSError."""
    write_private(folder / HEADER_NAME, msgspec.json.encode(header) + b"\n")


def _checked(passphrase: str | None) -> str:
    if not passphrase:
        raise WireError(Code.BAD_PASSPHRASE, "A passphrase has at least one character.")
    if len(passphrase) > MAX_PASSPHRASE_CHARS:
        text = f"A passphrase has at most {MAX_PASSPHRASE_CHARS} characters."
        raise WireError(Code.BAD_PASSPHRASE, text)
    return passphrase


def _damaged(text: str) -> WireError:
    return WireError(Code.STORE_DAMAGED, text)
