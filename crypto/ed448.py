"""Ed448 keys and signatures (RFC 8032), with the checks that the library leaves out.

Never accepts a public key that signs without a secret, and never shows a private key in a repr.
"""

import os
from collections.abc import Callable
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey

from crypto.errors import PeerError, UsageError

PUBLIC_KEY_LENGTH = 57
SEED_LENGTH = 57
SIGNATURE_LENGTH = 114

_P = 2**448 - 2**224 - 1
# The highest bit of the 57 bytes is the sign of x; the seven below it are zero in every key.
_Y_MASK = 2**455 - 1
# The y of every point whose order divides 4; see crypto/ed25519.py for what such a key allows.
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1})

_KEPT_KEYS = 4096  # as in crypto/ed25519.py


@lru_cache(maxsize=_KEPT_KEYS)
def load_public(public_key: bytes) -> Ed448PublicKey:
    """The key object of 57 bytes from outside.

    Raises PeerError("bad_public_key") on a wrong size, a y that is not below p (a second encoding
    of another key), and each point of small order, with either sign bit.
    """
    if len(public_key) != PUBLIC_KEY_LENGTH:
        raise PeerError("bad_public_key", "an Ed448 public key has 57 bytes")
    y = int.from_bytes(public_key, "little") & _Y_MASK
    if y >= _P:
        raise PeerError("bad_public_key", "the encoding of the Ed448 public key is not canonical")
    if y in _SMALL_ORDER_Y:
        raise PeerError("bad_public_key", "the Ed448 public key has small order")
    try:
        return Ed448PublicKey.from_public_bytes(public_key)
    except ValueError:
        raise PeerError("bad_public_key", "not an Ed448 public key") from None


def verify(public_key: bytes, message: bytes, signature: bytes) -> None:
    """Check a signature of 114 bytes, made with an empty context.

    Raises PeerError("bad_public_key") or PeerError("bad_signature"). An S not below the group's
    order and an R in a second encoding are refused, so a valid signature has one form only.
    """
    key = load_public(public_key)
    if len(signature) != SIGNATURE_LENGTH:
        raise PeerError("bad_signature", "an Ed448 signature has 114 bytes")
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise PeerError("bad_signature") from None


class SigningKey:
    """An Ed448 private key, loaded once; immutable. Its repr shows its type only."""

    __slots__ = ("_key", "_public")

    def __init__(self, key: Ed448PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes_raw()

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key that a seed of 57 bytes stands for (RFC 8032, section 5.2.5)."""
        if len(seed) != SEED_LENGTH:
            raise UsageError("an Ed448 seed has 57 bytes")
        return cls(Ed448PrivateKey.from_private_bytes(seed))

    @classmethod
    def generate(cls, random: Callable[[int], bytes] = os.urandom) -> "SigningKey":
        """A fresh key from 57 bytes of `random`."""
        return cls.from_seed(random(SEED_LENGTH))

    @property
    def public(self) -> bytes:
        """The public key, 57 bytes."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`, 114 bytes, deterministic."""
        return self._key.sign(message)

    def __repr__(self) -> str:
        return "SigningKey(...)"
