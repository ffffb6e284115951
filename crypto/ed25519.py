"""Ed25519 keys and signatures (RFC 8032), with the checks that the library leaves out.

Never accepts a public key that signs without a secret, and never shows a private key in a repr.
"""

import os
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from crypto.errors import PeerError, UsageError

PUBLIC_KEY_LENGTH = 32
SEED_LENGTH = 32
SIGNATURE_LENGTH = 64

_P = 2**255 - 19
_Y_MASK = 2**255 - 1
_ORDER_8_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
# The y of every point whose order divides 8. With such a key A the term hA of the verification
# equation takes at most eight values, so a signature is found by trying, without any secret.
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})

# Signatures dominate what a client does, and a group's few thousand keys come again and again.
_KEPT_KEYS = 4096


@lru_cache(maxsize=_KEPT_KEYS)
def load_public(public_key: bytes) -> Ed25519PublicKey:
    """The key object of 32 bytes from outside.

    Raises PeerError("bad_public_key") on a wrong size, a y that is not below p (a second encoding
    of another key), and each point of small order, with either sign bit.
    """
    if len(public_key) != PUBLIC_KEY_LENGTH:
        raise PeerError("bad_public_key", "an Ed25519 public key has 32 bytes")
    y = int.from_bytes(public_key, "little") & _Y_MASK
    if y >= _P:
        raise PeerError("bad_public_key", "the encoding of the Ed25519 public key is not canonical")
    if y in _SMALL_ORDER_Y:
        raise PeerError("bad_public_key", "the Ed25519 public key has small order")
    try:
        return Ed25519PublicKey.from_public_bytes(public_key)
    except ValueError:
        raise PeerError("bad_public_key", "not an Ed25519 public key") from None


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature of 64 bytes.

    Raises PeerError("bad_public_key") or PeerError("bad_signature"). An S not below the group's
    order and an R in a second encoding are refused, so a valid signature has one form only.
    """
    key = load_public(public_key)
    if len(signature) != SIGNATURE_LENGTH:
        raise PeerError("bad_signature", "an Ed25519 signature has 64 bytes")
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise PeerError("bad_signature") from None


class SigningKey:
    """An Ed25519 private key, loaded once; immutable. Its repr shows its type only."""

    __slots__ = ("_key", "_public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key that a seed of 32 bytes stands for (RFC 8032, section 5.1.5)."""
        if len(seed) != SEED_LENGTH:
            raise UsageError("an Ed25519 seed has 32 bytes")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def generate(cls, random: Callable[[int], bytes] = os.urandom) -> "SigningKey":
        """A fresh key from 32 bytes of `random`."""
        return cls.from_seed(random(SEED_LENGTH))

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        return self._public

    @property
    def seed(self) -> bytes:
        """The secret seed, 32 bytes: for storage only."""
        return self._key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 64 bytes, deterministic."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return "SigningKey(...)"
