"""Opening what a relay or one of its commands needs: folder, secrets, database, TLS, port.

Never leaves half of it open: what was taken is released when a later step fails.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy.exc import ArgumentError

from relay import datafolder, tls
from relay.admin_code import ensure_admin_code
from relay.config import Config
from relay.context import Context, Limits
from relay.errors import StartError
from storage.relay import account_rows
from storage.relay.database import Database, open_database
from storage.relay.durability import lax_settings
from storage.relay.errors import Unavailable, UnknownSchema, UnsafeDatabase
from storage.relay.migrate import migrate, schema_version
from wire.limits import ID_BYTES
from wire.link import fingerprint

HISTORY_SETTING: Final = "history"
_OWNER_SETTING: Final = "relay"  # the fingerprint of the relay whose database it is
BAD_URL_TEXT: Final = (
    "The database URL cannot be used: write postgresql://USER:PASSWORD@HOST/NAME, "
    "mariadb://... or sqlite:///FILE."
)
_DAY_S: Final = 86400


@dataclass(frozen=True, slots=True)
class Opened:
    """A relay's belongings, opened."""

    folder: Path
    context: Context
    database: Database
    admin_code: str | None  # made just now
    lax: tuple[str, ...] = ()  # settings under which a power cut loses what was acknowledged


@contextlib.contextmanager
def opened(config: Config, *, locked: bool = True) -> Iterator[Opened]:
    """Open folder and database for the time of the block; raise StartError.

    `locked`: as the only process on the folder (a relay, or a command while none runs).
    """
    folder = datafolder.open_folder(config.data)
    with contextlib.ExitStack() as stack:
        if locked:
            stack.callback(datafolder.lock(folder).release)
        database, secrets = _open_database(config, folder)
        stack.callback(database.close)
        limits = with_settings(Limits(retention_s=config.retention_days * _DAY_S), config)
        context = Context(secrets.signing_key, secrets.pepper, limits)
        admin_code = _claim_database(database, context)
        context = dataclasses.replace(context, history=_history(database))
        yield Opened(folder, context, database, admin_code, _lax_settings(database))


def with_settings(limits: Limits, config: Config) -> Limits:
    """Return the limits with those that a running relay takes over anew."""
    return dataclasses.replace(
        limits,
        stored_bytes_per_account=config.stored_mib_per_account << 20,
        conversations_per_account=config.conversations_per_account,
    )


def database_url(config: Config, folder: Path) -> str:
    """Return the database's URL: the operator's, else the folder's own file."""
    return config.database_url or f"sqlite:///{folder / datafolder.DATABASE_FILE}"


def _open(config: Config, url: str) -> Database:
    return open_database(url, is_lax_allowed=config.allow_lax_durability)


def _lax_settings(database: Database) -> tuple[str, ...]:
    with database.read() as connection:
        return tuple(lax_settings(connection))


def _open_database(config: Config, folder: Path) -> tuple[Database, datafolder.Secrets]:
    own_file = folder / datafolder.DATABASE_FILE
    try:
        if config.database_url is None:
            # The secrets first: a crash in between must not leave a database without its key.
            secrets = datafolder.load_secrets(folder, os.urandom, is_new=not own_file.exists())
            # Made here, so that it and the log beside it are 0600 whatever the umask.
            os.close(os.open(own_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            database = _open(config, database_url(config, folder))
        else:
            database = _open(config, config.database_url)
            with database.read() as connection:
                is_new = schema_version(connection) is None
            secrets = datafolder.load_secrets(folder, os.urandom, is_new=is_new)
        migrate(database)
    except (UnsafeDatabase, UnknownSchema) as error:
        raise StartError(str(error)) from None
    except Unavailable as error:
        raise StartError(f"The database cannot be used: {error}.") from None
    except (ValueError, ArgumentError):
        raise StartError(BAD_URL_TEXT) from None
    return database, secrets


def _claim_database(database: Database, context: Context) -> str | None:
    """Check that the database is this relay's (or new); return a new admin code if one is due."""
    own = fingerprint(context.signing_key.public)
    try:
        with database.write() as connection:
            owner = account_rows.read_setting(connection, _OWNER_SETTING)
            if owner not in (None, own):
                raise StartError(
                    "The database is another relay's: its fingerprint is "
                    f"{owner}. Give it back its data folder, or use another database."
                )
            if owner is None:
                account_rows.write_setting(connection, _OWNER_SETTING, own)
            return ensure_admin_code(connection, context.random)
    except Unavailable as error:
        raise StartError(f"The database cannot be written: {error}.") from None


def _history(database: Database) -> bytes:
    """Return what names the database's history, made if it has none: it is new, or restored."""
    try:
        with database.write() as connection:
            known = account_rows.read_setting(connection, HISTORY_SETTING)
            if known is None:
                known = os.urandom(ID_BYTES).hex()
                account_rows.write_setting(connection, HISTORY_SETTING, known)
            return bytes.fromhex(known)
    except Unavailable as error:
        raise StartError(f"The database cannot be written: {error}.") from None


def load_tls(config: Config, folder: Path) -> tls.TlsIdentity:
    """Return the TLS identity: the operator's certificate, the folder's own, or none."""
    if config.insecure:
        return tls.TlsIdentity(None, tls.NO_TLS_SPKI_HASH)
    if config.tls_cert is not None and config.tls_key is not None:
        return tls.load(config.tls_cert, config.tls_key)
    return tls.load_or_make(folder, now=lambda: datetime.datetime.now(datetime.UTC))


def bind(host: str, port: int) -> list[socket.socket]:
    """Return bound sockets, one for each address that `host` means; raise StartError."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, kind, protocol, _, address in dict.fromkeys(found):
            listener = socket.socket(family, kind, protocol)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address[0], port, *address[2:]))
            port = listener.getsockname()[1]  # the same on every address when 0 was asked for
    except OSError as error:
        for listener in sockets:
            listener.close()
        raise StartError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}. "
            "Choose another port with --port."
        ) from None
    return sockets
