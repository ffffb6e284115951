"""Appending to a log: the checks in their order, and a message's row.

Never writes before everything is checked, and never a commit: commits.py does.
"""

from __future__ import annotations

from sqlalchemy import Connection

from relay.commits import append_commit, conflict
from relay.context import Context, Who
from relay.headers import EntryKind, Header, read_header
from relay.outcome import Outcome, Stored
from relay.rights import check_may_speak, not_a_member, open_conversation
from relay.usage import charge
from storage.killpoints import reached
from storage.relay import account_rows, conversation_rows, log_rows
from storage.relay.conversation_rows import Conversation
from wire.errors import Code, WireError
from wire.replies import Accepted, Entry
from wire.requests import Append


def append(connection: Connection, context: Context, who: Who, request: Append) -> Outcome:
    """Append an entry; repeating it returns the first answer.

    The answer is Accepted or Conflict. Raises WireError: bad_request, too_large, no_such_room,
    forbidden, removed, muted, banned, rate_limited.
    """
    header = read_header(request.message, request.conversation)
    repeated = log_rows.entry_of_transaction(connection, who.device_row, header.data.transaction_id)
    if repeated is not None:
        return _answer_again(connection, request, *repeated)
    conversation = open_conversation(connection, request.conversation, lock=True)
    if header.kind is not EntryKind.MESSAGE:
        return append_commit(connection, context, who, request, header, conversation=conversation)
    if request.commit is not None:
        raise WireError(Code.BAD_REQUEST, "A message brings nothing but itself.")
    return _append_message(connection, context, who, request, header, conversation=conversation)


def _answer_again(connection: Connection, request: Append, row: int, seq: int) -> Outcome:
    first = conversation_rows.find_row(connection, row)
    if first.conversation != request.conversation:
        raise WireError(Code.BAD_REQUEST, "That transaction id was used in another conversation.")
    return Outcome(Accepted(((request.rid, seq),)))


def _append_message(
    connection: Connection,
    context: Context,
    who: Who,
    request: Append,
    header: Header,
    *,
    conversation: Conversation,
) -> Outcome:
    readers = current_readers(connection, context, conversation)
    if who.device not in readers:
        stays = conversation_rows.stays_of(connection, conversation.id, who.device_row)
        raise not_a_member(stays)
    account = account_rows.account_by_id(connection, who.account_id)
    check_may_speak(connection, context, conversation, account)
    # Behind a waiting Remove nobody speaks: whoever is removed would read it.
    if header.data.stands_on != conversation.head_seq or conversation.pending:
        return conflict(request, conversation)
    charge(connection, context, account, len(request.message))
    seq, arrived_ms = conversation.last_seq + 1, context.now_ms()
    log_rows.insert_entry(
        connection,
        conversation_id=conversation.id,
        seq=seq,
        device_id=who.device_row,
        transaction_id=header.data.transaction_id,
        arrived_ms=arrived_ms,
        message=request.message,
    )
    reached("relay_entry")
    conversation_rows.advance(connection, conversation.id, seq)
    reached("relay_head")
    entry = Entry(seq, arrived_ms, request.message)
    stored = Stored(conversation.conversation, (entry,), readers, who.device)
    return Outcome(Accepted(((request.rid, seq),)), (stored,))


def current_readers(
    connection: Connection, context: Context, conversation: Conversation
) -> tuple[bytes, ...]:
    """Return the member devices, from memory when they did not change."""
    return context.members.get(
        conversation.id,
        conversation.members_version,
        lambda: conversation_rows.readers(connection, conversation.id),
    )
