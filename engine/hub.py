"""All conversations of the account, and what follows when one of them moves.

Never sends and never reads entries itself: it finds who does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from engine.acks import Acks
from engine.commits import REFUSED, UNUSABLE
from engine.context import Context
from engine.conversation import Conversation, State, Step
from engine.events import Event, Outgoing
from engine.live import Live
from wire.errors import Code, WireError
from wire.policy import Kind


class Hub:
    """Keeps the conversations; `recover` and `wake` are set by the messenger.

    `recover(live)` is asked for a conversation that may have lost step, `wake(target)` for one that
    can be sent to.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.acks = Acks(context)
        self.recover: Callable[[Live], None] = lambda live: None
        self.wake: Callable[[str], None] = lambda target: None
        self._lives: dict[bytes, Live] = {}
        self._moved: set[asyncio.Future[None]] = set()
        self._sent: dict[bytes, asyncio.Future[int]] = {}
        self._met: set[tuple[bytes, ...]] = set()

    def __iter__(self) -> Iterator[Live]:
        return iter(tuple(self._lives.values()))

    def add(self, value: Conversation, *, secrets: dict[bytes, bytes] | None = None) -> Live:
        """Take a conversation in and return its owner; the one that is there already wins."""
        live = self._lives.get(value.id)
        if live is None:
            live = Live(self.context, value, told=self.told, secrets=secrets)
            self._lives[value.id] = live
        return live

    def get(self, conversation: bytes) -> Live | None:
        """Return the owner of a conversation by id."""
        return self._lives.get(conversation)

    def forget(self, conversation: bytes) -> None:
        """Let go of a conversation that was never joined."""
        self._lives.pop(conversation, None)

    def named(self, title: str) -> list[Live]:
        """Return the conversations with this name for people, those that can be read first."""
        found = [live for live in self if live.value.title == title]
        return sorted(found, key=lambda live: (not live.reads, live.value.id))

    def of_kind(self, kind: Kind) -> list[Live]:
        """Return the conversations of a kind that this device reads."""
        return [live for live in self if live.value.kind is kind and live.reads]

    def need(self, title: str) -> Live:
        """Return the conversation of that name that is read; raise no_such_room otherwise."""
        for live in self.named(title):
            if live.reads:
                return live
            raise unavailable(live.value)
        text = f"You are not in {title}. Join it first."
        raise WireError(Code.NO_SUCH_ROOM, text)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something in the background."""
        self.context.spawn(work)

    def told(self, live: Live, steps: Sequence[Step]) -> None:
        """Go on after steps of a conversation were stored."""
        self.acks.note(live)
        for step in steps:
            if step.sent is not None:
                self.stored(live, step.sent, step.conversation.cursor)
        lost = any(step.verdict in (REFUSED, UNUSABLE) for step in steps) or live.ahead_seen
        if lost or live.value.state is State.LOST or live.value.notes.rolled_back:
            self.recover(live)
        self._meet(live, steps)
        if steps and steps[0].conversation.state is not live.value.state:
            self.wake(live.value.title)
        self.moved()

    def moved(self) -> None:
        """Wake everybody who waits for something to change."""
        waiting, self._moved = self._moved, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def wait_change(self, timeout_s: float) -> bool:
        """Wait until anything moves; False when the time is over before."""
        if timeout_s <= 0:
            return False
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._moved.add(future)
        done, _ = await asyncio.wait({future}, timeout=timeout_s)
        self._moved.discard(future)
        return bool(done)

    async def wait_until(self, is_true: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `is_true()` or the time is over; return which."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + timeout_s
        while not is_true():
            if not await self.wait_change(end_s - loop.time()):
                return is_true()
        return True

    def answer_for(self, transaction_id: bytes) -> asyncio.Future[int]:
        """Return the future seq of an own message; it raises WireError when the message fails."""
        future = self._sent.get(transaction_id)
        if future is None or future.done():
            future = asyncio.get_running_loop().create_future()
            future.add_done_callback(_look)
            self._sent[transaction_id] = future
        return future

    def fail(self, transaction_id: bytes, error: WireError) -> None:
        """Tell who waits that a message was refused for good."""
        future = self._sent.pop(transaction_id, None)
        if future is not None and not future.done():
            future.set_exception(error)

    def emit(self, event: Event) -> None:
        """Tell the faces."""
        self.context.emit(event)

    def stored(self, live: Live, transaction_id: bytes, seq: int) -> None:
        """Tell that the relay has an own message, and this device its place."""
        number = transaction_id.hex()
        self.emit(Outgoing(id=number, state="stored", conversation=live.value.title, seq=seq))
        future = self._sent.pop(transaction_id, None)
        if future is not None and not future.done():
            future.set_result(seq)

    def _meet(self, live: Live, steps: Sequence[Step]) -> None:
        """Remember the people whose messages came: first contact is pinned, a change is told."""
        standing = live.value.standing
        if standing is None:
            return
        for device in (step.counter[0] for step in steps if step.counter is not None):
            place = standing.roster.of_device(device)
            if place is not None and place.chain not in self._met:
                self._met.add(place.chain)
                self.start(self._observe(place.chain))

    async def _observe(self, chain: tuple[bytes, ...]) -> None:
        await self.context.contacts.observe(chain)


def _look(future: asyncio.Future[int]) -> None:
    """Look at an answer that nobody waited for, so that its error is not called forgotten."""
    if not future.cancelled():
        future.exception()


def unavailable(value: Conversation) -> WireError:
    """Return why nothing can be done in a conversation that is not read."""
    title = value.title
    match value.state:
        case State.REMOVED:
            return WireError(Code.REMOVED, f"You are not in {title} any more.")
        case State.FROZEN:
            return WireError(Code.FORBIDDEN, value.notes.reason or f"{title} is frozen.")
        case State.CLOSED:
            return WireError(Code.NO_SUCH_ROOM, f"{title} does not exist any more.")
        case _:
            return WireError(Code.UNAVAILABLE, f"{title} is not ready yet; try again.")


def is_ready(live: Live) -> bool:
    """Tell whether messages can be sent there now."""
    return live.value.state is State.ACTIVE and not live.value.notes.rolled_back
