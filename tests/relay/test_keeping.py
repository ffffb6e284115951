import asyncio
import contextlib
import os
import sqlite3
from pathlib import Path

import pytest

from relay import keeping
from relay.config import Config
from relay.errors import StartError
from relay.startup import opened
from tests.relay.actors import World
from tests.relay.client import connect, new_device
from tests.relay.live import live


def config(folder: Path) -> Config:
    return Config(data=folder)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with a relay's database in it."""
    folder = tmp_path / "relay"
    with opened(config(folder)):
        pass
    return folder


def test_a_backup_of_a_running_relay_brings_it_back_whole(tmp_path: Path) -> None:
    alice = new_device("alice")
    file = tmp_path / "backup"

    async def before() -> bytes:
        async with live(tmp_path) as relay:
            client = await connect(relay.port)
            await client.register(alice)
            await asyncio.to_thread(keeping.backup, config(tmp_path / "relay"), file)
            assert client.hello is not None
            return client.hello.relay_key

    async def after(folder: Path) -> bytes:
        async with live(folder) as relay:
            client = await connect(relay.port)
            assert (await client.resume(alice)).account == "alice"
            assert client.hello is not None
            return client.hello.relay_key

    key = asyncio.run(before())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert keeping.restore(config(elsewhere / "relay"), file) == 0
    assert asyncio.run(after(elsewhere)) == key


def test_a56_a_restored_relay_hands_out_no_key_package_twice(tmp_path: Path) -> None:
    def count(folder: Path) -> int:
        with contextlib.closing(sqlite3.connect(folder / "relay.db")) as database:
            return int(database.execute("SELECT count(*) FROM key_packages").fetchone()[0])

    with opened(config(tmp_path / "relay")) as belongings:
        world = World(belongings.database)
        world.account("Alice").publish(3)
    assert count(tmp_path / "relay") == 3
    file = tmp_path / "backup"
    keeping.backup(config(tmp_path / "relay"), file)
    keeping.restore(config(tmp_path / "elsewhere"), file)
    assert count(tmp_path / "elsewhere") == 0


def test_a_backup_is_one_file_for_its_owner_alone(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    before = os.umask(0)
    try:
        keeping.backup(config(data), folder / "one")
    finally:
        os.umask(before)
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert (folder / "one").stat().st_mode & 0o777 == 0o600


def test_a_backup_writes_over_nothing(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("keep me")
    with pytest.raises(StartError, match="exists"):
        keeping.backup(config(data), file)
    assert file.read_text() == "keep me"


def test_a_restore_writes_over_nothing(data: Path, tmp_path: Path) -> None:
    keeping.backup(config(data), tmp_path / "backup")
    key = (data / "relay.key").read_bytes()
    with pytest.raises(StartError, match="move it away"):
        keeping.restore(config(data), tmp_path / "backup")
    (data / "relay.db").unlink()
    (data / "relay.key").write_bytes(b"11" * 32)
    with pytest.raises(StartError, match="another relay's"):
        keeping.restore(config(data), tmp_path / "backup")
    assert (data / "relay.key").read_bytes() == b"11" * 32 != key
    assert not (data / "relay.db").exists()


def test_the_restored_database_does_not_hold_the_keys(data: Path, tmp_path: Path) -> None:
    keeping.backup(config(data), tmp_path / "backup")
    pepper = (data / "pepper").read_bytes().strip()
    assert pepper in (tmp_path / "backup").read_bytes()
    keeping.restore(config(tmp_path / "new"), tmp_path / "backup")
    assert pepper not in (tmp_path / "new" / "relay.db").read_bytes()


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "another database", "cut"])
def test_what_is_no_backup_is_refused(data: Path, tmp_path: Path, kind: str) -> None:
    file = tmp_path / "file"
    if kind == "text":
        file.write_text("not a database " * 100)
    elif kind == "empty":
        file.write_bytes(b"")
    elif kind == "another database":
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE t (x)")
        connection.close()
    elif kind == "cut":
        keeping.backup(config(data), file)
        file.write_bytes(file.read_bytes()[:-8192])
    folder = tmp_path / "new"
    with pytest.raises(StartError):
        keeping.restore(config(folder), file)
    assert not (folder / "relay.db").exists()
    assert not (folder / "relay.key").exists()


def test_a_backup_without_a_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="nothing to back up"):
        keeping.backup(config(tmp_path / "empty"), tmp_path / "backup")


def test_a_servers_database_is_left_to_its_own_tool(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="pg_dump"):
        keeping.backup(Config(data=tmp_path / "x", database_url="postgresql://h/d"), tmp_path / "b")
