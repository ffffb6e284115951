"""Appending a commit: what it stands on, what it brings, and all of it in one transaction.

Never judges a commit's content: the members do, and verdicts.py counts.
"""

from __future__ import annotations

from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.mls.welcome import decode_welcome
from relay.commit_store import Place, store
from relay.context import Context, Who
from relay.effects import Changes, check_role, read_changes
from relay.group_facts import GroupFacts, check_tree, read_group, stored_policy
from relay.headers import EntryKind, Header
from relay.outcome import Outcome
from relay.rights import check_may_join, not_a_member
from relay.usage import charge
from storage.relay import account_rows, conversation_rows, log_rows, other_rows
from storage.relay.account_rows import Account
from storage.relay.conversation_rows import Conversation
from wire.errors import Code, WireError
from wire.replies import Conflict
from wire.requests import Append, CommitParts


def conflict(request: Append, conversation: Conversation) -> Outcome:
    """Answer an entry that does not stand on the newest commit or proposal."""
    waits = conversation.pending > 0
    return Outcome(Conflict(request.rid, conversation.head_seq, waits))


def append_commit(
    connection: Connection,
    context: Context,
    who: Who,
    request: Append,
    header: Header,
    *,
    conversation: Conversation,
) -> Outcome:
    """Append a member's commit, or one from outside. See append()."""
    parts = request.commit
    if parts is None:
        raise _refused("A commit brings a GroupInfo and the tree's new nodes.")
    account = account_rows.account_by_id(connection, who.account_id)
    _check_standing(connection, who, header, conversation=conversation, account=account)
    place = _find_place(connection, conversation, header)
    if place is None:
        return conflict(request, conversation)
    changes = read_changes(connection, context, header, place.members, suite=conversation.suite)
    if header.kind is EntryKind.EXTERNAL:
        _check_external(who, header, conversation, changes)
    elif not _removes_pending(place, changes):
        return conflict(request, conversation)
    else:
        _check_member(who, place, changes)
    facts = _check_parts(connection, context, header, parts, place=place, changes=changes)
    _check_role(connection, header, place=place, changes=changes, facts=facts, account=account)
    size = len(request.message) + len(parts.group_info) + len(parts.welcome or b"")
    charge(connection, context, account, size)
    return store(
        connection, context, who, request, header, place=place, changes=changes, facts=facts
    )


def _check_standing(
    connection: Connection,
    who: Who,
    header: Header,
    *,
    conversation: Conversation,
    account: Account,
) -> None:
    if header.kind is EntryKind.EXTERNAL:
        check_may_join(connection, conversation, account)
        return
    stays = conversation_rows.stays_of(connection, conversation.id, who.device_row)
    if not any(stay.removed_seq is None for stay in stays):
        raise not_a_member(stays)


def _find_place(connection: Connection, conversation: Conversation, header: Header) -> Place | None:
    """Return what the commit stands on, or None when that is not the newest.

    While some refuse the newest commit and nothing is decided, a commit may stand beside it: then
    on the newest that opened the epoch it names, with the members of that time.
    """
    if header.data.stands_on != conversation.head_seq:
        return None
    parent = log_rows.newest_commit(connection, conversation.id, epoch=header.epoch)
    if parent is None:
        return None
    if parent.seq == conversation.commit_seq:
        members = conversation_rows.current_members(connection, conversation.id)
    else:
        members = conversation_rows.members_at(connection, conversation.id, parent.seq)
    pending = other_rows.pending_removals(connection, conversation.id)
    return Place(conversation, parent, tuple(members), tuple(pending))


def _removes_pending(place: Place, changes: Changes) -> bool:
    leaving = {stay.id for stay in changes.leaving}
    return all(removal.membership_id in leaving for removal in place.pending)


def _check_member(who: Who, place: Place, changes: Changes) -> None:
    if all(member.device != who.device for member in place.members):
        raise WireError(Code.REMOVED, "This device was no member then. Nothing was changed.")
    if any(stay.device == who.device for stay in changes.leaving):
        raise _refused("Nobody commits his own removal.")


def _check_external(who: Who, header: Header, conversation: Conversation, changes: Changes) -> None:
    """A commit from outside adds its own device, and removes at most that device's old leaf."""
    shown = header.open
    assert shown is not None
    own = [each for each in changes.joining if each.device.device == who.device]
    if len(own) != 1 or len(changes.joining) != 1:
        raise _refused("A commit from outside adds exactly its own device.")
    if own[0].device.key_hash != shown.key_hash:
        raise _refused("The commit's leaf is not this device's.")
    old = [stay.leaf for stay in changes.leaving]
    if old != ([] if shown.removed_leaf is None else [shown.removed_leaf]):
        raise _refused("The commit does not remove what it declares.")
    if any(stay.device != who.device for stay in changes.leaving):
        raise WireError(Code.FORBIDDEN, "A commit from outside removes nobody else.")
    if shown.psk_id != conversation.psk_id:
        text = "The commit does not prove the room's present password. Nothing was changed."
        raise WireError(Code.WRONG_ROOM_PASSWORD, text)


def _check_parts(
    connection: Connection,
    context: Context,
    header: Header,
    parts: CommitParts,
    *,
    place: Place,
    changes: Changes,
) -> GroupFacts:
    conversation = place.conversation
    facts = read_group(
        conversation.conversation,
        parts.group_info,
        nodes=parts.nodes,
        relay_key=context.signing_key.public,
    )
    # Members refuse another suite as well, but who joins has only the GroupInfo to go by.
    if facts.suite != conversation.suite:
        raise _refused("A conversation keeps its cipher suite.")
    if facts.epoch != header.epoch + 1:
        raise _refused("The GroupInfo is not of the epoch that the commit opens.")
    check_tree(connection, conversation.id, facts)
    welcomed = 0 if header.kind is EntryKind.EXTERNAL else len(changes.joining)
    _check_welcome(parts.welcome, welcomed)
    return facts


def _check_welcome(welcome: bytes | None, welcomed: int) -> None:
    """Whoever is added gets a Welcome with the same commit, and nobody else does."""
    if (welcome is not None) != (welcomed > 0):
        raise _refused("A commit brings a Welcome exactly when it adds devices.")
    if welcome is None:
        return
    try:
        secrets = decode_welcome(welcome).secrets
    except PeerError as error:
        raise _refused(f"The Welcome is malformed ({error.code}).") from None
    if len(secrets) != welcomed:
        raise _refused("The Welcome is not for as many devices as are added.")


def _check_role(
    connection: Connection,
    header: Header,
    *,
    place: Place,
    changes: Changes,
    facts: GroupFacts,
    account: Account,
) -> None:
    before = stored_policy(place.parent.group_info)
    after = facts.policy
    if (after.kind, after.name) != (before.kind, before.name):
        raise _refused("A conversation keeps its kind and its name.")
    if header.kind is EntryKind.EXTERNAL:
        if after != before:
            raise _refused("A commit from outside changes no rules.")
        return
    leaving = {stay.account_id for stay in changes.leaving}
    check_role(
        changes,
        committer=account,
        before=before,
        after=after,
        pending={removal.membership_id: removal for removal in place.pending},
        roots={row: account_rows.account_by_id(connection, row).root for row in leaving},
    )


def _refused(text: str) -> WireError:
    return WireError(Code.BAD_REQUEST, text)
