"""Removals: commits what the relay asks to be committed, and signs the order of who leaves.

Never removes anybody by itself: the relay's Remove, or a person's wish, comes first.
"""

from __future__ import annotations

from engine.committing import Plan, commit
from engine.context import Context
from engine.conversation import Conversation
from engine.hub import Hub
from engine.live import Live
from engine.orders import sign_order
from wire.entry import Order, OrderKind


async def commit_waiting(hub: Hub, live: Live) -> None:
    """Commit the relay's Removes that wait in a conversation, if this device may."""

    def wanted(value: Conversation) -> Plan | None:
        return Plan() if may_commit_waiting(hub.context, value) else None

    await live.catch_up()
    await commit(hub.context, live, wanted)


def may_commit_waiting(context: Context, value: Conversation) -> bool:
    """Tell whether Removes wait there and this device's own leaf is not among them."""
    _, standing = value.now_in()
    own = standing.roster.of_device(context.keys.device)
    return bool(standing.waiting) and all(
        own is not None and own.leaf != waiting.leaf for waiting in standing.waiting
    )


def order_to_leave(context: Context, conversation: bytes) -> Order:
    """Return the signed order by which this account leaves a conversation."""
    keys = context.keys
    order = Order(
        OrderKind.LEAVE,
        keys.account,
        keys.root_identity,
        device=b"",
        conversation=conversation,
        reason="",
        issued_at_ms=context.now_ms(),
    )
    return sign_order(order, signer=keys.signer, chain=keys.chain)
