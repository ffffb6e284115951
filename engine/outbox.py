"""Sends what waits in the outbox: in order for each target, until the relay has answered.

Never sends a byte that is not durable, and never gives a text up without its reason: who refuses is
heard once, what is only late is tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from crypto.errors import PeerError
from engine.committing import MAX_TRIES, Plan, commit
from engine.content import Content, Text, decode_body, encode_content, padding_for
from engine.conversation import Conversation
from engine.events import Outgoing
from engine.header import read_header
from engine.hub import Hub
from engine.killpoints import reached
from engine.live import Live
from engine.pins import check_members
from engine.reading import OwnMessage
from storage.client import outgoing
from storage.client.outgoing import OutboxRow
from wire.entry import EntryData, encode_data
from wire.errors import Code, WireError
from wire.replies import Accepted, Conflict
from wire.requests import Append

# What is only late: the text stays queued and is sent at the next connect.
LATER: Final = frozenset({Code.NOT_CONNECTED, Code.TIMEOUT, Code.DISK_FULL})
# What a later try may change while the connection stands.
AGAIN: Final = frozenset({Code.RATE_LIMITED, Code.UNAVAILABLE})
AGAIN_AFTER_S: Final = 2.0
UPDATE_AFTER_MS: Final = 24 * 3600 * 1000  # design: keys are renewed once a day ...
UPDATE_AFTER_MESSAGES: Final = 100  # ... or after this many of one's own messages


class Outbox:
    """One worker for each target that has something to send."""

    def __init__(self, hub: Hub, resolve: Callable[[str], Awaitable[Live | None]]) -> None:
        self._hub = hub
        self._resolve = resolve
        self._workers: set[str] = set()
        self._woken: set[str] = set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being sent."""
        return not self._workers

    async def wake_all(self) -> None:
        """Begin to send whatever waits."""
        for target in await self._hub.context.store.query(outgoing.queued_targets):
            self.wake(target)

    def wake(self, target: str) -> None:
        """Begin to send what waits for a target."""
        if self._hub.context.link.is_connected:
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
        while rows := await store.query(lambda c: outgoing.next_queued(c, target)):
            try:
                live = await self._resolve(target)
                if live is None:
                    return  # woken again when the conversation is ready
                await self._deliver(live, rows[0])
            except WireError as error:
                if error.code in LATER:
                    raise
                if error.code in AGAIN:
                    await asyncio.sleep(AGAIN_AFTER_S)
                    continue
                await self._fail(rows[0], error)

    async def _deliver(self, live: Live, row: OutboxRow) -> None:
        context = self._hub.context
        for _ in range(MAX_TRIES):
            await commit(context, live, self._commit_first)
            await check_members(context, live.value.now_in()[1])
            async with live.lock:
                message = await self._protected(live, row)
            if message is None:
                return
            reached("stored_outgoing")
            with live.under_way():
                reply = await context.link.request(Append(0, live.value.id, message))
            if isinstance(reply, Accepted):
                await self._stored(live, row, reply.answers[0][1])
                return
            if not isinstance(reply, Conflict):
                raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
            await live.catch_up()
        raise WireError(Code.UNAVAILABLE, "The conversation changes too fast.")

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

    async def _protected(self, live: Live, row: OutboxRow) -> bytes | None:
        """Return the row's ciphertext for the present place, durable; None if it is stored by now.

        What may have been sent is sent again as it was while it still stands right: the relay then
        repeats its first answer.
        """
        store, number = self._hub.context.store, row.transaction_id
        now = await store.query(lambda connection: outgoing.find(connection, number))
        if now is None or now.is_failed:
            return None
        if not live.reads or live.value.notes.rolled_back:
            raise WireError(Code.UNAVAILABLE, f"{live.value.title} is not ready yet.")
        if now.message is not None and _stands(live.value, now.message):
            self._remember(live, row, now.message)
            return now.message
        return await self._protect(live, row)

    async def _protect(self, live: Live, row: OutboxRow) -> bytes:
        context, value = self._hub.context, live.value
        group, _ = value.now_in()
        content = Content(
            1,
            row.transaction_id,
            value.own_counter + 1,
            sent_at_ms=row.created_at_ms,
            position=value.cursor,
            hash=value.hash,
            body=decode_body(row.body),
        )
        data = encode_content(content)
        next_group, message = group.protect(
            data,
            signer=context.keys.signer,
            authenticated_data=encode_data(EntryData(value.stands_on, row.transaction_id)),
            padding=padding_for(len(data)),
            random=context.random,
        )

        def write(connection: Any) -> None:
            outgoing.set_message(connection, row.id, conversation=value.id, message=message)

        await live.keep_group(next_group, write)
        self._remember(live, row, message)
        return message

    def _remember(self, live: Live, row: OutboxRow, message: bytes) -> None:
        live.own[row.transaction_id] = own_message(row, message)

    async def _stored(self, live: Live, row: OutboxRow, seq: int) -> None:
        number = row.transaction_id
        await live.accepted(number, seq)
        if number in live.own:
            await live.catch_up()
        if number in live.own:
            # Its place was passed without recognising it: a conversation that lost step comes back
            # behind it. The relay has it; the row is done.
            live.own.pop(number, None)
            store = self._hub.context.store
            await store.run(lambda connection: outgoing.drop(connection, number))
        self._hub.emit(
            Outgoing(id=number.hex(), state="stored", conversation=live.value.title, seq=seq)
        )

    async def _fail(self, row: OutboxRow, error: WireError) -> None:
        number, code = row.transaction_id, error.code.value
        store = self._hub.context.store
        await store.run(lambda connection: outgoing.set_failed(connection, number, code=code))
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


def own_message(row: OutboxRow, message: bytes) -> OwnMessage:
    """Return what is recognised as the row's entry when it comes back in the log."""
    return OwnMessage(
        row.transaction_id, message, body=decode_body(row.body), sent_at_ms=row.created_at_ms
    )


def _stands(value: Conversation, message: bytes) -> bool:
    group, _ = value.now_in()
    try:
        header = read_header(message)
        return (
            header.group_id == value.id
            and header.epoch == group.epoch
            and header.entry_data().stands_on == value.stands_on
        )
    except PeerError:
        return False


def text_of(row: OutboxRow) -> str | None:
    """Return the text of a row that a person wrote, None for the engine's own."""
    body = decode_body(row.body)
    return body.text if isinstance(body, Text) else None
