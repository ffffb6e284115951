"""Comes into conversations without being asked: Welcomes that wait, self-joins, ways back.

Never gives more than three ways back a day unasked, and says what could not be read in between.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from engine.commits import ACCEPTED
from engine.conversation import Conversation, State
from engine.events import JoinResult, Notice, Unreadable
from engine.hub import Hub
from engine.joining import join, open_door
from engine.live import Live
from engine.reading import process
from storage.client import messaging
from storage.client.messaging import Line
from wire.errors import Code
from wire.replies import Fetched, TallyFound
from wire.requests import Fetch, GetTally

ROLLBACK_TEXT: Final = (
    "This device's store is an older copy of itself: keys are made anew, and the others see a gap. "
    "If you did not restore it, somebody else has a copy: log this device out."
)
RESYNCS_A_DAY: Final = 3  # unasked: more would hide that something is wrong
ROLLBACK_JUMP: Final = 1 << 20  # more than a device sends between two copies of its store
DAY_MS: Final = 24 * 3600 * 1000


async def come_in(hub: Hub, live: Live, *, psk: bytes | None = None) -> None:
    """Join a conversation from outside, then read on; raises what stands against it."""
    door = await open_door(hub, conversation=live.value.id)
    await join(hub, live, door, psk=psk)
    await live.catch_up()


async def note_old_copy(live: Live, acknowledged: int) -> None:
    """Notice that this device told the relay of more than its store has."""
    async with live.lock:
        if live.reads and acknowledged > live.value.cursor:
            await live.keep_value(live.value.with_notes(rolled_back=True))


async def come_back(hub: Hub, live: Live, *, is_asked: bool = False) -> None:
    """Rejoin a conversation that lost step, and say what was missed."""
    now_ms = hub.context.now_ms()
    recent = tuple(at for at in live.value.notes.resyncs_ms if at > now_ms - DAY_MS)
    if len(recent) >= RESYNCS_A_DAY and not is_asked:
        _warn(hub, live)
        return
    missed_after = live.value.cursor
    if live.value.notes.rolled_back:
        hub.emit(Notice(kind="clone", text=ROLLBACK_TEXT, conversation=live.value.title))
    async with live.lock:
        noted = live.value.with_notes(resyncs_ms=(*recent, now_ms))
        await live.keep_value(replace(_renumbered(noted), state=State.LOST))
    await come_in(hub, live)
    first = live.value.notes.join_seq
    if first > missed_after + 1:
        await _say_missed(hub, live, first - 1)


def _renumbered(value: Conversation) -> Conversation:
    """Return the value with a counter that the others have not seen yet from this device.

    After an old copy of the store nobody knows how far it was: the jump shows to all as a gap.
    """
    if not value.notes.rolled_back:
        return value
    group = value.group
    floor = value.notes.floor or (0 if group is None else group.epoch)
    jumped = replace(value, own_counter=value.own_counter + ROLLBACK_JUMP)
    return jumped.with_notes(rolled_back=False, reason="rollback", floor=floor)


def _warn(hub: Hub, live: Live) -> None:
    text = f"{live.value.title} lost step too often today. Join it again to come back."
    hub.emit(Notice(kind="warning", text=text, conversation=live.value.title))


async def _say_missed(hub: Hub, live: Live, last: int) -> None:
    number, title = live.value.id, live.value.title
    line = Line("unreadable", "", "resync", seq=last, arrived_at_ms=hub.context.now_ms())
    await hub.context.store.run(lambda c: messaging.add_line(c, number, line))
    hub.emit(Unreadable(conversation=title, seq=last, code="resync"))


async def check_step(hub: Hub, live: Live) -> None:
    """See whether a conversation lost step, and if so come back into it."""
    is_old_copy = live.value.notes.rolled_back
    if is_old_copy and live.reads:
        await live.catch_up()
    if is_old_copy or live.value.state is State.LOST:
        await come_back(hub, live)
        return
    if live.reads and live.value.notes.refused:
        await hub.acks.wait_idle()
    if not live.reads or not live.value.notes.refused:
        return  # also when a later commit was accepted while the verdicts were on their way
    seq, stood_on, is_unusable = live.value.notes.refused[-1]
    if not await _stands(hub, live, seq, is_unusable=is_unusable):
        return
    if await _reads_now(hub, live, seq, stood_on):
        return
    await come_back(hub, live)


async def _stands(hub: Hub, live: Live, seq: int, *, is_unusable: bool) -> bool:
    """Tell whether a commit that this device did not take stands, as the relay counts.

    What only this device cannot use stands unless most refuse it; what it refused stands only when
    most accept it.
    """
    tally = await hub.context.link.request(GetTally(0, live.value.id, seq))
    if not isinstance(tally, TallyFound) or tally.undone:
        return False
    return tally.accepted > tally.refused or (is_unusable and tally.accepted == tally.refused)


async def _reads_now(hub: Hub, live: Live, seq: int, stood_on: int) -> bool:
    """Read a refused commit once more, as the relay has it now; True when it is accepted."""
    async with live.lock:
        before = _rewound(live.value, seq, stood_on)
        if before is None:
            return False
        reply = await hub.context.link.request(Fetch(0, live.value.id, seq - 1, 1))
        if not isinstance(reply, Fetched) or not reply.entries or reply.entries[0].seq != seq:
            return False
        step = process(before, reply.entries[0], reader=live.reader(), own=None)
        if step.verdict != ACCEPTED:
            return False
        await live.keep((step,))
    await live.catch_up()
    return True


def _rewound(value: Conversation, seq: int, stood_on: int) -> Conversation | None:
    """Return the value as it was before the entry `seq` of this epoch, None if that is not kept."""
    known = value.hash_at(seq - 1)
    if known is None or seq <= value.epoch_seq:
        return None
    hashes = value.hashes.resized(seq - value.hashes_from)
    return replace(value, cursor=seq - 1, stands_on=stood_on, hash=known, hashes=hashes)


async def undone(hub: Hub, live: Live, seq: int) -> None:
    """Go on after the relay says that most refused a commit: who accepted it comes back."""
    value = live.value
    if not live.reads or seq > value.cursor:
        return
    if any(seq == refused[0] for refused in value.notes.refused):
        return
    if value.state is State.WAITING and seq <= value.notes.join_seq:
        await refuse_join(hub, live)
        return
    epochs = [epoch for commit_seq, epoch in value.notes.commits if commit_seq >= seq]
    if not epochs:
        return
    async with live.lock:
        lost = replace(live.value, state=State.LOST)
        await live.keep_value(lost.with_notes(floor=min(epochs) - 1, reason="undone"))
    await come_back(hub, live)


async def settle_join(hub: Hub, live: Live, *, accepted: int, is_undone: bool) -> None:
    """End the wait for the members' verdict on a join with a password."""
    if live.value.state is not State.WAITING:
        return
    if is_undone:
        await refuse_join(hub, live)
    elif accepted > 0:
        async with live.lock:
            if live.value.state is State.WAITING:
                await live.keep_value(replace(live.value, state=State.ACTIVE))
        hub.emit(JoinResult(conversation=live.value.title, state="joined"))
        hub.wake(live.value.title)
        hub.moved()


async def ask_verdict(hub: Hub, live: Live) -> None:
    """Ask how a join with a password was judged while this device was away."""
    seq = live.value.notes.join_seq
    tally = await hub.context.link.request(GetTally(0, live.value.id, seq))
    if isinstance(tally, TallyFound):
        await settle_join(hub, live, accepted=tally.accepted, is_undone=tally.undone)


async def refuse_join(hub: Hub, live: Live) -> None:
    """Leave a room whose members refused the password, keys and all."""
    number = live.value.id
    async with live.lock:
        gone = live.value.without_group(State.REMOVED, reason="wrong_room_password")

        def work(connection: Any) -> None:
            messaging.forget_group(connection, number)
            messaging.forget_secrets(connection, number)

        await live.keep_value(gone, work)
        live.secrets.clear()
    text = f"The members of {live.value.title} refused the password. You are not in it."
    code = Code.WRONG_ROOM_PASSWORD.value
    hub.emit(JoinResult(conversation=live.value.title, state="failed", code=code, text=text))
    hub.moved()
