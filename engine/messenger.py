"""Conversations towards engine/session.py: what people do, and what the relay pushes.

Never blocks the link: a push is noted, and a task of its own does what follows from it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, Final

from engine.arriving import Arriving
from engine.context import Context
from engine.conversation import State
from engine.direct import Directs
from engine.hub import Hub
from engine.live import Live
from engine.loading import load_all
from engine.messages import Messages
from engine.outside import check_step, settle_join, undone
from engine.pages import Pages
from engine.removals import commit_waiting
from engine.rooms import Rooms
from engine.titles import title_of
from engine.views import Views
from engine.welcomes import take_inbox
from storage.client import outgoing
from wire import pushes
from wire.pushes import Push
from wire.replies import Head

READY_S: Final = 5.0  # how long registering or logging in waits for the lobby


class Messenger:
    """All that is about conversations; every method may raise WireError."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.hub = Hub(context)
        self._inbox = asyncio.Lock()
        self._messages = Messages(self.hub, Directs(self.hub), self._inbox)
        self._rooms = Rooms(self.hub, self._messages.tell_secret)
        self._views = Views(self.hub)
        self.pages = Pages(self.hub, self._views)
        self._arriving = Arriving(self.hub)
        self._busy: set[tuple[str, bytes]] = set()
        self.hub.recover = self._recover
        self.hub.wake = self._messages.wake

    # What the session tells.

    async def start(self) -> None:
        """Load everything from the store."""
        relay_key = self._context.relay_key
        loaded = await self._context.store.query(lambda c: load_all(c, relay_key=relay_key))
        for one in loaded:
            live = self.hub.add(one.value, secrets=one.secrets)
            live.own = one.own
            live.joining = one.joining

    async def on_connected(self) -> None:
        """Catch up with the relay, come into what is new, then send what waits."""
        self._busy.clear()
        async with self._inbox:
            await take_inbox(self.hub)
        await self._arriving.catch_up()
        await self._messages.wake_all()
        self.hub.moved()

    async def wait_ready(self, timeout_s: float = READY_S) -> bool:
        """Wait until the first catching up is over, the lobby entered; False when it takes long."""
        return await self.hub.wait_until(lambda: self._arriving.is_done, timeout_s)

    async def on_disconnected(self) -> None:
        """Forget what was true of the session only."""
        self._arriving.disconnected()
        self._messages.disconnected()
        self.hub.moved()

    async def close(self) -> None:
        """Let go of what waits."""
        self.hub.moved()

    def on_push(self, push: Push) -> None:
        """Note a push; never blocks."""
        match push:
            case pushes.Entries():
                live = self.hub.get(push.conversation)
                if live is not None and live.push(push.entries):
                    self._begin("settle", push.conversation, live.settle())
            case pushes.InboxPush():
                self._begin("inbox", b"", self._take_inbox())
            case pushes.ConversationChanged():
                self._begin("changed", b"", self._refresh())
            case pushes.CommitWanted() | pushes.Tally() | pushes.Undone():
                self._on_commit_news(push)
            case _:
                pass

    def _on_commit_news(self, push: pushes.CommitWanted | pushes.Tally | pushes.Undone) -> None:
        live = self.hub.get(push.conversation)
        if live is None:
            return
        match push:
            case pushes.CommitWanted():
                self._begin("removal", push.conversation, commit_waiting(self.hub, live))
            case pushes.Tally() if push.seq == live.value.notes.join_seq:
                settle = settle_join(self.hub, live, accepted=push.accepted, is_undone=push.undone)
                self.hub.start(settle)
            case pushes.Undone():
                self.hub.start(undone(self.hub, live, push.seq))
            case _:
                pass

    def _begin(self, what: str, conversation: bytes, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` unless the same is waiting to run already."""
        mark = (what, conversation)
        if mark in self._busy:
            work.close()
            return
        self._busy.add(mark)
        self.hub.start(self._marked(mark, work))

    async def _marked(self, mark: tuple[str, bytes], work: Coroutine[Any, Any, None]) -> None:
        self._busy.discard(mark)  # what comes from now on is not seen by `work` for sure
        await work

    def _recover(self, live: Live) -> None:
        self._begin("recover", live.value.id, check_step(self.hub, live))

    async def _take_inbox(self) -> None:
        async with self._inbox:
            await take_inbox(self.hub)

    async def _refresh(self) -> None:
        await self._take_inbox()
        await self._arriving.refresh()

    # Messages.

    async def send(
        self, to: str, text: str, *, transaction_id: str | None = None, wait: str = "relay"
    ) -> dict[str, Any]:
        """Send a text; see engine/messages.py."""
        return await self._messages.send(to, text, transaction_id=transaction_id, wait=wait)

    async def outbox(self) -> list[dict[str, Any]]:
        """Return what is not at the relay yet, or was refused, oldest first."""
        return await self._messages.outbox()

    async def retry(self, id: str | None = None) -> list[str]:
        """Queue refused messages again; return their ids."""
        return await self._messages.retry(id)

    async def cancel(self, id: str | None = None) -> list[str]:
        """Give up messages that were never sent; return their ids."""
        return await self._messages.cancel(id)

    async def sync(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until everything known is processed and the outbox is empty, or the time is over.

        `heads`: the last entry processed by conversation; `outbox_empty`; `complete`: whether
        nothing is missing.
        """
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        await self.hub.wait_until(lambda: self._arriving.is_done, timeout_s)
        heads: tuple[Head, ...] = ()
        if self._context.link.is_connected:
            heads = await self._arriving.ask_heads()
        complete = await self.hub.wait_until(lambda: self._has(heads), end_s - loop.time())
        waiting = True
        while waiting:
            waiting = bool(await self._context.store.query(outgoing.queued_targets))
            if not waiting or not await self.hub.wait_change(end_s - loop.time()):
                break
        done = complete and self._arriving.is_done
        return {
            "heads": {live.value.title: live.value.cursor for live in self.hub if live.reads},
            "outbox_empty": not waiting,
            "complete": done and not waiting,
        }

    def _has(self, heads: tuple[Head, ...]) -> bool:
        for head in heads:
            live = self.hub.get(head.conversation)
            if live is None or live.value.state in (State.JOINING, State.LOST):
                if head.is_member and not head.closed:
                    return False
            elif live.reads and live.value.cursor < head.last_seq:
                return False
        return True

    async def unread(self) -> list[dict[str, Any]]:
        """Return the conversations in which something of others is unread."""
        return await self._views.unread()

    async def mark_read(self, conversation: str, seq: int) -> None:
        """Note that everything up to `seq` was read."""
        for live in self.hub.named(title_of(conversation)):
            async with live.lock:
                value = live.value
                read_seq = min(max(seq, value.read_seq), value.cursor)
                await live.keep_value(replace(value, read_seq=read_seq))

    async def conversations(self) -> list[dict[str, Any]]:
        """Return the account's conversations."""
        return await self._views.conversations()

    async def history(
        self,
        conversation: str,
        *,
        limit: int = 50,
        before: int | None = None,
        everything: bool = False,
    ) -> list[dict[str, Any]]:
        """Return messages, oldest first; `everything`: what happened between them too."""
        return await self._views.history(
            conversation, limit=limit, before=before, everything=everything
        )

    async def search(
        self, query: str, *, conversation: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Return messages in which the words of `query` stand."""
        return await self._views.search(query, conversation=conversation, limit=limit)

    async def conversation_id(self, conversation: str) -> bytes:
        """Return the id (16 bytes) of a conversation by its name for people."""
        return self.hub.need(title_of(conversation)).value.id

    # Rooms.

    async def create_room(
        self,
        name: str,
        *,
        join: str = "open",
        password: str | None = None,
        suite: int | None = None,
    ) -> dict[str, Any]:
        """Found a room."""
        return await self._rooms.create(name, join, password, suite=suite)

    async def join_room(self, name: str, *, password: str | None = None) -> dict[str, Any]:
        """Join a room: "joined", or "waiting" for a member's verdict."""
        return await self._rooms.join(name, password)

    async def invite(self, conversation: str, name: str) -> dict[str, Any]:
        """Add somebody to a room."""
        return await self._rooms.invite(conversation, name)

    async def remove_member(self, conversation: str, name: str) -> dict[str, Any]:
        """Remove somebody from a room."""
        return await self._rooms.remove_member(conversation, name)

    async def leave_room(self, conversation: str) -> dict[str, Any]:
        """Leave a room with all devices."""
        return await self._rooms.leave(conversation)

    async def members(self, conversation: str) -> list[dict[str, Any]]:
        """Return who is in a conversation, with which devices and roles."""
        return self._views.members(conversation)

    async def set_room_password(self, conversation: str, password: str) -> dict[str, Any]:
        """Give a room a new password."""
        return await self._rooms.set_password(conversation, password)

    async def set_role(self, conversation: str, name: str, role: str) -> dict[str, Any]:
        """Make a member owner, admin or member."""
        return await self._rooms.set_role(conversation, name, role)
