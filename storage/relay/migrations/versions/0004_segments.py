"""Entries that came in together lie in one row, and transactions in a table of their own.

Never changes once released: what it makes is what databases out there have.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

from storage.relay.columns import RowId, blob, key

revision = "0004"
down_revision = "0003"

_ENTRIES_PER_SEGMENT = 256
_SEGMENT_BYTES = 256 << 10
_encode = msgspec.msgpack.encode


def upgrade() -> None:
    """Make the tables, and move what there is."""
    connection = op.get_bind()
    tables = sa.inspect(connection).get_table_names()
    # MySQL keeps what a migration had done when it was killed: what was moved is moved again.
    for name in ("segments", "transactions"):
        if name in tables and "entries" in tables:
            op.drop_table(name)
    if "entries" not in tables:
        return
    segments, transactions = _create()
    for segment, sent in _runs(connection):
        connection.execute(sa.insert(segments), segment)
        if sent:
            connection.execute(sa.insert(transactions), sent)
    op.drop_table("entries")


def _create() -> tuple[sa.Table, sa.Table]:
    segments = op.create_table(
        "segments",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column(
            "conversation_id",
            RowId,
            sa.ForeignKey("conversations.id", name="fk_segments_conversation_id"),
            nullable=False,
        ),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.Column("entries", blob(), nullable=False),
        sa.Column("origins", blob(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_segments"),
        sa.UniqueConstraint(
            "conversation_id", "first_seq", name="uq_segments_conversation_id_first_seq"
        ),
    )
    if op.get_bind().dialect.name == "postgresql":  # ciphertext does not get smaller
        op.execute("ALTER TABLE segments ALTER COLUMN entries SET STORAGE EXTERNAL")
    transactions = op.create_table(
        "transactions",
        sa.Column("transaction_id", key(16), nullable=False),
        sa.Column("device_id", RowId, autoincrement=False, nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("transaction_id", "device_id", name="pk_transactions"),
        sqlite_with_rowid=False,
    )
    return segments, transactions


def _runs(connection: sa.Connection) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield each run of entries without gaps as a segment's row, and its transactions' rows."""
    entries = sa.Table("entries", sa.MetaData(), autoload_with=connection)
    devices = sa.Table("devices", sa.MetaData(), autoload_with=connection)
    query = sa.select(devices.c.id, devices.c.account_id)
    accounts = {row.id: row.account_id for row in connection.execute(query)}
    after = (0, -1)
    while run := _run(connection, entries, after):
        after = (run[-1].conversation_id, run[-1].seq)
        origins = [
            (accounts.get(e.device_id, 0), e.device_id or 0, len(e.message), [e.transaction_id])
            for e in run
        ]
        segment = {
            "conversation_id": run[0].conversation_id,
            "first_seq": run[0].seq,
            "last_seq": run[-1].seq,
            "arrived_ms": run[-1].arrived_ms,
            "entries": _encode([(e.seq, e.arrived_ms, e.message) for e in run]),
            "origins": _encode(origins),
        }
        sent = [
            {
                "device_id": e.device_id,
                "transaction_id": e.transaction_id,
                "conversation_id": e.conversation_id,
                "seq": e.seq,
            }
            for e in run
            if e.transaction_id is not None
        ]
        yield segment, sent


def _run(connection: sa.Connection, entries: sa.Table, after: tuple[int, int]) -> list[Any]:
    row, seq = after
    later = sa.or_(
        entries.c.conversation_id > row,
        sa.and_(entries.c.conversation_id == row, entries.c.seq > seq),
    )
    query = sa.select(entries).where(later).order_by(entries.c.conversation_id, entries.c.seq)
    run: list[Any] = []
    size = 0
    for entry in connection.execute(query.limit(_ENTRIES_PER_SEGMENT)).all():
        size += len(entry.message)
        follows = not run or (
            entry.conversation_id == run[-1].conversation_id and entry.seq == run[-1].seq + 1
        )
        if run and (not follows or size > _SEGMENT_BYTES):
            break
        run.append(entry)
    return run
