"""Runs a store's transactions in its one thread, so that the event loop never waits for the disk.

Never abandons a transaction that was begun, and never runs two at once or out of order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # the database is loaded when a store is opened: a menu asks nobody for one
    from sqlalchemy import Connection

    from storage.client.database import ClientStore

T = TypeVar("T")


class StoreThread:
    """One account's store behind its own thread. Every method may raise StoreError."""

    def __init__(self, store: ClientStore, executor: ThreadPoolExecutor) -> None:
        """Use `open` instead: `executor` has one thread, and the store is used there only."""
        self._store = store
        self._executor = executor
        self._closed = False

    @classmethod
    async def open(cls, path: Path, key: bytes, *, create: bool = False) -> StoreThread:
        """Open the store at `path` (see `database.open_store`) in a new thread."""
        from storage.client.database import open_store

        executor = ThreadPoolExecutor(1, thread_name_prefix="store")
        opened: list[ClientStore] = []
        try:
            work = partial(open_store, path, key, create=create)
            return cls(await finish(executor, work, then=opened.append), executor)
        except BaseException:
            for store in opened:  # cancelled: nobody else will close it
                store.close()
            executor.shutdown(wait=False)
            raise

    async def run(
        self, work: Callable[[Connection], T], *, then: Callable[[T], None] | None = None
    ) -> T:
        """Return work(connection) once its write transaction is durable; undone if `work` raises.

        When the waiting task is cancelled the transaction is finished first. `then` is called with
        the result as soon as it is durable, cancelled or not: state in memory that must not fall
        behind the disk (a ratchet above all) is assigned there.
        """
        return await finish(self._executor, lambda: self._write(work), then=then)

    async def query(self, work: Callable[[Connection], T]) -> T:
        """Return work(connection), which only reads; what it writes is undone."""
        return await finish(self._executor, lambda: self._read(work))

    async def truncate_wal(self) -> None:
        """Leave no old page beside the file; call it after each epoch."""
        await finish(self._executor, self._store.truncate_wal)

    async def close(self) -> None:
        """Finish what was begun and close the file. A second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            await finish(self._executor, self._store.close)
        finally:
            self._executor.shutdown(wait=False)

    def _write(self, work: Callable[[Connection], T]) -> T:
        with self._store.transaction() as connection:
            return work(connection)

    def _read(self, work: Callable[[Connection], T]) -> T:
        with self._store.read() as connection:
            return work(connection)


async def finish(
    executor: ThreadPoolExecutor | None,
    work: Callable[[], T],
    *,
    then: Callable[[T], None] | None = None,
) -> T:
    """Return work() from `executor` (None: the loop's); a cancellation waits for its end."""
    future = asyncio.get_running_loop().run_in_executor(executor, work)
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    failed = future.exception()
    if then is not None and failed is None:
        then(future.result())
    if cancelled is not None:
        raise cancelled
    return future.result()
