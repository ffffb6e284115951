"""The first tables.

Never changes once released: what it makes is what databases out there have.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.relay.columns import RowId, blob, key, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table, those that others refer to first."""
    _accounts()
    _audit()
    _settings()
    _devices()
    _retired_roots()
    _conversations()
    _key_packages()
    _commits()
    _direct_roots()
    _entries()
    _memberships()
    _nodes()
    _inbox()
    _removals()
    _votes()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("name", text(64), nullable=False),
        sa.Column("display", text(64), nullable=False),
        sa.Column("skeleton", text(255), nullable=False),
        sa.Column("email", text(254), nullable=True),
        sa.Column("password_hash", text(100), nullable=False),
        sa.Column("root", key(32), nullable=False),
        sa.Column("root_certificate", blob(), nullable=False),
        sa.Column("sealed_root", blob(), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("banned_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("muted_until_ms", sa.BigInteger(), nullable=False),
        sa.Column("reason", text(512), nullable=False),
        sa.Column("ban_order", blob(), nullable=True),
        sa.Column("stored_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("email", name=op.f("uq_accounts_email")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
        sa.UniqueConstraint("root", name=op.f("uq_accounts_root")),
        sa.UniqueConstraint("skeleton", name=op.f("uq_accounts_skeleton")),
    )


def _audit() -> None:
    op.create_table(
        "audit",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("by", text(64), nullable=False),
        sa.Column("act", text(32), nullable=False),
        sa.Column("name", text(64), nullable=False),
        sa.Column("reason", text(512), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )


def _settings() -> None:
    op.create_table(
        "settings",
        sa.Column("name", text(64), nullable=False),
        sa.Column("value", text(512), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("account_id", RowId, nullable=False),
        sa.Column("device", key(16), nullable=False),
        sa.Column("signature_key", key(32), nullable=False),
        sa.Column("key_hash", key(32), nullable=False),
        sa.Column("certificate", blob(), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("seen_ms", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ms", sa.BigInteger(), nullable=False),
        sa.Column("inbox_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_devices_account_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_devices")),
        sa.UniqueConstraint("device", name=op.f("uq_devices_device")),
    )
    op.create_index(op.f("ix_devices_account_id"), "devices", ["account_id"])


def _retired_roots() -> None:
    op.create_table(
        "retired_roots",
        sa.Column("root", key(32), nullable=False),
        sa.Column("account_id", RowId, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_retired_roots_account_id")
        ),
        sa.PrimaryKeyConstraint("root", name=op.f("pk_retired_roots")),
    )


def _conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("conversation", key(16), nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("name", text(64), nullable=False),
        sa.Column("active_name", text(64), nullable=True),
        sa.Column("pair", key(32), nullable=True),
        sa.Column("join_rule", text(16), nullable=False),
        sa.Column("psk_id", key(16), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.Column("founder_id", RowId, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("head_seq", sa.BigInteger(), nullable=False),
        sa.Column("commit_seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.Column("members_version", sa.BigInteger(), nullable=False),
        sa.Column("contested", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["founder_id"], ["devices.id"], name=op.f("fk_conversations_founder_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("active_name", name=op.f("uq_conversations_active_name")),
        sa.UniqueConstraint("conversation", name=op.f("uq_conversations_conversation")),
        sa.UniqueConstraint("pair", name=op.f("uq_conversations_pair")),
    )
    op.create_index(
        op.f("ix_conversations_kind_active_name"), "conversations", ["kind", "active_name"]
    )
    op.create_index(op.f("ix_conversations_contested"), "conversations", ["contested"])


def _key_packages() -> None:
    op.create_table(
        "key_packages",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("device_id", RowId, nullable=False),
        sa.Column("last_resort", sa.Boolean(), nullable=False),
        sa.Column("reference", key(32), nullable=False),
        sa.Column("not_after_s", sa.BigInteger(), nullable=False),
        sa.Column("package", blob(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_key_packages_device_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_packages")),
        sa.UniqueConstraint("reference", name=op.f("uq_key_packages_reference")),
    )
    op.create_index(
        op.f("ix_key_packages_device_id_last_resort"), "key_packages", ["device_id", "last_resort"]
    )


def _commits() -> None:
    op.create_table(
        "commits",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("conversation_id", RowId, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("parent_seq", sa.BigInteger(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("device_id", RowId, nullable=False),
        sa.Column("root_hash", key(32), nullable=False),
        sa.Column("group_info", blob(), nullable=False),
        sa.Column("welcome", blob(), nullable=True),
        sa.Column("undone", sa.Boolean(), nullable=False),
        sa.Column("voters", sa.BigInteger(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("first_refused_ms", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_commits_conversation_id")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_commits_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commits")),
        sa.UniqueConstraint("conversation_id", "seq", name=op.f("uq_commits_conversation_id_seq")),
    )
    op.create_index(
        op.f("ix_commits_conversation_id_epoch"), "commits", ["conversation_id", "epoch"]
    )


def _direct_roots() -> None:
    op.create_table(
        "direct_roots",
        sa.Column("root", key(32), nullable=False),
        sa.Column("conversation_id", RowId, nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_direct_roots_conversation_id")
        ),
        sa.PrimaryKeyConstraint("root", "conversation_id", name=op.f("pk_direct_roots")),
    )


def _entries() -> None:
    op.create_table(
        "entries",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("conversation_id", RowId, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("device_id", RowId, nullable=True),
        sa.Column("transaction_id", key(16), nullable=True),
        sa.Column("arrived_ms", sa.BigInteger(), nullable=False),
        sa.Column("message", blob(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_entries_conversation_id")
        ),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_entries_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("conversation_id", "seq", name=op.f("uq_entries_conversation_id_seq")),
        sa.UniqueConstraint(
            "device_id", "transaction_id", name=op.f("uq_entries_device_id_transaction_id")
        ),
    )


def _memberships() -> None:
    op.create_table(
        "memberships",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("conversation_id", RowId, nullable=False),
        sa.Column("device_id", RowId, nullable=False),
        sa.Column("account_id", RowId, nullable=False),
        sa.Column("leaf", sa.BigInteger(), nullable=False),
        sa.Column("key_hash", key(32), nullable=False),
        sa.Column("added_seq", sa.BigInteger(), nullable=False),
        sa.Column("removed_seq", sa.BigInteger(), nullable=True),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_memberships_account_id")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_memberships_conversation_id")
        ),
        sa.ForeignKeyConstraint(
            ["device_id"], ["devices.id"], name=op.f("fk_memberships_device_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
    )
    op.create_index(
        op.f("ix_memberships_account_id_conversation_id"),
        "memberships",
        ["account_id", "conversation_id"],
    )
    op.create_index(
        op.f("ix_memberships_conversation_id_removed_seq"),
        "memberships",
        ["conversation_id", "removed_seq"],
    )
    op.create_index(
        op.f("ix_memberships_device_id_conversation_id"),
        "memberships",
        ["device_id", "conversation_id"],
    )


def _nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("conversation_id", RowId, nullable=False),
        sa.Column("hash", key(32), nullable=False),
        sa.Column("brought_seq", sa.BigInteger(), nullable=False),
        sa.Column("node", blob(), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_nodes_conversation_id")
        ),
        sa.PrimaryKeyConstraint("conversation_id", "hash", name=op.f("pk_nodes")),
    )


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("device_id", RowId, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("commit_id", RowId, nullable=False),
        sa.ForeignKeyConstraint(["commit_id"], ["commits.id"], name=op.f("fk_inbox_commit_id")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_inbox_device_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("device_id", "seq", name=op.f("uq_inbox_device_id_seq")),
    )
    op.create_index(op.f("ix_inbox_commit_id"), "inbox", ["commit_id"])


def _removals() -> None:
    op.create_table(
        "removals",
        sa.Column("id", RowId, autoincrement=True, nullable=False),
        sa.Column("conversation_id", RowId, nullable=False),
        sa.Column("membership_id", RowId, nullable=False),
        sa.Column("request", blob(), nullable=True),
        sa.Column("issued_on", text(255), nullable=False),
        sa.Column("done_seq", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_removals_conversation_id")
        ),
        sa.ForeignKeyConstraint(
            ["membership_id"], ["memberships.id"], name=op.f("fk_removals_membership_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_removals")),
    )
    op.create_index(
        op.f("ix_removals_conversation_id_done_seq"), "removals", ["conversation_id", "done_seq"]
    )
    op.create_index(op.f("ix_removals_membership_id"), "removals", ["membership_id"])


def _votes() -> None:
    op.create_table(
        "votes",
        sa.Column("commit_id", RowId, nullable=False),
        sa.Column("device_id", RowId, nullable=False),
        sa.Column("verdict", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["commit_id"], ["commits.id"], name=op.f("fk_votes_commit_id")),
        sa.ForeignKeyConstraint(["device_id"], ["devices.id"], name=op.f("fk_votes_device_id")),
        sa.PrimaryKeyConstraint("commit_id", "device_id", name=op.f("pk_votes")),
    )
