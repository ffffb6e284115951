"""What stands openly on an entry: its group, epoch, kind, and the description its sender signed.

Never decrypts and never checks a signature: until MLS has, a header is only what is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass

from crypto.errors import PeerError
from crypto.mls.codec import Reader
from crypto.mls.framing import (
    MLS10,
    ContentType,
    SenderType,
    WireFormat,
    read_private_message,
    read_public_message,
)
from wire.entry import EntryData, RemovalData, decode_entry_data, decode_removal_data
from wire.errors import WireError


@dataclass(frozen=True, slots=True)
class Header:
    """The open part of an entry's MLSMessage. `sender` is MEMBER for everything encrypted."""

    group_id: bytes
    epoch: int
    content_type: ContentType
    sender: SenderType
    authenticated_data: bytes

    def entry_data(self) -> EntryData:
        """The description of a device's entry; PeerError("malformed") for other bytes."""
        try:
            return decode_entry_data(self.authenticated_data)
        except WireError:
            raise PeerError("malformed", "the entry's description is not valid") from None

    def removal_data(self) -> RemovalData:
        """The description of the relay's Remove; PeerError("malformed") for other bytes."""
        try:
            return decode_removal_data(self.authenticated_data)
        except WireError:
            raise PeerError("malformed", "the Remove's description is not valid") from None


def read_header(message: bytes) -> Header:
    """Return the open part of an MLSMessage; PeerError("malformed") for anything else."""
    reader = Reader(message)
    version, wire_format = reader.u16(), reader.u16()
    if version != MLS10:
        raise PeerError("malformed", "another version of MLS")
    if wire_format == WireFormat.PRIVATE_MESSAGE:
        private = read_private_message(reader)
        reader.done()
        return Header(
            private.group_id,
            private.epoch,
            private.content_type,
            SenderType.MEMBER,
            private.authenticated_data,
        )
    if wire_format != WireFormat.PUBLIC_MESSAGE:
        raise PeerError("malformed", "not a message of a group")
    content = read_public_message(reader).content
    reader.done()
    return Header(
        content.group_id,
        content.epoch,
        content.content_type,
        content.sender.type,
        content.authenticated_data,
    )


def transaction_of(message: bytes) -> bytes | None:
    """Return the transaction id that an entry claims, or None (the relay's Removes have none)."""
    try:
        header = read_header(message)
        if header.sender is SenderType.EXTERNAL:
            return None
        return header.entry_data().transaction_id
    except PeerError:
        return None
