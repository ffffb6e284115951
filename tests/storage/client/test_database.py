"""storage.client.database: durable, encrypted, whole; and what a person is told when it is not."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlcipher3 import dbapi2

from storage.client import schema
from storage.client.database import ClientStore, configure, open_store
from storage.client.settings import delete_setting, get_setting, put_setting
from storage.errors import StoreError
from tests.storage.client.stores import KEY, ROOM, add_message, add_room, new_store, reopened

CANARY = b"consumed-key-4f1d"
PAGE_BYTES = 4096


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    with new_store(tmp_path) as store, store.transaction() as connection:
        put_setting(connection, "relay", b"here")
    with reopened(tmp_path) as store, store.read() as connection:
        assert get_setting(connection, "relay") == b"here"


def _fail_after_writing(store: ClientStore) -> None:
    with store.transaction() as connection:
        put_setting(connection, "a", b"1")
        raise KeyError


def _write_in_one(store: ClientStore, **values: bytes) -> None:
    with store.transaction() as connection:
        for key, value in values.items():
            put_setting(connection, key, value)


def test_an_error_undoes_the_whole_transaction(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        with pytest.raises(KeyError):
            _fail_after_writing(store)
        with store.read() as connection:
            assert get_setting(connection, "a") is None


def test_reading_keeps_nothing_that_it_writes(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        with store.read() as connection:
            put_setting(connection, "a", b"1")
        with store.read() as connection:
            assert get_setting(connection, "a") is None


def test_the_pragmas_that_durability_and_erasure_rest_on(tmp_path: Path) -> None:
    with new_store(tmp_path) as store, store.read() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("synchronous", "journal_mode", "secure_delete", "foreign_keys")
        }
    wanted = {"synchronous": 2, "journal_mode": "wal", "secure_delete": 1, "foreign_keys": 1}
    assert found == wanted


def test_files_are_for_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with new_store(tmp_path) as store:
            with store.transaction() as connection:
                put_setting(connection, "a", b"1")
            modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600}


def test_nothing_in_the_files_can_be_read(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        with store.transaction() as connection:
            put_setting(connection, "secret", CANARY)
            add_message(connection, "marmalade", seq=1)
        raw = b"".join(p.read_bytes() for p in tmp_path.iterdir())
    raw += (tmp_path / "store.db").read_bytes()
    for word in (CANARY, b"marmalade", b"CREATE TABLE", b"SQLite format"):
        assert word not in raw


@pytest.mark.parametrize("key", [b"", bytes(31), bytes(33)])
def test_a_key_of_another_size_is_our_fault(tmp_path: Path, key: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        open_store(tmp_path / "store.db", key, create=True)


def test_another_key_opens_nothing_and_says_nothing_aside(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with new_store(tmp_path):
        pass
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "store.db", bytes(32))
    assert caught.value.code == "store_damaged"
    assert capfd.readouterr() == ("", "")
    with reopened(tmp_path):
        pass


def _flip_every_page(data: bytes) -> bytes:
    changed = bytearray(data)
    for start in range(3 * PAGE_BYTES, len(changed), PAGE_BYTES):
        changed[start + 100] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: PAGE_BYTES // 2],
        lambda data: bytes(len(data)),
        lambda data: data[:20] + bytes([data[20] ^ 1]) + data[21:],
        lambda data: b"SQLite format 3\0" + data[16:],
        _flip_every_page,
    ],
    ids=["empty", "half a page", "zeros", "a bit of page 1", "a plain header", "later pages"],
)
def test_a_damaged_file_is_told(tmp_path: Path, damage: Any) -> None:
    with new_store(tmp_path) as store, store.transaction() as connection:
        put_setting(connection, "a", bytes(50_000))
    path = tmp_path / "store.db"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StoreError) as caught, reopened(tmp_path) as store, store.read() as read:
        get_setting(read, "a")
    assert caught.value.code == "store_damaged"


def test_a_missing_file_is_damage_and_no_new_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "store.db", KEY)
    assert caught.value.code == "store_damaged"
    assert list(tmp_path.iterdir()) == []


def test_creating_never_overwrites(tmp_path: Path) -> None:
    with new_store(tmp_path):
        pass
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(StoreError) as caught:
        open_store(tmp_path / "store.db", KEY, create=True)
    assert caught.value.code == "unavailable"
    assert (tmp_path / "store.db").read_bytes() == before


def test_a_full_file_undoes_the_transaction_and_goes_on(tmp_path: Path) -> None:
    with new_store(tmp_path) as store:
        with store.read() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 5}")
        with pytest.raises(StoreError) as caught:
            _write_in_one(store, small=b"1", large=bytes(100_000))
        assert caught.value.code == "disk_full"
        with store.transaction() as connection:
            assert get_setting(connection, "small") is None
            put_setting(connection, "small", b"2")
        with store.read() as connection:
            assert get_setting(connection, "small") == b"2"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "sotto-test", str(folder)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a disk that can be full needs the right to mount one")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_nothing_that_was_committed(small_disk: Path) -> None:
    written, code = 0, ""
    with new_store(small_disk) as store:
        while not code:
            try:
                _write_in_one(store, **{f"{written:04}": bytes([written % 256]) * 8000})
                written += 1
            except StoreError as error:
                code = error.code
    assert code == "disk_full"
    assert written > 10
    with reopened(small_disk) as store, store.read() as connection:
        found = [get_setting(connection, f"{n:04}") for n in range(written + 1)]
    assert found[:written] == [bytes([n % 256]) * 8000 for n in range(written)]
    assert found[written] is None


CHILD = """
import os, signal, sys
from pathlib import Path
from storage.client.database import open_store
from storage.client.settings import put_setting
store = open_store(Path(sys.argv[1]), bytes(range(32)))
with store.transaction() as connection:
    put_setting(connection, "kept", b"1")
if sys.argv[2] == "hold":
    print("holding", flush=True)
    sys.stdin.read()
with store.transaction() as connection:
    put_setting(connection, "torn", bytes(5_000_000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_second_process_is_told_that_it_is_in_use(tmp_path: Path) -> None:
    with new_store(tmp_path):
        pass
    command = [sys.executable, "-c", CHILD, str(tmp_path / "store.db"), "hold"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"holding\n"
        with pytest.raises(StoreError) as caught:
            open_store(tmp_path / "store.db", KEY)
        child.kill()
    assert caught.value.code == "profile_in_use"
    with reopened(tmp_path) as store, store.read() as connection:
        assert get_setting(connection, "kept") == b"1"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_killed_inside_a_transaction_it_stands_where_it_was(tmp_path: Path) -> None:
    with new_store(tmp_path):
        pass
    command = [sys.executable, "-c", CHILD, str(tmp_path / "store.db"), "die"]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    with reopened(tmp_path) as store, store.read() as connection:
        assert get_setting(connection, "kept") == b"1"
        assert get_setting(connection, "torn") is None


def test_a52_no_consumed_key_stays_in_the_files(tmp_path: Path) -> None:
    """The layer of encryption off, so that what lies in the files can be seen at all."""
    path = tmp_path / "plain.db"
    raw = dbapi2.connect(str(path), isolation_level=None, check_same_thread=False)
    configure(raw)
    store = ClientStore(raw)
    with store.transaction() as connection:
        schema.create(connection)
    files = path, path.with_name("plain.db-wal")
    for n in range(300):
        with store.transaction() as connection:
            put_setting(connection, f"ratchet {n}", CANARY + bytes([n % 256]) * 700)
            row = add_message(connection, f"{CANARY.decode()} {n}", seq=n + 1)
        with store.transaction() as connection:
            delete_setting(connection, f"ratchet {n}")
            connection.execute(schema.timeline.delete().where(schema.timeline.c.id == row))
    # The write-ahead log holds them until it is truncated: else the test would show nothing.
    assert any(CANARY in file.read_bytes() for file in files)
    store.truncate_wal()
    assert [CANARY in file.read_bytes() for file in files] == [False, False]
    assert [b"4f1d" in file.read_bytes() for file in files] == [False, False]
    store.close()


def test_closing_leaves_one_file(tmp_path: Path) -> None:
    with new_store(tmp_path) as store, store.transaction() as connection:
        put_setting(connection, "a", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["store.db"]


def test_a_fault_of_our_own_is_not_blamed_on_the_disk(tmp_path: Path) -> None:

    with new_store(tmp_path) as store:
        with pytest.raises(OperationalError), store.transaction() as connection:
            connection.exec_driver_sql("SELECT nothing FROM nowhere")
        row = schema.group_rows.insert().values(conversation=bytes(16), key="x", value=b"")
        with pytest.raises(IntegrityError), store.transaction() as connection:
            connection.execute(row)


def test_an_error_shows_no_value_of_a_row(tmp_path: Path) -> None:

    with new_store(tmp_path) as store, store.transaction() as connection:
        put_setting(connection, "a", b"1")
        again = schema.settings.insert().values(key="a", value=CANARY)
        with pytest.raises(IntegrityError) as caught:
            connection.execute(again)
    assert CANARY.decode() not in str(caught.value)


def test_secrets_go_with_their_conversation(tmp_path: Path) -> None:

    tables: dict[Any, dict[str, Any]] = {
        schema.group_rows: {"key": "x", "value": CANARY},
        schema.running_hashes: {"seq": 1, "hash": CANARY},
        schema.pending_commits: {"transaction_id": b"t", "message": CANARY, "rows": CANARY},
        schema.counters: {"device": b"d" * 16, "counter": 1},
    }
    with new_store(tmp_path) as store:
        with store.transaction() as connection:
            for table, values in tables.items():
                connection.execute(table.insert().values(conversation=ROOM, **values))
            add_room(connection)
        with store.transaction() as connection:
            connection.execute(schema.conversations.delete())
        with store.read() as connection:
            assert [connection.execute(table.select()).all() for table in tables] == [[]] * 4
