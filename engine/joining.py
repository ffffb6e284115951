"""Joins a conversation from outside, and comes back into one: JoinInfo, tree walk, external commit.

Never takes an old state for the present one, and never sends a commit that is not durable.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from crypto.errors import PeerError
from crypto.mls.credential import Credential
from crypto.mls.group import Group, RatchetTree, decode_group_info, external_draft, rows
from crypto.mls.suite import suite_by_number
from crypto.mls.welcome import GroupInfo
from engine.commits import places_of, proposed
from engine.committing import MAX_TRIES, UNANSWERED, Parts, PendingRows, check_fits
from engine.conversation import Conversation, State, Step, change_of, row_of, standing_of
from engine.events import Membership
from engine.hub import Hub
from engine.judge import CommitView, Proposed, Standing, judge, judge_group
from engine.killpoints import reached
from engine.live import Live
from engine.membership import narrate
from engine.roster import Place, effects_of
from engine.steps import with_peer
from engine.tree_walk import walk_tree
from engine.welcomes import take_inbox
from storage.client import messaging
from storage.client.messaging import PendingCommit
from wire.entry import EffectKind, EntryData, encode_data
from wire.errors import Code, WireError
from wire.policy import Kind
from wire.replies import Accepted, Conflict, JoinInfoFound
from wire.requests import Append, CommitParts, JoinInfo


@dataclass(frozen=True, slots=True)
class Door:
    """What the relay and the group say of a conversation to who stands outside."""

    info: JoinInfoFound
    group_info: GroupInfo
    standing: Standing
    tree: RatchetTree


@dataclass(frozen=True, slots=True)
class _Seated:
    leaf_index: int
    credential: Credential
    signature_key: bytes


@dataclass(frozen=True, slots=True)
class Joining:
    """An external commit that is durable: to be sent, and what it leads to."""

    number: bytes
    frame: Append
    group: Group
    before: Standing | None
    made_at_ms: int
    secret: tuple[bytes, bytes] | None = None


async def open_door(
    hub: Hub, *, conversation: bytes | None = None, name: str | None = None
) -> Door:
    """Return what is behind a door; raise WireError (no_such_room, unavailable) or the relay's."""
    context = hub.context
    info = await context.link.request(JoinInfo(0, conversation, name))
    if not isinstance(info, JoinInfoFound):
        raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
    try:
        group_info = decode_group_info(info.group_info)
        said = group_info.group_context
        if said.group_id != info.conversation or conversation not in (None, said.group_id):
            raise PeerError("misplaced", "the GroupInfo of another conversation")
        suite = suite_by_number(said.suite)
        tree = await walk_tree(context, info.conversation, suite=suite, root_hash=said.tree_hash)
        members = tuple(_seated(tree))
        standing = judge_group(
            said.group_id,
            said.extensions,
            members,
            suite=said.suite,
            relay_key=context.relay_key,
        )
    except PeerError as error:
        text = f"The relay's word on this conversation was refused ({error.code}). Not joined."
        raise WireError(Code.UNAVAILABLE, text) from None
    return Door(info, group_info, standing, tree)


def _seated(tree: RatchetTree) -> Iterable[_Seated]:
    return (_Seated(index, leaf.credential, leaf.signature_key) for index, leaf in tree.leaves())


async def join(hub: Hub, live: Live, door: Door, *, psk: bytes | None = None) -> None:
    """Join by external commit, or come back; `live` is in a state that does not read.

    `psk`: the room's key, made from a password or kept. Raises WireError; not_connected leaves the
    commit to be sent again at the next connect.
    """
    async with live.committing:
        if await _finish_unanswered(hub, live):
            return
        for _ in range(MAX_TRIES):
            if live.value.state is State.JOINING and _is_seated(hub, door):
                # Somebody's Welcome was first. What was said since can be read by it alone.
                await take_inbox(hub)
            async with live.lock:
                if live.reads:
                    return
                live.joining = await _prepare(hub, live, door, psk)
            if await _send(hub, live, live.joining):
                return
            door = await open_door(hub, conversation=live.value.id)
    raise WireError(Code.RATE_LIMITED, "Too many others join this conversation; try again.")


async def resend(hub: Hub, live: Live) -> None:
    """Learn what became of a join whose answer was not heard, if there is one."""
    async with live.committing:
        await _finish_unanswered(hub, live)


async def _finish_unanswered(hub: Hub, live: Live) -> bool:
    """The same; True when this device is in. Who joined twice would miss what was said between."""
    joining = live.joining
    if isinstance(joining, Joining) and not live.reads:
        return await _send(hub, live, joining)
    return live.reads


def _is_seated(hub: Hub, door: Door) -> bool:
    return door.standing.roster.of_device(hub.context.keys.device) is not None


async def _send(hub: Hub, live: Live, joining: Joining) -> bool:
    """Send a durable external commit; True when it stands, False when another did first."""
    reached("stored_join")
    try:
        reply = await hub.context.link.request(joining.frame)
    except WireError as error:
        if error.code not in UNANSWERED:
            await _drop(hub, live)
        raise
    reached("answered_join")
    if isinstance(reply, Accepted):
        await _joined(hub, live, joining, reply.answers[0][1])
        return True
    if not isinstance(reply, Conflict):
        raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
    await _drop(hub, live)
    return False


async def _drop(hub: Hub, live: Live) -> None:
    number = live.value.id
    live.joining = None
    async with live.lock:
        await hub.context.store.run(lambda c: messaging.drop_pending_commit(c, number))


def check_door(value: Conversation, door: Door) -> None:
    """Raise WireError unless the relay's state is newer than what was seen, in the same suite."""
    said = door.group_info.group_context
    if not value.keeps_suite(said.suite):
        text = f"The relay shows {value.title} in another suite than it had. Nothing was joined."
        raise WireError(Code.UNAVAILABLE, text)
    if said.epoch < value.lowest_epoch:
        text = f"The relay shows an old state of {value.title}. Nothing was joined."
        raise WireError(Code.UNAVAILABLE, text)


async def _prepare(hub: Hub, live: Live, door: Door, psk: bytes | None) -> Joining:
    check_door(live.value, door)
    context, standing = hub.context, door.standing
    lock = standing.policy.lock
    if lock is not None and psk is None:
        psk = live.secrets.get(lock.psk_id)
    if lock is not None and psk is None:
        raise WireError(Code.WRONG_ROOM_PASSWORD, f"{live.value.title} asks for its password.")
    secret = None if lock is None or psk is None else (lock.psk_id, psk)
    old = standing.roster.of_device(context.keys.device)
    number, now_ms = context.fresh_number(), context.now_ms()
    try:
        draft = external_draft(
            door.info.group_info,
            door.tree,
            config=context.keys.leaf_config(now_ms // 1000),
            remove_leaf=None if old is None else old.leaf,
            psk_ids=() if secret is None else (secret[0],),
            psks={} if secret is None else dict((secret,)),
            random=context.random,
        )
        added, removed = places_of(standing, draft.changes)
        proposals = tuple(map(proposed, draft.resolved))
        data = _checked(door, number, proposals, added=added, removed=removed)
    except PeerError as error:
        text = f"{live.value.title} cannot be joined ({error.code})."
        raise WireError(Code.FORBIDDEN, text) from None
    made = draft.finish(
        signer=context.keys.signer, authenticated_data=encode_data(data), random=context.random
    )
    parts = CommitParts(made.group_info, tuple(made.group.tree.objects(door.tree)))
    frame = Append(0, live.value.id, made.message, parts)
    check_fits(frame)
    joining = Joining(number, frame, made.group, standing, now_ms, secret)
    await _keep(hub, live, joining)
    return joining


def _checked(
    door: Door,
    number: bytes,
    proposals: tuple[Proposed, ...],
    *,
    added: tuple[Place, ...],
    removed: tuple[Place, ...],
) -> EntryData:
    """Return the commit's description after judging it as the members will."""
    changes = [(EffectKind.REMOVED, place) for place in removed]
    changes += [(EffectKind.ADDED, place) for place in added]
    data = EntryData(door.info.stands_on, number, effects_of(changes))
    view = CommitView(
        data.effects,
        is_external=True,
        committer=added[0],
        path=added[0],
        proposals=proposals,
        added=added,
        removed=removed,
    )
    judge(door.standing, view)
    return data


async def _keep(hub: Hub, live: Live, joining: Joining) -> None:
    parts = joining.frame.commit
    assert parts is not None  # made by `_prepare`
    extra = Parts(parts, joining.made_at_ms, is_join=True, secret=joining.secret)
    pending = PendingCommit(
        live.value.id,
        joining.number,
        message=joining.frame.message,
        rows=msgspec.msgpack.encode(PendingRows(rows(joining.group))),
        extra=msgspec.msgpack.encode(extra),
    )

    def write(connection: Any) -> None:
        messaging.put_conversation(connection, row_of(live.value))
        messaging.put_pending_commit(connection, pending)

    await hub.context.store.run(write)


async def _joined(hub: Hub, live: Live, joining: Joining, seq: int) -> None:
    """Take the seat that the relay gave at `seq`."""
    context = hub.context
    standing = standing_of(joining.group, relay_key=context.relay_key)
    async with live.lock:
        before = live.value
        value = replace(
            before.in_epoch(seq, joining.group, standing),
            kind=standing.policy.kind,
            name=standing.policy.name,
            state=_state(hub, joining),
            counters={},  # what was said meanwhile is no gap of its senders
            last_update_at_ms=joining.made_at_ms,
            sent_since_update=0,
        )
        value = value.with_notes(needs_update=False, refused=(), join_seq=seq, floor=0, reason="")
        value = with_peer(value, context.keys.root_identity)
        step = _arrival(hub, before, value, joining)
        bare = replace(before, group=None)
        change = replace(
            change_of(bare, (step,)),
            whole_group=True,
            forget_counters=True,
            pending_done=True,
            secrets=() if joining.secret is None else (joining.secret,),
        )

        def assign(_: object) -> None:
            if joining.secret is not None:
                live.secrets[joining.secret[0]] = joining.secret[1]
            live.joining = None
            live.seat(value)

        await context.store.run(lambda c: messaging.apply(c, change), then=assign)
    for event in step.events:
        hub.emit(event)
    hub.told(live, (step,))
    hub.wake(value.title)
    await live.settle()


def _state(hub: Hub, joining: Joining) -> State:
    """Wait for a verdict where a password was used and members can judge it."""
    standing = standing_of(joining.group, relay_key=hub.context.relay_key)
    is_judged = joining.secret is not None and len(standing.roster) > 1
    return State.WAITING if is_judged else State.ACTIVE


def _arrival(hub: Hub, before: Conversation, value: Conversation, joining: Joining) -> Step:
    _, standing = value.now_in()
    own = standing.roster.of_device(hub.context.keys.device)
    assert own is not None  # the commit added it
    if joining.before is None or value.kind is Kind.DIRECT:
        return Step(value, new_epoch=True)
    lines, events = narrate(
        value,
        joining.before,
        standing,
        committer=own,
        is_external=True,
        seq=value.cursor,
        arrived_at_ms=joining.made_at_ms,
        own_account=hub.context.keys.account,
    )
    events = tuple(event for event in events if isinstance(event, Membership))
    return Step(value, lines=lines, events=events, new_epoch=True)
