"""Sends what waits in the outbox: in order for each target, until the relay has answered.

Never sends a byte that is not durable, and never gives a text up without its reason: who refuses is
heard once, what is only late is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

from engine.claims import NeedsUpdate
from engine.committing import MAX_TRIES, Plan, commit
from engine.conversation import Conversation
from engine.events import Outgoing
from engine.hub import Hub, unavailable
from engine.killpoints import reached
from engine.live import Live
from engine.pins import check_members
from engine.protecting import Sealed, protect_rows
from storage.client import outgoing
from storage.client.outgoing import OutboxRow
from wire.errors import Code, WireError
from wire.replies import Accepted, Conflict
from wire.requests import Append

# Rows that are protected in one transaction, and processed in few when they are accepted.
BATCH: Final = 32
# What is only late: the text stays queued and is sent at the next connect.
LATER: Final = frozenset({Code.NOT_CONNECTED, Code.TIMEOUT, Code.DISK_FULL})
# What a later try may change while the connection stands.
AGAIN: Final = frozenset({Code.RATE_LIMITED, Code.UNAVAILABLE})
AGAIN_AFTER_S: Final = 2.0
UPDATE_AFTER_MS: Final = 24 * 3600 * 1000  # design: keys are renewed once a day ...
UPDATE_AFTER_MESSAGES: Final = 100  # ... or after this many of one's own messages


class _RowRefused(Exception):
    """The relay's answer to one row, or that there is none."""

    def __init__(self, row: OutboxRow, error: WireError) -> None:
        super().__init__(error.text)
        self.row = row
        self.error = error


class Outbox:
    """One worker for each target that has something to send."""

    def __init__(self, hub: Hub, resolve: Callable[[str], Awaitable[Live | None]]) -> None:
        self._hub = hub
        self._resolve = resolve
        self._is_open = False
        self._workers: set[str] = set()
        self._woken: set[str] = set()

    def close(self) -> None:
        """Send nothing until `wake_all`: what the log has by now is not known."""
        self._is_open = False

    async def wake_all(self) -> None:
        """Begin to send whatever waits: every conversation has caught up."""
        self._is_open = True
        for target in await self._hub.context.store.query(outgoing.queued_targets):
            self.wake(target)

    def wake(self, target: str) -> None:
        """Begin to send what waits for a target."""
        if self._is_open and self._hub.context.link.is_connected:
            self._woken.add(target)
            self._hub.start(self._work(target))

    async def _work(self, target: str) -> None:
        if target in self._workers:
            return  # it looks again before it ends
        self._workers.add(target)
        try:
            while target in self._woken:
                self._woken.discard(target)
                await self._send_all(target)
        finally:
            self._workers.discard(target)
            self._hub.moved()

    async def _send_all(self, target: str) -> None:
        store = self._hub.context.store
        while rows := await store.query(lambda c: outgoing.next_queued(c, target, limit=BATCH)):
            try:
                live = await self._resolve(target)
                if live is None:
                    return  # woken again when the conversation is ready
                await self._deliver(live, rows)
            except _RowRefused as refused:
                await self._refused(refused.row, refused.error)
            except WireError as error:
                await self._refused(rows[0], error)

    async def _refused(self, row: OutboxRow, error: WireError) -> None:
        """Give a row up, or wait: raises what only the next connect can change."""
        if error.code in LATER:
            raise error
        if error.code in AGAIN and not isinstance(error, NeedsUpdate):
            await asyncio.sleep(AGAIN_AFTER_S)
        else:
            await self._fail(row, error)

    async def _deliver(self, live: Live, rows: Sequence[OutboxRow]) -> None:
        """Send rows until all are answered, however often the conversation changes meanwhile."""
        context = self._hub.context
        for _ in range(MAX_TRIES):
            await commit(context, live, self._commit_first)
            if not live.reads:
                raise unavailable(live.value)
            await check_members(context, live.value.now_in()[1])
            async with live.lock:
                sealed = await protect_rows(context, live, rows)
            reached("stored_outgoing")
            if await self._send_each(live, sealed):
                return
            await live.catch_up()
        raise WireError(Code.UNAVAILABLE, "The conversation changes too fast.")

    async def _send_each(self, live: Live, sealed: Sequence[Sealed]) -> bool:
        """Send ciphertexts one after the other; False at the first that stands on an old change."""
        accepted: list[tuple[OutboxRow, int]] = []
        try:
            for row, message in sealed:
                seq = await self._append(live, row, message)
                if seq is None:
                    return False
                accepted.append((row, seq))
                live.place(row.transaction_id, seq)
                if len(sealed) > 1:
                    self._hub.start(live.settle())
            return True
        finally:
            await self._settled(live, accepted)

    async def _append(self, live: Live, row: OutboxRow, message: bytes) -> int | None:
        """Return the place in the log, None after a conflict."""
        try:
            with live.under_way():
                reply = await self._hub.context.link.request(Append(0, live.value.id, message))
        except WireError as error:
            raise _RowRefused(row, error) from None
        if isinstance(reply, Accepted):
            return reply.answers[0][1]
        if not isinstance(reply, Conflict):
            raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
        return None

    def _commit_first(self, value: Conversation) -> Plan | None:
        """Ask for a commit: a Remove waits, or this device's keys are due for renewal."""
        _, standing = value.now_in()
        if standing.waiting:
            own = standing.roster.of_device(self._hub.context.keys.device)
            if own is not None and any(own.leaf == one.leaf for one in standing.waiting):
                raise WireError(Code.REMOVED, f"You are being removed from {value.title}.")
            return Plan()
        return Plan() if self._update_is_due(value) else None

    def _update_is_due(self, value: Conversation) -> bool:
        age_ms = self._hub.context.now_ms() - value.last_update_at_ms
        return (
            value.notes.needs_update
            or age_ms >= UPDATE_AFTER_MS
            or value.sent_since_update >= UPDATE_AFTER_MESSAGES
        )

    async def _settled(self, live: Live, accepted: Sequence[tuple[OutboxRow, int]]) -> None:
        """Process own entries at their places, with what came between them."""
        await live.settle()
        for row, seq in accepted:
            number = row.transaction_id
            if number in live.own:
                await live.catch_up()
            if number in live.own:
                # Its place was passed without recognising it: a conversation that lost step comes
                # back behind it. The relay has it; the row is done.
                live.own.pop(number, None)
                store = self._hub.context.store
                await store.run(partial(outgoing.drop, transaction_id=number))
                self._hub.stored(live, number, seq)

    async def _fail(self, row: OutboxRow, error: WireError) -> None:
        number, code = row.transaction_id, error.code.value
        store = self._hub.context.store

        def work(connection: Any) -> None:
            outgoing.set_failed(connection, number, code=code)
            # Those behind it were never sent, and their counters count it.
            outgoing.unseal(connection, row.target)

        await store.run(work)
        self._hub.emit(
            Outgoing(
                id=number.hex(),
                state="failed",
                conversation=row.target,
                code=code,
                text=error.text,
            )
        )
        self._hub.fail(number, error)
