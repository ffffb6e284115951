"""What happens at every connect: Heads asked, gaps fetched, own conversations entered, the lobby.

Never stops at one conversation that gives trouble: the others go on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from engine.committing import UNANSWERED, resend
from engine.conversation import Conversation, State
from engine.direct import other_of
from engine.founding import finish, found
from engine.hub import Hub
from engine.joining import join, open_door
from engine.joining import resend as resend_join
from engine.live import Live
from engine.outside import ask_verdict, check_step, come_back, come_in, note_old_copy
from engine.removals import commit_waiting
from storage.client import messaging
from storage.client.settings import get_setting, put_setting
from wire.errors import Code, WireError
from wire.policy import LOBBY_NAME, LOBBY_POLICY, Kind
from wire.replies import Head, HeadList
from wire.requests import Heads

HISTORY = "relay_history"  # the setting with the last HeadList.history
# Left or refused by the person's own doing: only asked does this device go in again.
_STAYS_OUT = frozenset({"left", "wrong_room_password"})


class Arriving:
    """Brings the conversations and the relay's logs together."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._one = asyncio.Lock()
        self.is_done = False
        self.heads: tuple[Head, ...] = ()
        self._history = b""
        self._is_restored = False

    def disconnected(self) -> None:
        """Everything is to be compared again at the next connect."""
        self.is_done = False

    async def catch_up(self) -> None:
        """Bring everything up to date; raise WireError when the connection ends before."""
        async with self._one:
            for live in self._hub:
                await self._safely(self._answer_left_open, live)
            await self._meet_all()
            await self._safely(self._enter_lobby)
            self.is_done = True
        self._hub.moved()

    async def refresh(self) -> None:
        """Compare with the relay's Heads again."""
        async with self._one:
            await self._meet_all()
        self._hub.moved()

    async def ask_heads(self) -> tuple[Head, ...]:
        """Return all Heads of the account."""
        found: list[Head] = []
        while True:
            after = found[-1].conversation if found else None
            reply = await self._hub.context.link.request(Heads(0, after))
            if not isinstance(reply, HeadList):
                raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
            found += reply.heads
            if not reply.more or not reply.heads:
                self.heads, self._history = tuple(found), reply.history
                return self.heads

    async def _meet_all(self) -> None:
        heads, store = await self.ask_heads(), self._hub.context.store
        known = await store.query(lambda connection: get_setting(connection, HISTORY))
        history = self._history
        self._is_restored = known is not None and known != history
        for head in heads:
            await self._safely(self._meet, head)
        if known != history:  # only now: what was not compared is compared again
            await store.run(lambda connection: put_setting(connection, HISTORY, history))

    async def _safely(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Do one thing; what stands against it leaves the others alone."""
        try:
            await work(*args)
        except WireError as error:
            if error.code in UNANSWERED and not self._hub.context.link.is_connected:
                raise

    async def _meet(self, head: Head) -> None:
        live = self._hub.get(head.conversation)
        if live is None:
            await self._enter(head)
            return
        if head.closed:
            await self._close(live)
            return
        match live.value.state:
            case State.FOUNDING:
                await finish(self._hub, live)
            case State.ACTIVE | State.WAITING:
                await self._catch_up(live, head)
            case State.LOST:
                await come_back(self._hub, live)
            case State.JOINING:
                await come_in(self._hub, live)
            case State.REMOVED | State.CLOSED if head.is_member or head.account_is_member:
                if live.value.notes.reason not in _STAYS_OUT:
                    await come_in(self._hub, live)

    async def _catch_up(self, live: Live, head: Head) -> None:
        if self._is_restored and head.cursor < live.value.cursor:
            # What this device acknowledged, the relay has forgotten; others may stand there now.
            await live.log_went_back()
            return
        if head.cursor > live.value.cursor:
            await note_old_copy(live, head.cursor)
        if live.value.notes.rolled_back:
            await check_step(self._hub, live)
        elif head.last_seq != live.value.cursor:  # also when the log went back: to be sure of it
            await live.catch_up()
        elif head.cursor < live.value.cursor:
            self._hub.acks.note(live)
        await resend(self._hub.context, live)
        if live.value.state is State.WAITING:
            await ask_verdict(self._hub, live)
        elif live.value.notes.refused:
            await check_step(self._hub, live)
        if live.reads and live.value.now_in()[1].waiting:
            await commit_waiting(self._hub, live)

    async def _enter(self, head: Head) -> None:
        """Come into a conversation of this account that this device is not in yet."""
        if head.closed or not (head.is_member or head.account_is_member):
            return
        bare = Conversation(head.conversation, head.kind, head.name, State.JOINING)
        live = self._hub.add(bare)
        try:
            await come_in(self._hub, live)
        finally:
            # One that asks for a password is entered when the person gives it.
            if live.value.state is State.JOINING and live.joining is None:
                await self._forget(live)

    async def _forget(self, live: Live) -> None:
        number = live.value.id
        pending = await self._hub.context.store.query(
            lambda c: messaging.load_pending_commit(c, number)
        )
        if pending is None:
            self._hub.forget(number)

    async def _close(self, live: Live) -> None:
        """Let go of a conversation whose last members are gone; its history stays."""
        number = live.value.id
        if live.value.state in (State.CLOSED, State.FROZEN):
            return
        async with live.lock:
            gone = live.value.without_group(State.CLOSED)
            await live.keep_value(gone, lambda c: messaging.forget_group(c, number))

    async def _answer_left_open(self, live: Live) -> None:
        """Send a join or a founding again whose answer was not heard; the relay repeats it."""
        if live.value.state is State.FOUNDING and live.value.kind is not Kind.LOBBY:
            await finish(self._hub, live)
            return
        await resend_join(self._hub, live)

    async def _enter_lobby(self) -> None:
        """Join the lobby, or found it where there is none."""
        lobbies = [live for live in self._hub if live.value.kind is Kind.LOBBY]
        if any(live.reads or live.value.state is State.FROZEN for live in lobbies):
            return
        for live in lobbies:
            if live.value.state is State.FOUNDING:
                await self._found_or_join(live)
                return
        try:
            door = await open_door(self._hub, name=LOBBY_NAME)
        except WireError as error:
            if error.code is not Code.NO_SUCH_ROOM:
                raise
            await self._found_or_join(None)
            return
        bare = Conversation(door.info.conversation, Kind.LOBBY, LOBBY_NAME, State.JOINING)
        live = self._hub.add(bare)
        await join(self._hub, live, door)
        await live.catch_up()

    async def _found_or_join(self, founding: Live | None) -> None:
        try:
            if founding is None:
                await found(self._hub, LOBBY_POLICY)
            else:
                await finish(self._hub, founding)
        except WireError as error:
            if error.code is not Code.ROOM_EXISTS:
                raise
            bare = Conversation(other_of(error), Kind.LOBBY, LOBBY_NAME, State.JOINING)
            await come_in(self._hub, self._hub.add(bare))
