"""Reads one entry of a log: the next value of the conversation, and what to store and tell.

Never does input or output, and never fails: what cannot be read is a step too, and the log goes on.
Commits are read by engine/commits.py.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from crypto.errors import PeerError
from crypto.mls.framing import ContentType, SenderType
from crypto.mls.proposals import Remove
from engine.commits import ACCEPTED, OwnCommit, read_commit, read_own_commit
from engine.content import Body, Content, RoomSecret, Text, decode_content
from engine.conversation import Conversation, State, Step, waiting_in
from engine.events import JoinResult, Message, Unreadable
from engine.header import Header, read_header
from engine.roster import Place
from engine.steps import Reader, check_place, freeze, unreadable
from storage.client.messaging import Line
from storage.client.timeline import MESSAGE
from wire.policy import Kind
from wire.replies import Entry


@dataclass(frozen=True, slots=True)
class OwnMessage:
    """A message of this device that it has protected, as it waits in the outbox."""

    transaction_id: bytes
    message: bytes = field(repr=False)
    body: Body
    sent_at_ms: int


Own = OwnMessage | OwnCommit


def process(conversation: Conversation, entry: Entry, *, reader: Reader, own: Own | None) -> Step:
    """Return what the entry at cursor + 1 does.

    `own`: what this device sent under the entry's transaction id, if anything.
    """
    assert entry.seq == conversation.cursor + 1
    if own is not None:
        if own.message != entry.message:
            return freeze(conversation, "The relay changed what this device sent.")
        if isinstance(own, OwnCommit):
            return read_own_commit(conversation, entry, own, reader=reader)
        return _own_message(conversation, entry, own, reader=reader)
    try:
        header = read_header(entry.message)
        if header.group_id != conversation.id:
            raise PeerError("misplaced", "an entry of another conversation")
    except PeerError as error:
        return unreadable(conversation, entry, error.code)
    if header.content_type is ContentType.COMMIT:
        return _confirmed(read_commit(conversation, entry, header, reader=reader))
    if header.content_type is ContentType.PROPOSAL:
        return _proposal(conversation, entry, header)
    return _confirmed(_application(conversation, entry, header, reader=reader))


def _confirmed(step: Step) -> Step:
    """End the wait for a verdict on the own join: a member speaks in the epoch that it opened."""
    after = step.conversation
    if after.state is not State.WAITING or not (step.counter or step.verdict == ACCEPTED):
        return step
    event = JoinResult(conversation=after.title, state="joined")
    active = replace(after, state=State.ACTIVE)
    return replace(step, conversation=active, events=(*step.events, event))


def _own_message(
    conversation: Conversation, entry: Entry, own: OwnMessage, *, reader: Reader
) -> Step:
    sender = Place(0, reader.account, reader.display, reader.root, reader.device, b"", ())
    after = conversation.advanced(entry.seq, entry.message)
    after = replace(
        after,
        own_counter=conversation.own_counter + 1,
        sent_since_update=conversation.sent_since_update + 1,
    )
    if not isinstance(own.body, Text):
        secret = (own.body.psk_id, own.body.psk)
        return Step(after, sent=own.transaction_id, secret=secret)
    after = _note_writer(after, is_own=True)
    line = _line(entry, sender, own.transaction_id, text=own.body.text, sent_at_ms=own.sent_at_ms)
    return Step(after, lines=(line,), sent=own.transaction_id)


def _line(entry: Entry, sender: Place, number: bytes, *, text: str, sent_at_ms: int) -> Line:
    return Line(
        MESSAGE,
        sender.account,
        text,
        seq=entry.seq,
        message_id=number,
        sender_device=sender.device,
        sent_at_ms=sent_at_ms,
        arrived_at_ms=entry.arrived_at_ms,
    )


def _note_writer(conversation: Conversation, *, is_own: bool) -> Conversation:
    mine, theirs = conversation.notes.wrote
    wrote = (mine or is_own, theirs or not is_own)
    if conversation.kind is not Kind.DIRECT or wrote == (mine, theirs):
        return conversation
    return conversation.with_notes(wrote=wrote)


def _proposal(conversation: Conversation, entry: Entry, header: Header) -> Step:
    """Take the relay's Remove as pending; any other proposal is skipped, but stood upon."""
    group, standing = conversation.now_in()
    after = replace(conversation.advanced(entry.seq, entry.message), stands_on=entry.seq)
    try:
        if header.sender is not SenderType.EXTERNAL:
            raise PeerError("J-15", "members propose nothing in conversations")
        data = header.removal_data()
        next_group = group.receive_proposal(entry.message)
        if not isinstance(next_group.pending_proposals[-1].proposal, Remove):
            raise PeerError("J-15", "the relay proposes nothing but Removes")
        waiting = waiting_in(next_group)
        new = waiting[-1]
        place = standing.roster.at(new.leaf)
        if place is None or place.key_hash != data.key_hash or place.device != data.device:
            raise PeerError("J-23", "the Remove names the key of another leaf")
        if any(new.leaf == known.leaf for known in standing.waiting):
            raise PeerError("J-23", "the Remove is there already")
    except PeerError as error:
        return replace(unreadable(conversation, entry, error.code), conversation=after)
    return Step(replace(after, group=next_group, standing=replace(standing, waiting=waiting)))


def _application(
    conversation: Conversation, entry: Entry, header: Header, *, reader: Reader
) -> Step:
    group, standing = conversation.now_in()
    try:
        check_place(conversation, header)
        if standing.waiting:
            raise PeerError("removal_pending", "a message while a Remove waits")
        next_group, message = group.unprotect(entry.message)
    except PeerError as error:
        is_ahead = header.epoch > group.epoch
        return unreadable(conversation, entry, error.code, is_ahead=is_ahead)
    sender = standing.roster.at(message.sender_leaf)
    assert sender is not None  # the roster has every leaf that MLS has
    # From here on the key is consumed, whatever the content turns out to be.
    opened = replace(conversation, group=next_group)
    if sender.device == reader.device:
        opened = opened.with_notes(rolled_back=True)  # or it would be known as one's own
    try:
        content = decode_content(message.data)
        if content.id != header.entry_data().transaction_id:
            raise PeerError("misplaced", "the content belongs to another entry")
    except PeerError as error:
        return unreadable(opened, entry, error.code, sender=sender.account)
    last = opened.counters.get(sender.device)
    if last is not None and content.counter <= last:
        # An insider may seal somebody's content anew under far generations, which no signature
        # covers. The ratchet stays where it was: else two copies would silence the sender.
        before = replace(opened, group=conversation.group)
        return unreadable(before, entry, "repeated", sender=sender.account)
    return _content(opened, entry, content, sender=sender, reader=reader)


def _content(
    opened: Conversation, entry: Entry, content: Content, *, sender: Place, reader: Reader
) -> Step:
    if not _saw_the_same(opened, content):
        text = "The relay shows this conversation differently to others. Nothing is sent here."
        return freeze(opened, text)
    last = opened.counters.get(sender.device)
    missing = 0 if last is None else content.counter - last - 1
    after = opened.advanced(entry.seq, entry.message)
    after = replace(after, counters={**opened.counters, sender.device: content.counter})
    if sender.device == reader.device:
        after = replace(after, own_counter=max(after.own_counter, content.counter))
    counter = (sender.device, content.counter)
    if isinstance(content.body, RoomSecret):
        return _secret(after, content.body, counter, sender=sender)
    after = _note_writer(after, is_own=sender.account == reader.account)
    lines, events = _gap(opened, entry, missing, sender=sender)
    text = content.body.text
    line = _line(entry, sender, content.id, text=text, sent_at_ms=content.sent_at_ms)
    event = _message_event(after, entry, content, sender=sender, reader=reader, missing=missing)
    return Step(after, lines=(*lines, line), events=(*events, event), counter=counter)


def _saw_the_same(conversation: Conversation, content: Content) -> bool:
    position = content.position
    if not conversation.epoch_seq <= position <= conversation.cursor:
        return False
    known = conversation.hash_at(position)
    # Too old to be kept: the next content of a sender who has caught up covers that stretch.
    return known is None or known == content.hash


def _secret(
    after: Conversation, body: RoomSecret, counter: tuple[bytes, int], *, sender: Place
) -> Step:
    _, standing = after.now_in()
    may_tell = sender.root in standing.policy.owners
    secret = (body.psk_id, body.psk) if may_tell else None
    return Step(after, counter=counter, secret=secret)


def _gap(
    conversation: Conversation, entry: Entry, missing: int, *, sender: Place
) -> tuple[tuple[Line, ...], tuple[Unreadable, ...]]:
    if not missing:
        return (), ()
    line = Line("gap", sender.account, str(missing), sender_device=sender.device, seq=entry.seq)
    event = Unreadable(
        conversation=conversation.title, seq=entry.seq, code="gap", sender=sender.account
    )
    return (line,), (event,)


def _message_event(
    conversation: Conversation,
    entry: Entry,
    content: Content,
    *,
    sender: Place,
    reader: Reader,
    missing: int,
) -> Message:
    assert isinstance(content.body, Text)
    return Message(
        conversation=conversation.title,
        id=content.id.hex(),
        seq=entry.seq,
        sender=sender.account,
        text=content.body.text,
        sent_at_ms=content.sent_at_ms,
        direct=conversation.kind is Kind.DIRECT,
        display=sender.display,
        own=sender.account == reader.account,
        missing=missing,
    )
