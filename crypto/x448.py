"""X448 key agreement (RFC 7748), refusing every public key that contributes nothing.

Never returns an all-zero shared secret, and never keeps a private key after the call.
"""

from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey

from crypto.errors import PeerError, UsageError

KEY_LENGTH = 56

_P = 2**448 - 2**224 - 1
# The u of each point of order 1, 2 or 4: 0 and one of 1 and -1 on the curve, 0 and the other on
# its twist.
_LOW_ORDER_U = frozenset({0, 1, _P - 1})


def check_public(public_key: bytes) -> None:
    """Raise PeerError("bad_public_key") unless this is the one encoding of a point of high order.

    X448 itself takes u modulo p; see x25519.check_public for why that is not enough here.
    """
    if len(public_key) != KEY_LENGTH:
        raise PeerError("bad_public_key", "an X448 public key has 56 bytes")
    u = int.from_bytes(public_key, "little")
    if u >= _P:
        raise PeerError("bad_public_key", "the encoding of the X448 public key is not canonical")
    if u in _LOW_ORDER_U:
        raise PeerError("bad_public_key", "the X448 public key has low order")


def load_private(private_key: bytes) -> X448PrivateKey:
    """The key object of a private key of 56 bytes."""
    if len(private_key) != KEY_LENGTH:
        raise UsageError("an X448 private key has 56 bytes")
    return X448PrivateKey.from_private_bytes(private_key)


def public_of(private_key: X448PrivateKey) -> bytes:
    """The public key, 56 bytes, of a private key that is loaded."""
    return private_key.public_key().public_bytes_raw()


def exchange(private_key: X448PrivateKey, public_key: bytes) -> bytes:
    """The shared secret, 56 bytes, of a private key of ours and a public key from outside.

    Raises PeerError("bad_public_key") as `check_public` does (RFC 7748, section 6.2; RFC 9180,
    section 7.1.4).
    """
    check_public(public_key)
    try:
        return private_key.exchange(X448PublicKey.from_public_bytes(public_key))
    except ValueError:
        raise PeerError("bad_public_key", "the X448 result is all zero") from None
