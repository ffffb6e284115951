"""The curves P-256, P-384 and P-521: their points, private keys and key agreement (RFC 9180, 4.1).

Never takes a point in another form than the uncompressed one, or one that is not on its curve.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from crypto.errors import PeerError, UsageError

_UNCOMPRESSED = 4  # the first byte of SEC 1, section 2.3.3
_KEPT_KEYS = 4096  # as in crypto/ed25519.py


@dataclass(frozen=True, slots=True, eq=False)
class NistCurve:
    """One curve; `key_length` is the size of a coordinate and of a private key, in bytes."""

    name: str
    curve: ec.EllipticCurve
    key_length: int

    def load_public(self, public_key: bytes) -> ec.EllipticCurvePublicKey:
        """The key object of an uncompressed point, 1 + 2 * key_length bytes, from outside.

        Raises PeerError("bad_public_key") on a wrong size, another form, a coordinate not below p
        and a point beside the curve. The curves have prime order: no point on them is of low order.
        """
        return _load_public(self, public_key)

    def check_public(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") as `load_public` does."""
        _load_public(self, public_key)

    def is_private(self, candidate: bytes) -> bool:
        """Whether key_length bytes are a private key: above zero and below the order."""
        return 0 < int.from_bytes(candidate) < self.curve.group_order

    def generate(self, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """A fresh private key, from 8 more bytes of `random` than it has. FIPS 186-5, A.2.1."""
        number = int.from_bytes(random(self.key_length + 8)) % (self.curve.group_order - 1) + 1
        return number.to_bytes(self.key_length)

    def load_private(self, private_key: bytes) -> ec.EllipticCurvePrivateKey:
        """The key object of a private key: a big-endian integer of key_length bytes."""
        if len(private_key) != self.key_length or not self.is_private(private_key):
            raise UsageError(f"not a private key of {self.name}")
        return ec.derive_private_key(int.from_bytes(private_key), self.curve)

    def public_of(self, private_key: ec.EllipticCurvePrivateKey) -> bytes:
        """The public key of a private key that is loaded, as an uncompressed point."""
        point = private_key.public_key()
        return point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def exchange(self, private_key: ec.EllipticCurvePrivateKey, public_key: bytes) -> bytes:
        """The x of the shared point, key_length bytes; PeerError("bad_public_key") as above."""
        return private_key.exchange(ec.ECDH(), _load_public(self, public_key))


@lru_cache(maxsize=_KEPT_KEYS)
def _load_public(curve: NistCurve, public_key: bytes) -> ec.EllipticCurvePublicKey:
    if len(public_key) != 1 + 2 * curve.key_length:
        raise PeerError("bad_public_key", f"a public key of {curve.name} has another size")
    # "the uncompressed point format" is the only one (RFC 9180, 4.1; RFC 9420, 5.1.1)
    if public_key[0] != _UNCOMPRESSED:
        raise PeerError("bad_public_key", "the point is not in uncompressed form")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve.curve, public_key)
    except ValueError:
        raise PeerError("bad_public_key", f"not a point of {curve.name}") from None


P256 = NistCurve("P-256", ec.SECP256R1(), 32)
P384 = NistCurve("P-384", ec.SECP384R1(), 48)
P521 = NistCurve("P-521", ec.SECP521R1(), 66)
