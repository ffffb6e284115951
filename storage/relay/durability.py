"""The check at start that a committed transaction survives a power cut, on each database.

Never changes a database server's settings: it refuses, and names the one to change.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection

from storage.relay.errors import UnsafeDatabase

# setting: values under which a committed transaction is on the disk (or on a standby's)
_POSTGRESQL: Mapping[str, frozenset[str]] = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"local", "remote_write", "on", "remote_apply"}),
}
_MYSQL: Mapping[str, frozenset[str]] = {
    "innodb_flush_log_at_trx_commit": frozenset({"1"}),
    "innodb_doublewrite": frozenset({"1", "ON"}),
    "sync_binlog": frozenset({"1"}),
}
_SQLITE: Mapping[str, frozenset[str]] = {
    "journal_mode": frozenset({"wal"}),
    "synchronous": frozenset({"2", "3"}),  # FULL, EXTRA
    "foreign_keys": frozenset({"1"}),
}


def check_durability(connection: Connection) -> None:
    """Raise UnsafeDatabase unless every setting of `connection` keeps what is committed."""
    lax = lax_settings(connection)
    if lax:
        raise UnsafeDatabase(
            f"The database setting {'; '.join(lax)}: acknowledged messages could be lost in a "
            "power cut. Nothing was started. Change it, or accept that: --allow-lax-durability."
        )


def lax_settings(connection: Connection) -> list[str]:
    """Return what is not as it must be, each as "NAME is VALUE, not VALUE or VALUE"."""
    found = []
    for name, safe in wanted_settings(connection.dialect.name).items():
        value = read_setting(connection, name)
        if value not in safe and _counts(connection, name):
            found.append(f"{name} is {value}, not {' or '.join(sorted(safe))}")
    return found


def _counts(connection: Connection, name: str) -> bool:
    """A binary log that is not written cannot be behind: replicas are fed from it, and restores."""
    return name != "sync_binlog" or read_setting(connection, "log_bin") == "1"


def wanted_settings(dialect: str) -> Mapping[str, frozenset[str]]:
    """Return the settings that are checked on a dialect, each with its safe values."""
    if dialect == "sqlite":
        return _SQLITE
    return _POSTGRESQL if dialect == "postgresql" else _MYSQL


def read_setting(connection: Connection, name: str) -> str:
    """Return a setting's value as this connection has it. `name` is one of ours, never foreign."""
    statement = {
        "sqlite": f"PRAGMA {name}",
        "postgresql": f"SHOW {name}",
    }.get(connection.dialect.name, f"SELECT @@{name}")
    return str(connection.exec_driver_sql(statement).scalar())
