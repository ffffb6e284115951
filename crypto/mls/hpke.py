"""HPKE in base mode (RFC 9180): sealing to a public key, and exporting secrets.

Never authenticates a sender, and never seals twice with one context.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from crypto.mls.aead import Aead
from crypto.mls.kdf import Kdf, expand, extract

Random = Callable[[int], bytes]


class Kem(Protocol):
    """A key encapsulation mechanism (RFC 9180, section 4): what another one has to bring."""

    @property
    def suite_id(self) -> bytes:
        """The two bytes of its number in the IANA registry."""

    @property
    def private_length(self) -> int:
        """Bytes of a private key."""

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
class Exporter:
    """What either end of one encapsulation keeps in order to export from it."""

    hpke: "Hpke"
    secret: bytes = field(repr=False)

    def export(self, exporter_context: bytes, length: int) -> bytes:
        """A secret of `length` bytes that both ends know. RFC 9180, section 5.3."""
        return self.hpke.labeled_expand(self.secret, b"sec", exporter_context, length)


@dataclass(frozen=True, slots=True)
class Hpke:
    """A KEM with a KDF and an AEAD."""

    kem: Kem
    kdf: Kdf
    aead: Aead
    _prefix: bytes = field(init=False, repr=False)
    _no_psk: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        suite_id = b"HPKE" + self.kem.suite_id + self.kdf.kdf_id + self.aead.aead_id
        object.__setattr__(self, "_prefix", b"HPKE-v1" + suite_id)
        mode_base = b"\x00"
        psk_id_hash = self.labeled_extract(b"", b"psk_id_hash", b"")
        object.__setattr__(self, "_no_psk", mode_base + psk_id_hash)

    def labeled_extract(self, salt: bytes, label: bytes, key_material: bytes) -> bytes:
        """LabeledExtract (RFC 9180, section 4) under this suite's id."""
        return extract(self.kdf.hash_name, salt, self._prefix + label + key_material)

    def labeled_expand(self, secret: bytes, label: bytes, info: bytes, length: int) -> bytes:
        """LabeledExpand (RFC 9180, section 4) under this suite's id."""
        labeled = length.to_bytes(2) + self._prefix + label + info
        return expand(self.kdf.hash_name, secret, labeled, length)

    def _schedule(self, shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
        """`secret` and `key_schedule_context` of RFC 9180, section 5.1."""
        bound = self._no_psk + self.labeled_extract(b"", b"info_hash", info)
        return self.labeled_extract(shared_secret, b"secret", b""), bound

    def _key_and_nonce(self, shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
        secret, bound = self._schedule(shared_secret, info)
        key = self.labeled_expand(secret, b"key", bound, self.aead.key_length)
        return key, self.labeled_expand(secret, b"base_nonce", bound, self.aead.nonce_length)

    def _exporter(self, shared_secret: bytes, info: bytes) -> Exporter:
        secret, bound = self._schedule(shared_secret, info)
        return Exporter(self, self.labeled_expand(secret, b"exp", bound, self.kdf.length))

    def setup_sender(
        self, public_key: bytes, info: bytes, *, random: Random = os.urandom
    ) -> tuple[bytes, Exporter]:
        """The KEM output to send, and the sender's exporter. RFC 9180, section 5.1.1."""
        shared_secret, kem_output = self.kem.encapsulate(public_key, random=random)
        return kem_output, self._exporter(shared_secret, info)

    def setup_receiver(self, kem_output: bytes, private_key: bytes, info: bytes) -> Exporter:
        """The receiver's exporter of a KEM output from outside. RFC 9180, section 5.1.1."""
        return self._exporter(self.kem.decapsulate(private_key, kem_output), info)

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
        shared_secret, kem_output = self.kem.encapsulate(public_key, random=random)
        key, nonce = self._key_and_nonce(shared_secret, info)
        return kem_output, self.aead.seal(key, nonce, aad=aad, data=plaintext)

    def open(
        self, kem_output: bytes, private_key: bytes, *, info: bytes, aad: bytes, ciphertext: bytes
    ) -> bytes:
        """The plaintext; PeerError("decryption_failed") or ("bad_public_key"). Section 6.1."""
        key, nonce = self._key_and_nonce(self.kem.decapsulate(private_key, kem_output), info)
        return self.aead.open(key, nonce, aad=aad, data=ciphertext)
