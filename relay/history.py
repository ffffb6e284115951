"""Reading logs: a conversation's entries, the account's conversations, a device's Welcomes.

Never shows a device what came before it joined or after it was removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from relay import segments
from relay.caches import MAX_ACKS
from relay.context import Context, Who
from relay.outcome import Outcome
from relay.rights import no_such_room, not_a_member
from storage.relay import account_rows, conversation_rows, log_rows, other_rows, segment_rows
from storage.relay.account_rows import Account
from storage.relay.conversation_rows import Conversation, Membership
from wire.limits import MAX_FETCH_BYTES
from wire.policy import Kind
from wire.replies import Fetched, Head, HeadList, InboxEntry, InboxFound, Ok
from wire.requests import AckInbox, Fetch, GetInbox, Heads

HEADS_PER_PAGE = 100
WELCOMES_PER_PAGE = 64


def readable(stays: Sequence[Membership], last_seq: int) -> tuple[int, int]:
    """Return (first, last) number that a device may read: its last stay without a gap.

    A removed device reads the commit that removed it.
    """
    first, last = stays[0].added_seq, _end(stays[0], last_seq)
    for stay in stays[1:]:
        if stay.added_seq > last:
            first = stay.added_seq
        last = max(last, _end(stay, last_seq))
    return first, last


def _end(stay: Membership, last_seq: int) -> int:
    return last_seq if stay.removed_seq is None else stay.removed_seq


def fetch(connection: Connection, _context: Context, who: Who, request: Fetch) -> Outcome:
    """Give entries after a cursor, as many as fit."""
    found = conversation_rows.find(connection, request.conversation)
    if found is None:
        raise no_such_room()
    stays = conversation_rows.stays_of(connection, found.id, who.device_row)
    if not stays:
        raise not_a_member(stays)
    first, last = readable(stays, found.last_seq)
    after = max(request.after, first - 1)
    entries = segments.read(
        connection,
        found.id,
        after=after,
        last=last,
        limit=request.limit,
        budget_bytes=MAX_FETCH_BYTES,
    )
    kept = segment_rows.first_kept(connection, found.id)
    first_kept = max(first, found.last_seq + 1 if kept is None else kept)
    return Outcome(Fetched(request.rid, entries, min(first_kept, last + 1), last))


def heads(connection: Connection, context: Context, who: Who, request: Heads) -> Outcome:
    """Give a page of the account's conversations, by id."""
    account = account_rows.account_by_id(connection, who.account_id)
    after, found, more = request.after or b"", list[Head](), True
    while more and not found:
        page = conversation_rows.of_account(
            connection,
            account_id=account.id,
            root=account.root,
            after=after,
            limit=HEADS_PER_PAGE + 1,
        )
        more = len(page) > HEADS_PER_PAGE
        page = page[:HEADS_PER_PAGE]
        found = _heads_of(connection, context, who, account, page)
        after = page[-1].conversation if page else after
    inbox_seq = log_rows.inbox_seq(connection, who.device_row)
    return Outcome(HeadList(request.rid, tuple(found), inbox_seq, more, context.history))


def _heads_of(
    connection: Connection,
    context: Context,
    who: Who,
    account: Account,
    page: Sequence[Conversation],
) -> list[Head]:
    rows = [conversation.id for conversation in page]
    stays = conversation_rows.all_stays_in(connection, rows, account.id)
    current = [s.id for each in stays.values() for s in each if s.removed_seq is None]
    leaving = other_rows.pending_of_members(connection, current)
    found = []
    for conversation in page:
        head = _head(context, who, conversation, stays.get(conversation.id, ()), leaving)
        if head is not None:
            found.append(head)
    return found


def _head(
    context: Context,
    who: Who,
    conversation: Conversation,
    stays: Sequence[Membership],
    leaving: set[int],
) -> Head | None:
    own = [stay for stay in stays if stay.device_id == who.device_row]
    is_member = any(stay.removed_seq is None for stay in own)
    staying = any(stay.removed_seq is None and stay.id not in leaving for stay in stays)
    invited = conversation.kind == Kind.DIRECT and not stays and not conversation.closed
    last_seq = readable(own, conversation.last_seq)[1] if own else conversation.last_seq
    cursor = _cursor(context, who, conversation, own, last_seq)
    if not (is_member or staying or invited or (own and cursor < last_seq)):
        return None
    return Head(
        conversation.conversation,
        Kind(conversation.kind),
        conversation.name,
        last_seq,
        cursor,
        is_member,
        staying or invited,
        conversation.closed,
    )


def _cursor(
    context: Context,
    who: Who,
    conversation: Conversation,
    own: Sequence[Membership],
    last_seq: int,
) -> int:
    fresh = context.acks.seen(who.device_row, conversation.conversation)
    return min(last_seq, max([fresh, *(stay.cursor for stay in own)]))


def get_inbox(connection: Connection, _context: Context, who: Who, request: GetInbox) -> Outcome:
    """Give this device's Welcomes after a number, as many as fit."""
    rows = log_rows.inbox_after(connection, who.device_row, request.after, WELCOMES_PER_PAGE)
    budget = MAX_FETCH_BYTES
    entries: list[InboxEntry] = []
    for row in rows:
        budget -= len(row.welcome)
        if entries and budget < 0:
            break
        entries.append(InboxEntry(row.seq, row.conversation, row.commit_seq, row.welcome))
    last_seq = log_rows.inbox_seq(connection, who.device_row)
    return Outcome(InboxFound(request.rid, tuple(entries), last_seq))


def ack_inbox(connection: Connection, _context: Context, who: Who, request: AckInbox) -> Outcome:
    """Forget Welcomes that the device has stored or given up."""
    log_rows.delete_inbox(connection, who.device_row, request.seq)
    return Outcome(Ok(request.rid))


def write_cursors(connection: Connection, context: Context, most: int = MAX_ACKS) -> None:
    """Write so many of the acknowledgements that are only remembered yet."""
    write_acks(connection, context.acks.take(most))


def write_acks(connection: Connection, seqs: Mapping[tuple[int, bytes], int]) -> None:
    """Move cursors forward, never back, and never beyond what the device may read."""
    by_conversation: dict[bytes, dict[int, int]] = {}
    for (device_row, conversation), seq in seqs.items():
        by_conversation.setdefault(conversation, {})[device_row] = seq
    for conversation, cursors in by_conversation.items():
        found = conversation_rows.find(connection, conversation)
        if found is not None:
            _move_cursors(connection, found, cursors)


def _move_cursors(
    connection: Connection, conversation: Conversation, cursors: Mapping[int, int]
) -> None:
    moved: dict[int, int] = {}
    stays = conversation_rows.stays_of_devices(connection, conversation.id, cursors)
    for device_row, own in stays.items():
        seq = min(cursors[device_row], readable(own, conversation.last_seq)[1])
        moved.update((stay.id, seq) for stay in own if stay.cursor < seq)
    conversation_rows.set_cursors(connection, moved)
