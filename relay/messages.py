"""Appending messages to logs: of many devices to many conversations, in one transaction.

Never a commit: commits.py takes those one by one. What is wrong with one message concerns no other.
What can be done for a run of one device's messages is not done for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from relay.caches import Readers
from relay.context import Context, Who
from relay.outcome import Answered, Batch, Said, SaidRun
from relay.rights import check_not_muted, no_such_room, not_a_member, peer_banned
from relay.runs import Run, read_runs
from relay.segments import Origins, segments_of
from relay.usage import charge, give_back
from storage.killpoints import reached
from storage.relay import account_rows, conversation_rows, segment_rows, transaction_rows
from storage.relay.account_rows import Account, Standing
from storage.relay.conversation_rows import Conversation
from storage.relay.prepared import savepoint
from storage.relay.segment_rows import Segment
from storage.relay.transaction_rows import Key
from wire.errors import Code, WireError
from wire.policy import Kind
from wire.replies import Conflict, Entry
from wire.requests import Append

_FEW = 1  # transactions: looked up first, which costs less than an INSERT that can be undone


class Parcel(NamedTuple):
    """What a device sent while the writer was busy, in its order."""

    who: Who
    requests: Sequence[Append]


@dataclass(slots=True)
class _Part:
    """A run of a parcel's; `place` is the parcel's in the batch."""

    place: int
    who: Who
    run: Run

    def keys(self) -> Iterator[Key]:
        return zip(repeat(self.who.device_row), self.run.ids, strict=False)


@dataclass(slots=True)
class _Log:
    """A conversation and what is appended to it."""

    conversation: Conversation
    readers: Readers
    banned: Sequence[Account]  # of a direct conversation's two
    parts: list[_Part]

    @property
    def row(self) -> int:
        return self.conversation.id

    def numbered(self) -> Iterator[tuple[int, _Part]]:
        """Each part with the number of its first message."""
        seq = self.conversation.last_seq + 1
        for part in self.parts:
            yield seq, part
            seq += len(part.run.ids)


@dataclass(slots=True)
class _Work:
    """One batch on its way: every message is in a log, or answered."""

    connection: Connection
    context: Context
    answered: list[Answered] = field(default_factory=list)

    def refuse(self, part: _Part, error: WireError) -> None:
        """Answer a part whose messages will not be stored: those that were get their numbers."""
        self.answer_again(part)
        for request in part.run.requests:
            self.answered.append(Answered(part.place, request, error))

    def conflict(self, part: _Part, newest: int, *, has_removal: bool) -> None:
        """As refuse(), but for messages that stand on what is not the newest."""
        self.answer_again(part)
        for request in part.run.requests:
            conflict = Conflict(request.rid, newest, has_removal)
            self.answered.append(Answered(part.place, request, conflict))

    def answer_again(self, part: _Part) -> int:
        """Answer what was stored before, and leave it out; return how many bytes that was."""
        stored = transaction_rows.find(self.connection, part.keys())
        if not stored:
            return 0
        size = part.run.size_bytes
        kept: list[tuple[Append, bytes]] = []
        for request, key in zip(part.run.requests, part.keys(), strict=True):
            found = stored.get(key)
            if found is None:
                kept.append((request, key[1]))
                continue
            there = conversation_rows.find_row(self.connection, found.conversation_id)
            is_same = there.conversation == request.conversation
            again = found.seq if is_same else _used_elsewhere()
            self.answered.append(Answered(part.place, request, again))
        part.run = part.run.only(kept)
        return size - part.run.size_bytes


def append_messages(connection: Connection, context: Context, parcels: Sequence[Parcel]) -> Batch:
    """Append messages; repeating one returns its first answer.

    Refusals are answers: bad_request, too_large, no_such_room, forbidden, removed, muted, banned,
    rate_limited. Raises what the database does.
    """
    work = _Work(connection, context)
    parts = _read(work, parcels)
    logs = _load(work, parts)
    standings = account_rows.standings(connection, {part.who.account_id for part in parts})
    for log in logs:
        _check(work, log, standings)
    logs, doubles = _claim(work, logs, parts)
    said = _write(work, logs)
    if doubles:
        _answer_doubles(work, doubles)
    return Batch(tuple(work.answered), said)


def _read(work: _Work, parcels: Sequence[Parcel]) -> list[_Part]:
    parts: list[_Part] = []
    for place, (who, requests) in enumerate(parcels):
        runs, refused = read_runs(requests)
        parts += [_Part(place, who, run) for run in runs]
        work.answered += [Answered(place, request, error) for request, error in refused]
    return parts


def _load(work: _Work, parts: Sequence[_Part]) -> list[_Log]:
    """Return the conversations, locked, each with its messages; answer those of no open one."""
    connection, context = work.connection, work.context
    wanted: dict[bytes, list[_Part]] = {}
    for part in parts:
        wanted.setdefault(part.run.conversation, []).append(part)
    found = [
        conversation
        for conversation in conversation_rows.find_locked(connection, wanted)
        if not conversation.closed
    ]
    direct = [each.id for each in found if each.kind == Kind.DIRECT]
    banned = account_rows.banned_peers(connection, direct, context.now_ms())
    logs = [
        _Log(
            conversation,
            current_readers(connection, context, conversation),
            banned.get(conversation.id, ()),
            wanted.pop(conversation.conversation),
        )
        for conversation in found
    ]
    for nowhere in wanted.values():
        for part in nowhere:
            work.refuse(part, no_such_room())
    return logs


def current_readers(
    connection: Connection, context: Context, conversation: Conversation
) -> Readers:
    """Return the member devices, from memory when they did not change."""
    return context.members.get(
        conversation.id,
        conversation.members_version,
        lambda: conversation_rows.readers(connection, conversation.id),
    )


def _check(work: _Work, log: _Log, standings: dict[int, Standing]) -> None:
    """Keep the messages that may be appended, charged to their accounts; answer the others."""
    conversation = log.conversation
    newest, pending = conversation.head_seq, conversation.pending
    kept: list[_Part] = []
    for part in log.parts:
        standing = standings[part.who.account_id]
        try:
            _check_sender(work, log, part, standing)
        except WireError as refusal:
            work.refuse(part, refusal)
            continue
        # Behind a waiting Remove nobody speaks: whoever is removed would read it.
        if part.run.stands_on != newest or pending:
            work.conflict(part, newest, has_removal=pending > 0)
            continue
        _charge(work, part, standing)
        if part.run.ids:
            kept.append(part)
    log.parts = kept


def _check_sender(work: _Work, log: _Log, part: _Part, standing: Standing) -> None:
    who = part.who
    if who.device not in log.readers.devices:
        raise not_a_member(conversation_rows.stays_of(work.connection, log.row, who.device_row))
    if standing.muted_until_ms:
        check_not_muted(standing, work.context.now_ms())
    for peer in log.banned:
        if peer.id != who.account_id:
            raise peer_banned(peer)


def _charge(work: _Work, part: _Part, standing: Standing) -> None:
    """Charge a part to its account; of one that is too much, as many messages as there is room."""
    try:
        charge(work.connection, work.context, standing, part.run.size_bytes)
        return
    except WireError:
        work.answer_again(part)
    whole, kept = part.run, []
    for request, key in zip(whole.requests, whole.ids, strict=True):
        try:
            charge(work.connection, work.context, standing, len(request.message))
        except WireError as refusal:
            work.answered.append(Answered(part.place, request, refusal))
            continue
        kept.append((request, key))
    part.run = whole.only(kept)


def _claim(
    work: _Work, logs: Sequence[_Log], parts: Sequence[_Part]
) -> tuple[list[_Log], list[_Part]]:
    """Store the transactions; answer those that were stored before.

    Return what is left, and what came twice in this batch: it is answered as the first was.
    """
    connection = work.connection
    if sum(len(part.run.ids) for log in logs for part in log.parts) > _FEW:
        try:
            with savepoint(connection):
                _insert_transactions(connection, logs)
            return [log for log in logs if log.parts], []
        except IntegrityError:
            pass  # some were repeated: they are looked up, and left out
    inside = {id(part) for log in logs for part in log.parts}
    doubles = _without_doubles(work, [part for part in parts if id(part) in inside])
    for log in logs:
        for part in log.parts:
            freed = work.answer_again(part)
            give_back(connection, part.who.account_id, freed)
        log.parts = [part for part in log.parts if part.run.ids]
    _insert_transactions(connection, logs)
    return [log for log in logs if log.parts], doubles


def _without_doubles(work: _Work, parts: Sequence[_Part]) -> list[_Part]:
    """Take out, and return, what a device sent a second time."""
    seen: set[Key] = set()
    doubles: list[_Part] = []
    for part in parts:
        first: list[tuple[Append, bytes]] = []
        again: list[tuple[Append, bytes]] = []
        for request, key in zip(part.run.requests, part.keys(), strict=True):
            (again if key in seen else first).append((request, key[1]))
            seen.add(key)
        if again:
            doubles.append(_Part(part.place, part.who, part.run.only(again)))
            part.run = part.run.only(first)
            give_back(work.connection, part.who.account_id, doubles[-1].run.size_bytes)
    return doubles


def _answer_doubles(work: _Work, doubles: Iterable[_Part]) -> None:
    """What came twice has been stored once by now, or was refused as the first was."""
    for part in doubles:
        work.answer_again(part)
        assert not part.run.ids


def _insert_transactions(connection: Connection, logs: Sequence[_Log]) -> None:
    rows: list[tuple[int, bytes, int, int]] = []
    for log in logs:
        for seq, part in log.numbered():
            ids = part.run.ids
            seqs = range(seq, seq + len(ids))
            rows += zip(repeat(part.who.device_row), ids, repeat(log.row), seqs, strict=False)
    transaction_rows.insert(connection, rows)


def _write(work: _Work, logs: Sequence[_Log]) -> tuple[Said, ...]:
    arrived_ms = work.context.now_ms()
    said: list[Said] = []
    new: list[Segment] = []
    moves: list[tuple[int, int, int]] = []
    for log in logs:
        runs: list[SaidRun] = []
        entries: list[Entry] = []
        origins: list[Origins] = []
        for seq, part in log.numbered():
            run, seqs = part.run, range(seq, seq + len(part.run.ids))
            messages = [request.message for request in run.requests]
            some = list(map(Entry, seqs, repeat(arrived_ms), messages))
            answers = list(zip([request.rid for request in run.requests], seqs, strict=True))
            who, size = part.who, run.size_bytes
            runs.append(SaidRun(part.place, answers, some, size))
            entries += some
            origins.append((who.account_id, who.device_row, size, run.ids))
        new += segments_of(log.row, entries, origins)
        said.append(Said(log.conversation.conversation, tuple(runs), log.readers))
        moves.append((log.row, log.conversation.last_seq, entries[-1].seq))
    segment_rows.insert(work.connection, new)
    reached("relay_entry")
    conversation_rows.advance(work.connection, moves)
    reached("relay_head")
    return tuple(said)


def _used_elsewhere() -> WireError:
    return WireError(Code.BAD_REQUEST, "That transaction id was used in another conversation.")
