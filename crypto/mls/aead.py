"""The AEADs of the cipher suites: sealing and opening under a key and a nonce of the caller's.

Never chooses a nonce, and never returns plaintext whose tag was not checked whole.
"""

from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from crypto.errors import PeerError

AEAD_TAG_LENGTH = 16


class Operation(Protocol):
    """Sealing: the ciphertext with its tag of 16 bytes at the end. Opening: the plaintext."""

    def __call__(self, key: bytes, nonce: bytes, *, aad: bytes, data: bytes) -> bytes: ...


def _seal_with(cipher: type[AESGCM] | type[ChaCha20Poly1305]) -> Operation:
    def seal(key: bytes, nonce: bytes, *, aad: bytes, data: bytes) -> bytes:
        return cipher(key).encrypt(nonce, data, aad)

    return seal


def _open_with(cipher: type[AESGCM] | type[ChaCha20Poly1305]) -> Operation:
    def open_sealed(key: bytes, nonce: bytes, *, aad: bytes, data: bytes) -> bytes:
        if len(data) < AEAD_TAG_LENGTH:
            raise PeerError("decryption_failed", "the ciphertext is shorter than a tag")
        try:
            return cipher(key).decrypt(nonce, data, aad)
        except InvalidTag:
            raise PeerError("decryption_failed") from None

    return open_sealed


@dataclass(frozen=True, slots=True)
class Aead:
    """One row of the HPKE registry: `aead_id` is its number there; AEAD.Nk and AEAD.Nn in bytes.

    `open` raises PeerError("decryption_failed") unless the whole tag is right.
    """

    aead_id: bytes
    key_length: int
    nonce_length: int
    seal: Operation
    open: Operation


AES_128_GCM = Aead(b"\x00\x01", 16, 12, _seal_with(AESGCM), _open_with(AESGCM))
AES_256_GCM = Aead(b"\x00\x02", 32, 12, AES_128_GCM.seal, AES_128_GCM.open)
CHACHA20_POLY1305 = Aead(
    b"\x00\x03", 32, 12, _seal_with(ChaCha20Poly1305), _open_with(ChaCha20Poly1305)
)
