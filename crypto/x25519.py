"""X25519 key agreement (RFC 7748), refusing every public key that contributes nothing.

Never returns an all-zero shared secret, and never keeps a private key after the call.
"""

import os
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from crypto.errors import PeerError, UsageError

KEY_LENGTH = 32

_P = 2**255 - 19
_ORDER_8_U = (
    0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
)
# The u of each point of order 1, 2, 4 or 8, on the curve and on its twist.
_LOW_ORDER_U = frozenset({0, 1, _P - 1, *_ORDER_8_U})


def check_public(public_key: bytes) -> None:
    """Raise PeerError("bad_public_key") unless this is the one encoding of a point of high order.

    X25519 itself ignores the highest bit and takes u modulo p. Here a key that is different has
    different bytes, which is how a group finds a key that stands in it twice.
    """
    if len(public_key) != KEY_LENGTH:
        raise PeerError("bad_public_key", "an X25519 public key has 32 bytes")
    u = int.from_bytes(public_key, "little")
    if u >= _P:
        raise PeerError("bad_public_key", "the encoding of the X25519 public key is not canonical")
    if u in _LOW_ORDER_U:
        raise PeerError("bad_public_key", "the X25519 public key has low order")


def load_private(private_key: bytes) -> X25519PrivateKey:
    """The key object of a private key of 32 bytes."""
    if len(private_key) != KEY_LENGTH:
        raise UsageError("an X25519 private key has 32 bytes")
    return X25519PrivateKey.from_private_bytes(private_key)


def public_of(private_key: X25519PrivateKey) -> bytes:
    """The public key, 32 bytes, of a private key that is loaded."""
    return private_key.public_key().public_bytes_raw()


def public_from_private(private_key: bytes) -> bytes:
    """The public key, 32 bytes, of a private key of 32 bytes."""
    return public_of(load_private(private_key))


def generate(random: Callable[[int], bytes] = os.urandom) -> tuple[bytes, bytes]:
    """A fresh key pair: private and public key, 32 bytes each."""
    private_key = random(KEY_LENGTH)
    return private_key, public_from_private(private_key)


def exchange(private_key: bytes | X25519PrivateKey, public_key: bytes) -> bytes:
    """The shared secret, 32 bytes, of a private key of ours and a public key from outside.

    Raises PeerError("bad_public_key") as `check_public` does: the all-zero result of low order
    would be known to everybody (RFC 7748, section 6.1; RFC 9180, section 7.1.4).
    """
    check_public(public_key)
    ours = load_private(private_key) if isinstance(private_key, bytes) else private_key
    try:
        return ours.exchange(X25519PublicKey.from_public_bytes(public_key))
    except ValueError:
        raise PeerError("bad_public_key", "the X25519 result is all zero") from None
