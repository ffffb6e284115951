"""Bringing a database's tables up to what the code expects.

Never loads Alembic when they already are, and never touches tables of a newer Sotto.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, MetaData, Table, inspect, select

from storage.relay.database import Database
from storage.relay.errors import UnknownSchema

HEAD = "0004"  # the newest file in migrations/versions
_FOLDER = Path(__file__).parent / "migrations"


def migrate(database: Database) -> bool:
    """Create or upgrade the tables in one transaction; return whether anything was done.

    Raises UnknownSchema for a newer database, Unavailable when it fails (nothing is changed on
    SQLite and PostgreSQL; MySQL commits every table by itself, and the next start goes on).
    """
    with database.read() as connection:
        version = schema_version(connection)
    if version == HEAD:
        return False
    if version is not None and version > HEAD:
        raise UnknownSchema("The database was made by a newer Sotto. Nothing was changed.")
    with database.write() as connection:
        _upgrade(connection)
    return True


def schema_version(connection: Connection) -> str | None:
    """Return the number of the last migration, or None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    table = Table("alembic_version", MetaData(), autoload_with=connection)
    return connection.execute(select(table.c.version_num)).scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
