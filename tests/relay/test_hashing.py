import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any

import pytest

from relay.hashing import NICE, HashPool
from wire.errors import WireError


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(scenario)


def test_a63_the_queue_is_bounded_and_empties(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        pool, gate = HashPool(threads=1, capacity=3), threading.Event()
        tasks = [asyncio.create_task(pool.run(gate.wait)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(WireError) as refused:
            await pool.run(lambda: True)
        assert refused.value.code == "unavailable"
        gate.set()
        assert await asyncio.gather(*tasks) == [True] * 3
        assert pool.waiting == 0
        assert await pool.run(lambda: 7) == 7
        pool.close()

    run(scenario())


def test_a63_who_waited_too_long_is_told_and_costs_nothing_more() -> None:
    async def scenario() -> None:
        pool, gate, begun = HashPool(threads=1, patience_s=0.05), threading.Event(), []
        tasks = [
            asyncio.create_task(pool.run(lambda n=number: (begun.append(n), gate.wait())))
            for number in range(3)
        ]
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert isinstance(result, WireError)
            assert result.code == "unavailable"
        assert pool.waiting == 0
        gate.set()
        patient = HashPool(threads=1)
        assert await patient.run(lambda: 7) == 7
        for each in (pool, patient):
            each._pool.shutdown(wait=True)
        assert begun == [0]

    run(scenario())


def test_a_failure_comes_back_and_frees_its_place() -> None:
    async def scenario() -> None:
        pool = HashPool(threads=1, capacity=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await pool.run(lambda: 1 / 0)
        assert pool.waiting == 0
        pool.close()

    run(scenario())


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="priorities of threads are Linux's")
def test_a63_its_threads_give_way_to_everybody_else() -> None:
    async def scenario() -> None:
        pool = HashPool(threads=1)
        before = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        nice = await pool.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        assert nice == NICE
        assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
        pool.close()

    run(scenario())
