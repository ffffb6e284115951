"""What the relay may read of an entry: the MLS authenticated_data, signed by its sender.

Never the content: that is encrypted. Nobody keeps a second copy of these facts.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from wire.errors import Code, WireError
from wire.limits import ID_BYTES, KEY_BYTES, MAX_EFFECTS, MAX_NAME_CHARS, MAX_REASON_BYTES

Id = Annotated[bytes, Meta(min_length=ID_BYTES, max_length=ID_BYTES)]
Key = Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]
Seq = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Name = Annotated[str, Meta(min_length=1, max_length=2 * MAX_NAME_CHARS)]
MAX_ENTRY_DATA_BYTES = 96 << 10


class EffectKind(IntEnum):
    """What a commit does to one leaf."""

    ADDED = 1
    REMOVED = 2


class Effect(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One leaf that a commit adds or removes.

    `key_hash` is SHA-256 of the leaf's signature key (32 bytes): a later Remove names it.
    """

    kind: EffectKind
    account: Name
    device: Id
    leaf: Annotated[int, Meta(ge=0, lt=1 << 31)]
    key_hash: Key


class EntryData(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The authenticated_data of every entry that a device appends.

    `stands_on` is the Seq of the newest commit or proposal that the sender has processed (0: the
    founding). `effects` is empty but for commits that change the membership.
    """

    stands_on: Seq
    transaction_id: Id
    effects: Annotated[tuple[Effect, ...], Meta(max_length=MAX_EFFECTS)] = ()


class OrderKind(IntEnum):
    """Why a leaf is to be removed."""

    BAN = 1  # by a server admin
    LEAVE = 2  # by a device of the account that leaves
    REVOKE = 3  # by a device of the account whose device is logged out for good


class Order(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The signed wish that a removal carries: who wants whom removed, from where.

    `conversation` is empty for all conversations, `device` empty for all devices of the account.
    `certificates` is the signer's chain (device, root); `signature` (64 bytes, purpose ORDER)
    covers `signed_bytes`.
    """

    kind: OrderKind
    account: Name
    root: Key
    device: Annotated[bytes, Meta(max_length=ID_BYTES)]
    conversation: Annotated[bytes, Meta(max_length=ID_BYTES)]
    reason: Annotated[str, Meta(max_length=MAX_REASON_BYTES)]
    issued_at_ms: Annotated[int, Meta(ge=0, lt=1 << 53)]
    certificates: Annotated[tuple[bytes, ...], Meta(max_length=2)] = ()
    signature: Annotated[bytes, Meta(max_length=64)] = b""

    def signed_bytes(self) -> bytes:
        """Return what the signature covers: the order without certificates and signature."""
        return _encoder.encode(msgspec.structs.replace(self, certificates=(), signature=b""))


class RemovalData(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The authenticated_data of the relay's external Remove proposal.

    Names the key of the leaf (SHA-256, 32 bytes), so that a Remove aimed at a leaf that changed
    hands in between is refused by the members. Without `order` it shows as "by the relay".
    """

    account: Name
    device: Id
    key_hash: Key
    order: Order | None = None


_encoder = msgspec.msgpack.Encoder()
_entry_decoder = msgspec.msgpack.Decoder(EntryData)
_removal_decoder = msgspec.msgpack.Decoder(RemovalData)


def encode_data(data: EntryData | RemovalData | Order) -> bytes:
    """Return the msgpack form, the only one that is accepted back."""
    return _encoder.encode(data)


def decode_entry_data(raw: bytes) -> EntryData:
    """Return the data of a member's entry; raise WireError(bad_request) on any other bytes.

    The form is canonical: bytes that do not encode back to themselves are refused.
    """
    return _decode_canonical(_entry_decoder, raw)


def decode_removal_data(raw: bytes) -> RemovalData:
    """Return the data of a relay's Remove; raise WireError(bad_request) on any other bytes."""
    return _decode_canonical(_removal_decoder, raw)


T = TypeVar("T", EntryData, RemovalData)


def _decode_canonical(decoder: msgspec.msgpack.Decoder[T], raw: bytes) -> T:
    if len(raw) > MAX_ENTRY_DATA_BYTES:
        raise WireError(Code.TOO_LARGE, "The entry's description is too large.")
    try:
        data = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise WireError(Code.BAD_REQUEST, "The entry's description is malformed.") from None
    if _encoder.encode(data) != raw:
        raise WireError(Code.BAD_REQUEST, "The entry's description is not in its one form.")
    return data
