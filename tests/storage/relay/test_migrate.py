"""Migrations: they make the schema, wholly or not at all, and leave newer databases alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    insert,
    inspect,
    select,
    text,
)

from relay import segments as log
from storage.relay import conversation_rows, segment_rows, transaction_rows
from storage.relay import migrate as module
from storage.relay.columns import blob, key
from storage.relay.database import open_database
from storage.relay.errors import UnknownSchema
from storage.relay.migrate import HEAD, migrate, schema_version
from storage.relay.schema import (
    accounts,
    conversations,
    devices,
    key_packages,
    metadata,
    segments,
    transactions,
)
from tests.relay.actors import World
from tests.relay.databases import DATABASES, empty_database

VERSIONS = Path(module.__file__).parent / "migrations" / "versions"


@pytest.mark.parametrize("kind", DATABASES)
def test_they_make_the_schema(kind: str, tmp_path: Path) -> None:
    with empty_database(kind, tmp_path) as database, database.read() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        assert schema_version(connection) == HEAD


@pytest.mark.parametrize("is_half_done", [False, True])
@pytest.mark.parametrize("kind", DATABASES)
def test_what_was_there_before_there_were_two_suites_is_of_suite_1(
    kind: str, is_half_done: bool, tmp_path: Path
) -> None:
    """`is_half_done`: MySQL commits each change of a table by itself, and a start can be killed."""
    tables = (conversations,) if is_half_done else (key_packages, conversations)
    with empty_database(kind, tmp_path) as database:
        with database.write() as connection:
            for table in tables:
                connection.execute(text(f"ALTER TABLE {table.name} DROP COLUMN suite"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
            _insert_old_rows(connection)
        assert migrate(database)
        with database.read() as connection:
            for table in (key_packages, conversations):
                assert connection.execute(select(table.c.suite)).scalars().all() == [1]
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@pytest.mark.parametrize("is_half_done", [False, True])
@pytest.mark.parametrize("kind", DATABASES)
def test_entries_that_lay_alone_lie_in_segments(
    kind: str, is_half_done: bool, tmp_path: Path
) -> None:
    with empty_database(kind, tmp_path) as database:
        alice = World(database).account("Alice")
        rooms = [alice.room("one"), alice.room("other")]
        with database.write() as connection:
            found = [conversation_rows.find(connection, room) for room in rooms]
            one, other = (each.id for each in found if each is not None)
            if not is_half_done:
                transactions.drop(connection)
                segments.drop(connection)
            entries = _old_entries()
            entries.create(connection)
            seqs = [(one, seq) for seq in (*range(3, 300), 305, 306)] + [(other, 1)]
            rows = [_old_entry(alice.who.device_row, *each) for each in seqs]
            rows[1] |= {"device_id": None, "transaction_id": None}  # by the relay
            connection.execute(insert(entries), rows)
            connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
        assert migrate(database)
        with database.read() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            bounds = [segment_rows.oldest(connection, row, 9) for row in (one, other)]
            assert bounds == [[(3, 258, 2580), (259, 299, 2990), (305, 306, 3060)], [(1, 1, 10)]]
            kept = log.read(connection, one, after=0, last=999, limit=999, budget_bytes=1 << 20)
            assert [(e.seq, e.arrived_at_ms, e.message) for e in kept] == [
                (seq, seq * 10, b"m%d" % seq) for row, seq in seqs if row == one
            ]
            (packed,) = segment_rows.origins_of(connection, one, [3])
            mine = (alice.who.account_id, alice.who.device_row, len(b"m3"))
            assert list(log.origins_of(packed))[:2] == [
                (*mine, (rows[0]["transaction_id"],)),
                (0, 0, len(b"m4"), (None,)),
            ]
            keys = [(alice.who.device_row, row["transaction_id"] or bytes(16)) for row in rows]
            sent = transaction_rows.find(connection, keys)
            assert [(t.conversation_id, t.seq) for t in sent.values()] == [seqs[0], *seqs[2:]]


def _old_entries() -> Table:
    return Table(
        "entries",
        MetaData(),
        Column("id", Integer, primary_key=True, autoincrement=True),
        Column("conversation_id", BigInteger, nullable=False),
        Column("seq", BigInteger, nullable=False),
        Column("device_id", BigInteger, nullable=True),
        Column("transaction_id", key(16), nullable=True),
        Column("arrived_ms", BigInteger, nullable=False),
        Column("message", blob(), nullable=False),
    )


def _old_entry(device: int, row: int, seq: int) -> dict[str, Any]:
    return {
        "conversation_id": row,
        "seq": seq,
        "device_id": device,
        "transaction_id": row.to_bytes(8) + seq.to_bytes(8),
        "arrived_ms": seq * 10,
        "message": b"m%d" % seq,
    }


def _insert_old_rows(connection: Connection) -> None:
    some = {"root": bytes(32), "root_certificate": b"", "sealed_root": b"", "password_hash": ""}
    account = insert(accounts).values(id=1, name="a", display="a", skeleton="a", **some)
    connection.execute(account)
    keys = {"signature_key": bytes(32), "key_hash": bytes(32), "certificate": b""}
    connection.execute(insert(devices).values(id=1, account_id=1, device=bytes(16), **keys))
    package = {"reference": bytes(32), "package": b""}
    connection.execute(insert(key_packages).values(device_id=1, **package))
    room = {"kind": "room", "name": "room", "join_rule": "open", "founder_id": 1}
    connection.execute(insert(conversations).values(conversation=bytes(16), **room))


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
