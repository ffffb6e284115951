"""DHKEM (RFC 9180, section 4.1): a KEM made of a Diffie-Hellman group and HKDF.

Never authenticates a sender, and never returns a secret of a public key that the group refuses.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec

from crypto import x448, x25519
from crypto.mls.kdf import expand, extract
from crypto.nist_curve import P256, P384, P521, NistCurve

K = TypeVar("K")


class Group(Protocol[K]):
    """What DHKEM needs of a group; K is a private key that is loaded."""

    def check_public(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") when a key from outside contributes nothing."""

    def load_private(self, private_key: bytes) -> K:
        """The key object; UsageError on a wrong size."""

    def public_of(self, private_key: K) -> bytes:
        """The public key in the form in which it travels."""

    def exchange(self, private_key: K, public_key: bytes) -> bytes:
        """The shared secret; raises as check_public does."""


@dataclass(frozen=True, slots=True)
class DhKem(Generic[K]):
    """DHKEM over a group whose private keys are any bytes: X25519 and X448.

    `suite_id` is its number in the HPKE registry; `secret_length` Nsecret, `private_length` Nsk.
    """

    suite_id: bytes
    group: Group[K]
    hash_name: str
    secret_length: int
    private_length: int
    _extract_prefix: bytes = field(init=False, repr=False)
    _expand_prefix: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        prefix = b"HPKE-v1KEM" + self.suite_id
        object.__setattr__(self, "_extract_prefix", prefix)
        object.__setattr__(self, "_expand_prefix", self.secret_length.to_bytes(2) + prefix)

    def _labeled_extract(self, label: bytes, key_material: bytes) -> bytes:
        return extract(self.hash_name, b"", self._extract_prefix + label + key_material)

    def _shared_secret(self, dh: bytes, kem_output: bytes, public_key: bytes) -> bytes:
        secret = self._labeled_extract(b"eae_prk", dh)
        info = self._expand_prefix + b"shared_secret" + kem_output + public_key
        return expand(self.hash_name, secret, info, self.secret_length)

    def _private_from(self, secret: bytes, label: bytes, context: bytes) -> bytes:
        length = self.private_length
        info = length.to_bytes(2) + self._extract_prefix + label + context
        return expand(self.hash_name, secret, info, length)

    def _derive_private(self, key_material: bytes) -> bytes:
        return self._private_from(self._labeled_extract(b"dkp_prk", key_material), b"sk", b"")

    def _fresh_private(self, random: Callable[[int], bytes]) -> bytes:
        return random(self.private_length)

    def check_public(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") when nothing may be sealed to this key."""
        self.group.check_public(public_key)

    def public_from_private(self, private_key: bytes) -> bytes:
        """The public key of a private key of `private_length` bytes."""
        return self.group.public_of(self.group.load_private(private_key))

    def derive_key_pair(self, key_material: bytes) -> tuple[bytes, bytes]:
        """Private and public key. RFC 9180, section 7.1.3."""
        private_key = self._derive_private(key_material)
        return private_key, self.public_from_private(private_key)

    def encapsulate(
        self, public_key: bytes, *, random: Callable[[int], bytes]
    ) -> tuple[bytes, bytes]:
        """A shared secret of `secret_length` bytes and the KEM output, a public key."""
        ephemeral = self.group.load_private(self._fresh_private(random))
        kem_output = self.group.public_of(ephemeral)
        dh = self.group.exchange(ephemeral, public_key)
        return self._shared_secret(dh, kem_output, public_key), kem_output

    def decapsulate(self, private_key: bytes, kem_output: bytes) -> bytes:
        """The shared secret; PeerError("bad_public_key") on a KEM output that is no good key."""
        ours = self.group.load_private(private_key)
        dh = self.group.exchange(ours, kem_output)
        return self._shared_secret(dh, kem_output, self.group.public_of(ours))


@dataclass(frozen=True, slots=True)
class NistKem(DhKem[ec.EllipticCurvePrivateKey]):
    """DHKEM over P-256, P-384 or P-521, whose private keys are numbers below the order."""

    group: NistCurve

    def _derive_private(self, key_material: bytes) -> bytes:
        secret = self._labeled_extract(b"dkp_prk", key_material)
        unused_bits = 8 * self.private_length - self.group.curve.key_size
        for counter in range(256):
            candidate = self._private_from(secret, b"candidate", bytes((counter,)))
            candidate = bytes((candidate[0] & 0xFF >> unused_bits,)) + candidate[1:]
            if self.group.is_private(candidate):
                return candidate
        raise AssertionError("256 candidates in a row are no private keys")

    def _fresh_private(self, random: Callable[[int], bytes]) -> bytes:
        return self._derive_private(random(self.private_length))


DHKEM_P256 = NistKem(b"\x00\x10", P256, "sha256", 32, 32)
DHKEM_P384 = NistKem(b"\x00\x11", P384, "sha384", 48, 48)
DHKEM_P521 = NistKem(b"\x00\x12", P521, "sha512", 64, 66)
DHKEM_X25519 = DhKem(b"\x00\x20", x25519, "sha256", 32, x25519.KEY_LENGTH)
DHKEM_X448 = DhKem(b"\x00\x21", x448, "sha512", 64, x448.KEY_LENGTH)
