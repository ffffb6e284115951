"""Reads a commit: MLS stages it, the judge says what it is worth, the next epoch or none follows.

Never does input or output. A commit that is refused is skipped: the next one stands on its number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from crypto.errors import PeerError
from crypto.mls.framing import SenderType, WireFormat
from crypto.mls.group import Change, Group, ResolvedProposal, StagedCommit, UnusablePath
from engine.conversation import Conversation, State, Step
from engine.events import Event, Notice
from engine.header import Header
from engine.judge import CommitView, Proposed, Standing, judge
from engine.membership import narrate
from engine.roster import Place, place_of
from engine.steps import Reader, check_place, unreadable, with_peer
from storage.client.messaging import Line
from wire.entry import Effect
from wire.replies import Entry

ACCEPTED: Final = "accepted"
REFUSED: Final = "refused"
UNUSABLE: Final = "unusable"
CLONE_TEXT: Final = (
    "This device was replaced by a copy of itself. Nothing is sent here any more: log this device "
    "out and add it again, and change where its store is kept."
)


@dataclass(frozen=True, slots=True)
class OwnCommit:
    """A commit of this device, durable before it was sent; `group`: the epoch that it opens."""

    transaction_id: bytes
    message: bytes = field(repr=False)
    group: Group = field(repr=False)
    standing: Standing
    made_at_ms: int


def read_commit(
    conversation: Conversation, entry: Entry, header: Header, *, reader: Reader
) -> Step:
    """Return what a commit of another device does."""
    group, standing = conversation.now_in()
    is_external = header.sender is SenderType.NEW_MEMBER_COMMIT
    if header.epoch > group.epoch:
        return _skipped(conversation, entry, UNUSABLE, code="other_epoch", is_ahead=True)
    if is_external and _lacks_key(standing, reader):
        return _skipped(conversation, entry, UNUSABLE, code="no_room_key")
    try:
        check_place(conversation, header)
        staged = group.stage(entry.message, psks=dict(reader.secrets))
        view = view_of(standing, staged, effects=header.entry_data().effects)
        after = judge(standing, view)
    except UnusablePath as error:
        is_own = error.code == "own_commit"
        step = _skipped(conversation, entry, UNUSABLE, code=error.code)
        noted = step.conversation.with_notes(rolled_back=True) if is_own else step.conversation
        return replace(step, conversation=noted)
    except PeerError as error:
        return _skipped(conversation, entry, REFUSED, code=error.code)
    if staged.group is None:
        return _removed(conversation, entry, view, after, reader=reader)
    return _accepted(conversation, entry, view, after, group=staged.group, reader=reader)


def _lacks_key(standing: Standing, reader: Reader) -> bool:
    lock = standing.policy.lock
    return lock is not None and lock.psk_id not in reader.secrets


def view_of(standing: Standing, staged: StagedCommit, *, effects: tuple[Effect, ...]) -> CommitView:
    """Return a staged commit as the judge looks at it; Refused J-2 for a leaf without identity."""
    added, removed = places_of(standing, staged.changes)
    path = None if staged.path_leaf is None else place_of(staged.path_leaf)
    is_external = staged.sender.type is SenderType.NEW_MEMBER_COMMIT
    committer = path if is_external else standing.roster.at(staged.sender.index)
    if committer is None:
        raise PeerError("J-5", "a commit of nobody")
    return CommitView(
        effects,
        is_external,
        committer,
        path,
        proposals=tuple(map(proposed, staged.proposals)),
        added=added,
        removed=removed,
        is_encrypted=staged.wire_format is WireFormat.PRIVATE_MESSAGE,
    )


def places_of(
    standing: Standing, changes: Sequence[Change]
) -> tuple[tuple[Place, ...], tuple[Place, ...]]:
    """Return the places that changes of a tree add and remove."""
    added: list[Place] = []
    removed: list[Place] = []
    for change in changes:
        if change.kind == "added":
            added.append(place_of(change.member))
        else:
            place = standing.roster.at(change.leaf_index)
            assert place is not None  # MLS removes only leaves that are there
            removed.append(place)
    return tuple(added), tuple(removed)


def proposed(resolved: ResolvedProposal) -> Proposed:
    """Return a proposal of a commit as the judge looks at it."""
    by_reference = resolved.reference is not None
    is_relays = resolved.sender.type is SenderType.EXTERNAL
    return Proposed(resolved.proposal, by_reference, is_relays)


def read_own_commit(
    conversation: Conversation, entry: Entry, own: OwnCommit, *, reader: Reader
) -> Step:
    """Return the step into the epoch that this device's accepted commit opens."""
    _, before = conversation.now_in()
    committer = before.roster.of_device(reader.device)
    assert committer is not None  # only members commit; who joins is read by engine/joining.py
    after = conversation.in_epoch(entry.seq, own.group, own.standing)
    after = replace(after, last_update_at_ms=own.made_at_ms, sent_since_update=0)
    after = after.with_notes(needs_update=False)
    lines, events = narrate(
        conversation,
        before,
        own.standing,
        committer=committer,
        is_external=False,
        seq=entry.seq,
        arrived_at_ms=entry.arrived_at_ms,
        own_account=reader.account,
    )
    return Step(after, lines=lines, events=events, new_epoch=True, own_commit=True)


def _skipped(
    conversation: Conversation, entry: Entry, verdict: str, *, code: str, is_ahead: bool = False
) -> Step:
    step = unreadable(conversation, entry, code, is_ahead=is_ahead)
    after = replace(step.conversation, stands_on=entry.seq)
    noted = conversation.with_refused(entry.seq, is_unusable=verdict == UNUSABLE)
    after = after.with_notes(refused=noted.notes.refused)
    return replace(step, conversation=after, verdict=verdict)


def _accepted(
    conversation: Conversation,
    entry: Entry,
    view: CommitView,
    standing: Standing,
    *,
    group: Group,
    reader: Reader,
) -> Step:
    after = with_peer(conversation.in_epoch(entry.seq, group, standing), reader.root)
    lines, events = _told(conversation, entry, view, standing, reader=reader)
    return Step(after, lines=lines, events=events, verdict=ACCEPTED, new_epoch=True)


def _told(
    conversation: Conversation,
    entry: Entry,
    view: CommitView,
    standing: Standing,
    *,
    reader: Reader,
) -> tuple[tuple[Line, ...], tuple[Event, ...]]:
    _, before = conversation.now_in()
    return narrate(
        conversation,
        before,
        standing,
        committer=view.committer,
        is_external=view.is_external,
        seq=entry.seq,
        arrived_at_ms=entry.arrived_at_ms,
        own_account=reader.account,
    )


def _removed(
    conversation: Conversation,
    entry: Entry,
    view: CommitView,
    standing: Standing,
    *,
    reader: Reader,
) -> Step:
    """Return the step out of the conversation: the commit removed this device's leaf."""
    group, _ = conversation.now_in()
    floor = group.epoch + 1
    moved = replace(conversation.advanced(entry.seq, entry.message), stands_on=entry.seq)
    if view.is_external:  # J-13: it was a copy of this very device
        gone = moved.without_group(State.FROZEN, reason=CLONE_TEXT, floor=floor)
        notice = Notice(kind="clone", text=CLONE_TEXT, conversation=conversation.title)
        line = Line("notice", "", CLONE_TEXT, seq=entry.seq, arrived_at_ms=entry.arrived_at_ms)
        return Step(gone, lines=(line,), events=(notice,), verdict=ACCEPTED, new_epoch=True)
    lines, events = _told(conversation, entry, view, standing, reader=reader)
    gone = moved.without_group(State.REMOVED, floor=floor)
    return Step(gone, lines=lines, events=events, verdict=ACCEPTED, new_epoch=True)
