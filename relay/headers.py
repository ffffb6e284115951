"""What the relay reads of an entry: its MLS framing and the signed EntryData.

Never the content of a member's message: that is encrypted. Only a commit from outside is open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple

from crypto.errors import PeerError
from crypto.mls.codec import Reader, decode_all
from crypto.mls.commit import Commit
from crypto.mls.framing import (
    MLS10,
    ContentType,
    SenderType,
    WireFormat,
    read_private_message,
    read_public_message,
)
from crypto.mls.proposals import ExternalInit, PreSharedKey, Remove
from crypto.mls.psk import ExternalPskId
from wire.entry import EntryData, decode_entry_data
from wire.errors import Code, WireError
from wire.limits import ID_BYTES, MAX_MESSAGE_BYTES

# An ExternalInit (in the hybrid suite 1125 bytes), a Remove and a PSK, and as much again.
MAX_OPEN_PROPOSALS_BYTES: Final = 2400
_PLAIN: Final = Struct(f">IB{ID_BYTES}sQBB")  # up to the authenticated_data; section 6.3.1
_ID: Final = bytes((0xC4, ID_BYTES))  # msgpack: so many bytes follow
_PRIVATE: Final = (MLS10 << 16) | WireFormat.PRIVATE_MESSAGE
MAX_EPOCH: Final = (1 << 62) - 1  # MLS counts in 64 bits, databases in 63


class EntryKind(Enum):
    """What a device may append."""

    MESSAGE = auto()
    COMMIT = auto()
    EXTERNAL = auto()  # a commit by a device that has no leaf, or gives up its old one


@dataclass(frozen=True, slots=True)
class OpenCommit:
    """What a commit from outside shows."""

    key_hash: bytes  # 32: SHA-256 of its leaf's signature key
    removed_leaf: int | None
    psk_id: bytes | None


@dataclass(frozen=True, slots=True)
class Header:
    """The readable part of an entry; `open` only when it comes from outside."""

    kind: EntryKind
    epoch: int
    data: EntryData
    open: OpenCommit | None = None


def read_header(message: bytes, conversation: bytes) -> Header:
    """Return an entry's header; raise WireError(bad_request, too_large) for anything else.

    Proposals of members are no entries: only the relay proposes, and only Removes.
    """
    try:
        wire_format = _wire_format(message)
        read = _READERS.get(wire_format)
        if read is None:
            raise _refused("The entry is neither a member's message nor a commit from outside.")
        group_id, header = read(message)
    except PeerError as error:
        raise _refused(f"The entry is malformed ({error.code}).") from None
    if group_id != conversation:
        raise _refused("The entry belongs to another conversation.")
    if header.epoch > MAX_EPOCH:
        raise _refused("No group has come to that epoch.")
    _check_shape(header, message)
    return header


def read_message(message: bytes, conversation: bytes) -> tuple[EntryData, PlainForm | None]:
    """Return what an application message says of itself, and its form if that is the plain one.

    Raises WireError as read_header() does, which reads whatever is not in the plain form.
    """
    data = _plain_data(message, conversation)
    if data is not None:
        return data, _form_of(message, conversation, data)
    header = read_header(message, conversation)
    if header.kind is not EntryKind.MESSAGE:
        raise _refused("A commit brings a GroupInfo and the tree's new nodes.")
    return header.data, None


def _plain_data(message: bytes, conversation: bytes) -> EntryData | None:
    """Section 6.3: an application message with lengths as Sotto's have them, else None."""
    size = len(message)
    if not _PLAIN.size + 96 <= size <= MAX_MESSAGE_BYTES:
        return None
    start, id_size, group_id, epoch, content_type, data_size = _PLAIN.unpack_from(message)
    if start != _PRIVATE or id_size != ID_BYTES or content_type != ContentType.APPLICATION:
        return None
    # One byte gives a length below 64 (section 2.1.2): no more than the 96 bytes that are there.
    if group_id != conversation or epoch > MAX_EPOCH or data_size >= 64:
        return None
    sender_at = _PLAIN.size + data_size
    sender_size = message[sender_at]
    if sender_size >= 64 or not _ends_with_vector(message, sender_at + 1 + sender_size):
        return None
    data = decode_entry_data(message[_PLAIN.size : sender_at])
    return None if data.effects else data


def _ends_with_vector(message: bytes, at: int) -> bool:
    """Whether from there on lies one vector of 64 bytes or more whose length has two bytes."""
    size = len(message) - at - 2
    return 64 <= size < 0x4000 and (message[at] << 8 | message[at + 1]) == 0x4000 + size


class PlainForm(NamedTuple):
    """How a message begins that differs from another in transaction id and content alone."""

    conversation: bytes
    head: bytes
    id_at: int
    id_end: int
    tail: bytes  # from the id's end to where the ciphertext's sender data begin
    tail_end: int
    vector_at: int

    def fits(self, message: bytes) -> bool:
        """Whether a message has this form: then it says of itself what the other one did."""
        return (
            message.startswith(self.head)
            and message[self.id_end : self.tail_end] == self.tail
            and _ends_with_vector(message, self.vector_at)
            and len(message) <= MAX_MESSAGE_BYTES
        )


def _form_of(message: bytes, conversation: bytes, data: EntryData) -> PlainForm:
    sender_at = _PLAIN.size + message[_PLAIN.size - 1]
    # As msgpack has it, with its length; nothing but the id fits between the last such place and
    # the end of the data.
    id_at = 2 + message.rindex(_ID + data.transaction_id, _PLAIN.size, sender_at)
    id_end, tail_end = id_at + ID_BYTES, sender_at + 1
    return PlainForm(
        conversation,
        message[:id_at],
        id_at,
        id_end,
        message[id_end:tail_end],
        tail_end,
        tail_end + message[sender_at],
    )


def _check_shape(header: Header, message: bytes) -> None:
    if header.kind is not EntryKind.MESSAGE:
        return
    if len(message) > MAX_MESSAGE_BYTES:
        raise WireError(Code.TOO_LARGE, "The message is too large. Nothing was sent: shorten it.")
    if header.data.effects:
        raise _refused("Only a commit changes the membership.")


def _wire_format(message: bytes) -> int:
    reader = Reader(message[:4])
    return reader.u16() if reader.u16() == MLS10 else 0


def _read_private(message: bytes) -> tuple[bytes, Header]:
    private = decode_all(message[4:], read_private_message)
    kinds = {ContentType.APPLICATION: EntryKind.MESSAGE, ContentType.COMMIT: EntryKind.COMMIT}
    kind = kinds.get(private.content_type)
    if kind is None:
        raise _refused("Members' proposals are part of their commits here.")
    return private.group_id, Header(
        kind, private.epoch, decode_entry_data(private.authenticated_data)
    )


def _read_public(message: bytes) -> tuple[bytes, Header]:
    _check_open_size(message)
    content = decode_all(message[4:], read_public_message).content
    if content.content_type is not ContentType.COMMIT:
        raise _refused("From outside only a commit comes in.")
    data = decode_entry_data(content.authenticated_data)
    commit = _open_commit(content.commit)
    return content.group_id, Header(EntryKind.EXTERNAL, content.epoch, data, commit)


def _check_open_size(message: bytes) -> None:
    """Refuse a list of proposals that would take long to read: framing, section 6, up to it."""
    reader = Reader(message[4:])
    reader.vector()  # group_id
    reader.u64()  # epoch
    if reader.u8() != SenderType.NEW_MEMBER_COMMIT:
        raise _refused("Only a commit from outside is sent in the open.")
    reader.vector()  # authenticated_data
    if reader.u8() == ContentType.COMMIT and reader.length() > MAX_OPEN_PROPOSALS_BYTES:
        raise _refused("A commit from outside changes nothing but its own membership.")


def _open_commit(commit: Commit) -> OpenCommit:
    """Section 12.4.3.2: an ExternalInit, at most one Remove, and PSKs; here at most one."""
    removed: list[int] = []
    psks: list[bytes] = []
    inits = 0
    for proposal in commit.proposals:
        match proposal:
            case ExternalInit():
                inits += 1
            case Remove(leaf):
                removed.append(leaf)
            case PreSharedKey(ExternalPskId(psk_id)):
                psks.append(psk_id)
            case _:
                raise _refused("A commit from outside changes nothing but its own membership.")
    if inits != 1 or len(removed) > 1 or len(psks) > 1 or commit.path is None:
        raise _refused("The commit from outside has not the parts that one has.")
    key_hash = sha256(commit.path.leaf_node.signature_key).digest()
    return OpenCommit(key_hash, removed[0] if removed else None, psks[0] if psks else None)


def _refused(text: str) -> WireError:
    return WireError(Code.BAD_REQUEST, text)


_READERS: dict[int, Callable[[bytes], tuple[bytes, Header]]] = {
    WireFormat.PRIVATE_MESSAGE: _read_private,
    WireFormat.PUBLIC_MESSAGE: _read_public,
}
