"""HPKE in base mode (RFC 9180): sealing to a public key, and exporting secrets.

Never authenticates a sender, and never seals twice with one context.
"""

import hashlib
import hmac
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto import x25519
from crypto.errors import PeerError, UsageError

AEAD_TAG_LENGTH = 16

Random = Callable[[int], bytes]


def extract(hash_name: str, salt: bytes, key_material: bytes) -> bytes:
    """HKDF-Extract (RFC 5869, section 2.2): as many bytes as the hash has."""
    return hmac.digest(salt, key_material, hash_name)


def expand(hash_name: str, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869, section 2.3): `length` bytes, at most 255 hashes."""
    block = hmac.digest(secret, info + b"\x01", hash_name)
    if length <= len(block):
        return block[:length]
    if length > 255 * len(block):
        raise UsageError("HKDF-Expand gives at most 255 hashes")
    blocks = [block]
    for counter in range(2, -(-length // len(block)) + 1):
        block = hmac.digest(secret, block + info + bytes((counter,)), hash_name)
        blocks.append(block)
    return b"".join(blocks)[:length]


def aes_gcm_seal(key: bytes, nonce: bytes, *, aad: bytes, data: bytes) -> bytes:
    """The ciphertext with its tag of 16 bytes at the end."""
    return AESGCM(key).encrypt(nonce, data, aad)


def aes_gcm_open(key: bytes, nonce: bytes, *, aad: bytes, data: bytes) -> bytes:
    """The plaintext of a ciphertext with a whole tag; else PeerError("decryption_failed")."""
    if len(data) < AEAD_TAG_LENGTH:
        raise PeerError("decryption_failed", "the ciphertext is shorter than a tag")
    try:
        return AESGCM(key).decrypt(nonce, data, aad)
    except InvalidTag:
        raise PeerError("decryption_failed") from None


class Kem(Protocol):
    """A key encapsulation mechanism (RFC 9180, section 4): what another one has to bring."""

    @property
    def suite_id(self) -> bytes:
        """The two bytes of its number in the IANA registry."""

    def check_public(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") when nothing may be sealed to this key."""

    def public_from_private(self, private_key: bytes) -> bytes:
        """The public key that belongs to a private key."""

    def derive_key_pair(self, key_material: bytes) -> tuple[bytes, bytes]:
        """Private and public key, both determined by the key material."""

    def encapsulate(self, public_key: bytes, *, random: Random) -> tuple[bytes, bytes]:
        """A shared secret and the KEM output that carries it."""

    def decapsulate(self, private_key: bytes, kem_output: bytes) -> bytes:
        """The shared secret that the KEM output carries."""


@dataclass(frozen=True, slots=True)
class X25519Kem:
    """DHKEM(X25519, HKDF-SHA256): keys and KEM outputs of 32 bytes. RFC 9180, section 4.1."""

    suite_id: bytes = b"\x00\x20"

    def _labeled_extract(self, label: bytes, key_material: bytes) -> bytes:
        return extract("sha256", b"", b"HPKE-v1KEM" + self.suite_id + label + key_material)

    def _labeled_expand(self, secret: bytes, label: bytes, info: bytes) -> bytes:
        labeled = b"\x00\x20HPKE-v1KEM" + self.suite_id + label + info
        return expand("sha256", secret, labeled, 32)

    def _shared_secret(self, dh: bytes, kem_output: bytes, public_key: bytes) -> bytes:
        secret = self._labeled_extract(b"eae_prk", dh)
        return self._labeled_expand(secret, b"shared_secret", kem_output + public_key)

    def check_public(self, public_key: bytes) -> None:
        """Raise PeerError("bad_public_key") on a wrong size or a point of low order."""
        x25519.check_public(public_key)

    def public_from_private(self, private_key: bytes) -> bytes:
        """The public key, 32 bytes, of a private key of 32 bytes."""
        return x25519.public_from_private(private_key)

    def derive_key_pair(self, key_material: bytes) -> tuple[bytes, bytes]:
        """Private and public key, 32 bytes each. RFC 9180, section 7.1.3."""
        secret = self._labeled_extract(b"dkp_prk", key_material)
        private_key = self._labeled_expand(secret, b"sk", b"")
        return private_key, x25519.public_from_private(private_key)

    def encapsulate(self, public_key: bytes, *, random: Random) -> tuple[bytes, bytes]:
        """A shared secret of 32 bytes and the KEM output of 32 bytes."""
        ephemeral = x25519.load_private(random(x25519.KEY_LENGTH))
        kem_output = ephemeral.public_key().public_bytes_raw()
        dh = x25519.exchange(ephemeral, public_key)
        return self._shared_secret(dh, kem_output, public_key), kem_output

    def decapsulate(self, private_key: bytes, kem_output: bytes) -> bytes:
        """The shared secret; PeerError("bad_public_key") on a KEM output of low order."""
        ours = x25519.load_private(private_key)
        dh = x25519.exchange(ours, kem_output)
        return self._shared_secret(dh, kem_output, ours.public_key().public_bytes_raw())


@dataclass(frozen=True, slots=True)
class Context:
    """One encapsulation, seen from either end: seals or opens one message, and exports."""

    hpke: "Hpke"
    key: bytes = field(repr=False)
    base_nonce: bytes = field(repr=False)
    exporter_secret: bytes = field(repr=False)

    def export(self, exporter_context: bytes, length: int) -> bytes:
        """A secret of `length` bytes that both ends know. RFC 9180, section 5.3."""
        hpke = self.hpke
        return hpke.labeled_expand(self.exporter_secret, b"sec", exporter_context, length)


@dataclass(frozen=True, slots=True)
class Hpke:
    """A KEM with a KDF and AES-GCM; `kdf_id` and `aead_id` are the registry's two bytes each."""

    kem: Kem
    hash_name: str
    kdf_id: bytes
    aead_id: bytes
    key_length: int
    nonce_length: int = 12
    suite_id: bytes = field(init=False)

    def __post_init__(self) -> None:
        suite_id = b"HPKE" + self.kem.suite_id + self.kdf_id + self.aead_id
        object.__setattr__(self, "suite_id", suite_id)

    def labeled_extract(self, salt: bytes, label: bytes, key_material: bytes) -> bytes:
        """LabeledExtract (RFC 9180, section 4) under this suite's id."""
        return extract(self.hash_name, salt, b"HPKE-v1" + self.suite_id + label + key_material)

    def labeled_expand(self, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
        """LabeledExpand (RFC 9180, section 4) under this suite's id."""
        labeled = length.to_bytes(2) + b"HPKE-v1" + self.suite_id + label + info
        return expand(self.hash_name, secret, labeled, length)

    def _schedule(self, shared_secret: bytes, info: bytes) -> Context:
        psk_id_hash = self.labeled_extract(b"", b"psk_id_hash", b"")
        info_hash = self.labeled_extract(b"", b"info_hash", info)
        bound = b"\x00" + psk_id_hash + info_hash
        secret = self.labeled_extract(shared_secret, b"secret", b"")
        hash_length = hashlib.new(self.hash_name).digest_size
        return Context(
            hpke=self,
            key=self.labeled_expand(secret, b"key", bound, self.key_length),
            base_nonce=self.labeled_expand(secret, b"base_nonce", bound, self.nonce_length),
            exporter_secret=self.labeled_expand(secret, b"exp", bound, hash_length),
        )

    def setup_sender(
        self, public_key: bytes, info: bytes, *, random: Random = os.urandom
    ) -> tuple[bytes, Context]:
        """The KEM output to send, and the sender's context. RFC 9180, section 5.1.1."""
        shared_secret, kem_output = self.kem.encapsulate(public_key, random=random)
        return kem_output, self._schedule(shared_secret, info)

    def setup_receiver(self, kem_output: bytes, private_key: bytes, info: bytes) -> Context:
        """The receiver's context of a KEM output from outside. RFC 9180, section 5.1.1."""
        return self._schedule(self.kem.decapsulate(private_key, kem_output), info)

    def seal(
        self,
        public_key: bytes,
        info: bytes,
        *,
        aad: bytes,
        plaintext: bytes,
        random: Random = os.urandom,
    ) -> tuple[bytes, bytes]:
        """KEM output and ciphertext. RFC 9180, section 6.1."""
        kem_output, context = self.setup_sender(public_key, info, random=random)
        return kem_output, aes_gcm_seal(context.key, context.base_nonce, aad=aad, data=plaintext)

    def open(
        self, kem_output: bytes, private_key: bytes, *, info: bytes, aad: bytes, ciphertext: bytes
    ) -> bytes:
        """The plaintext; PeerError("decryption_failed") or ("bad_public_key"). Section 6.1."""
        context = self.setup_receiver(kem_output, private_key, info)
        return aes_gcm_open(context.key, context.base_nonce, aad=aad, data=ciphertext)


X25519_SHA256_AES128GCM = Hpke(
    kem=X25519Kem(), hash_name="sha256", kdf_id=b"\x00\x01", aead_id=b"\x00\x01", key_length=16
)
