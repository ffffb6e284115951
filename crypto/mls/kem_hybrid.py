"""X-Wing: ML-KEM-768 with X25519, secret as long as one of the two is (draft-ietf-hpke-pq, 4).

Never keeps more of a private key than the seed, and never returns a secret whose X25519 part is
known to everybody.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from crypto import ml_kem, x25519
from crypto.errors import PeerError, UsageError

_LABEL = b"\\.//^\\"
_SEED_LENGTH = 32
_PUBLIC_KEY_LENGTH = ml_kem.PUBLIC_KEY_LENGTH + x25519.KEY_LENGTH
_KEM_OUTPUT_LENGTH = ml_kem.CIPHERTEXT_LENGTH + x25519.KEY_LENGTH


def _labeled_derive(suite_id: bytes, key_material: bytes, label: bytes, length: int) -> bytes:
    """SHAKE256.LabeledDerive with an empty context (draft-ietf-hpke-hpke, section 4)."""
    prefixed_label = len(label).to_bytes(2) + label
    derived = key_material + b"HPKE-v1KEM" + suite_id + prefixed_label + length.to_bytes(2)
    return hashlib.shake_256(derived).digest(length)


def _combined(ml_kem_secret: bytes, dh: bytes, dh_output: bytes, dh_public: bytes) -> bytes:
    return hashlib.sha3_256(ml_kem_secret + dh + dh_output + dh_public + _LABEL).digest()


def _split(both: bytes, length: int) -> tuple[bytes, bytes]:
    return both[:length], both[length:]


def _expanded(seed: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
    if len(seed) != _SEED_LENGTH:
        raise UsageError("an X-Wing private key has 32 bytes")
    both = hashlib.shake_256(seed).digest(ml_kem.SEED_LENGTH + x25519.KEY_LENGTH)
    lattice, curve = _split(both, ml_kem.SEED_LENGTH)
    return ml_kem.load_private(lattice), x25519.load_private(curve)


@dataclass(frozen=True, slots=True)
class XWing:
    """HPKE KEM 0x647A: public keys of 1216 bytes, KEM outputs of 1120, private keys of 32."""

    suite_id: ClassVar[bytes] = b"\x64\x7a"
    private_length: ClassVar[int] = _SEED_LENGTH

    def check_public(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") when either part may not be encapsulated to."""
        if len(public_key) != _PUBLIC_KEY_LENGTH:
            raise PeerError("bad_public_key", "an X-Wing public key has 1216 bytes")
        lattice, curve = _split(public_key, ml_kem.PUBLIC_KEY_LENGTH)
        x25519.check_public(curve)
        ml_kem.load_public(lattice)

    def public_from_private(self, private_key: bytes) -> bytes:
        """The public key of a seed of 32 bytes."""
        lattice, curve = _expanded(private_key)
        return lattice.public_key().public_bytes_raw() + x25519.public_of(curve)

    def derive_key_pair(self, key_material: bytes) -> tuple[bytes, bytes]:
        """Seed and public key, both determined by the key material."""
        seed = _labeled_derive(self.suite_id, key_material, b"DeriveKeyPair", self.private_length)
        return seed, self.public_from_private(seed)

    def encapsulate(
        self, public_key: bytes, *, random: Callable[[int], bytes]
    ) -> tuple[bytes, bytes]:
        """A shared secret of 32 bytes and the KEM output; PeerError as `check_public`.

        Only the X25519 part comes from `random`: see ml_kem.
        """
        if len(public_key) != _PUBLIC_KEY_LENGTH:
            raise PeerError("bad_public_key", "an X-Wing public key has 1216 bytes")
        lattice, curve = _split(public_key, ml_kem.PUBLIC_KEY_LENGTH)
        ephemeral = x25519.load_private(random(x25519.KEY_LENGTH))
        dh, dh_output = x25519.exchange(ephemeral, curve), x25519.public_of(ephemeral)
        secret, ciphertext = ml_kem.encapsulate(lattice)
        return _combined(secret, dh, dh_output, curve), ciphertext + dh_output

    def decapsulate(self, private_key: bytes, kem_output: bytes) -> bytes:
        """The shared secret of a KEM output from outside.

        Raises PeerError("bad_public_key") on a wrong size or an X25519 part of low order; a
        changed ML-KEM part gives a secret that opens nothing (FIPS 203, section 6.3).
        """
        if len(kem_output) != _KEM_OUTPUT_LENGTH:
            raise PeerError("bad_public_key", "an X-Wing KEM output has 1120 bytes")
        lattice, curve = _expanded(private_key)
        ciphertext, dh_output = _split(kem_output, ml_kem.CIPHERTEXT_LENGTH)
        dh = x25519.exchange(curve, dh_output)
        secret = ml_kem.decapsulate(lattice, ciphertext)
        return _combined(secret, dh, dh_output, x25519.public_of(curve))


X_WING = XWing()
