"""Acknowledgements and the verdicts in them: counting, and undoing what most members refuse.

Never judges: it counts the devices that were members before a commit, its committer not among them.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from relay import segments
from relay.context import Context, Who
from relay.conversations import new_version, policy_columns
from relay.group_facts import stored_policy
from relay.headers import read_header
from relay.history import write_cursors
from relay.outcome import Event, Outcome, ToDevices
from relay.removals import issue, remove_stays
from relay.rights import no_such_room, not_a_member
from storage.relay import account_rows, conversation_rows, log_rows, other_rows
from storage.relay.conversation_rows import Conversation, Membership
from storage.relay.log_rows import Commit
from wire.entry import EffectKind
from wire.errors import Code, WireError
from wire.pushes import Tally, Undone
from wire.replies import Ok, TallyFound
from wire.requests import Ack, GetTally, Verdict

GRACE_MS = 2000  # how long others may still outvote those who refused first


def ack(connection: Connection, context: Context, who: Who, request: Ack) -> Outcome:
    """Take an acknowledgement, and the verdicts that came with it."""
    events: tuple[Event, ...] = ()
    if request.verdicts:
        events = _vote_all(connection, context, who, request)
    if context.acks.note(who.device_row, request.conversation, request.seq):
        write_cursors(connection, context)
    return Outcome(Ok(request.rid), events)


def _vote_all(
    connection: Connection, context: Context, who: Who, request: Ack
) -> tuple[Event, ...]:
    conversation = conversation_rows.find(connection, request.conversation, lock=True)
    if conversation is None:
        raise no_such_room()
    stays = conversation_rows.stays_of(connection, conversation.id, who.device_row)
    if not stays:
        raise not_a_member(stays)
    events: list[Event] = []
    for seq, verdict in request.verdicts:
        events += _vote(connection, context, who, conversation, stays, seq=seq, verdict=verdict)
    return tuple(events)


def _vote(
    connection: Connection,
    context: Context,
    who: Who,
    conversation: Conversation,
    stays: Sequence[Membership],
    *,
    seq: int,
    verdict: Verdict,
) -> tuple[Event, ...]:
    commit = log_rows.commit_at(connection, conversation.id, seq)
    if commit is None or not may_vote(commit, stays, who.device_row):
        return ()
    if log_rows.has_voted(connection, commit.id, who.device_row):
        return ()
    log_rows.insert_vote(connection, commit.id, who.device_row, int(verdict))
    if verdict is Verdict.UNUSABLE:
        return ()
    counted = _count(connection, context, conversation, commit, verdict)
    return _decide(connection, context, conversation.id, counted, is_first=_is_first(counted))


def may_vote(commit: Commit, stays: Sequence[Membership], device_row: int) -> bool:
    """Whether the device was a member before the commit, and not its committer."""
    if commit.seq == 0 or commit.device_id == device_row:
        return False
    return any(
        stay.added_seq < commit.seq and (stay.removed_seq is None or stay.removed_seq >= commit.seq)
        for stay in stays
    )


def _count(
    connection: Connection,
    context: Context,
    conversation: Conversation,
    commit: Commit,
    verdict: Verdict,
) -> Commit:
    accepted = commit.accepted + (verdict is Verdict.ACCEPTED)
    refused = commit.refused + (verdict is Verdict.REFUSED)
    first_ms = commit.first_refused_ms
    if refused and not first_ms:
        first_ms = context.now_ms()
        conversation_rows.update_conversation(connection, conversation.id, contested=1)
    log_rows.update_commit(
        connection, commit.id, accepted=accepted, refused=refused, first_refused_ms=first_ms
    )
    found = log_rows.commit_at(connection, commit.conversation_id, commit.seq)
    assert found is not None
    return found


def _is_first(commit: Commit) -> bool:
    """Whether the committer learns something new: the first vote, or a majority."""
    return commit.accepted + commit.refused == 1 or commit.accepted * 2 in (
        commit.voters + 1,
        commit.voters + 2,
    )


def _decide(
    connection: Connection, context: Context, row: int, commit: Commit, *, is_first: bool
) -> tuple[Event, ...]:
    if commit.undone:
        return ()
    # Others may still outvote those who refuse until most of all have done so: see settle().
    if commit.refused * 2 > commit.voters:
        return undo(connection, context, row, commit)
    return (_tally(connection, row, commit, undone=False),) if is_first else ()


def settle(connection: Connection, context: Context) -> Outcome:
    """Undo commits that more refuse than accept, the grace being over."""
    before_ms = context.now_ms() - GRACE_MS
    events: list[Event] = []
    for commit in log_rows.contested_commits(connection, before_ms, limit=32):
        # An earlier one's undoing may have taken this one along.
        again = log_rows.commit_at(connection, commit.conversation_id, commit.seq)
        if again is not None and not again.undone:
            events += undo(connection, context, commit.conversation_id, again)
    return Outcome(None, tuple(events))


def undo(connection: Connection, context: Context, row: int, commit: Commit) -> tuple[Event, ...]:
    """Undo a commit's effects and those of all that stand on it.

    Whom it added vanishes, whom it removed comes back, removals that it carried out wait again.
    """
    conversation = conversation_rows.find_row(connection, row, lock=True)
    if log_rows.commit_at(connection, row, commit.parent_seq) is None:
        # Too old: what it stood on was deleted with time. Who refuses it joins anew.
        conversation_rows.update_conversation(connection, row, contested=0)
        return ()
    readers = conversation_rows.readers(connection, row)
    events: list[Event] = []
    undone = _standing_on(connection, row, commit)
    for each in undone:
        log_rows.update_commit(connection, each.id, undone=True)
    for each in undone:
        _undo_one(connection, conversation, each)
        events.append(_tally(connection, row, each, undone=True))
        events.append(ToDevices(readers, Undone(conversation.conversation, each.seq)))
    _stand_on_newest(connection, context, row)
    if conversation.closed:
        return tuple(events)
    return (*events, *_remove_again(connection, context, row))


def _standing_on(connection: Connection, row: int, commit: Commit) -> list[Commit]:
    undone = {commit.seq}
    found = []
    for each in log_rows.commits_from(connection, row, commit.seq):
        if each.seq in undone or each.parent_seq in undone:
            undone.add(each.seq)
            found.append(each)
    return found


def _undo_one(connection: Connection, conversation: Conversation, commit: Commit) -> None:
    row = conversation.id
    log_rows.delete_welcomes_of(connection, commit.id)
    removals = other_rows.removals_done_by(connection, row, commit.seq)
    other_rows.update_removals(connection, [each.id for each in removals], done_seq=None)
    ended = conversation_rows.stays_ended_by(connection, row, commit.seq)
    elsewhere = _removed_beside(connection, conversation, commit) if ended else {}
    for stay in ended:
        end = elsewhere.get((stay.leaf, stay.key_hash))
        conversation_rows.end_stays(connection, [stay.id], end)
    added = [stay.id for stay in conversation_rows.stays_added_by(connection, row, commit.seq)]
    other_rows.delete_removals_of(connection, added)
    conversation_rows.delete_stays(connection, added)


def _removed_beside(
    connection: Connection, conversation: Conversation, commit: Commit
) -> dict[tuple[int, bytes], int]:
    """Return where commits that stand beside an undone one removed leaves: (leaf, key) -> Seq."""
    found: dict[tuple[int, bytes], int] = {}
    for each in log_rows.commits_from(connection, conversation.id, commit.parent_seq + 1):
        message = segments.message_at(connection, conversation.id, each.seq)
        if message is None:  # deleted with time
            continue
        for effect in read_header(message, conversation.conversation).data.effects:
            if effect.kind is EffectKind.REMOVED:
                found.setdefault((effect.leaf, effect.key_hash), each.seq)
    return found


def _stand_on_newest(connection: Connection, context: Context, row: int) -> None:
    newest = log_rows.newest_commit(connection, row)
    assert newest is not None  # the founding is never undone
    still = [each for each in log_rows.commits_from(connection, row, 0) if each.refused]
    contested = any(each.refused > each.accepted for each in still)
    conversation_rows.update_conversation(
        connection,
        row,
        commit_seq=newest.seq,
        epoch=newest.epoch,
        contested=int(contested),
        members_version=new_version(context),
        **policy_columns(stored_policy(newest.group_info)),
    )


def _remove_again(connection: Connection, context: Context, row: int) -> tuple[Event, ...]:
    """Issue again what waits again, and remove whom the undoing must not bring back."""
    events = issue(connection, context, conversation_rows.find_row(connection, row))
    unwanted = [
        stay
        for stay in conversation_rows.current_members(connection, row)
        if not _is_welcome(connection, context, stay)
    ]
    return (*events, *remove_stays(connection, context, unwanted, None))


def _is_welcome(connection: Connection, context: Context, stay: Membership) -> bool:
    device = account_rows.device_by_id(connection, stay.device)
    account = account_rows.account_by_id(connection, stay.account_id)
    return device is not None and not device.revoked_ms and not account.is_banned(context.now_ms())


def _tally(connection: Connection, row: int, commit: Commit, *, undone: bool) -> ToDevices:
    conversation = conversation_rows.find_row(connection, row).conversation
    device = account_rows.device_name(connection, commit.device_id)
    push = Tally(conversation, commit.seq, commit.accepted, commit.refused, undone)
    return ToDevices((device,), push)


def get_tally(connection: Connection, _context: Context, who: Who, request: GetTally) -> Outcome:
    """Say how a commit was judged, to whom has or had a leaf there, or made the commit."""
    conversation = conversation_rows.find(connection, request.conversation)
    if conversation is None:
        raise no_such_room()
    commit = log_rows.commit_at(connection, conversation.id, request.seq)
    if commit is None:
        raise WireError(Code.BAD_REQUEST, "There is no commit with that number.")
    stays = conversation_rows.stays_of(connection, conversation.id, who.device_row)
    if not stays and commit.device_id != who.device_row:
        raise not_a_member(stays)
    return Outcome(TallyFound(request.rid, commit.accepted, commit.refused, commit.undone))
