"""Durable sends a second: the ratchet and the ciphertext are stored before the ciphertext leaves.

The engine's own code on a real encrypted store (SQLCipher, synchronous FULL), without a relay. The
share of fsync is the number of transactions times what an fdatasync of as many bytes takes in the
same folder, measured in the same round.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from crypto.mls.group import create
from crypto.mls.suite import SUITE_1
from engine.content import encode_body, text_body
from engine.context import Context
from engine.conversation import Conversation, State, Step, change_of, standing_of
from engine.group_policy import extensions_of
from engine.live import Live
from engine.outbox import BATCH
from engine.protecting import protect_rows
from storage.client import messaging, outgoing
from storage.client.outgoing import OutboxRow
from storage.client.thread import StoreThread
from tests.engine.table import RELAY, Person
from wire.policy import LOBBY_POLICY

AIM_A_SECOND = 2000
MESSAGES = 256
SHARED = 64
PROBES = 16
TEXT = "a" * 100
TARGET = "#lobby"
PAGE = 4096 + 24  # of the write-ahead log, with its header


@dataclass(frozen=True)
class _Way:
    """How many messages are queued, and then protected, in one transaction; 0: queued before."""

    title: str
    queued: int
    protected: int

    @property
    def transactions(self) -> float:
        """For one message."""
        return (1 / self.queued if self.queued else 0) + 1 / self.protected


WAYS = (
    _Way("one in a transaction", 0, 1),
    _Way(f"{BATCH} in one, as engine.outbox does", 0, BATCH),
    _Way(f"{SHARED} in one", 0, SHARED),
    _Way("with its queueing: alone", 1, 1),
    _Way(f"with its queueing: many wait, {BATCH} in one", 1, BATCH),
    _Way(f"with its queueing: {SHARED} in one, both", SHARED, SHARED),
)


@dataclass
class _Figures:
    each_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)
    fsync_s: list[float] = field(default_factory=list)

    @property
    def a_second(self) -> float:
        return 1 / statistics.median(self.each_s)

    def fsync_share(self, way: _Way) -> float:
        """Of the time of a message: the median of the rounds."""
        pairs = zip(self.each_s, self.fsync_s, strict=True)
        return statistics.median(way.transactions * one / each for each, one in pairs)


class _Sender:
    """A device alone in a lobby, whose outbox nobody empties but `sent`."""

    def __init__(self, store: StoreThread) -> None:
        nobody: Any = None  # protecting asks neither a relay nor a contact book
        self.context = Context(
            Person.named("alice").device(),
            store,
            link=nobody,
            contacts=nobody,
            relay_key=RELAY.public,
            emit=lambda event: None,
            spawn=lambda work: None,
        )
        self.live = Live(self.context, self._conversation(), told=lambda live, steps: None)

    async def start(self) -> None:
        """Store the conversation."""
        value = self.live.value
        change = change_of(replace(value, group=None), (Step(value),))
        await self.context.store.run(lambda connection: messaging.apply(connection, change))

    async def queue(self, count: int, together: int) -> list[OutboxRow]:
        """Take texts in, so many in a transaction."""
        rows: list[OutboxRow] = []
        for size in _batches(count, together):
            rows += await self.context.store.run(partial(self._queue, size))
        return rows

    async def protect(self, rows: Sequence[OutboxRow], together: int) -> None:
        """Make their ciphertexts, durable when this returns."""
        begin = 0
        for size in _batches(len(rows), together):
            sealed = await protect_rows(self.context, self.live, rows[begin : begin + size])
            assert len(sealed) == size
            begin += size

    async def sent(self, rows: Sequence[OutboxRow]) -> None:
        """Forget rows as if the relay had them."""
        numbers = [row.transaction_id for row in rows]
        value = self.live.value
        after = replace(value, own_counter=value.own_counter + len(rows))
        self.live.own.clear()

        def drop(connection: Any) -> None:
            for number in numbers:
                outgoing.drop(connection, number)

        await self.live.keep_value(after, drop)

    def _queue(self, count: int, connection: Any) -> list[OutboxRow]:
        body, now_ms = encode_body(text_body(TEXT)), self.context.now_ms()
        return [
            outgoing.queue(
                connection,
                target=TARGET,
                transaction_id=os.urandom(16),
                kind="text",
                body=body,
                now_ms=now_ms,
            )
            for _ in range(count)
        ]

    def _conversation(self) -> Conversation:
        policy, context = LOBBY_POLICY, self.context
        group, _ = create(
            suite=SUITE_1,
            group_id=os.urandom(16),
            config=context.keys.leaf_config(context.now_ms() // 1000),
            extensions=extensions_of(policy, relay_key=context.relay_key),
        )
        value = Conversation(group.group_id, policy.kind, policy.name, State.ACTIVE)
        return value.in_epoch(0, group, standing_of(group, relay_key=context.relay_key))


def measure(*, rounds: int) -> tuple[list[str], dict[str, Any]]:
    """Lines to print, and the same for programs."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        figures = asyncio.run(_rounds(Path(name), rounds))
    return list(_lines(figures)), {
        way.title: {
            "a_second": one.a_second,
            "cpu_s": statistics.median(one.cpu_s),
            "transactions_each": way.transactions,
            "fdatasync_s": statistics.median(one.fsync_s),
            "fsync_share": one.fsync_share(way),
            "aim_a_second": AIM_A_SECOND,
        }
        for way, one in figures.items()
    }


async def _rounds(folder: Path, rounds: int) -> dict[_Way, _Figures]:
    figures = {way: _Figures() for way in WAYS}
    store = await StoreThread.open(folder / "store.db", os.urandom(32), create=True)
    try:
        sender = _Sender(store)
        await sender.start()
        await _chunk(sender, WAYS[1], SHARED)  # warm
        disk = _Disk(folder)
        for _ in range(rounds):
            for way in WAYS:
                size_bytes = await _written(folder, sender, way)
                each_s, cpu_s = await _chunk(sender, way, MESSAGES)
                figures[way].each_s.append(each_s)
                figures[way].cpu_s.append(cpu_s)
                figures[way].fsync_s.append(disk.sync_s(size_bytes))
    finally:
        await store.close()
    return figures


async def _chunk(sender: _Sender, way: _Way, count: int) -> tuple[float, float]:
    """Seconds of one message, and of the processor."""
    rows = [] if way.queued else await sender.queue(count, SHARED)
    begun, cpu_begun = time.perf_counter(), time.process_time()
    if way.queued:
        rows = await sender.queue(count, way.queued)
    await sender.protect(rows, way.protected)
    took, cpu_took = time.perf_counter() - begun, time.process_time() - cpu_begun
    await sender.sent(rows)
    return took / count, cpu_took / count


async def _written(folder: Path, sender: _Sender, way: _Way) -> int:
    """How many bytes a transaction adds to the write-ahead log."""
    rows = await sender.queue(way.protected, SHARED)
    await sender.context.store.truncate_wal()
    await sender.protect(rows, way.protected)
    size_bytes = (folder / "store.db-wal").stat().st_size
    await sender.sent(rows)
    return max(PAGE, size_bytes)


class _Disk:
    """A file of this folder's disk, written over and over as the write-ahead log is."""

    SIZE = 4 << 20

    def __init__(self, folder: Path) -> None:
        self._path = folder / "plain"
        self._path.write_bytes(os.urandom(self.SIZE))

    def sync_s(self, size_bytes: int) -> float:
        """Seconds of one fdatasync after a write of so many bytes: the median of a few."""
        took = []
        data = os.urandom(size_bytes)
        descriptor = os.open(self._path, os.O_WRONLY)
        try:
            for number in range(PROBES):
                os.pwrite(descriptor, data, number * size_bytes % (self.SIZE - size_bytes))
                begun = time.perf_counter()
                os.fdatasync(descriptor)
                took.append(time.perf_counter() - begun)
        finally:
            os.close(descriptor)
        return statistics.median(took)


def _batches(count: int, most: int) -> Iterator[int]:
    for begin in range(0, count, most):
        yield min(most, count - begin)


def _lines(figures: dict[_Way, _Figures]) -> Iterator[str]:
    yield f"durable sends, {MESSAGES} messages a chunk (aim {AIM_A_SECOND:,} a second)"
    for way, one in figures.items():
        yield (
            f"  {way.title:<46}{one.a_second:8,.0f} a second"
            f"   fsync {one.fsync_share(way):4.0%} of the time"
            f" ({statistics.median(one.fsync_s) * 1000:.2f} ms each),"
            f" processor {statistics.median(one.cpu_s) * 1000:.2f} ms a message"
        )
