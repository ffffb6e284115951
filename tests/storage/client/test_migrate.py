"""storage.client.migrate: all of a migration or none of it, and no Alembic where none is needed."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlcipher3 import dbapi2

from storage.client import schema
from storage.client.database import ClientStore, configure, open_store, stored_version, unlock
from storage.client.migrate import MIGRATIONS, upgrade
from storage.client.settings import get_setting, put_setting
from storage.errors import StoreError
from tests.storage.client.stores import KEY, new_store, reopened

NEXT = '''
"""A later schema."""
import os
import signal
from alembic import op

revision = "9999"
down_revision = "0001"


def upgrade():
    op.execute("CREATE TABLE later (a)")
    op.execute("INSERT INTO later SELECT key FROM settings")
    op.execute("DROP TABLE settings")
    if os.environ.get("DIE"):
        os.kill(os.getpid(), signal.SIGKILL)
    op.execute("CREATE TABLE settings (key, value)")
'''

RUN = """
import sys
from pathlib import Path
from storage.client.database import open_store
from storage.client.migrate import upgrade
store = open_store(Path(sys.argv[1]), bytes(range(32)))
upgrade(store, folder=Path(sys.argv[2]))
store.close()
"""


@pytest.fixture
def later(tmp_path: Path) -> Path:
    """A folder with our migrations and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9999_later.py").write_text(NEXT)
    return folder


def _tables(store: ClientStore) -> list[tuple[str, str]]:
    with store.read() as connection:
        query = "SELECT name, sql FROM sqlite_master ORDER BY type, name"
        return [(row[0], row[1]) for row in connection.exec_driver_sql(query)]


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == schema.HEAD


def test_a_new_store_is_what_the_migrations_make(tmp_path: Path) -> None:
    raw = dbapi2.connect(str(tmp_path / "migrated.db"), isolation_level=None)
    unlock(raw, KEY)
    configure(raw)
    migrated = ClientStore(raw)
    upgrade(migrated)
    with new_store(tmp_path) as store:
        assert _tables(store) == _tables(migrated)
    assert stored_version(migrated) == schema.HEAD
    migrated.close()


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_killed_migration_leaves_the_old_schema_whole(tmp_path: Path, later: Path) -> None:
    with new_store(tmp_path) as store:
        with store.transaction() as connection:
            put_setting(connection, "a", b"1")
        before = _tables(store)
    command = [sys.executable, "-c", RUN, str(tmp_path / "store.db"), str(later)]
    assert subprocess.run(command, env={"DIE": "1"}).returncode == -signal.SIGKILL
    with reopened(tmp_path) as store:
        assert _tables(store) == before
        assert stored_version(store) == "0001"
        with store.read() as connection:
            assert get_setting(connection, "a") == b"1"
        upgrade(store, folder=later)
        assert stored_version(store) == "9999"
        with store.read() as connection:
            assert connection.exec_driver_sql("SELECT a FROM later").scalar_one() == "a"


def test_a_failing_migration_leaves_the_old_schema_whole(tmp_path: Path, later: Path) -> None:
    script = later / "versions" / "9999_later.py"
    script.write_text(NEXT + '    raise KeyError("no")\n')
    with new_store(tmp_path) as store:
        before = _tables(store)
        with pytest.raises(KeyError):
            upgrade(store, folder=later)
        assert _tables(store) == before


def test_an_older_store_is_migrated_when_it_is_opened(
    tmp_path: Path, later: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with new_store(tmp_path):
        pass
    monkeypatch.setattr(schema, "HEAD", "9999")
    monkeypatch.setattr(upgrade, "__kwdefaults__", {"folder": later})
    with reopened(tmp_path) as store:
        assert stored_version(store) == "9999"


def test_the_store_of_a_newer_sotto_is_left_alone(tmp_path: Path, later: Path) -> None:
    with new_store(tmp_path) as store:
        upgrade(store, folder=later)
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "store.db", KEY)
    assert caught.value.code == "unavailable"
    assert "newer" in caught.value.text


def test_a_store_without_a_version_is_damaged(tmp_path: Path) -> None:
    with new_store(tmp_path) as store, store.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "store.db", KEY)
    assert caught.value.code == "store_damaged"


def test_opening_a_current_store_loads_neither_alembic_nor_keyring(tmp_path: Path) -> None:
    with new_store(tmp_path):
        pass
    look = (
        "import sys; import engine.profile; from pathlib import Path\n"
        "from storage.client.database import open_store\n"
        "open_store(Path(sys.argv[1]), bytes(range(32))).close()\n"
        "print([n for n in ('alembic', 'mako', 'keyring', 'platformdirs') if n in sys.modules])\n"
    )
    command = [sys.executable, "-c", look, str(tmp_path / "store.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
