"""The relay's data folder: its key, its pepper, its certificate, its lock; 0700, files 0600.

Never goes on with a file that others can read or that somebody else put there, and never makes a
new key beside an old database: clients would see a stranger.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from crypto.ed25519 import SigningKey
from relay.errors import StartError
from wire.link import fingerprint

KEY_FILE: Final = "relay.key"
PEPPER_FILE: Final = "pepper"
FINGERPRINT_FILE: Final = "fingerprint"  # public: what a client on this machine pins
CERTIFICATE_FILE: Final = "tls.crt"
CERTIFICATE_KEY_FILE: Final = "tls.key"
DATABASE_FILE: Final = "relay.db"
LOCK_FILE: Final = "lock"
CONTROL_SOCKET: Final = "control"
SECRET_BYTES: Final = 32
_MAX_SECRET_FILE_BYTES: Final = 64 << 10
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class Secrets:
    """What the relay is: its identity key, and the pepper (32 bytes) of its password hashes."""

    signing_key: SigningKey
    pepper: bytes = field(repr=False)


class Lock:
    """The hold on a folder: one relay at a time. Released by `release` or with the process."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process have the folder."""
        os.close(self._descriptor)


def open_folder(path: Path) -> Path:
    """Return the folder, made 0700 if it was not there; raise StartError if it is not safe."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except FileExistsError:
        raise StartError(f"{path} is not a folder: name another one with --data.") from None
    except OSError as error:
        raise StartError(f"Cannot use the data folder {path}: {error.strerror}.") from None
    _check_owner(path, found)
    if found.st_mode & _OTHERS:
        raise StartError(f"Others can look into the data folder: chmod 700 {path}")
    for name in (DATABASE_FILE, KEY_FILE, PEPPER_FILE, CERTIFICATE_KEY_FILE):
        _check_file(path / name)
    return path.resolve()


def check_root(*, is_loopback: bool, is_allowed: bool, uid: int) -> str | None:
    """Return the warning for a relay run as root, if any; raise StartError beyond loopback."""
    if uid != 0 or is_allowed:
        return None
    if not is_loopback:
        raise StartError(
            "Not as root where the network reaches it: start it as a user of its own, "
            "or add --allow-root."
        )
    return "Running as root: a user of its own would be safer."


def lock(folder: Path) -> Lock:
    """Take the folder for this process; raise StartError while another has it."""
    import fcntl

    descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise StartError(f"A relay is already running on {folder}.") from None
    return Lock(descriptor)


def load_secrets(folder: Path, random: Callable[[int], bytes], *, is_new: bool) -> Secrets:
    """Return the relay's secrets, made now when `is_new` (there is no database yet).

    Raises StartError when one is missing beside a database, or damaged.
    """
    key = SigningKey.from_seed(_secret(folder / KEY_FILE, random, is_new))
    pepper = _secret(folder / PEPPER_FILE, random, is_new)
    text = fingerprint(key.public).encode() + b"\n"
    if read_file(folder / FINGERPRINT_FILE) != text:
        write_file(folder / FINGERPRINT_FILE, text)
    return Secrets(key, pepper)


def _secret(path: Path, random: Callable[[int], bytes], is_new: bool) -> bytes:
    content = read_file(path)
    if content is None and is_new:
        content = random(SECRET_BYTES).hex().encode() + b"\n"
        write_file(path, content)
    if content is None:
        raise StartError(
            f"{path} is missing beside the database: put it back from your backup "
            "(python server.py restore FILE)."
        )
    try:
        secret = bytes.fromhex(content.decode("ascii"))
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise StartError(f"{path} is damaged: put it back from your backup.")
    return secret


def read_file(path: Path) -> bytes | None:
    """Return a file of ours, or None when there is none; raise StartError if it is not safe."""
    if not _check_file(path):
        return None
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(_MAX_SECRET_FILE_BYTES)


def write_file(path: Path, content: bytes) -> None:
    """Write a file, 0600, whole or not at all, durable when this returns."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's list of names durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_file(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StartError(f"Cannot read {path}: {error.strerror}.") from None
    if not stat.S_ISREG(found.st_mode):
        raise StartError(f"{path} is not a plain file: remove what stands there.")
    _check_owner(path, found)
    if found.st_mode & _OTHERS:
        raise StartError(f"Others can read {path}: chmod 600 {path}")
    return True


def _check_owner(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise StartError(f"{path} belongs to another user: start the relay as that user.")
