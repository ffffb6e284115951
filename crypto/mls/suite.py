"""A cipher suite as a value: the primitives of RFC 9420, section 5, with their sizes and labels.

Never keeps state or secrets; adding a suite is adding a row to `SUITES`.
"""

import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from crypto import ecdsa, ed448, ed25519
from crypto.errors import PeerError
from crypto.mls.aead import AES_128_GCM, AES_256_GCM, CHACHA20_POLY1305, Operation
from crypto.mls.codec import length_header, u32, vector
from crypto.mls.hpke import Hpke, Random
from crypto.mls.kdf import HKDF_SHA256, HKDF_SHA384, HKDF_SHA512, expand, extract
from crypto.mls.kem_dh import DHKEM_P256, DHKEM_P384, DHKEM_P521, DHKEM_X448, DHKEM_X25519
from crypto.mls.kem_hybrid import X_WING


class Signer(Protocol):
    """Whatever can sign: a key in memory here, one behind a door elsewhere."""

    @property
    def public(self) -> bytes:
        """The public key, in the suite's form."""

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`."""


@dataclass(frozen=True, slots=True)
class SignatureScheme:
    """A signature algorithm; what its functions raise is said in the modules they come from."""

    verify: Callable[[bytes, bytes, bytes], None]
    load_public: Callable[[bytes], object]
    load_signer: Callable[[bytes], Signer]
    generate: Callable[[Random], Signer]


# The labels are few and fixed, so what goes before the context is made once for each.
@lru_cache(maxsize=256)
def _labeled(label: str) -> bytes:
    return vector(b"MLS 1.0 " + label.encode())


@lru_cache(maxsize=256)
def _expand_prefix(label: str, length: int) -> bytes:
    return length.to_bytes(2) + _labeled(label)


@lru_cache(maxsize=256)
def _tree_prefix(label: str, length: int) -> bytes:
    return _expand_prefix(label, length) + length_header(4)


@dataclass(frozen=True, slots=True)
class Suite:
    """One row of the cipher suite registry (section 17.1); lengths in bytes.

    What follows from the algorithms is bound once: `hash_length` is KDF.Nh, `key_length` AEAD.Nk,
    `nonce_length` AEAD.Nn; `hash` gives `hash_length` bytes; `seal` and `open` are the AEAD's, and
    `open` raises PeerError("decryption_failed") unless the whole tag is right.
    """

    number: int
    name: str
    hpke: Hpke
    signatures: SignatureScheme
    hash_name: str = field(init=False)
    hash_length: int = field(init=False)
    key_length: int = field(init=False)
    nonce_length: int = field(init=False)
    hash: Callable[[bytes], bytes] = field(init=False, repr=False)
    seal: Operation = field(init=False, repr=False)
    open: Operation = field(init=False, repr=False)
    verify: Callable[[bytes, bytes, bytes], None] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        kdf, aead = self.hpke.kdf, self.hpke.aead
        bound = {
            # In every suite the hash is the one of HPKE's KDF.
            "hash_name": kdf.hash_name,
            "hash_length": kdf.length,
            "hash": kdf.hash,
            "key_length": aead.key_length,
            "nonce_length": aead.nonce_length,
            "seal": aead.seal,
            "open": aead.open,
            "verify": self.signatures.verify,
        }
        for name, value in bound.items():
            object.__setattr__(self, name, value)

    @property
    def zero(self) -> bytes:
        """The all-zero vector of KDF.Nh bytes, which the RFC writes `0`."""
        return bytes(self.hash_length)

    def mac(self, key: bytes, data: bytes) -> bytes:
        """HMAC: `hash_length` bytes."""
        return hmac.digest(key, data, self.hash_name)

    def check_mac(self, key: bytes, data: bytes, *, tag: bytes, code: str) -> None:
        """Raise PeerError(code) unless `tag` is the whole MAC: its length first, then its bytes."""
        if len(tag) != self.hash_length:
            raise PeerError(code, "the tag has the wrong length")
        if not hmac.compare_digest(tag, self.mac(key, data)):
            raise PeerError(code)

    def extract(self, salt: bytes, key_material: bytes) -> bytes:
        """KDF.Extract: `hash_length` bytes."""
        return extract(self.hash_name, salt, key_material)

    def expand_with_label(self, secret: bytes, label: str, context: bytes, length: int) -> bytes:
        """ExpandWithLabel (section 8): `length` bytes."""
        return expand(
            self.hash_name, secret, _expand_prefix(label, length) + vector(context), length
        )

    def derive_secret(self, secret: bytes, label: str) -> bytes:
        """DeriveSecret (section 8): `hash_length` bytes."""
        return self.expand_with_label(secret, label, b"", self.hash_length)

    def derive_tree_secret(self, secret: bytes, label: str, generation: int, length: int) -> bytes:
        """DeriveTreeSecret (section 9.1): `length` bytes."""
        info = _tree_prefix(label, length) + u32(generation)
        return expand(self.hash_name, secret, info, length)

    def ref_hash(self, label: str, value: bytes) -> bytes:
        """RefHash (section 5.2); `label` is whole, as in "MLS 1.0 KeyPackage Reference"."""
        return self.hash(vector(label.encode()) + vector(value))

    def sign_with_label(self, signer: Signer, label: str, content: bytes) -> bytes:
        """SignWithLabel (section 5.1.2)."""
        return signer.sign(_labeled(label) + vector(content))

    def verify_with_label(
        self, public_key: bytes, label: str, content: bytes, signature: bytes
    ) -> None:
        """VerifyWithLabel (section 5.1.2).

        Raises PeerError("bad_signature") or PeerError("bad_public_key").
        """
        self.verify(public_key, _labeled(label) + vector(content), signature)

    def check_signature_key(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") when no signature under this key means anything."""
        self.signatures.load_public(public_key)

    def check_encryption_key(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") when nothing may be encrypted to this key."""
        self.hpke.kem.check_public(public_key)

    def derive_key_pair(self, key_material: bytes) -> tuple[bytes, bytes]:
        """KEM.DeriveKeyPair: private and public key, both determined by the key material."""
        return self.hpke.kem.derive_key_pair(key_material)

    def generate_key_pair(self, *, random: Random = os.urandom) -> tuple[bytes, bytes]:
        """A fresh HPKE key pair: private and public key."""
        # "SHOULD have at least Nsk bytes of entropy" (RFC 9180, 7.1.3)
        return self.derive_key_pair(random(max(self.hash_length, self.hpke.kem.private_length)))

    def generate_signer(self, *, random: Random = os.urandom) -> Signer:
        """A fresh signature key."""
        return self.signatures.generate(random)

    def load_signer(self, private_key: bytes) -> Signer:
        """The signer of a private key: an EdDSA seed, or the big-endian integer of ECDSA."""
        return self.signatures.load_signer(private_key)

    def encryption_key_of(self, private_key: bytes) -> bytes:
        """The HPKE public key that belongs to a private key."""
        return self.hpke.kem.public_from_private(private_key)

    def encrypt_with_label(
        self,
        public_key: bytes,
        label: str,
        *,
        context: bytes,
        plaintext: bytes,
        random: Random = os.urandom,
    ) -> tuple[bytes, bytes]:
        """EncryptWithLabel (section 5.1.3): KEM output and ciphertext."""
        info = _labeled(label) + vector(context)
        return self.hpke.seal(public_key, info, aad=b"", plaintext=plaintext, random=random)

    def decrypt_with_label(
        self,
        private_key: bytes,
        label: str,
        *,
        context: bytes,
        kem_output: bytes,
        ciphertext: bytes,
    ) -> bytes:
        """DecryptWithLabel (section 5.1.3).

        Raises PeerError("decryption_failed") or PeerError("bad_public_key").
        """
        info = _labeled(label) + vector(context)
        return self.hpke.open(kem_output, private_key, info=info, aad=b"", ciphertext=ciphertext)


_ED25519 = SignatureScheme(
    ed25519.verify,
    ed25519.load_public,
    ed25519.SigningKey.from_seed,
    ed25519.SigningKey.generate,
)
_ED448 = SignatureScheme(
    ed448.verify, ed448.load_public, ed448.SigningKey.from_seed, ed448.SigningKey.generate
)


def _ecdsa(scheme: ecdsa.Ecdsa) -> SignatureScheme:
    return SignatureScheme(scheme.verify, scheme.load_public, scheme.load_signer, scheme.generate)


SUITE_1 = Suite(
    1,
    "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    Hpke(DHKEM_X25519, HKDF_SHA256, AES_128_GCM),
    _ED25519,
)
SUITE_2 = Suite(
    2,
    "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
    Hpke(DHKEM_P256, HKDF_SHA256, AES_128_GCM),
    _ecdsa(ecdsa.P256_SHA256),
)
SUITE_3 = Suite(
    3,
    "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    Hpke(DHKEM_X25519, HKDF_SHA256, CHACHA20_POLY1305),
    _ED25519,
)
SUITE_4 = Suite(
    4,
    "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
    Hpke(DHKEM_X448, HKDF_SHA512, AES_256_GCM),
    _ED448,
)
SUITE_5 = Suite(
    5,
    "MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
    Hpke(DHKEM_P521, HKDF_SHA512, AES_256_GCM),
    _ecdsa(ecdsa.P521_SHA512),
)
SUITE_6 = Suite(
    6,
    "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
    Hpke(DHKEM_X448, HKDF_SHA512, CHACHA20_POLY1305),
    _ED448,
)
SUITE_7 = Suite(
    7,
    "MLS_256_DHKEMP384_AES256GCM_SHA384_P384",
    Hpke(DHKEM_P384, HKDF_SHA384, AES_256_GCM),
    _ecdsa(ecdsa.P384_SHA384),
)
# Of the kind of draft-ietf-mls-pq-ciphersuites, which has no numbers yet; this one is for private
# use (section 17.1), its last byte that of the KEM, and no GREASE value (13.5).
SUITE_HYBRID = Suite(
    0xF07A,
    "MLS_128_MLKEM768X25519_AES256GCM_SHA256_Ed25519",
    Hpke(X_WING, HKDF_SHA256, AES_256_GCM),
    _ED25519,
)

SUITES = {
    suite.number: suite
    for suite in (
        SUITE_1,
        SUITE_2,
        SUITE_3,
        SUITE_4,
        SUITE_5,
        SUITE_6,
        SUITE_7,
        SUITE_HYBRID,
    )
}


def suite_by_number(number: int) -> Suite:
    """The suite of that number in the registry; PeerError("unsupported_suite") if it has no row."""
    try:
        return SUITES[number]
    except KeyError:
        raise PeerError("unsupported_suite") from None
