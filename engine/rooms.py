"""Rooms: made, joined, left, and who may do what in them.

Never changes a room but by a commit that every member judges; the relay's word is not enough.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec.structs import replace as with_fields

from crypto.mls.proposals import Remove
from crypto.room_password import room_psk
from engine.claims import claim, not_seated
from engine.committing import Plan, commit
from engine.content import RoomSecret
from engine.conversation import Conversation, State
from engine.founding import found
from engine.group_policy import room_policy
from engine.hub import Hub
from engine.joining import Door, join, open_door
from engine.live import Live
from engine.membership import role_of
from engine.removals import order_to_leave
from engine.roster import Place
from engine.titles import room_title, title_of
from storage.client import messaging
from wire.errors import Code, WireError
from wire.limits import ID_BYTES
from wire.names import canonical_name, canonical_room_name
from wire.passwords import check_password, suggest_password
from wire.policy import JoinRule, Kind, Policy, RoomLock
from wire.requests import Leave

VERDICT_WAIT_S: Final = 10.0  # how long a join waits for a member before it says that it waits


class Rooms:
    """What people do with rooms. `tell_secret` sends a room's new key to its members."""

    def __init__(
        self, hub: Hub, tell_secret: Callable[[Live, RoomSecret], Awaitable[None]]
    ) -> None:
        self._hub = hub
        self._tell_secret = tell_secret

    async def create(
        self, name: str, join_rule: str, password: str | None, *, suite: int | None = None
    ) -> dict[str, Any]:
        """Found a room, in the client's suite if none is said.

        Raises WireError room_exists, weak_password, bad_name.
        """
        canonical = canonical_room_name(name.removeprefix("#"))
        rule = JoinRule(join_rule)
        if (rule is JoinRule.PASSWORD) != (password is not None):
            text = "A room with join rule password needs one; any other has none."
            raise WireError(Code.BAD_REQUEST, text)
        lock, secrets = None, {}
        if password is not None:
            lock, psk = await self._new_lock(password, canonical)
            secrets = {lock.psk_id: psk}
        own = self._hub.context.keys.root_identity
        live = await found(
            self._hub,
            room_policy(canonical, rule, owner=own, lock=lock),
            suite=suite,
            secrets=secrets,
        )
        return {"conversation": live.value.title}

    async def _new_lock(self, password: str, name: str) -> tuple[RoomLock, bytes]:
        context = self._hub.context
        try:
            check_password(password, name)
        except WireError as error:
            offered = suggest_password(context.random, name=name)
            text = f"{error.text} One that fits: {offered}"
            raise WireError(error.code, text, suggestion=offered) from None
        lock = RoomLock(context.random(ID_BYTES), context.random(ID_BYTES))
        return lock, await asyncio.to_thread(room_psk, password, lock.salt)

    async def join(self, name: str, password: str | None) -> dict[str, Any]:
        """Join a room; the state is "joined", or "waiting" for a member's verdict."""
        title = room_title(name)
        for live in self._hub.named(title):
            if live.value.state is State.ACTIVE:
                raise WireError(Code.ALREADY_MEMBER, f"You are in {title} already.")
            if live.value.state is State.WAITING:
                return await self._verdict(live)
        door = await open_door(self._hub, name=title[1:])
        psk = await self._key_for(door, title, password)
        live = self._outside(door)
        try:
            await join(self._hub, live, door, psk=psk)
        except WireError:
            await self._step_back(live)
            raise
        with contextlib.suppress(WireError):
            await live.catch_up()  # who is put out again meanwhile hears the verdict below
        return await self._verdict(live)

    async def _key_for(self, door: Door, title: str, password: str | None) -> bytes | None:
        policy = door.standing.policy
        is_known = door.standing.roster.has_root(self._hub.context.keys.root_identity)
        if policy.join is JoinRule.INVITE and not is_known:
            raise WireError(Code.FORBIDDEN, f"{title} is by invitation: ask a member for one.")
        if policy.lock is None:
            return None
        if policy.lock.closed and not is_known:
            text = f"{title} is closed until an owner sets a new password."
            raise WireError(Code.FORBIDDEN, text)
        if password is None:
            live = self._hub.get(door.info.conversation)
            kept = None if live is None else live.secrets.get(policy.lock.psk_id)
            if kept is None:
                raise WireError(Code.WRONG_ROOM_PASSWORD, f"{title} asks for a password.")
            return kept
        return await asyncio.to_thread(room_psk, password, policy.lock.salt)

    def _outside(self, door: Door) -> Live:
        policy = door.standing.policy
        bare = Conversation(door.info.conversation, policy.kind, policy.name, State.JOINING)
        return self._hub.add(bare)

    async def _step_back(self, live: Live) -> None:
        """Forget a room that was never entered; one that was keeps its history."""
        number = live.value.id
        if live.value.state is State.JOINING and not live.value.cursor:
            pending = await self._hub.context.store.query(
                lambda c: messaging.load_pending_commit(c, number)
            )
            if pending is None:
                await self._hub.context.store.run(
                    lambda c: messaging.forget_conversation(c, number)
                )
                self._hub.forget(number)

    async def _verdict(self, live: Live) -> dict[str, Any]:
        await self._hub.wait_until(
            lambda: live.value.state is not State.WAITING, timeout_s=VERDICT_WAIT_S
        )
        if live.value.state is State.REMOVED:
            text = f"The members of {live.value.title} refused the password."
            raise WireError(Code.WRONG_ROOM_PASSWORD, text)
        state = "waiting" if live.value.state is State.WAITING else "joined"
        return {"conversation": live.value.title, "state": state}

    async def invite(self, conversation: str, name: str) -> dict[str, Any]:
        """Add all devices of somebody to a room."""
        live = self._room(conversation)
        contact = await self._hub.context.contacts.check(name)
        root = contact.root_identity
        _, standing = live.value.now_in()
        if standing.roster.has_root(root):
            text = f"{contact.display} is in {live.value.title} already."
            raise WireError(Code.ALREADY_MEMBER, text)
        adds = await claim(self._hub.context, contact, suite=live.value.suite)

        def wanted(value: Conversation) -> Plan | None:
            _, now = value.now_in()
            return None if now.roster.has_root(root) else Plan(not_seated(adds, now.roster))

        await commit(self._hub.context, live, wanted)
        return {"conversation": live.value.title, "name": contact.account}

    async def remove_member(self, conversation: str, name: str) -> dict[str, Any]:
        """Remove all devices of somebody from a room."""
        live = self._room(conversation)
        account = canonical_name(name.removeprefix("@"))
        if account == self._hub.context.keys.account:
            raise WireError(Code.BAD_REQUEST, "Leave the room instead of removing yourself.")
        root = self._member(live, account).root

        def wanted(value: Conversation) -> Plan | None:
            _, now = value.now_in()
            leaves = tuple(Remove(place.leaf) for place in now.roster.of_root(root))
            return Plan(leaves) if leaves else None

        await commit(self._hub.context, live, wanted)
        return {"conversation": live.value.title, "name": account}

    async def leave(self, conversation: str) -> dict[str, Any]:
        """Leave with all devices; the last owner names another first."""
        title = title_of(conversation)
        live = self._hub.need(title)
        if live.value.kind is Kind.LOBBY:
            raise WireError(Code.FORBIDDEN, "Everybody is in the lobby; nobody leaves it.")
        self._check_last_owner(live)
        order = order_to_leave(self._hub.context, live.value.id)
        await self._hub.context.link.request(Leave(0, live.value.id, order))
        number = live.value.id
        async with live.lock:
            group = live.value.group
            floor = 0 if group is None else group.epoch
            gone = live.value.without_group(State.REMOVED, reason="left", floor=floor)
            await live.keep_value(gone, lambda c: messaging.forget_group(c, number))
        self._hub.moved()
        return {"conversation": title}

    def _check_last_owner(self, live: Live) -> None:
        _, standing = live.value.now_in()
        own, policy = self._hub.context.keys.root_identity, standing.policy
        others = {place.root for place in standing.roster if place.root != own}
        is_last = own in policy.owners and not others.intersection(policy.owners)
        if live.value.kind is Kind.ROOM and is_last and others:
            text = f"You are the last owner of {live.value.title}. Name another one first."
            raise WireError(Code.FORBIDDEN, text)

    async def set_password(self, conversation: str, password: str) -> dict[str, Any]:
        """Give a room a new password; its members get the key, newcomers may come again."""
        live = self._room(conversation)
        self._need_owner(live)
        lock, psk = await self._new_lock(password, live.value.name)
        number = live.value.id
        await self._hub.context.store.run(
            lambda c: messaging.put_secret(c, number, psk_id=lock.psk_id, psk=psk)
        )
        live.secrets[lock.psk_id] = psk
        # The members have the key before the lock changes: nobody is unable to judge a newcomer.
        await self._tell_secret(live, RoomSecret(lock.psk_id, psk))

        def relock(policy: Policy) -> Policy:
            return with_fields(policy, join=JoinRule.PASSWORD, lock=lock)

        def wanted(value: Conversation) -> Plan | None:
            _, now = value.now_in()
            current = now.policy.lock
            is_done = current is not None and current.psk_id == lock.psk_id
            return None if is_done else Plan(policy=relock)

        await commit(self._hub.context, live, wanted)
        return {"conversation": live.value.title}

    async def set_role(self, conversation: str, name: str, role: str) -> dict[str, Any]:
        """Make a member "owner", "admin" or "member"; owners only."""
        live = self._room(conversation)
        self._need_owner(live)
        account = canonical_name(name.removeprefix("@"))
        root = self._member(live, account).root
        if role not in ("owner", "admin", "member"):
            raise WireError(Code.BAD_REQUEST, "A role is owner, admin or member.")

        def change(policy: Policy) -> Policy:
            return _with_role(policy, root, role)

        def wanted(value: Conversation) -> Plan | None:
            _, now = value.now_in()
            return None if role_of(now.policy, root) == role else Plan(policy=change)

        await commit(self._hub.context, live, wanted)
        return {"conversation": live.value.title, "name": account, "role": role}

    def _room(self, conversation: str) -> Live:
        live = self._hub.need(room_title(conversation))
        if live.value.kind is not Kind.ROOM:
            raise WireError(Code.FORBIDDEN, f"{live.value.title} is not a room that has members.")
        return live

    def _need_owner(self, live: Live) -> None:
        _, standing = live.value.now_in()
        if self._hub.context.keys.root_identity not in standing.policy.owners:
            raise WireError(Code.FORBIDDEN, f"Only an owner of {live.value.title} may do that.")

    def _member(self, live: Live, account: str) -> Place:
        _, standing = live.value.now_in()
        for place in standing.roster.of_account(account):
            return place
        raise WireError(Code.NO_SUCH_USER, f"{account} is not in {live.value.title}.")


def _with_role(policy: Policy, root: bytes, role: str) -> Policy:
    owners = tuple(one for one in policy.owners if one != root)
    admins = tuple(one for one in policy.admins if one != root)
    if role == "owner":
        owners = tuple(sorted((*owners, root)))
    elif role == "admin":
        admins = tuple(sorted((*admins, root)))
    if not owners:
        raise WireError(Code.FORBIDDEN, "A room needs an owner: name another one first.")
    return with_fields(policy, owners=owners, admins=admins)
