"""Brings an older store to the newest schema with Alembic, in one transaction.

Never imported by a start whose schema is current: Alembic costs more than everything else of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from storage.client.database import ClientStore
from storage.errors import UNAVAILABLE, StoreError

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def upgrade(store: ClientStore, *, folder: Path = MIGRATIONS) -> None:
    """Run every migration of `folder` that `store` has not seen, all of them or none.

    Raises StoreError: unavailable when a newer Sotto has written the store, disk_full.
    """
    scripts = ScriptDirectory(str(folder))

    def steps(revision: Any, _context: MigrationContext) -> Any:
        try:
            return scripts._upgrade_revs("head", revision)
        except CommandError as error:  # it stands on a migration that is not in the folder
            text = "A newer Sotto has written this store; use that one."
            raise StoreError(UNAVAILABLE, text) from error

    with store.transaction() as connection:
        # Without `transactional_ddl` Alembic would commit after each step and tear the schema.
        options = {"fn": steps, "transactional_ddl": True}
        context = MigrationContext.configure(connection, opts=options)
        with Operations.context(context):
            context.run_migrations()
