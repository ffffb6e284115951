"""ECDSA (FIPS 186-5) over the curves of nist_curve.py, with DER signatures.

Never promises that a signature has one form only: from (r, s) anybody makes (r, -s), which is valid
too. Whoever needs that, as Sotto's conversations do, takes Ed25519.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from crypto.errors import PeerError
from crypto.nist_curve import P256, P384, P521, NistCurve

# A SEQUENCE of two INTEGERs: their headers, and a zero byte before each that needs one.
_DER_OVERHEAD = 9


@dataclass(frozen=True, slots=True, eq=False)
class Ecdsa:
    """A curve with the hash that its cipher suite names."""

    curve: NistCurve
    algorithm: hashes.HashAlgorithm

    @property
    def private_length(self) -> int:
        """Bytes of a private key."""
        return self.curve.key_length

    def load_public(self, public_key: bytes) -> ec.EllipticCurvePublicKey:
        """The key object of an uncompressed point; PeerError("bad_public_key")."""
        return self.curve.load_public(public_key)

    def verify(self, public_key: bytes, message: bytes, signature: bytes) -> None:
        """Check a DER signature; another encoding of the same numbers is refused.

        Raises PeerError("bad_public_key") or PeerError("bad_signature").
        """
        key = self.curve.load_public(public_key)
        if len(signature) > 2 * self.curve.key_length + _DER_OVERHEAD:
            raise PeerError("bad_signature", "the ECDSA signature is too long")
        try:
            key.verify(signature, message, ec.ECDSA(self.algorithm))
        except InvalidSignature:
            raise PeerError("bad_signature") from None

    def load_signer(self, private_key: bytes) -> "SigningKey":
        """The signer of a private key: a big-endian integer of `private_length` bytes."""
        return SigningKey(self, self.curve.load_private(private_key))

    def generate(self, random: Callable[[int], bytes] = os.urandom) -> "SigningKey":
        """A fresh key from `random`."""
        return self.load_signer(self.curve.generate(random))


class SigningKey:
    """An ECDSA private key, loaded once; immutable. Its repr shows its type only."""

    __slots__ = ("_algorithm", "_key", "_public")

    def __init__(self, scheme: Ecdsa, key: ec.EllipticCurvePrivateKey) -> None:
        # RFC 6979: no randomness at signing, so none that could fail and give the key away.
        self._algorithm = ec.ECDSA(scheme.algorithm, deterministic_signing=True)
        self._key = key
        self._public = scheme.curve.public_of(key)

    @property
    def public(self) -> bytes:
        """The public key, an uncompressed point."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """The signature over `message` in DER, deterministic."""
        return self._key.sign(message, self._algorithm)

    def __repr__(self) -> str:
        return "SigningKey(...)"


P256_SHA256 = Ecdsa(P256, hashes.SHA256())
P384_SHA384 = Ecdsa(P384, hashes.SHA384())
P521_SHA512 = Ecdsa(P521, hashes.SHA512())
