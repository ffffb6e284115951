"""A cipher suite as a value: the primitives of RFC 9420, section 5, with their sizes and labels.

Never keeps state or secrets; adding a suite is adding a row to `SUITES`.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from crypto import ed25519
from crypto.errors import PeerError
from crypto.mls.codec import u32, vector
from crypto.mls.hpke import (
    X25519_SHA256_AES128GCM,
    Hpke,
    Random,
    aes_gcm_open,
    aes_gcm_seal,
    expand,
    extract,
)


class Signer(Protocol):
    """Whatever can sign: a key in memory here, one behind a door elsewhere."""

    @property
    def public(self) -> bytes:
        """The public key, in the suite's form."""

    def sign(self, message: bytes) -> bytes:
        """The signature over `message`."""


# The labels are few and fixed, so what goes before the context is made once for each.
@lru_cache(maxsize=256)
def _labeled(label: str) -> bytes:
    return vector(b"MLS 1.0 " + label.encode())


@lru_cache(maxsize=256)
def _expand_prefix(label: str, length: int) -> bytes:
    return length.to_bytes(2) + _labeled(label)


@dataclass(frozen=True, slots=True)
class Suite:
    """One row of the cipher suite registry (section 17.1); lengths in bytes.

    `hash_length` is KDF.Nh, `key_length` AEAD.Nk, `nonce_length` AEAD.Nn.
    """

    number: int
    name: str
    hash_name: str
    hash_length: int
    key_length: int
    nonce_length: int
    hpke: Hpke
    verify: Callable[[bytes, bytes, bytes], None]
    load_signature_key: Callable[[bytes], object]

    @property
    def zero(self) -> bytes:
        """The all-zero vector of KDF.Nh bytes, which the RFC writes `0`."""
        return bytes(self.hash_length)

    def hash(self, data: bytes) -> bytes:
        """`hash_length` bytes."""
        return hashlib.new(self.hash_name, data).digest()

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
        info = _expand_prefix(label, length) + vector(context)
        return expand(self.hash_name, secret, info, length)

    def derive_secret(self, secret: bytes, label: str) -> bytes:
        """DeriveSecret (section 8): `hash_length` bytes."""
        return self.expand_with_label(secret, label, b"", self.hash_length)

    def derive_tree_secret(self, secret: bytes, label: str, generation: int, length: int) -> bytes:
        """DeriveTreeSecret (section 9.1): `length` bytes."""
        return self.expand_with_label(secret, label, u32(generation), length)

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
        self.load_signature_key(public_key)

    def check_encryption_key(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") when nothing may be encrypted to this key."""
        self.hpke.kem.check_public(public_key)

    def derive_key_pair(self, key_material: bytes) -> tuple[bytes, bytes]:
        """KEM.DeriveKeyPair: private and public key, both determined by the key material."""
        return self.hpke.kem.derive_key_pair(key_material)

    def generate_key_pair(self, *, random: Random = os.urandom) -> tuple[bytes, bytes]:
        """A fresh HPKE key pair: private and public key."""
        return self.derive_key_pair(random(self.hash_length))

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

    def seal(self, key: bytes, nonce: bytes, *, aad: bytes, data: bytes) -> bytes:
        """AEAD encryption: the ciphertext, 16 bytes longer than `data`."""
        return aes_gcm_seal(key, nonce, aad=aad, data=data)

    def open(self, key: bytes, nonce: bytes, *, aad: bytes, data: bytes) -> bytes:
        """AEAD decryption; PeerError("decryption_failed") unless the whole tag is right."""
        return aes_gcm_open(key, nonce, aad=aad, data=data)


SUITE_1 = Suite(
    number=1,
    name="MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    hash_name="sha256",
    hash_length=32,
    key_length=16,
    nonce_length=12,
    hpke=X25519_SHA256_AES128GCM,
    verify=ed25519.verify,
    load_signature_key=ed25519.load_public,
)

SUITES = {suite.number: suite for suite in (SUITE_1,)}


def suite_by_number(number: int) -> Suite:
    """The suite of that number in the registry; PeerError("unsupported_suite") if it has no row."""
    try:
        return SUITES[number]
    except KeyError:
        raise PeerError("unsupported_suite") from None
