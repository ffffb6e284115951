"""storage.client.thread: in order, never abandoned, and told to memory once it is durable."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from storage.client.settings import get_setting, put_setting
from storage.client.thread import StoreThread
from storage.errors import StoreError
from tests.storage.client.stores import KEY


async def _opened(folder: Path) -> StoreThread:
    return await StoreThread.open(folder / "store.db", KEY, create=True)


def test_it_writes_and_reads_in_another_thread(tmp_path: Path) -> None:
    async def main() -> None:
        store = await _opened(tmp_path)
        names: list[int] = []

        def work(connection: Connection) -> str:
            names.append(threading.get_ident())
            put_setting(connection, "a", b"1")
            return "done"

        assert await store.run(work) == "done"
        assert await store.query(lambda connection: get_setting(connection, "a")) == b"1"
        assert names != [threading.get_ident()]
        await store.close()

    asyncio.run(main())


def test_calls_are_done_in_the_order_in_which_they_were_made(tmp_path: Path) -> None:
    async def main() -> list[int]:
        store = await _opened(tmp_path)
        done: list[int] = []

        async def one(n: int) -> None:
            await store.run(lambda connection: put_setting(connection, "n", bytes([n])))
            done.append(n)

        await asyncio.gather(*(one(n) for n in range(50)))
        await store.close()
        return done

    assert asyncio.run(main()) == list(range(50))


def test_an_error_reaches_the_caller_and_nothing_is_kept(tmp_path: Path) -> None:
    async def main() -> None:
        store = await _opened(tmp_path)

        def work(connection: Connection) -> None:
            put_setting(connection, "a", b"1")
            raise KeyError("ours")

        told: list[None] = []
        with pytest.raises(KeyError, match="ours"):
            await store.run(work, then=told.append)
        assert told == []
        assert await store.query(lambda connection: get_setting(connection, "a")) is None
        await store.close()

    asyncio.run(main())


def test_a_cancelled_writer_finishes_and_tells_memory(tmp_path: Path) -> None:
    async def main() -> None:
        store = await _opened(tmp_path)
        begun, go_on = threading.Event(), threading.Event()
        told: list[str] = []

        def work(connection: Connection) -> str:
            begun.set()
            assert go_on.wait(30)
            put_setting(connection, "a", b"1")
            return "durable"

        task = asyncio.create_task(store.run(work, then=told.append))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        await asyncio.sleep(0)  # the cancellation is delivered while the transaction is open
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told == ["durable"]
        assert await store.query(lambda connection: get_setting(connection, "a")) == b"1"
        await store.close()

    asyncio.run(main())


def test_cancelled_while_opening_it_leaves_the_store_closed(tmp_path: Path) -> None:
    async def main() -> None:
        task = asyncio.create_task(_opened(tmp_path))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = await StoreThread.open(tmp_path / "store.db", KEY)
        await again.close()

    asyncio.run(main())


def test_opening_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        asyncio.run(StoreThread.open(tmp_path / "store.db", KEY))
    assert caught.value.code == "store_damaged"


def test_truncating_and_closing_twice(tmp_path: Path) -> None:
    async def main() -> None:
        store = await _opened(tmp_path)
        await store.run(lambda connection: put_setting(connection, "a", b"1"))
        assert (tmp_path / "store.db-wal").stat().st_size > 0
        await store.truncate_wal()
        assert (tmp_path / "store.db-wal").stat().st_size == 0
        await store.close()
        await store.close()

    asyncio.run(main())
