"""The first schema. Never changes once a version of Sotto has been released."""

from __future__ import annotations

from alembic import op

from storage.client import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table; Alembic's own row is written by Alembic."""
    connection = op.get_bind()
    schema.versions.drop(connection)
    schema.create(connection)
    connection.execute(schema.versions.delete())
