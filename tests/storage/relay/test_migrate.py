"""Migrations: they make the schema, wholly or not at all, and leave newer databases alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from storage.relay import migrate as module
from storage.relay.database import open_database
from storage.relay.errors import UnknownSchema
from storage.relay.migrate import HEAD, migrate, schema_version
from storage.relay.schema import metadata
from tests.relay.databases import DATABASES, empty_database

VERSIONS = Path(module.__file__).parent / "migrations" / "versions"


@pytest.mark.parametrize("kind", DATABASES)
def test_they_make_the_schema(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database, database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert schema_version(connection) == HEAD


def test_the_head_is_the_newest_file() -> None:
    assert max(path.name[:4] for path in VERSIONS.glob("[0-9]*.py")) == HEAD


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database:
        with database.write() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(UnknownSchema):
            migrate(database)


def test_a_failed_migration_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'relay.db'}")
    real = module._upgrade

    def half(connection: object) -> None:
        real(connection)  # type: ignore[arg-type]
        raise ZeroDivisionError

    monkeypatch.setattr(module, "_upgrade", half)
    with pytest.raises(ZeroDivisionError):
        migrate(database)
    with database.read() as connection:
        assert inspect(connection).get_table_names() == []
    monkeypatch.setattr(module, "_upgrade", real)
    assert migrate(database)
    database.close()


def test_a_database_that_is_up_to_date_needs_no_alembic(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path):
        pass
    program = (
        "import sys\n"
        "from storage.relay.database import open_database\n"
        "from storage.relay.migrate import migrate\n"
        f"print(migrate(open_database('sqlite:///{tmp_path / 'relay.db'}')))\n"
        "print('alembic' in sys.modules)\n"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert found.stdout.split() == ["False", "False"], found.stderr
