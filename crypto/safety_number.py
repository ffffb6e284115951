"""The number that two people compare, by voice or by QR code, to know that no relay sits between.

Never uses shortened key hashes as input, and never decides that somebody is verified: it computes.
"""

from functools import lru_cache
from hashlib import sha512
from hmac import compare_digest
from typing import Final, TypeAlias

from crypto.errors import PeerError, UsageError
from crypto.labels import Purpose, labelled

# A canonical account name and the root's identity: SHA-256 of its SubjectPublicKeyInfo, 32 bytes.
Party: TypeAlias = tuple[str, bytes]

_VERSION: Final = b"\x01"
# Whoever searches a key with a given half pays this for each try; a person waits some ms once.
_ITERATIONS: Final = 5200
_IDENTITY_BYTES: Final = 32
_FINGERPRINT_BYTES: Final = 32
_GROUPS: Final = 6
_GROUP_BYTES: Final = 5  # 40 bits give five digits with a bias below one in ten million
_QR_MAGIC: Final = b"SOTTO-SN"
QR_PAYLOAD_BYTES: Final = len(_QR_MAGIC) + len(_VERSION) + 2 * _FINGERPRINT_BYTES


def safety_number(one: Party, other: Party) -> str:
    """60 digits, 30 for each party in ascending order: the same whoever computes it.

    Raises UsageError for an identity that has not 32 bytes.
    """
    return "".join(sorted((_digits(_fingerprint(*one)), _digits(_fingerprint(*other)))))


def grouped(number: str) -> str:
    """The 60 digits in three lines of four groups of five, as people read them aloud."""
    groups = [number[at : at + 5] for at in range(0, len(number), 5)]
    return "\n".join(" ".join(groups[at : at + 4]) for at in range(0, len(groups), 4))


def qr_payload(own: Party, other: Party) -> bytes:
    """What `own` shows to be scanned, 73 bytes: version, own and the other's fingerprint."""
    return _QR_MAGIC + _VERSION + _fingerprint(*own) + _fingerprint(*other)


def is_match(scanned: bytes, own: Party, other: Party) -> bool:
    """Whether the code that `other` shows says what `own` sees: their roots, each way round.

    Raises PeerError("bad_safety_code") for something that is no such code, or of a later version.
    """
    if len(scanned) != QR_PAYLOAD_BYTES or not scanned.startswith(_QR_MAGIC + _VERSION):
        raise PeerError("bad_safety_code", "not a safety code that this version reads")
    return compare_digest(scanned, qr_payload(other, own))


@lru_cache(maxsize=256)
def _fingerprint(account: str, root_identity: bytes) -> bytes:
    """32 bytes that stand for this name with this root, slow to search for."""
    if len(root_identity) != _IDENTITY_BYTES:
        raise UsageError("a root's identity has 32 bytes")
    digest = labelled(Purpose.SAFETY_NUMBER, _VERSION, account.encode(), root_identity)
    for _ in range(_ITERATIONS):
        digest = sha512(digest + root_identity).digest()
    return digest[:_FINGERPRINT_BYTES]


def _digits(fingerprint: bytes) -> str:
    chunks = (fingerprint[at * _GROUP_BYTES :][:_GROUP_BYTES] for at in range(_GROUPS))
    return "".join(f"{int.from_bytes(chunk, 'big') % 100_000:05d}" for chunk in chunks)
