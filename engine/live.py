"""One conversation at work: its value, the lock around every change, entries that wait their turn.

Never changes the value before the store has the change: compute, store, then assign.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from msgspec.structs import replace as with_fields

from crypto.mls.group import Group, changed_rows
from engine.commits import OwnCommit
from engine.context import Context
from engine.conversation import READS, Conversation, State, Step, change_of, row_of
from engine.events import Event, Message
from engine.header import transaction_of
from engine.killpoints import reached
from engine.reading import Own, process
from engine.steps import Reader, freeze
from storage.client import messaging
from storage.client.messaging import Change
from wire.errors import Code, WireError
from wire.replies import Entry, Fetched
from wire.requests import Fetch

# Entries of one transaction: enough to share its fsync, few enough to keep the loop free.
BATCH: Final = 64
# Entries that may wait for one before them; more are fetched again when their turn comes.
MAX_WAITING: Final = 1024
OLD_LOG_TEXT: Final = (
    "The relay's log of {} is older than what this device has read: a restored backup, or a relay "
    "that hides messages. Nothing more is read or sent there, and nothing of it is lost here. "
    "Ask the operator; found a new conversation to go on."
)


class Live:
    """The one owner of a conversation's value.

    `lock` is held by whoever changes the value, `committing` (taken first) by whoever makes a
    commit and waits for its answer. `told` is called with what was stored.
    """

    def __init__(
        self,
        context: Context,
        value: Conversation,
        *,
        told: Callable[[Live, Sequence[Step]], None],
        secrets: dict[bytes, bytes] | None = None,
    ) -> None:
        self._context = context
        self._told = told
        self._waiting: dict[int, Entry] = {}
        self._task: asyncio.Task[None] | None = None
        self._in_flight = 0
        self.value = value
        self.lock = asyncio.Lock()
        self.committing = asyncio.Lock()
        self.secrets = secrets if secrets is not None else {}
        self.own: dict[bytes, Own] = {}
        self.joining: object = None  # of engine/joining.py: sent, and not answered yet
        self.ahead_seen = False

    @property
    def reads(self) -> bool:
        """Whether entries are processed here."""
        return self.value.state in READS

    @property
    def has_gap(self) -> bool:
        """Whether entries wait for one that did not come."""
        return bool(self._waiting) and self.reads

    def push(self, entries: Sequence[Entry]) -> bool:
        """Take pushed entries in; True when there is something to `settle`."""
        for entry in entries:
            if entry.seq > self.value.cursor and len(self._waiting) < MAX_WAITING:
                self._waiting[entry.seq] = entry
        return bool(self._waiting)

    async def settle(self) -> None:
        """Process what waits; fetch what is missing, unless an answer under way may be it."""
        async with self.lock:
            await self._drain()
            if self.has_gap and not self._in_flight:
                await self._fetch()

    def place(self, transaction_id: bytes, seq: int) -> None:
        """Put an own entry at the place that the relay gave it; `settle` processes it."""
        own = self.own.get(transaction_id)
        if own is not None and seq > self.value.cursor:
            self._waiting[seq] = Entry(seq, self._context.now_ms(), own.message)
        reached("accepted")

    async def accepted(self, transaction_id: bytes, seq: int) -> None:
        """Process an own entry at the place where the relay put it."""
        self.place(transaction_id, seq)
        await self.settle()

    async def catch_up(self) -> None:
        """Fetch and process everything that the relay has, as far as this device may read."""
        async with self.lock:
            await self.catch_up_locked()

    async def catch_up_locked(self) -> None:
        """The same for whoever holds the lock."""
        await self._drain()
        if self.reads:
            await self._fetch()

    def under_way(self) -> _UnderWay:
        """While an own append is unanswered, a gap may be its place: it is not fetched."""
        return _UnderWay(self)

    async def keep(self, steps: Sequence[Step]) -> None:
        """Store steps and then assign them. For whoever holds the lock."""
        change = change_of(self.value, steps)

        def assign(_: object) -> None:
            self._assign(steps)

        await self._context.store.run(
            lambda connection: messaging.apply(connection, change), then=assign
        )
        reached("stored_incoming")
        if change.new_epoch:
            await self._context.store.truncate_wal()

    async def keep_group(self, group: Group, write: Callable[[Any], None] | None = None) -> None:
        """Store the next state of the same epoch together with what `write` writes; then assign."""
        before = self.value.group
        assert before is not None
        after = replace(self.value, group=group)
        put, gone = changed_rows(before, group)
        change = Change(row_of(after), group_put=put, group_delete=gone)

        def work(connection: Any) -> None:
            messaging.apply(connection, change)
            if write is not None:
                write(connection)

        await self._context.store.run(work, then=lambda _: self._set(after))

    async def keep_value(
        self, value: Conversation, write: Callable[[Any], None] | None = None
    ) -> None:
        """Store a value whose group did not change, then assign it."""

        def work(connection: Any) -> None:
            messaging.put_conversation(connection, row_of(value))
            if write is not None:
                write(connection)

        await self._context.store.run(work, then=lambda _: self._set(value))

    def seat(self, value: Conversation) -> None:
        """Take a value that is stored already: this device has just come in."""
        self.value = value
        self._waiting = {seq: e for seq, e in self._waiting.items() if seq > value.cursor}

    def _set(self, value: Conversation) -> None:
        self.value = value

    async def _drain(self) -> None:
        while steps := self._steps():
            await self.keep(steps)

    def _steps(self) -> list[Step]:
        steps: list[Step] = []
        value, secrets = self.value, self.secrets
        while value.state in READS and len(steps) < BATCH:
            entry = self._waiting.get(value.cursor + 1)
            if entry is None:
                break
            step = process(value, entry, reader=self.reader(secrets), own=self._own_of(entry))
            steps.append(step)
            value = step.conversation
            if step.secret is not None:
                secrets = {**secrets, step.secret[0]: step.secret[1]}
        return steps

    def _own_of(self, entry: Entry) -> Own | None:
        number = transaction_of(entry.message) if self.own else None
        return None if number is None else self.own.get(number)

    def reader(self, secrets: dict[bytes, bytes] | None = None) -> Reader:
        """Who reads here, with the room's keys as of now."""
        keys = self._context.keys
        secrets = self.secrets if secrets is None else secrets
        return Reader(
            keys.account,
            keys.display,
            keys.device,
            root=keys.root_identity,
            relay_key=self._context.relay_key,
            secrets=secrets,
        )

    def _assign(self, steps: Sequence[Step]) -> None:
        self.value = steps[-1].conversation
        cursor = self.value.cursor
        self._waiting = {seq: e for seq, e in self._waiting.items() if seq > cursor}
        for step in steps:
            if step.secret is not None:
                self.secrets[step.secret[0]] = step.secret[1]
            if step.sent is not None:
                self.own.pop(step.sent, None)
            if step.own_commit:
                self.forget_commits()
            for event in step.events:
                self._context.emit(self._judged(event))
        self.ahead_seen = any(step.is_ahead for step in steps)
        self._told(self, steps)

    def forget_commits(self) -> None:
        """Forget own commits that were answered, one way or the other."""
        self.own = {n: own for n, own in self.own.items() if not isinstance(own, OwnCommit)}

    def _judged(self, event: Event) -> Event:
        """The event with what only this device knows of its sender."""
        if not isinstance(event, Message):
            return event
        contact = self._context.contacts.known(event.sender)
        standing = self.value.standing
        if contact is None or standing is None or not contact.verified:
            return event
        places = standing.roster.of_account(event.sender)
        is_verified = bool(places) and places[0].root == contact.root_identity
        return with_fields(event, verified=is_verified)

    async def _fetch(self) -> None:
        """Fetch until the log's end; a stretch that the relay has no more means lost step."""
        while self.reads:
            cursor = self.value.cursor
            reply = await self._context.link.request(Fetch(0, self.value.id, cursor))
            if not isinstance(reply, Fetched):
                raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
            if reply.last_seq < cursor:
                await self._stop_reading()
                return
            if reply.first_kept > cursor + 1 and reply.last_seq > cursor:
                await self._lose_step()
                return
            for entry in reply.entries:
                if entry.seq > cursor:
                    self._waiting[entry.seq] = entry
            await self._drain()
            if self.value.cursor >= reply.last_seq or self.value.cursor == cursor:
                return

    async def log_went_back(self) -> None:
        """Read and send no more: the relay's log is not the one that this device has read."""
        async with self.lock:
            if self.reads:
                await self._stop_reading()

    async def _stop_reading(self) -> None:
        await self.keep([freeze(self.value, OLD_LOG_TEXT.format(self.value.title))])

    async def _lose_step(self) -> None:
        group, _ = self.value.now_in()
        lost = replace(self.value, state=State.LOST)
        await self.keep_value(lost.with_notes(reason="expired", floor=group.epoch))
        self._told(self, ())


class _UnderWay:
    def __init__(self, live: Live) -> None:
        self._live = live

    def __enter__(self) -> None:
        self._live._in_flight += 1

    def __exit__(self, *_: object) -> None:
        self._live._in_flight -= 1
