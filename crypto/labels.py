"""Bind every signature and derived key of ours to one purpose, and to nothing else.

Never signs for MLS: a signature here starts with ``Sotto 1.0``, MLS content with a length byte and
``MLS 1.0`` (RFC 9420, section 5.1.2), a certificate with the DER tag of a sequence.
"""

from enum import StrEnum, unique

from crypto import ed25519
from crypto.ed25519 import SigningKey
from crypto.errors import PeerError

_PREFIX = b"Sotto 1.0 "
_PART_LENGTH_BYTES = 4


@unique
class Purpose(StrEnum):
    """What a signature or a derived value is for. No two share a label."""

    RELAY_HELLO = "relay hello"
    DEVICE_PROOF = "device proof"
    ORDER = "order"
    RECOVERY = "recovery"
    RECOVERY_CHECK = "recovery check"
    ROOM_PASSWORD = "room password"  # noqa: S105 - a label
    RUNNING_HASH = "running hash"
    SAFETY_NUMBER = "safety number"
    STORE_KEY = "store key"
    DEVICE_ID = "device id"


def labelled(purpose: Purpose, *parts: bytes) -> bytes:
    """`parts` under the label of `purpose`, each part behind its length.

    Two different calls never give the same bytes: use it as what is signed, as HKDF info, as
    associated data, or in front of what is hashed.
    """
    label = _PREFIX + purpose.value.encode("ascii") + b"\0"
    return label + b"".join(len(part).to_bytes(_PART_LENGTH_BYTES, "big") + part for part in parts)


def sign(key: SigningKey, purpose: Purpose, *parts: bytes) -> bytes:
    """The Ed25519 signature, 64 bytes, over `parts` for `purpose`."""
    return key.sign(labelled(purpose, *parts))


def verify(public_key: bytes, purpose: Purpose, signature: bytes, *parts: bytes) -> None:
    """Check a signature made by `sign` with the same purpose and parts.

    Raises PeerError: "bad_public_key" for 32 bytes that no honest device has (small order, second
    encoding), "bad_signature" otherwise.
    """
    if len(signature) != ed25519.SIGNATURE_LENGTH:
        raise PeerError("bad_signature", "an Ed25519 signature has 64 bytes")
    ed25519.verify(public_key, labelled(purpose, *parts), signature)
