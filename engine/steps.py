"""The steps that every kind of entry may end in: unreadable, or the conversation frozen.

Never does input or output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from crypto.errors import PeerError
from engine.conversation import Conversation, State, Step
from engine.events import Notice, Unreadable
from engine.group_policy import peer_root
from engine.header import Header
from storage.client.messaging import Line
from wire.policy import Kind
from wire.replies import Entry


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads: the device and its account, the pinned relay's key, and the room's keys by id."""

    account: str
    display: str
    device: bytes
    root: bytes
    relay_key: bytes
    secrets: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)


def unreadable(
    conversation: Conversation, entry: Entry, code: str, *, sender: str = "", is_ahead: bool = False
) -> Step:
    """The step over an entry that could not be read: it is said, and the log goes on."""
    line = Line("unreadable", sender, code, seq=entry.seq, arrived_at_ms=entry.arrived_at_ms)
    event = Unreadable(conversation=conversation.title, seq=entry.seq, code=code, sender=sender)
    after = conversation.advanced(entry.seq, entry.message)
    return Step(after, lines=(line,), events=(event,), is_ahead=is_ahead)


def freeze(conversation: Conversation, text: str, *, kind: str = "frozen") -> Step:
    """The step that ends all reading and sending here: the entry is not taken."""
    frozen = replace(conversation, state=State.FROZEN).with_notes(reason=text)
    line = Line("notice", "", text, seq=None)
    notice = Notice(kind=kind, text=text, conversation=conversation.title)
    return Step(frozen, lines=(line,), events=(notice,))


def check_place(conversation: Conversation, header: Header) -> None:
    """Raise PeerError unless the entry belongs to this epoch and stands on its newest change."""
    group, _ = conversation.now_in()
    if header.epoch != group.epoch:
        raise PeerError("other_epoch", "an entry of another epoch")
    if header.entry_data().stands_on != conversation.stands_on:
        raise PeerError("misplaced", "the entry does not stand on the newest change")


def with_peer(value: Conversation, own_root: bytes) -> Conversation:
    """Return the value with who the other one is, when its tree is the first to tell."""
    _, standing = value.now_in()
    if value.kind is not Kind.DIRECT or value.peer is not None:
        return value
    root = peer_root(standing.policy, own_root)
    for place in standing.roster.of_root(root):
        named = replace(value, peer=place.account)
        return named.with_notes(peer_root=root, peer_display=place.display)
    return value.with_notes(peer_root=root)
