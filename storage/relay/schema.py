"""The relay's tables as they are now; migrations/ holds how they came about.

Never a query. Times are ms since 1970, UTC; a time of 0 is never/not, of -1 for good.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
)

from storage.relay.columns import RowId, blob, key, text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _id() -> Column[int]:
    return Column("id", RowId, primary_key=True, autoincrement=True)


def _to(name: str, target: str, *, nullable: bool = False) -> Column[int]:
    return Column(name, RowId, ForeignKey(f"{target}.id"), nullable=nullable)


def _number(name: str, default: int = 0) -> Column[int]:
    return Column(name, BigInteger, nullable=False, default=default)


def _suite() -> Column[int]:
    """A cipher suite's number (wire/suites.py); rows from before there were two have suite 1."""
    return Column("suite", Integer, nullable=False, server_default="1")


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, default=False)


# Small facts about the relay as a whole: the stored admin code, the schema's home.
settings = Table(
    "settings",
    metadata,
    Column("name", text(64), primary_key=True),
    Column("value", text(512), nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    _id(),
    Column("name", text(64), nullable=False, unique=True),  # canonical
    Column("display", text(64), nullable=False),
    Column("skeleton", text(255), nullable=False, unique=True),
    Column("email", text(254), nullable=True, unique=True),
    Column("password_hash", text(100), nullable=False),
    Column("root", key(32), nullable=False, unique=True),
    Column("root_certificate", blob(), nullable=False),
    Column("sealed_root", blob(), nullable=False),
    _flag("is_admin"),
    _number("created_ms"),
    _number("banned_until_ms"),
    _number("muted_until_ms"),
    Column("reason", text(512), nullable=False, default=""),  # of the ban or, without one, the mute
    Column("ban_order", blob(), nullable=True),
    _number("stored_bytes"),
)

# Roots that an account had before a new identity: they come back under no name.
retired_roots = Table(
    "retired_roots",
    metadata,
    Column("root", key(32), primary_key=True),
    _to("account_id", "accounts"),
)

devices = Table(
    "devices",
    metadata,
    _id(),
    _to("account_id", "accounts"),
    Column("device", key(16), nullable=False, unique=True),
    Column("signature_key", key(32), nullable=False),
    Column("key_hash", key(32), nullable=False),  # SHA-256 of signature_key
    Column("certificate", blob(), nullable=False),
    _number("added_ms"),
    _number("seen_ms"),
    _number("revoked_ms"),
    _number("inbox_seq"),
    Index(None, "account_id"),
)

key_packages = Table(
    "key_packages",
    metadata,
    _id(),
    _to("device_id", "devices"),
    _suite(),
    _flag("last_resort"),
    Column("reference", key(32), nullable=False, unique=True),
    _number("not_after_s"),
    Column("package", blob(), nullable=False),
    Index(None, "device_id", "last_resort"),
)

conversations = Table(
    "conversations",
    metadata,
    _id(),
    Column("conversation", key(16), nullable=False, unique=True),
    _suite(),
    Column("kind", text(16), nullable=False),
    Column("name", text(64), nullable=False),
    Column("active_name", text(64), nullable=True, unique=True),  # NULL when closed
    Column(
        "pair", key(32), nullable=True, unique=True
    ),  # of a direct one's roots; NULL when closed
    Column("join_rule", text(16), nullable=False),
    Column("psk_id", key(16), nullable=True),
    _flag("locked"),  # a password room waits for a new password
    _flag("closed"),
    _to("founder_id", "devices"),
    _number("last_seq"),
    _number("head_seq"),  # newest commit or proposal
    _number("commit_seq"),  # newest commit that is not undone
    _number("epoch"),
    _number("pending"),  # removals that no commit has carried out
    _number("members_version"),  # grows when the set of readers changes
    _number("contested"),  # commits that somebody refused and nothing decided
    Index(None, "kind", "active_name"),
    Index(None, "contested"),
)

# The roots that a direct conversation is for: one row each.
direct_roots = Table(
    "direct_roots",
    metadata,
    Column("root", key(32), primary_key=True),
    Column("conversation_id", RowId, ForeignKey("conversations.id"), primary_key=True),
    Index(None, "conversation_id"),
)

# Runs of a log's entries, as they came in together: what Entries and Fetched carry.
segments = Table(
    "segments",
    metadata,
    _id(),
    _to("conversation_id", "conversations"),
    _number("first_seq"),
    _number("last_seq"),
    _number("arrived_ms"),  # the last of them
    Column("entries", blob(), nullable=False),
    Column("origins", blob(), nullable=False),  # whose each is: relay/segments.py
    UniqueConstraint("conversation_id", "first_seq"),
)

# What a device may send again without its being stored twice; a row goes with its entry. The key
# is the order of the table: of one device, numbers that grow lie side by side.
transactions = Table(
    "transactions",
    metadata,
    # The id first: those of a time lie together, whoever sent them (see wire/limits.py).
    Column("transaction_id", key(16), primary_key=True),
    Column("device_id", RowId, primary_key=True, autoincrement=False),
    _number("conversation_id"),
    _number("seq"),
    sqlite_with_rowid=False,
)

commits = Table(
    "commits",
    metadata,
    _id(),
    _to("conversation_id", "conversations"),
    _number("seq"),  # 0: the founding
    _number("parent_seq", -1),
    _number("epoch"),  # that it opened
    _to("device_id", "devices"),
    Column("root_hash", key(32), nullable=False),
    Column("group_info", blob(), nullable=False),
    Column("welcome", blob(), nullable=True),
    _flag("undone"),
    _number("voters"),
    _number("accepted"),
    _number("refused"),
    _number("first_refused_ms"),
    UniqueConstraint("conversation_id", "seq"),
    Index(None, "conversation_id", "epoch"),
)

votes = Table(
    "votes",
    metadata,
    Column("commit_id", RowId, ForeignKey("commits.id"), primary_key=True),
    Column("device_id", RowId, ForeignKey("devices.id"), primary_key=True),
    Column("verdict", Integer, nullable=False),
)

# One row for each stay of a device in a conversation.
memberships = Table(
    "memberships",
    metadata,
    _id(),
    _to("conversation_id", "conversations"),
    _to("device_id", "devices"),
    _to("account_id", "accounts"),
    _number("leaf"),
    Column("key_hash", key(32), nullable=False),
    _number("added_seq"),
    Column("removed_seq", BigInteger, nullable=True),
    _number("cursor"),
    Index(None, "conversation_id", "removed_seq"),
    Index(None, "device_id", "conversation_id"),
    Index(None, "account_id", "conversation_id"),
)

nodes = Table(
    "nodes",
    metadata,
    Column("conversation_id", RowId, ForeignKey("conversations.id"), primary_key=True),
    Column("hash", key(32), primary_key=True),
    _number("brought_seq"),  # the newest commit that brought it
    Column("node", blob(), nullable=False),
)

removals = Table(
    "removals",
    metadata,
    _id(),
    _to("conversation_id", "conversations"),
    _to("membership_id", "memberships"),
    Column("request", blob(), nullable=True),  # the signed order, encoded
    Column("issued_on", text(255), nullable=False, default=""),  # commits, by number
    Column("done_seq", BigInteger, nullable=True),
    Index(None, "conversation_id", "done_seq"),
    Index(None, "membership_id"),
)

inbox = Table(
    "inbox",
    metadata,
    _id(),
    _to("device_id", "devices"),
    _number("seq"),
    _to("commit_id", "commits"),
    UniqueConstraint("device_id", "seq"),
    Index(None, "commit_id"),
)

audit = Table(
    "audit",
    metadata,
    _id(),
    _number("at_ms"),
    Column("by", text(64), nullable=False),
    Column("act", text(32), nullable=False),
    Column("name", text(64), nullable=False),
    Column("reason", text(512), nullable=False),
    _number("until_ms"),
)
