"""`server.py doctor`: looks at everything that a relay stands on, and says what is not well.

Never changes anything, and never shows a secret.
"""

from __future__ import annotations

import shutil
import sqlite3
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from sqlalchemy.exc import ArgumentError

from relay import control, datafolder, tls
from relay.config import Config
from relay.errors import StartError
from relay.startup import BAD_URL_TEXT, database_url
from relay.watching import MIN_FREE_BYTES
from storage.relay.database import open_database
from storage.relay.durability import check_durability
from storage.relay.errors import Unavailable, UnsafeDatabase
from storage.relay.migrate import HEAD, schema_version

_PACKAGES: Final = ("bcrypt", "cryptography", "msgspec", "picows", "SQLAlchemy")
_MIN_FREE_BYTES: Final = 1 << 30
_OLDEST_CLOCK_S: Final = datetime(2025, 1, 1, tzinfo=UTC).timestamp()
Check = Callable[[Config], Iterator[str]]


def examine(config: Config) -> int:
    """Print one line for each thing looked at; return 1 if any is not well."""
    bad = 0
    for name, check in _CHECKS:
        try:
            said = ", ".join(check(config)) or "ok"
            sys.stdout.write(f"ok    {name}: {said}\n")
        except (StartError, Unavailable, UnsafeDatabase, OSError, sqlite3.Error) as error:
            bad += 1
            sys.stdout.write(f"BAD   {name}: {error}\n")
    return 1 if bad else 0


def _python(_config: Config) -> Iterator[str]:
    yield f"{sys.version.split()[0]}, {ssl.OPENSSL_VERSION}"
    for package in _PACKAGES:
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            raise StartError(f"{package} is missing: install requirements.txt") from None


def _folder(config: Config) -> Iterator[str]:
    yield str(_existing(config))


def _keys(config: Config) -> Iterator[str]:
    folder = _existing(config)
    secrets = datafolder.load_secrets(folder, _no_random, is_new=False)
    yield f"relay key {secrets.signing_key.public.hex()[:8]}"


def _certificate(config: Config) -> Iterator[str]:
    own = _existing(config) / datafolder.CERTIFICATE_FILE
    key = own.with_name(datafolder.CERTIFICATE_KEY_FILE)
    tls.load(config.tls_cert or own, config.tls_key or key)
    warning = tls.expiry_warning(config.tls_cert or own, datetime.now(UTC))
    if warning is not None:
        raise StartError(warning)
    yield "TLS 1.3"


def _database(config: Config) -> Iterator[str]:
    folder = _existing(config)
    if config.database_url is None and not (folder / datafolder.DATABASE_FILE).exists():
        raise StartError("there is none yet: start the relay once")
    try:
        database = open_database(database_url(config, folder), is_lax_allowed=True)
    except (ValueError, ArgumentError):
        raise StartError(BAD_URL_TEXT) from None
    try:
        with database.read() as connection:
            found = schema_version(connection)
            if found != HEAD:
                raise StartError(f"its tables are of version {found}, not {HEAD}: start the relay")
            check_durability(connection)
            yield f"{connection.dialect.name}, tables {found}, durable"
            if database.path is not None:
                result = connection.exec_driver_sql("PRAGMA quick_check").scalar()
                if result != "ok":
                    raise StartError("the file is damaged: restore a backup")
                yield "whole"
    finally:
        database.close()


def _disk(config: Config) -> Iterator[str]:
    free = shutil.disk_usage(_existing(config)).free
    if free < _MIN_FREE_BYTES:
        raise StartError(
            f"{free >> 20} MiB free: less than 1 GiB. Make room: below "
            f"{MIN_FREE_BYTES >> 20} MiB nobody new is taken in"
        )
    yield f"{free >> 30} GiB free"


def _clock(_config: Config) -> Iterator[str]:
    if time.time() < _OLDEST_CLOCK_S:
        raise StartError("it is set to the past: KeyPackages would count as not yet valid")
    yield f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _running(config: Config) -> Iterator[str]:
    answer = control.ask(_existing(config), {"action": "list"})
    yield "no relay runs here" if answer is None else "a relay runs here and answers"


def _existing(config: Config) -> Path:
    if not config.data.exists():
        raise StartError(f"{config.data} does not exist: start the relay once")
    return datafolder.open_folder(config.data)


def _no_random(_count: int) -> bytes:
    raise StartError("a key is missing: start the relay once")


_CHECKS: Final[tuple[tuple[str, Check], ...]] = (
    ("python", _python),
    ("folder", _folder),
    ("keys", _keys),
    ("certificate", _certificate),
    ("database", _database),
    ("disk", _disk),
    ("clock", _clock),
    ("relay", _running),
)
