"""The tables of a client's store: one account's conversations, keys and messages.

Never opens a file and never decides anything: names, types and keys of columns only.

All times are integers in ms since 1970 (UTC), all identifiers of conversations, devices, messages
and transactions are 16 raw bytes; `extra` columns hold msgpack maps that only their owner reads.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Computed,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    literal_column,
)

HEAD: Final = "0001"
"""The newest migration under migrations/versions; a store that says another one is not ours yet."""

metadata: Final = MetaData()
_NO_BYTES: Final[ColumnElement[bytes]] = literal_column("x''")


def _conversation(*, primary_key: bool = False) -> Column[bytes]:
    """A reference whose rows go with the conversation, so that its secrets never outlive it."""
    reference = ForeignKey(
        "conversations.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"
    )
    return Column("conversation", LargeBinary, reference, primary_key=primary_key, nullable=False)


def _number(name: str, **options: Any) -> Column[int]:
    return Column(name, BigInteger, nullable=False, **options)


versions: Final = Table(
    "alembic_version", metadata, Column("version_num", String(32), primary_key=True)
)

settings: Final = Table(
    "settings",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

own_key_packages: Final = Table(
    "own_key_packages",
    metadata,
    Column("reference", LargeBinary, primary_key=True),
    Column("encoded", LargeBinary, nullable=False),
    Column("last_resort", Boolean, nullable=False),
    _number("created_at_ms"),
)

contacts: Final = Table(
    "contacts",
    metadata,
    Column("account", Text, primary_key=True),
    Column("display", Text, nullable=False),
    Column("root_identity", LargeBinary, nullable=False),
    Column("root_certificate", LargeBinary, nullable=False),
    _number("first_seen_at_ms"),
    Column("verified", Boolean, nullable=False),
    # A root that was seen since and waits for the person's word; until then nothing is sent.
    Column("changed_root_certificate", LargeBinary),
)

conversations: Final = Table(
    "conversations",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("peer", Text),
    Column("state", Text, nullable=False),  # active, waiting, removed, frozen, closed
    _number("cursor", server_default="0"),
    _number("stands_on", server_default="0"),
    _number("epoch_seq", server_default="0"),
    Column("epoch_hash", LargeBinary, nullable=False, server_default=_NO_BYTES),
    _number("own_counter", server_default="0"),
    _number("last_update_at_ms", server_default="0"),
    _number("sent_since_update", server_default="0"),
    _number("read_seq", server_default="0"),
    Column("notices_muted", Boolean, nullable=False, server_default="0"),
    Column("extra", LargeBinary, nullable=False, server_default=_NO_BYTES),
)

group_rows: Final = Table(
    "group_rows",
    metadata,
    _conversation(primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

running_hashes: Final = Table(
    "running_hashes",
    metadata,
    _conversation(primary_key=True),
    _number("seq", primary_key=True),
    Column("hash", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

pending_commits: Final = Table(
    "pending_commits",
    metadata,
    _conversation(primary_key=True),
    Column("transaction_id", LargeBinary, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("rows", LargeBinary, nullable=False),
    Column("extra", LargeBinary, nullable=False, server_default=_NO_BYTES),
)

counters: Final = Table(
    "counters",
    metadata,
    _conversation(primary_key=True),
    Column("device", LargeBinary, primary_key=True),
    _number("counter"),
    sqlite_with_rowid=False,
)

LAST_POSITION: Final = 1 << 62
"""Position of what has no place in the log yet: behind everything that has one."""

timeline: Final = Table(
    "timeline",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation", LargeBinary, nullable=False),
    Column("seq", BigInteger),
    # The log's order, whatever the order of writing: a queued message stands last until stored.
    Column("position", BigInteger, Computed(f"coalesce(seq, {LAST_POSITION})", persisted=False)),
    Column("kind", Text, nullable=False),
    Column("message_id", LargeBinary),
    Column("sender", Text, nullable=False),
    Column("sender_device", LargeBinary, nullable=False, server_default=_NO_BYTES),
    _number("sent_at_ms"),
    _number("arrived_at_ms"),
    Column("text", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("extra", LargeBinary, nullable=False, server_default=_NO_BYTES),
    Index("timeline_order", "conversation", "position", "id"),
    UniqueConstraint("conversation", "sender_device", "message_id"),
    sqlite_autoincrement=True,
)

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("conversation", LargeBinary),
    Column("target", Text, nullable=False),
    Column("transaction_id", LargeBinary, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("message", LargeBinary),
    Column("state", Text, nullable=False),
    _number("created_at_ms"),
    sqlite_autoincrement=True,
)

acks: Final = Table(
    "acks",
    metadata,
    Column("conversation", LargeBinary, primary_key=True),
    _number("seq", primary_key=True),
    Column("verdict", Text),
    sqlite_with_rowid=False,
)

room_secrets: Final = Table(
    "room_secrets",
    metadata,
    Column("conversation", LargeBinary, primary_key=True),
    Column("psk_id", LargeBinary, primary_key=True),
    Column("psk", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# `secure-delete` takes the words of a deleted message out of the index at once; otherwise they stay
# in old segments until a merge happens to drop them.
_SEARCH: Final = (
    "CREATE VIRTUAL TABLE timeline_words USING fts5(text, content='timeline', content_rowid='id',"
    ' tokenize="unicode61 remove_diacritics 2")',
    "INSERT INTO timeline_words(timeline_words, rank) VALUES ('secure-delete', 1)",
    "CREATE TRIGGER timeline_added AFTER INSERT ON timeline BEGIN"
    " INSERT INTO timeline_words(rowid, text) VALUES (new.id, new.text); END",
    "CREATE TRIGGER timeline_removed AFTER DELETE ON timeline BEGIN"
    " INSERT INTO timeline_words(timeline_words, rowid, text)"
    " VALUES ('delete', old.id, old.text); END",
    "CREATE TRIGGER timeline_changed AFTER UPDATE OF text ON timeline BEGIN"
    " INSERT INTO timeline_words(timeline_words, rowid, text) VALUES ('delete', old.id, old.text);"
    " INSERT INTO timeline_words(rowid, text) VALUES (new.id, new.text); END",
)


def create(connection: Connection) -> None:
    """Make every table, index and trigger of HEAD in an empty store, in the caller's transaction.

    Until the first release the first migration is this; from then on a change is a new migration.
    """
    metadata.create_all(connection, checkfirst=False)
    for statement in _SEARCH:
        connection.exec_driver_sql(statement)
    connection.execute(versions.insert().values(version_num=HEAD))
