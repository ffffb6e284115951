"""Joins by Welcome: opened with a KeyPackage of ours, the tree walked, the whole group judged.

Never joins a group that is not one of ours, and deletes a used KeyPackage with the join.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from crypto.errors import PeerError
from crypto.mls.extensions import find_extension
from crypto.mls.group import Group, OpenedWelcome, OwnKeyPackage, open_welcome
from crypto.mls.welcome import decode_welcome
from engine.committing import RoomKey
from engine.conversation import Conversation, State, Step, change_of, standing_of
from engine.events import Event, Membership
from engine.group_policy import peer_root
from engine.hub import Hub
from engine.judge import Standing
from engine.keypackages import mark_last_resort_used
from engine.killpoints import reached
from engine.live import Live
from engine.membership import told_line
from engine.roster import Place
from engine.steps import with_peer
from engine.tree_walk import walk_tree
from storage.client import key_packages, messaging
from storage.client.messaging import Line
from wire.errors import Code, WireError
from wire.policy import ROOM_PSK_EXTENSION, Kind
from wire.replies import InboxEntry, InboxFound
from wire.requests import AckInbox, GetInbox


async def take_inbox(hub: Hub) -> None:
    """Join by every Welcome that waits at the relay, in order."""
    link = hub.context.link
    after = 0
    while True:
        reply = await link.request(GetInbox(0, after))
        if not isinstance(reply, InboxFound):
            raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
        for entry in reply.entries:
            live = await take(hub, entry)
            after = max(after, entry.seq)
            if live is not None:
                await live.catch_up()
        if reply.entries:
            await link.request(AckInbox(0, after))
        if not reply.entries or after >= reply.last_seq:
            return


async def take(hub: Hub, entry: InboxEntry) -> Live | None:
    """Join by a Welcome and return the conversation; None when it is of no use (any more).

    Raises WireError when the relay cannot be asked for the tree.
    """
    known = hub.get(entry.conversation)
    if known is not None and known.reads:
        await known.catch_up()  # perhaps this device was removed before it was added again
        if known.reads:
            # Nobody adds whom is in. Taking this one would put another group, whose members its
            # maker chose, in the place of the one that the person knows under this name.
            return None
    if known is not None and known.value.cursor >= entry.commit_seq:
        return None  # this device has been there by itself since
    try:
        opened = await _open(hub, entry)
        if opened is None:
            return None
        tree = await walk_tree(
            hub.context, entry.conversation, suite=opened.suite, root_hash=opened.tree_hash
        )
        group = opened.join(tree)
        if group.group_id != entry.conversation:
            raise PeerError("misplaced", "the Welcome to another conversation")
        standing = standing_of(group, relay_key=hub.context.relay_key)
        _check_name(hub, known, standing, entry.conversation)
        if known is not None and not known.value.keeps_suite(group.suite.number):
            raise PeerError("J-25", "a conversation keeps its suite")
        secret = _room_key(opened, standing)
        await _meet_other(hub, standing)
    except PeerError:
        return None  # whoever is named as a member there comes in by himself instead
    return await _keep(hub, entry, opened, group=group, standing=standing, secret=secret)


async def _open(hub: Hub, entry: InboxEntry) -> OpenedWelcome | None:
    references = [secret.new_member for secret in decode_welcome(entry.welcome).secrets]

    def work(connection: Any) -> dict[bytes, bytes]:
        found = (key_packages.find_key_package(connection, one) for one in references[:1024])
        return {row.reference: row.encoded for row in found if row is not None}

    own = await hub.context.store.query(work)
    if not own:
        return None
    packages = {name: OwnKeyPackage.from_bytes(encoded) for name, encoded in own.items()}
    return open_welcome(entry.welcome, packages)


def _check_name(hub: Hub, known: Live | None, standing: Standing, conversation: bytes) -> None:
    """Refuse a group that would speak under the name of another one.

    Names are the relay's to keep apart, so two conversations of one name are its lie.
    """
    policy = standing.policy
    if policy.kind is Kind.LOBBY:
        raise PeerError("J-20", "nobody is added to the lobby: everybody comes in by himself")
    if known is not None and known.value.state is not State.JOINING:
        before, now = known.value, (policy.kind, policy.name)
        if (before.kind, before.name) != now:
            raise PeerError("J-20", "a conversation keeps its kind and its name")
    title = f"#{policy.name}"
    others = [live for live in hub.named(title) if live.value.id != conversation and live.reads]
    if policy.kind is Kind.ROOM and others:
        raise PeerError("J-20", "another conversation has this name")


def _room_key(opened: OpenedWelcome, standing: Standing) -> tuple[bytes, bytes] | None:
    lock = standing.policy.lock
    data = find_extension(opened.group_info.extensions, ROOM_PSK_EXTENSION)
    if lock is None or data is None:
        return None
    try:
        key = msgspec.msgpack.decode(data, type=RoomKey)
    except msgspec.DecodeError:
        raise PeerError("bad_content", "the room's key is malformed") from None
    return (key.psk_id, key.psk) if key.psk_id == lock.psk_id else None


async def _meet_other(hub: Hub, standing: Standing) -> None:
    """Pin the other one of a direct conversation, or notice a changed root, before a word is read.

    Raises PeerError for a direct conversation of others.
    """
    if standing.policy.kind is not Kind.DIRECT:
        return
    own_root = hub.context.keys.root_identity
    if own_root not in standing.policy.owners:
        raise PeerError("J-20", "a direct conversation of others")
    for place in standing.roster.of_root(peer_root(standing.policy, own_root)):
        await hub.context.contacts.observe(place.chain)
        return


async def _keep(
    hub: Hub,
    entry: InboxEntry,
    opened: OpenedWelcome,
    *,
    group: Group,
    standing: Standing,
    secret: tuple[bytes, bytes] | None,
) -> Live | None:
    policy, seq = standing.policy, entry.commit_seq
    live = hub.add(Conversation(entry.conversation, policy.kind, policy.name, State.JOINING))
    async with live.lock:
        if live.reads and live.value.cursor >= seq:
            return None  # it came in by itself meanwhile
        before = replace(live.value, group=None, standing=None)
        value = _arrived(hub, before, seq, group=group, standing=standing)
        lines, events = _arrival(hub, value, opened.group_info.signer)
        step = Step(value, lines=lines, events=events, secret=secret, new_epoch=True)
        change = replace(
            change_of(before, (step,)), whole_group=True, pending_done=True, forget_counters=True
        )

        def work(connection: Any) -> None:
            messaging.apply(connection, change)
            _spend(connection, opened.reference, opened.suite.number)

        def assign(_: object) -> None:
            if secret is not None:
                live.secrets[secret[0]] = secret[1]
            live.seat(value)

        await hub.context.store.run(work, then=assign)
    reached("stored_welcome")
    for event in step.events:
        hub.emit(event)
    hub.told(live, (step,))
    hub.wake(value.title)
    return live


def _arrived(
    hub: Hub, before: Conversation, seq: int, *, group: Group, standing: Standing
) -> Conversation:
    """Return the value of who was just let in by the commit at `seq`."""
    value = replace(
        before.in_epoch(seq, group, standing),
        kind=standing.policy.kind,
        name=standing.policy.name,
        state=State.ACTIVE,
        counters={},  # what was said before is no gap of its senders
        last_update_at_ms=hub.context.now_ms(),
    )
    value = value.with_notes(needs_update=True, join_seq=seq, refused=(), floor=0, reason="")
    return with_peer(value, hub.context.keys.root_identity)


def _spend(connection: Any, reference: bytes, suite: int) -> None:
    row = key_packages.find_key_package(connection, reference)
    if row is not None and row.last_resort:
        mark_last_resort_used(connection, suite)
    else:
        key_packages.delete_key_package(connection, reference)


def _arrival(
    hub: Hub, value: Conversation, signer: int
) -> tuple[tuple[Line, ...], tuple[Event, ...]]:
    """Say who brought this account in; a direct conversation is announced by its first message."""
    _, standing = value.now_in()
    keys = hub.context.keys
    inviter: Place | None = standing.roster.at(signer)
    if value.kind is Kind.DIRECT or inviter is None or inviter.account == keys.account:
        return (), ()
    line = told_line(
        keys.account,
        "invited",
        by=inviter.account,
        display=keys.display,
        seq=value.cursor,
        arrived_at_ms=hub.context.now_ms(),
    )
    event = Membership(
        conversation=value.title,
        name=keys.account,
        change="invited",
        by=inviter.account,
        display=keys.display,
    )
    return (line,), (event,)
