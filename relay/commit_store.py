"""Storing a commit that was checked: entry, epoch, tree, members, Welcomes, removals.

Never checks: commits.py did, and nothing was written before.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from relay import segments
from relay.context import Context, Who
from relay.conversations import new_version, policy_columns
from relay.effects import Changes
from relay.group_facts import GroupFacts
from relay.headers import Header
from relay.outcome import Event, Outcome, Stored, ToAccounts, WelcomeStored
from relay.removals import issue
from storage.killpoints import reached
from storage.relay import conversation_rows, log_rows, other_rows, transaction_rows
from storage.relay.conversation_rows import Conversation, Membership
from storage.relay.log_rows import Commit
from storage.relay.other_rows import Removal
from wire.pushes import ConversationChanged
from wire.replies import Accepted, Entry, InboxEntry
from wire.requests import Append


@dataclass(frozen=True, slots=True)
class Place:
    """What a commit stands on."""

    conversation: Conversation
    parent: Commit
    members: tuple[Membership, ...]
    pending: tuple[Removal, ...]


def store(
    connection: Connection,
    context: Context,
    who: Who,
    request: Append,
    header: Header,
    *,
    place: Place,
    changes: Changes,
    facts: GroupFacts,
) -> Outcome:
    """Write everything that a checked commit does, in the transaction that is open."""
    conversation = place.conversation
    seq, arrived_ms = conversation.last_seq + 1, context.now_ms()
    before = conversation_rows.readers(connection, conversation.id)
    entry = Entry(seq, arrived_ms, request.message)
    number = header.data.transaction_id
    segments.write(
        connection,
        conversation.id,
        [entry],
        [(who.account_id, who.device_row, len(request.message), [number])],
    )
    transaction_rows.insert(connection, [(who.device_row, number, conversation.id, seq)])
    reached("relay_commit_entry")
    commit_id = _insert_commit(connection, who, request, seq=seq, place=place, facts=facts)
    reached("relay_commit_row")
    log_rows.store_nodes(connection, conversation.id, seq, facts.nodes)
    reached("relay_commit_nodes")
    _change_members(connection, conversation, changes, seq)
    reached("relay_commit_members")
    _change_conversation(connection, context, conversation, seq=seq, facts=facts)
    reached("relay_commit_head")
    readers = tuple(dict.fromkeys((*before, who.device)))
    events: list[Event] = [Stored(conversation.conversation, (entry,), readers, who.device)]
    if request.commit is not None and request.commit.welcome is not None:
        events += _welcome(
            connection, conversation, changes, commit_id, seq=seq, welcome=request.commit.welcome
        )
    events += _tell_accounts(conversation, place, changes)
    if place.pending:
        now = conversation_rows.find_row(connection, conversation.id)
        events += issue(connection, context, now)
    return Outcome(Accepted(((request.rid, seq),)), tuple(events))


def _insert_commit(
    connection: Connection,
    who: Who,
    request: Append,
    *,
    seq: int,
    place: Place,
    facts: GroupFacts,
) -> int:
    parts = request.commit
    assert parts is not None
    voters = {member.device for member in place.members} - {who.device}
    return log_rows.insert_commit(
        connection,
        conversation_id=place.conversation.id,
        seq=seq,
        parent_seq=place.parent.seq,
        epoch=facts.epoch,
        device_id=who.device_row,
        root_hash=facts.root_hash,
        group_info=parts.group_info,
        welcome=parts.welcome,
        voters=len(voters),
    )


def _change_members(
    connection: Connection, conversation: Conversation, changes: Changes, seq: int
) -> None:
    leaving = {stay.id for stay in changes.leaving}
    # Beside another commit, one may remove what that one removed: its stay ended there.
    lasting = [stay.id for stay in changes.leaving if stay.removed_seq is None]
    conversation_rows.end_stays(connection, lasting, seq)
    done = [
        removal.id
        for removal in other_rows.pending_removals(connection, conversation.id)
        if removal.membership_id in leaving
    ]
    other_rows.update_removals(connection, done, done_seq=seq)
    conversation_rows.add_members(
        connection,
        [
            {
                "conversation_id": conversation.id,
                "device_id": each.device.id,
                "account_id": each.account.id,
                "leaf": each.effect.leaf,
                "key_hash": each.effect.key_hash,
                "added_seq": seq,
                "cursor": seq,
            }
            for each in changes.joining
        ],
    )


def _change_conversation(
    connection: Connection,
    context: Context,
    conversation: Conversation,
    *,
    seq: int,
    facts: GroupFacts,
) -> None:
    pending = other_rows.pending_removals(connection, conversation.id)
    conversation_rows.update_conversation(
        connection,
        conversation.id,
        last_seq=seq,
        head_seq=seq,
        commit_seq=seq,
        epoch=facts.epoch,
        pending=len(pending),
        members_version=new_version(context),
        **policy_columns(facts.policy),
    )


def _welcome(
    connection: Connection,
    conversation: Conversation,
    changes: Changes,
    commit_id: int,
    *,
    seq: int,
    welcome: bytes,
) -> list[Event]:
    rows = [each.device.id for each in changes.joining]
    numbers = log_rows.store_welcome(connection, rows, commit_id)
    reached("relay_welcome")
    return [
        WelcomeStored(
            each.device.device, InboxEntry(number, conversation.conversation, seq, welcome)
        )
        for each, number in zip(changes.joining, numbers, strict=True)
    ]


def _tell_accounts(conversation: Conversation, place: Place, changes: Changes) -> list[Event]:
    """The other devices of accounts that come in learn that they may, too."""
    known = {member.account for member in place.members}
    names = dict.fromkeys(each.account.name for each in changes.joining)
    fresh = tuple(name for name in names if name not in known)
    if not fresh:
        return []
    return [ToAccounts(fresh, ConversationChanged(conversation.conversation))]
