"""The cipher suite of conversations and of KeyPackages: there was one, there are two.

Never changes once released: what it makes is what databases out there have.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Say of every row that is there that its suite is 1."""
    for table in ("key_packages", "conversations"):
        columns = {column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)}
        if "suite" not in columns:  # MySQL keeps what a migration had done when it was killed
            suite = sa.Column("suite", sa.Integer(), nullable=False, server_default="1")
            op.add_column(table, suite)
