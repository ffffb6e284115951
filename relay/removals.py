"""The relay's external Removes: proposing them, again when needed, and closing what is left empty.

Never removes a leaf itself: a member commits what is proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec
from sqlalchemy import Connection

from crypto.mls.external_proposal import external_remove
from crypto.mls.suite import suite_by_number
from relay import segments
from relay.context import Context
from relay.conversations import new_version
from relay.outcome import AskCommit, Event, Stored, ToDevices
from storage.relay import account_rows, conversation_rows, log_rows, other_rows
from storage.relay.account_rows import Device
from storage.relay.conversation_rows import Conversation, Membership
from storage.relay.other_rows import Removal
from wire.entry import Order, RemovalData, encode_data
from wire.pushes import ConversationChanged
from wire.replies import Entry

COMMITS_REMEMBERED = 10  # on which a Remove was issued: an undoing goes back by few
_orders = msgspec.msgpack.Decoder(Order)


def remove_account(
    connection: Connection, context: Context, account_id: int, order: Order | None
) -> tuple[Event, ...]:
    """Propose to remove every leaf of an account, everywhere."""
    stays = conversation_rows.current_stays(connection, account_id=account_id)
    return remove_stays(connection, context, stays, order)


def revoke_devices(
    connection: Connection, context: Context, devices: Iterable[Device], order: Order | None
) -> tuple[Event, ...]:
    """Log devices out for good: nothing of theirs is published, their leaves are to be removed."""
    stays: list[Membership] = []
    for device in devices:
        account_rows.update_device(connection, device.id, revoked_ms=context.now_ms())
        other_rows.delete_packages(connection, device.id)
        log_rows.delete_inbox(connection, device.id, log_rows.inbox_seq(connection, device.id))
        stays += conversation_rows.current_stays(connection, device_row=device.id)
    return remove_stays(connection, context, stays, order)


def remove_stays(
    connection: Connection,
    context: Context,
    stays: Sequence[Membership],
    order: Order | None,
) -> tuple[Event, ...]:
    """Propose to remove leaves, of any number of conversations; those proposed already are not."""
    pending = other_rows.pending_of_members(connection, [stay.id for stay in stays])
    fresh = sorted(
        (stay for stay in stays if stay.id not in pending), key=lambda stay: stay.conversation_id
    )
    events: list[Event] = []
    for row, group in groupby(fresh, key=lambda stay: stay.conversation_id):
        conversation = conversation_rows.find_row(connection, row, lock=True)
        for stay in group:
            other_rows.insert_removal(
                connection,
                conversation_id=row,
                membership_id=stay.id,
                request=None if order is None else encode_data(order),
            )
        events += issue(connection, context, conversation)
    return tuple(events)


def issue(
    connection: Connection, context: Context, conversation: Conversation
) -> tuple[Event, ...]:
    """Append a Remove for each removal that waits, in the current epoch; close what is empty.

    Those that were issued in this epoch are not again: after an undoing, members have them still.
    """
    members = conversation_rows.current_members(connection, conversation.id)
    by_id = {member.id: member for member in members}
    pending = [
        (each, by_id[each.membership_id])
        for each in other_rows.pending_removals(connection, conversation.id)
        if each.membership_id in by_id
    ]
    leaving = {removal.membership_id for removal, _ in pending}
    staying = tuple(dict.fromkeys(each.device for each in members if each.id not in leaving))
    if not staying:
        return close(connection, context, conversation, members)
    entries = _append_removes(connection, context, conversation, pending)
    last_seq = conversation.last_seq + len(entries)
    head_seq = last_seq if entries else conversation.head_seq
    conversation_rows.update_conversation(
        connection, conversation.id, last_seq=last_seq, head_seq=head_seq, pending=len(pending)
    )
    events: list[Event] = []
    if entries:
        readers = tuple(dict.fromkeys(member.device for member in members))
        events.append(Stored(conversation.conversation, entries, readers))
    if pending:
        events.append(AskCommit(conversation.conversation, head_seq, staying))
    return tuple(events)


def _append_removes(
    connection: Connection,
    context: Context,
    conversation: Conversation,
    pending: Sequence[tuple[Removal, Membership]],
) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    here = str(conversation.commit_seq)
    for removal, member in pending:
        issued_on = removal.issued_on.split(",") if removal.issued_on else []
        if here in issued_on:
            continue
        seq, arrived_ms = conversation.last_seq + len(entries) + 1, context.now_ms()
        message = _remove(context, conversation, member, removal.request)
        kept = ",".join([*issued_on, here][-COMMITS_REMEMBERED:])
        other_rows.update_removals(connection, [removal.id], issued_on=kept)
        entries.append(Entry(seq, arrived_ms, message))
    if entries:
        segments.write(connection, conversation.id, entries, segments.by_relay(entries))
    return tuple(entries)


def _remove(
    context: Context, conversation: Conversation, member: Membership, request: bytes | None
) -> bytes:
    order = None if request is None else _orders.decode(request)
    data = RemovalData(member.account, member.device, member.key_hash, order)
    return external_remove(
        suite=suite_by_number(conversation.suite),
        group_id=conversation.conversation,
        epoch=conversation.epoch,
        leaf_index=member.leaf,
        authenticated_data=encode_data(data),
        signer=context.signing_key,
    )


def close(
    connection: Connection,
    context: Context,
    conversation: Conversation,
    members: Sequence[Membership],
) -> tuple[Event, ...]:
    """End a conversation in which nobody stays: its name is free, its log is read to its end."""
    pending = other_rows.pending_removals(connection, conversation.id)
    done_seq = conversation.last_seq
    other_rows.update_removals(connection, [each.id for each in pending], done_seq=done_seq)
    conversation_rows.end_stays(connection, [each.id for each in members], done_seq)
    conversation_rows.update_conversation(
        connection,
        conversation.id,
        closed=True,
        active_name=None,
        pair=None,
        pending=0,
        contested=0,
        members_version=new_version(context),
    )
    devices = tuple(dict.fromkeys(member.device for member in members))
    conversation_id = conversation.conversation
    return (
        AskCommit(conversation_id, done_seq, ()),
        ToDevices(devices, ConversationChanged(conversation_id)),
    )
