"""Founds a conversation: a group of one, durable first, then the relay's word whether it stands.

Never founds twice: after a crash the same id is offered again, and the relay repeats its answer.
"""

from __future__ import annotations

from dataclasses import replace

from crypto.mls.group import create, tree_objects
from crypto.mls.suite import Suite, suite_by_number
from engine.conversation import Conversation, Notes, State, Step, change_of, standing_of
from engine.group_policy import extensions_of
from engine.hub import Hub
from engine.killpoints import reached
from engine.live import Live
from storage.client import messaging
from wire.errors import Code, WireError
from wire.limits import ID_BYTES
from wire.policy import Policy
from wire.replies import Created
from wire.requests import Create


async def found(
    hub: Hub,
    policy: Policy,
    *,
    suite: int | None = None,
    peer: str | None = None,
    notes: Notes | None = None,
    secrets: dict[bytes, bytes] | None = None,
) -> Live:
    """Make a conversation with this policy and return it, founded.

    `suite` is the number of one of ours; None: the client's default.
    Raises WireError room_exists (data "conversation": hex id) when another one stands.
    """
    number = hub.context.suite if suite is None else suite
    value = _new(hub, policy, suite_by_number(number), peer=peer, notes=notes or Notes())
    live = hub.add(value, secrets=secrets)
    async with live.lock:
        steps = (Step(value),)
        empty = replace(value, group=None)
        change = _change(empty, steps, secrets or {})
        await hub.context.store.run(lambda connection: messaging.apply(connection, change))
    reached("stored_founding")
    await finish(hub, live)
    return live


async def finish(hub: Hub, live: Live) -> None:
    """Offer a founding to the relay, once more after a crash; see `found`."""
    group, _ = live.value.now_in()
    info = group.signed_group_info(hub.context.keys.signer)
    frame = Create(0, live.value.id, info, tree_objects(group, None))
    try:
        reply = await hub.context.link.request(frame)
    except WireError as error:
        if error.code is Code.ROOM_EXISTS:
            await give_up(hub, live)
        raise
    if not isinstance(reply, Created):
        raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
    reached("founded")
    async with live.lock:
        await live.keep_value(replace(live.value, state=State.ACTIVE))
    hub.told(live, ())


async def give_up(hub: Hub, live: Live) -> None:
    """Forget a conversation that does not stand."""
    number = live.value.id
    async with live.lock:
        await hub.context.store.run(lambda c: messaging.forget_conversation(c, number))
        hub.forget(number)


def _new(hub: Hub, policy: Policy, suite: Suite, *, peer: str | None, notes: Notes) -> Conversation:
    context = hub.context
    now_ms = context.now_ms()
    group, _ = create(
        suite=suite,
        group_id=context.random(ID_BYTES),
        config=context.keys.leaf_config(now_ms // 1000),
        extensions=extensions_of(policy, relay_key=context.relay_key),
        random=context.random,
    )
    value = Conversation(
        group.group_id,
        policy.kind,
        policy.name,
        State.FOUNDING,
        peer=peer,
        last_update_at_ms=now_ms,
        notes=notes,
    )
    standing = standing_of(group, relay_key=context.relay_key)
    return value.in_epoch(0, group, standing)


def _change(
    before: Conversation, steps: tuple[Step, ...], secrets: dict[bytes, bytes]
) -> messaging.Change:
    return replace(change_of(before, steps), secrets=tuple(secrets.items()))
