"""A conversation as a value: MLS group, place in the log, counters, and how it becomes rows.

Never does input or output, and is never changed in place: reading.py and commits.py make the next
value out of an entry, live.py stores it and then assigns it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

import msgspec
from msgspec import Struct

from crypto.mls.group import Group, changed_rows, rows
from crypto.mls.persistent import PersistentVector
from crypto.mls.proposals import Remove
from engine import running_hash
from engine.events import Event
from engine.judge import Standing, Waiting, judge_group
from storage.client.messaging import Change, ConversationRow, Line
from wire.entry import decode_removal_data
from wire.policy import Kind

# Positions that a sender may still refer to after a restart; later hashes cover older ones.
KEPT_HASHES: Final = 4096
_KEPT_COMMITS: Final = 16


class State(StrEnum):
    """Where this device stands in a conversation."""

    FOUNDING = "founding"  # ours, and the relay has not answered yet
    JOINING = "joining"  # no group yet
    WAITING = "waiting"  # joined with a password that no member has judged yet
    ACTIVE = "active"
    LOST = "lost"  # step was lost: it comes back by an external commit
    REMOVED = "removed"
    FROZEN = "frozen"  # the relay's log does not fit what others saw, or a clone of us exists
    CLOSED = "closed"


HAS_GROUP: Final = frozenset({State.ACTIVE, State.WAITING, State.FROZEN, State.LOST})
READS: Final = frozenset({State.ACTIVE, State.WAITING})


class Notes(Struct, frozen=True, array_like=True):
    """What else is remembered of a conversation, in its row's `extra`.

    `peer_root` is empty but for direct ones. `refused`: (seq, what stood before it, whether it was
    only unusable here) of the commits that this device did not take. `resyncs_ms`: when it rejoined
    unasked. `wrote`: whether (this account, the other) has written here. `join_seq`: the commit
    that brought this device in.
    `floor`: the lowest epoch of a GroupInfo that is not an old one (0: one's own decides).
    `commits`: (seq, epoch that it opened) of the last ones taken. `rolled_back`: the log has what
    this device sent and its store does not know: an old copy of the store was put in place.
    `suite`: of the group that was here last (0: none yet); it comes back in no other.
    """

    peer_root: bytes = b""
    peer_display: str = ""
    needs_update: bool = False
    refused: tuple[tuple[int, int, bool], ...] = ()
    resyncs_ms: tuple[int, ...] = ()
    wrote: tuple[bool, bool] = (False, False)
    join_seq: int = 0
    reason: str = ""
    floor: int = 0
    commits: tuple[tuple[int, int], ...] = ()
    rolled_back: bool = False
    suite: int = 0


_notes_encoder = msgspec.msgpack.Encoder()
_notes_decoder = msgspec.msgpack.Decoder(Notes)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What this device holds of one conversation.

    `cursor`: the last entry processed; `stands_on`: the last commit or proposal among them;
    `epoch_seq`: the commit that opened the epoch; `hash`: the running hash after `cursor`, and
    `hashes` those from seq `hashes_from` on. `counters`: the last content counter of each sending
    device, the own one being `own_counter`.
    """

    id: bytes
    kind: Kind
    name: str
    state: State
    peer: str | None = None
    group: Group | None = field(default=None, repr=False)
    standing: Standing | None = field(default=None, repr=False)
    cursor: int = 0
    stands_on: int = 0
    epoch_seq: int = 0
    hash: bytes = b""
    hashes: PersistentVector[bytes] = field(default_factory=PersistentVector, repr=False)
    hashes_from: int = 0
    counters: Mapping[bytes, int] = field(default_factory=dict, repr=False)
    own_counter: int = 0
    last_update_at_ms: int = 0
    sent_since_update: int = 0
    read_seq: int = 0
    notes: Notes = field(default_factory=Notes)

    @property
    def title(self) -> str:
        """The name for people: "#lobby", "#room" or "@account"."""
        if self.kind is not Kind.DIRECT:
            return f"#{self.name}"
        return f"@{self.peer or '?'}"  # until the other is in, a second device knows the root only

    @property
    def suite(self) -> int:
        """The number of its cipher suite; 0 as long as this device was never in it."""
        return self.notes.suite if self.group is None else self.group.suite.number

    def keeps_suite(self, number: int) -> bool:
        """Whether a group in that suite may stand here: never another than before."""
        return self.suite in (0, number)

    def now_in(self) -> tuple[Group, Standing]:
        """The group and what stands in it; AssertionError in a state that has none."""
        assert self.group is not None
        assert self.standing is not None
        return self.group, self.standing

    def hash_at(self, position: int) -> bytes | None:
        """The running hash after an entry of this epoch, None when it is too old to be kept."""
        index = position - self.hashes_from
        return self.hashes[index] if 0 <= index < len(self.hashes) else None

    def advanced(self, seq: int, message: bytes) -> Conversation:
        """The next value after an entry that left the epoch as it is."""
        after = running_hash.step(self.hash, seq=seq, message=message)
        size = len(self.hashes)
        hashes = self.hashes.resized(size + 1).set(size, after)
        return replace(self, cursor=seq, hash=after, hashes=hashes)

    def in_epoch(self, seq: int, group: Group, standing: Standing) -> Conversation:
        """The next value after the commit at `seq` that opened this group's epoch."""
        transcript = group.confirmed_transcript_hash
        first = running_hash.start(self.id, commit_seq=seq, transcript=transcript)
        commits = (*self.notes.commits, (seq, group.epoch))[-_KEPT_COMMITS:]
        return replace(
            self.with_notes(commits=commits, suite=group.suite.number),
            group=group,
            standing=standing,
            cursor=seq,
            stands_on=seq,
            epoch_seq=seq,
            hash=first,
            hashes=PersistentVector((first,)),
            hashes_from=seq,
        )

    def with_notes(self, **changes: object) -> Conversation:
        """The same with some notes replaced."""
        return replace(self, notes=msgspec.structs.replace(self.notes, **changes))

    def with_refused(self, seq: int, *, is_unusable: bool) -> Conversation:
        """The same, remembering that the commit at `seq` was not taken."""
        refused = (*self.notes.refused, (seq, self.stands_on, is_unusable))[-_KEPT_COMMITS:]
        return self.with_notes(refused=refused)

    def without_group(self, state: State, *, reason: str = "", floor: int = 0) -> Conversation:
        """The same after the group is gone, keys and all; `floor`: see Notes."""
        bare = replace(self, state=state, group=None, standing=None, hashes=PersistentVector())
        return bare.with_notes(reason=reason, refused=(), commits=(), floor=floor)

    @property
    def lowest_epoch(self) -> int:
        """The lowest epoch of a GroupInfo with which this device may come (back) in."""
        own = 0 if self.group is None else self.group.epoch + 1
        return self.notes.floor or own


@dataclass(frozen=True, slots=True)
class Step:
    """What one entry did: the next value, what to store beside it, what to tell.

    `counter`: (device, content counter). `verdict`: over the commit at the cursor. `sent`: the
    outbox row that is done. `secret`: a room's key (id, key). `is_ahead`: the entry shows that the
    others are in a later epoch. `is_resync_due`: this device lost step.
    """

    conversation: Conversation
    lines: tuple[Line, ...] = ()
    events: tuple[Event, ...] = ()
    counter: tuple[bytes, int] | None = None
    verdict: str | None = None
    sent: bytes | None = None
    secret: tuple[bytes, bytes] | None = field(default=None, repr=False)
    new_epoch: bool = False
    own_commit: bool = False
    is_ahead: bool = False


def row_of(conversation: Conversation) -> ConversationRow:
    """Return the conversation's own row."""
    return ConversationRow(
        conversation.id,
        conversation.kind.value,
        conversation.name,
        conversation.state.value,
        peer=conversation.peer,
        cursor=conversation.cursor,
        stands_on=conversation.stands_on,
        epoch_seq=conversation.epoch_seq,
        epoch_hash=conversation.hash,
        own_counter=conversation.own_counter,
        last_update_at_ms=conversation.last_update_at_ms,
        sent_since_update=conversation.sent_since_update,
        read_seq=conversation.read_seq,
        extra=_notes_encoder.encode(conversation.notes),
    )


def change_of(before: Conversation, steps: Sequence[Step]) -> Change:
    """Return what the store must write for steps that follow each other; at least one."""
    after = steps[-1].conversation
    put, gone, whole = _group_change(before.group, after.group)
    return Change(
        row_of(after),
        group_put=put,
        group_delete=gone,
        whole_group=whole,
        hashes=_new_hashes(before, after),
        new_epoch=after.hashes_from != before.hashes_from or after.group is None,
        counters=dict(step.counter for step in steps if step.counter is not None),
        acks=tuple((s.conversation.cursor, s.verdict) for s in steps if s.verdict is not None),
        lines=tuple(line for step in steps for line in step.lines),
        sent=tuple(step.sent for step in steps if step.sent is not None),
        secrets=tuple(step.secret for step in steps if step.secret is not None),
        pending_done=any(step.own_commit for step in steps),
    )


def _group_change(
    before: Group | None, after: Group | None
) -> tuple[Mapping[str, bytes], Collection[str], bool]:
    if after is None:
        return {}, (), before is not None
    if before is None:
        return rows(after), (), True
    if after is before:
        return {}, (), False
    return (*changed_rows(before, after), False)


def _new_hashes(before: Conversation, after: Conversation) -> tuple[tuple[int, bytes], ...]:
    if after.group is None:
        return ()
    is_same = before.hashes_from == after.hashes_from and len(before.hashes) > 0
    start = len(before.hashes) if is_same else 0
    found = ((i + after.hashes_from, after.hashes[i]) for i in range(start, len(after.hashes)))
    return tuple((seq, value) for seq, value in found if value is not None)


def from_row(
    row: ConversationRow,
    *,
    group: Group | None,
    hashes: Mapping[int, bytes],
    counters: Mapping[bytes, int],
    relay_key: bytes,
) -> Conversation:
    """Return the value that its rows hold."""
    first = min(hashes, default=row.epoch_seq)
    kept = PersistentVector([hashes[seq] for seq in sorted(hashes)])
    return Conversation(
        row.id,
        Kind(row.kind),
        row.name,
        State(row.state),
        peer=row.peer,
        group=group,
        standing=None if group is None else standing_of(group, relay_key=relay_key),
        cursor=row.cursor,
        stands_on=row.stands_on,
        epoch_seq=row.epoch_seq,
        hash=row.epoch_hash,
        hashes=kept,
        hashes_from=first,
        counters=counters,
        own_counter=row.own_counter,
        last_update_at_ms=row.last_update_at_ms,
        sent_since_update=row.sent_since_update,
        read_seq=row.read_seq,
        notes=_notes_decoder.decode(row.extra) if row.extra else Notes(),
    )


def standing_of(group: Group, *, relay_key: bytes) -> Standing:
    """Return what stands in a group; Refused (engine/judge.py) when it is not one of ours."""
    members = tuple(group.members())
    standing = judge_group(
        group.group_id,
        group.extensions,
        members,
        suite=group.suite.number,
        relay_key=relay_key,
    )
    return replace(standing, waiting=waiting_in(group))


def waiting_in(group: Group) -> tuple[Waiting, ...]:
    """Return the relay's Removes that this group has yet to commit."""
    return tuple(
        Waiting(pending.proposal.removed, decode_removal_data(pending.authenticated_data))
        for pending in group.pending_proposals
        if isinstance(pending.proposal, Remove)
    )
