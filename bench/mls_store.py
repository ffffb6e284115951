"""Durable sends a second: the ratchet and the ciphertext are stored before the ciphertext leaves.

The engine's own code on a real encrypted store (SQLCipher, synchronous FULL), without a relay. The
time in fsync is what the store's thread spends inside transactions neither running nor waiting for
a processor (Linux tells both): nothing else in a transaction can block.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
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
TEXT = "a" * 100
TARGET = "#lobby"


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

    @property
    def unhindered_a_second(self) -> float:
        """As if no other program had wanted the processor."""
        pairs = zip(self.cpu_s, self.fsync_s, strict=True)
        return 1 / statistics.median(cpu + fsync for cpu, fsync in pairs)

    @property
    def fsync_share(self) -> float:
        """Of the time that is not spent waiting for a processor."""
        return statistics.median(self.fsync_s) * self.unhindered_a_second


class _WatchedStore(StoreThread):
    """The store, with a count of the seconds for which its transactions were blocked."""

    blocked_s = 0.0

    def _write(self, work: Callable[[Any], Any]) -> Any:
        before_s = _blockable_s()
        try:
            return super()._write(work)
        finally:
            self.blocked_s += _blockable_s() - before_s


def _blockable_s() -> float:
    """A clock of this thread that stands still while it runs or waits for a processor."""
    schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text()
    _, waited_ns, _ = schedule.split()
    return time.perf_counter() - time.thread_time() - int(waited_ns) / 1e9


class _Sender:
    """A device alone in a lobby, whose outbox nobody empties but `sent`."""

    def __init__(self, store: _WatchedStore) -> None:
        self.store = store
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
            "fsync_s": statistics.median(one.fsync_s),
            "fsync_share": one.fsync_share,
            "unhindered_a_second": one.unhindered_a_second,
            "aim_a_second": AIM_A_SECOND,
        }
        for way, one in figures.items()
    }


async def _rounds(folder: Path, rounds: int) -> dict[_Way, _Figures]:
    figures = {way: _Figures() for way in WAYS}
    store = await _WatchedStore.open(folder / "store.db", os.urandom(32), create=True)
    assert isinstance(store, _WatchedStore)
    try:
        sender = _Sender(store)
        await sender.start()
        await _chunk(sender, WAYS[1], SHARED)  # warm
        for _ in range(rounds):
            for way in WAYS:
                each_s, cpu_s, fsync_s = await _chunk(sender, way, MESSAGES)
                figures[way].each_s.append(each_s)
                figures[way].cpu_s.append(cpu_s)
                figures[way].fsync_s.append(fsync_s)
    finally:
        await store.close()
    return figures


async def _chunk(sender: _Sender, way: _Way, count: int) -> tuple[float, float, float]:
    """Seconds of one message: by the clock, of the processor, in fsync."""
    rows = [] if way.queued else await sender.queue(count, SHARED)
    sender.store.blocked_s = 0.0
    begun, cpu_begun = time.perf_counter(), time.process_time()
    if way.queued:
        rows = await sender.queue(count, way.queued)
    await sender.protect(rows, way.protected)
    took, cpu_took = time.perf_counter() - begun, time.process_time() - cpu_begun
    blocked_s = sender.store.blocked_s
    await sender.sent(rows)
    return took / count, cpu_took / count, blocked_s / count


def _batches(count: int, most: int) -> Iterator[int]:
    for begin in range(0, count, most):
        yield min(most, count - begin)


def _lines(figures: dict[_Way, _Figures]) -> Iterator[str]:
    yield f"durable sends (aim {AIM_A_SECOND:,} a second; in brackets: on a machine left alone)"
    for way, one in figures.items():
        yield (
            f"  {way.title:<46}{one.a_second:8,.0f} a second  ({one.unhindered_a_second:,.0f})"
            f"   fsync {one.fsync_share:4.0%}, {statistics.median(one.fsync_s) * 1000:.2f} ms"
            f" and processor {statistics.median(one.cpu_s) * 1000:.2f} ms a message"
        )
