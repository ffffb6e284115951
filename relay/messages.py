"""Appending messages to logs: of many devices to many conversations, in one transaction.

Never a commit: commits.py takes those one by one. What is wrong with one message concerns no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import msgspec
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from relay.caches import Readers
from relay.context import Context, Who
from relay.headers import read_message_data
from relay.outcome import Batch, Said
from relay.rights import check_not_muted, no_such_room, not_a_member, peer_banned
from relay.segments import Origin, segments_of
from relay.usage import charge, give_back
from storage.killpoints import reached
from storage.relay import account_rows, conversation_rows, segment_rows, transaction_rows
from storage.relay.account_rows import Account, Standing
from storage.relay.conversation_rows import Conversation
from storage.relay.segment_rows import Segment
from storage.relay.transaction_rows import Key, Transaction
from wire.entry import EntryData
from wire.errors import Code, WireError
from wire.policy import Kind
from wire.replies import Conflict, Entry
from wire.requests import Append

Answer: TypeAlias = int | Conflict | WireError
_FEW = 4  # transactions: looked up first, which costs less than an INSERT that can be undone


class Asked(NamedTuple):
    """A device's message."""

    who: Who
    request: Append


class _Message(NamedTuple):
    place: int
    who: Who
    request: Append
    data: EntryData

    @property
    def key(self) -> Key:
        return self.who.device_row, self.data.transaction_id


@dataclass(slots=True)
class _Log:
    """A conversation and what is appended to it: from `banned` to `messages` it is checked."""

    conversation: Conversation
    readers: Readers
    banned: Sequence[Account]  # of a direct conversation's two
    messages: list[_Message]

    @property
    def row(self) -> int:
        return self.conversation.id

    def numbered(self) -> Iterable[tuple[int, _Message]]:
        return enumerate(self.messages, self.conversation.last_seq + 1)


def append_messages(connection: Connection, context: Context, asked: Sequence[Asked]) -> Batch:
    """Append messages; repeating one returns its first answer.

    Refusals are answers: bad_request, too_large, no_such_room, forbidden, removed, muted, banned,
    rate_limited. Raises what the database does.
    """
    answers: dict[int, Answer] = {}
    messages, doubles = _read(asked, answers)
    logs = _load(connection, context, messages, answers)
    standings = account_rows.standings(connection, {m.who.account_id for m in messages})
    for log in logs:
        _check(connection, context, log, standings, answers)
    _answer_repeated(connection, messages, answers)
    logs = _claim(connection, logs, answers)
    said = _write(connection, context, logs, answers)
    for message, first in doubles:
        answers[message.place] = _as_the_first(message, asked[first].request, answers[first])
    return Batch(tuple(answers[index] for index in range(len(asked))), said)


def _read(
    asked: Sequence[Asked], answers: dict[int, Answer]
) -> tuple[list[_Message], list[tuple[_Message, int]]]:
    """Return the messages that are well formed, and those sent twice with the first one's index."""
    messages: list[_Message] = []
    doubles: list[tuple[_Message, int]] = []
    seen: dict[Key, int] = {}
    for index, (who, request) in enumerate(asked):
        try:
            data = read_message_data(request.message, request.conversation)
        except WireError as refusal:
            answers[index] = refusal
            continue
        message = _Message(index, who, request, data)
        first = seen.setdefault((who.device_row, data.transaction_id), index)
        if first == index:
            messages.append(message)
        else:
            doubles.append((message, first))
    return messages, doubles


def _load(
    connection: Connection,
    context: Context,
    messages: Sequence[_Message],
    answers: dict[int, Answer],
) -> list[_Log]:
    """Return the conversations, locked, each with its messages; answer those of no open one."""
    wanted: dict[bytes, list[_Message]] = {}
    for message in messages:
        wanted.setdefault(message.request.conversation, []).append(message)
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
        answers.update((message.place, no_such_room()) for message in nowhere)
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


def _check(
    connection: Connection,
    context: Context,
    log: _Log,
    standings: dict[int, Standing],
    answers: dict[int, Answer],
) -> None:
    """Keep the messages that may be appended, charged to their accounts; answer the others."""
    conversation, members = log.conversation, log.readers.devices
    stands_on, pending = conversation.head_seq, conversation.pending
    now_ms = context.now_ms()
    kept: list[_Message] = []
    for message in log.messages:
        who, request = message.who, message.request
        standing = standings[who.account_id]
        try:
            if who.device not in members:
                raise not_a_member(conversation_rows.stays_of(connection, log.row, who.device_row))
            if standing.muted_until_ms:
                check_not_muted(standing, now_ms)
            if log.banned:
                _check_peer(log.banned, who)
            # Behind a waiting Remove nobody speaks: whoever is removed would read it.
            if message.data.stands_on != stands_on or pending:
                answers[message.place] = Conflict(request.rid, stands_on, pending > 0)
                continue
            charge(connection, context, standing, len(request.message))
        except WireError as refusal:
            answers[message.place] = refusal
            continue
        kept.append(message)
    log.messages = kept


def _check_peer(banned: Sequence[Account], who: Who) -> None:
    for peer in banned:
        if peer.id != who.account_id:
            raise peer_banned(peer)


def _answer_repeated(
    connection: Connection, messages: Sequence[_Message], answers: dict[int, Answer]
) -> None:
    """Whatever stands against a message now: stored before, it is answered as it was then."""
    refused = [message for message in messages if message.place in answers]
    if refused:
        found = transaction_rows.find(connection, [message.key for message in refused])
        _answer_again(connection, refused, found, answers)


def _answer_again(
    connection: Connection,
    messages: Sequence[_Message],
    found: dict[Key, Transaction],
    answers: dict[int, Answer],
) -> None:
    for message in messages:
        stored = found.get(message.key)
        if stored is not None:
            there = conversation_rows.find_row(connection, stored.conversation_id)
            is_same = there.conversation == message.request.conversation
            answers[message.place] = stored.seq if is_same else _used_elsewhere()


def _claim(connection: Connection, logs: Sequence[_Log], answers: dict[int, Answer]) -> list[_Log]:
    """Store the transactions; answer those that were stored before. Return what is left."""
    keys = [message.key for log in logs for message in log.messages]
    if len(keys) > _FEW:
        try:
            with connection.begin_nested():
                _insert_transactions(connection, logs)
            return [log for log in logs if log.messages]
        except IntegrityError:
            pass  # some were repeated: they are looked up, and left out
    found = transaction_rows.find(connection, keys)
    for log in logs if found else ():
        again = [message for message in log.messages if message.key in found]
        _answer_again(connection, again, found, answers)
        for message in again:
            give_back(connection, message.who.account_id, len(message.request.message))
        log.messages = [message for message in log.messages if message.key not in found]
    _insert_transactions(connection, logs)
    return [log for log in logs if log.messages]


def _insert_transactions(connection: Connection, logs: Sequence[_Log]) -> None:
    rows = [
        (message.who.device_row, message.data.transaction_id, log.row, seq)
        for log in logs
        for seq, message in log.numbered()
    ]
    transaction_rows.insert(connection, rows)


def _write(
    connection: Connection, context: Context, logs: Sequence[_Log], answers: dict[int, Answer]
) -> tuple[Said, ...]:
    arrived_ms = context.now_ms()
    said: list[Said] = []
    new: list[Segment] = []
    for log in logs:
        entries: list[Entry] = []
        origins: list[Origin] = []
        for seq, message in log.numbered():
            answers[message.place] = seq
            entries.append(Entry(seq, arrived_ms, message.request.message))
            who = message.who
            origins.append((who.account_id, who.device_row, message.data.transaction_id))
        new += segments_of(log.row, entries, origins)
        askers = tuple(message.place for message in log.messages)
        said.append(Said(log.conversation.conversation, tuple(entries), askers, log.readers))
    segment_rows.insert(connection, new)
    reached("relay_entry")
    ends = [
        (log.row, log.conversation.last_seq, log.conversation.last_seq + len(log.messages))
        for log in logs
    ]
    conversation_rows.advance(connection, ends)
    reached("relay_head")
    return tuple(said)


def _as_the_first(message: _Message, first: Append, answer: Answer) -> Answer:
    if message.request.conversation != first.conversation:
        return _used_elsewhere()
    if isinstance(answer, Conflict):
        return msgspec.structs.replace(answer, rid=message.request.rid)
    return answer


def _used_elsewhere() -> WireError:
    return WireError(Code.BAD_REQUEST, "That transaction id was used in another conversation.")
