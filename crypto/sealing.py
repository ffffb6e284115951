"""The lock of a client's store: a data key wrapped by a passphrase, a key file or the keyring.

Never reads or writes a file, and never runs a cost that a damaged file asks for unchecked.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from unicodedata import normalize

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from crypto.errors import PeerError, UsageError
from crypto.labels import Purpose, labelled

Random = Callable[[int], bytes]

KEY_BYTES: Final = 32
SALT_BYTES: Final = 16

_VERSION: Final = b"\x01"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
# Of the bytes before it, and without a key: what fails here is damaged, what fails at the AEAD's
# tag only was wrapped under another key.
_CHECKSUM_BYTES: Final = 8
_WRAPPED_BYTES: Final = len(_VERSION) + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES + _CHECKSUM_BYTES
_COST_BYTES: Final = 4 + 1 + 1


@dataclass(frozen=True, slots=True)
class Cost:
    """What one guess of a passphrase costs with Argon2id. Raises UsageError out of bounds."""

    memory_kib: int = 64 * 1024
    passes: int = 3
    lanes: int = 1

    def __post_init__(self) -> None:
        # From 8 MiB, which the weakest machine has, to 1 GiB, which a damaged file may not exceed.
        is_sane = (
            8 * 1024 <= self.memory_kib <= 1024 * 1024
            and 1 <= self.passes <= 16
            and 1 <= self.lanes <= 8
        )
        if not is_sane:
            raise UsageError("an Argon2id cost out of bounds")

    def to_bytes(self) -> bytes:
        """The stored form, 6 bytes."""
        return self.memory_kib.to_bytes(4, "big") + bytes((self.passes, self.lanes))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Cost":
        """The cost from its stored form; raises PeerError("store_damaged")."""
        if len(data) != _COST_BYTES:
            raise PeerError("store_damaged", "the lock has another size")
        try:
            return cls(int.from_bytes(data[:4], "big"), data[4], data[5])
        except UsageError:
            raise PeerError("store_damaged", "the lock asks for an impossible cost") from None


DEFAULT_COST: Final = Cost()


def derive_key(passphrase: str, salt: bytes, cost: Cost = DEFAULT_COST) -> bytes:
    """The wrapping key, 32 bytes, of a passphrase (taken in NFC) and a salt of 16 bytes."""
    if len(salt) != SALT_BYTES:
        raise UsageError("a salt has 16 bytes")
    argon = Argon2id(
        salt=salt,
        length=KEY_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
        ad=labelled(Purpose.STORE_KEY),
    )
    # JSON can carry half a surrogate pair: some bytes for it, rather than an error.
    return argon.derive(normalize("NFC", passphrase).encode("utf-8", "surrogatepass"))


def wrap_key(
    wrapping_key: bytes, data_key: bytes, *, context: bytes = b"", random: Random = os.urandom
) -> bytes:
    """`data_key` under `wrapping_key`, both 32 bytes: 69 bytes, bound to `context`."""
    if len(wrapping_key) != KEY_BYTES or len(data_key) != KEY_BYTES:
        raise UsageError("both keys have 32 bytes")
    nonce = random(_NONCE_BYTES)
    sealed = AESGCM(wrapping_key).encrypt(nonce, data_key, _bound_to(context))
    wrapped = _VERSION + nonce + sealed
    return wrapped + _checksum(wrapped, context)


def unwrap_key(wrapping_key: bytes, wrapped: bytes, *, context: bytes = b"") -> bytes:
    """The data key, 32 bytes.

    Raises PeerError: "store_damaged" when `wrapped` or `context` is not what was written,
    "bad_passphrase" when they are and the wrapping key is another.
    """
    if len(wrapping_key) != KEY_BYTES:
        raise UsageError("a wrapping key has 32 bytes")
    body = _undamaged(wrapped, context)
    if not body.startswith(_VERSION):
        raise PeerError("store_damaged", "the lock of the store is of a later version")
    nonce, sealed = body[1 : 1 + _NONCE_BYTES], body[1 + _NONCE_BYTES :]
    try:
        return AESGCM(wrapping_key).decrypt(nonce, sealed, _bound_to(context))
    except InvalidTag:
        raise PeerError("bad_passphrase", "it does not open the store") from None


def lock(
    passphrase: str, data_key: bytes, *, cost: Cost = DEFAULT_COST, random: Random = os.urandom
) -> bytes:
    """`data_key` under a passphrase, with salt and cost in front: 91 bytes."""
    salt = random(SALT_BYTES)
    header = salt + cost.to_bytes()
    wrapping_key = derive_key(passphrase, salt, cost)
    return header + wrap_key(wrapping_key, data_key, context=header, random=random)


def unlock(passphrase: str, locked: bytes) -> bytes:
    """The data key, 32 bytes, of what `lock` made.

    Raises PeerError: "store_damaged", or "bad_passphrase" for another passphrase.
    """
    header_bytes = SALT_BYTES + _COST_BYTES
    header, wrapped = locked[:header_bytes], locked[header_bytes:]
    # Before Argon2id runs: a flipped bit is told at once, and no cost is taken from it.
    _undamaged(wrapped, header)
    cost = Cost.from_bytes(header[SALT_BYTES:])
    return unwrap_key(derive_key(passphrase, header[:SALT_BYTES], cost), wrapped, context=header)


def _bound_to(context: bytes) -> bytes:
    return labelled(Purpose.STORE_KEY, _VERSION, context)


def _undamaged(wrapped: bytes, context: bytes) -> bytes:
    """`wrapped` without its checksum, which holds for it and `context`."""
    body, checksum = wrapped[:-_CHECKSUM_BYTES], wrapped[-_CHECKSUM_BYTES:]
    if len(wrapped) != _WRAPPED_BYTES or checksum != _checksum(body, context):
        raise PeerError("store_damaged", "the lock of the store is damaged")
    return body


def _checksum(body: bytes, context: bytes) -> bytes:
    return sha256(labelled(Purpose.STORE_KEY, body, context)).digest()[:_CHECKSUM_BYTES]
