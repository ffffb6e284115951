"""Appending to a log, one entry at a time: a message as a batch of one, or a commit.

Never writes before everything is checked.
"""

from __future__ import annotations

from sqlalchemy import Connection

from relay.commits import append_commit
from relay.context import Context, Who
from relay.headers import EntryKind, read_header
from relay.messages import Parcel, append_messages
from relay.outcome import Outcome, Stored
from relay.rights import open_conversation
from storage.relay import conversation_rows, transaction_rows
from wire.errors import Code, WireError
from wire.replies import Accepted, Conflict
from wire.requests import Append


def append(connection: Connection, context: Context, who: Who, request: Append) -> Outcome:
    """Append an entry; repeating it returns the first answer.

    The answer is Accepted or Conflict. Raises WireError: bad_request, too_large, no_such_room,
    forbidden, removed, muted, banned, rate_limited.
    """
    header = read_header(request.message, request.conversation)
    if header.kind is EntryKind.MESSAGE:
        if request.commit is not None:
            raise WireError(Code.BAD_REQUEST, "A message brings nothing but itself.")
        return _append_message(connection, context, who, request)
    key = who.device_row, header.data.transaction_id
    repeated = transaction_rows.find(connection, [key]).get(key)
    if repeated is not None:
        return _answer_again(connection, request, repeated.conversation_id, repeated.seq)
    conversation = open_conversation(connection, request.conversation, lock=True)
    return append_commit(connection, context, who, request, header, conversation=conversation)


def _answer_again(connection: Connection, request: Append, row: int, seq: int) -> Outcome:
    first = conversation_rows.find_row(connection, row)
    if first.conversation != request.conversation:
        raise WireError(Code.BAD_REQUEST, "That transaction id was used in another conversation.")
    return Outcome(Accepted(((request.rid, seq),)))


def _append_message(connection: Connection, context: Context, who: Who, request: Append) -> Outcome:
    batch = append_messages(connection, context, [Parcel(who, [request])])
    for _place, _request, answer in batch.answered:
        if isinstance(answer, WireError):
            raise answer
        if isinstance(answer, Conflict):
            return Outcome(answer)
        return Outcome(Accepted(((request.rid, answer),)))
    ((conversation, (run,), readers),) = batch.said
    stored = Stored(conversation, tuple(run.entries), readers, who.device)
    return Outcome(Accepted(tuple(run.answers)), (stored,))
