"""An index for the peers of a direct conversation: they are looked up for every message there.

Never changes once released: what it makes is what databases out there have.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Find the roots of a conversation without reading those of all others."""
    op.create_index("ix_direct_roots_conversation_id", "direct_roots", ["conversation_id"])
