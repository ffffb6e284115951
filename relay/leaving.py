"""Leaving a conversation and logging a device out for good, each by its owner's signed order.

Never on anybody else's word: bans are in admin.py.
"""

from __future__ import annotations

from sqlalchemy import Connection

from relay.context import Context, Who
from relay.group_facts import stored_policy
from relay.outcome import EndSessions, Outcome, ToAccounts
from relay.proofs import check_order
from relay.removals import remove_stays, revoke_devices
from relay.rights import not_a_member, open_conversation
from storage.relay import account_rows, conversation_rows, log_rows
from storage.relay.account_rows import Account
from storage.relay.conversation_rows import Conversation, Membership
from wire.entry import Order, OrderKind
from wire.errors import Code, WireError
from wire.policy import Kind
from wire.pushes import ConversationChanged, Ended, EndReason
from wire.replies import Ok
from wire.requests import Leave, RevokeDevice

ORDER_AGE_MS = 86_400_000  # clocks differ; an order kept for longer is not the signer's wish now


def leave(connection: Connection, context: Context, who: Who, request: Leave) -> Outcome:
    """Propose to remove the account's leaves from a conversation.

    Raises WireError: no_such_room, removed, forbidden (the last owner), bad_request (the order).
    """
    conversation = open_conversation(connection, request.conversation, lock=True)
    account = account_rows.account_by_id(connection, who.account_id)
    _check_own_order(
        connection,
        context,
        request.order,
        account,
        OrderKind.LEAVE,
        conversation=request.conversation,
    )
    members = conversation_rows.current_members(connection, conversation.id)
    own = [member for member in members if member.account_id == account.id]
    if not own:
        stays = conversation_rows.stays_of(connection, conversation.id, who.device_row)
        raise not_a_member(stays)
    _check_owner_remains(connection, conversation, account, members)
    events = remove_stays(connection, context, own, request.order)
    changed = ToAccounts((account.name,), ConversationChanged(request.conversation))
    return Outcome(Ok(request.rid), (*events, changed))


def _check_owner_remains(
    connection: Connection,
    conversation: Conversation,
    account: Account,
    members: list[Membership],
) -> None:
    others = {member.account_id for member in members} - {account.id}
    if conversation.kind != Kind.ROOM or not others:
        return
    commit = log_rows.commit_at(connection, conversation.id, conversation.commit_seq)
    assert commit is not None
    if stored_policy(commit.group_info).owners == (account.root,):
        text = (
            "You are the last owner. You are still in the room: make somebody else an owner first."
        )
        raise WireError(Code.FORBIDDEN, text)


def revoke_device(
    connection: Connection, context: Context, who: Who, request: RevokeDevice
) -> Outcome:
    """Log a device of one's own account out for good; repeating it does nothing more."""
    account = account_rows.account_by_id(connection, who.account_id)
    _check_own_order(
        connection, context, request.order, account, OrderKind.REVOKE, device=request.device
    )
    device = account_rows.device_by_id(connection, request.device)
    if device is None or device.account_id != account.id:
        raise WireError(Code.BAD_REQUEST, "Your account has no such device. Nothing was changed.")
    if device.revoked_ms:
        return Outcome(Ok(request.rid))
    events = revoke_devices(connection, context, [device], request.order)
    text = "This device was logged out for good by another of your devices."
    ended = Ended(EndReason.REVOKED, account.name, text)
    return Outcome(Ok(request.rid), (*events, EndSessions(None, device.device, ended)))


def _check_own_order(
    connection: Connection,
    context: Context,
    order: Order,
    account: Account,
    kind: OrderKind,
    *,
    conversation: bytes = b"",
    device: bytes = b"",
) -> None:
    signer = check_order_fields(
        connection, context, order, kind=kind, conversation=conversation, device=device
    )
    if (order.account, order.root) != (account.name, account.root) or signer != account.id:
        raise _bad_order("is not this account's")


def check_order_fields(
    connection: Connection,
    context: Context,
    order: Order,
    *,
    kind: OrderKind,
    conversation: bytes = b"",
    device: bytes = b"",
) -> int:
    """Check an order's signature, age and aim; return the row of the account that signed it.

    Raises WireError(bad_request).
    """
    wanted = (kind, conversation, device)
    if (order.kind, order.conversation, order.device) != wanted:
        raise _bad_order("is for something else")
    if abs(context.now_ms() - order.issued_at_ms) > ORDER_AGE_MS:
        raise _bad_order("is too old, or a clock is wrong")
    signer = check_order(order)
    known = account_rows.device_by_id(connection, signer.device_id)
    holder = account_rows.account_by_name(connection, signer.account)
    if known is None or known.revoked_ms or holder is None or known.account_id != holder.id:
        raise _bad_order("is signed by no device here")
    if holder.root != signer.root_identity:
        raise _bad_order("is signed under an old identity")
    return holder.id


def _bad_order(why: str) -> WireError:
    return WireError(Code.BAD_REQUEST, f"The signed order {why}. Nothing was changed.")
