"""Backup and restore: one file with the database, the keys and the certificate.

Never writes over anything, and never leaves half a file: what is not whole has another name.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from relay import control, datafolder
from relay.config import Config
from relay.errors import StartError
from relay.startup import HISTORY_SETTING

KEPT_FILES: Final = (
    datafolder.KEY_FILE,
    datafolder.PEPPER_FILE,
    datafolder.CERTIFICATE_FILE,
    datafolder.CERTIFICATE_KEY_FILE,
)
_TABLE: Final = "sotto_backup"


def backup(config: Config, file: Path) -> int:
    """Write a backup, also while the relay runs; return the exit status. Raises StartError."""
    folder = datafolder.open_folder(config.data)
    if file.exists():
        raise StartError(f"{file} exists: nothing was written over it.")
    database = _own_database(config, folder)
    if not database.exists():
        raise StartError(f"There is no database in {folder}: nothing to back up.")
    with contextlib.suppress(StartError):  # without it a second's cursors are missing
        control.ask(folder, {"action": "flush"})
    part = file.with_name(file.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        with _connected(database) as source, _connected(part) as target:
            source.backup(target)
            _add_files(target, folder)
            _check(target, part)
        _make_durable(part, file)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise StartError(f"No backup was made: {error}") from None
    sys.stdout.write(f"Backed up to {file}. It holds the relay's keys: keep it as safe as them.\n")
    return 0


def restore(config: Config, file: Path) -> int:
    """Put a backup into an empty data folder; return the exit status. Raises StartError."""
    folder = datafolder.open_folder(config.data)
    lock = datafolder.lock(folder)
    try:
        database = _own_database(config, folder)
        if database.exists():
            raise StartError(f"{database} exists: move it away first. Nothing was changed.")
        if not file.is_file():
            raise StartError(f"There is no file {file}. Nothing was changed.")
        _restore(file, folder, database)
    except (OSError, sqlite3.Error) as error:
        raise StartError(f"{file} cannot be restored: {error}. Nothing was changed.") from None
    finally:
        lock.release()
    sys.stdout.write(
        f"Restored into {folder}. What came after the backup is gone from the relay;\n"
        "clients that have seen more will say so.\n"
    )
    return 0


def _restore(file: Path, folder: Path, database: Path) -> None:
    part = database.with_name(database.name + ".part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    with _connected(file) as source, _connected(part) as target:
        _check(source, file)
        files = _read_files(source, file)
        source.backup(target)
        target.execute("PRAGMA secure_delete=ON").fetchone()
        target.execute(f"DROP TABLE {_TABLE}")
        # Any of them may have been used since: a KeyPackage is for one use. Devices make new ones.
        target.execute("DELETE FROM key_packages")
        # What follows is another history than the one that went on after the backup.
        target.execute("DELETE FROM settings WHERE name = ?", (HISTORY_SETTING,))
        target.execute("VACUUM")
    for name, content in files.items():
        there = datafolder.read_file(folder / name)
        if there not in (None, content):
            part.unlink()
            raise StartError(f"{folder / name} is another relay's: move it away first.")
    for name, content in files.items():
        datafolder.write_file(folder / name, content)
    _make_durable(part, database)  # last: a folder with a database has its keys


def _own_database(config: Config, folder: Path) -> Path:
    if config.database_url is not None:
        raise StartError(
            "The database is a server's: use its own tool (pg_dump, mariadb-dump) for it, and "
            f"copy the files in {folder} as well."
        )
    return folder / datafolder.DATABASE_FILE


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()


def _add_files(target: sqlite3.Connection, folder: Path) -> None:
    target.execute("PRAGMA journal_mode=DELETE").fetchone()  # one file, without a log beside it
    target.execute("PRAGMA synchronous=FULL").fetchone()
    target.execute(f"CREATE TABLE {_TABLE} (name TEXT PRIMARY KEY, content BLOB NOT NULL)")
    for name in KEPT_FILES:
        content = datafolder.read_file(folder / name)
        if content is not None:
            target.execute(f"INSERT INTO {_TABLE} VALUES (?, ?)", (name, content))  # noqa: S608


def _read_files(source: sqlite3.Connection, file: Path) -> dict[str, bytes]:
    found = source.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (_TABLE,)
    ).fetchone()
    files = dict(source.execute(f"SELECT name, content FROM {_TABLE}")) if found else {}  # noqa: S608
    if not {datafolder.KEY_FILE, datafolder.PEPPER_FILE} <= set(files) <= set(KEPT_FILES):
        raise StartError(f"{file} is not a backup of a relay. Nothing was changed.")
    return files


def _check(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
        raise StartError(f"{path} is damaged. Nothing was changed.")


def _make_durable(part: Path, path: Path) -> None:
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.replace(path)
    datafolder.sync_folder(path.absolute().parent)
