"""What Alembic runs to find the connection that migrate() handed it.

Never opens one of its own.
"""

from __future__ import annotations

from alembic import context

from storage.relay.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
context.run_migrations()
