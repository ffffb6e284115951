"""HKDF (RFC 5869) under each hash that a cipher suite names, and the hash itself.

Never keeps a secret.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from crypto.errors import UsageError


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


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def _sha512(data: bytes) -> bytes:
    return hashlib.sha512(data).digest()


@dataclass(frozen=True, slots=True)
class Kdf:
    """HKDF with a hash; `kdf_id` is its number in the HPKE registry, `length` KDF.Nh in bytes."""

    kdf_id: bytes
    hash_name: str
    length: int
    hash: Callable[[bytes], bytes]


HKDF_SHA256 = Kdf(b"\x00\x01", "sha256", 32, _sha256)
HKDF_SHA384 = Kdf(b"\x00\x02", "sha384", 48, _sha384)
HKDF_SHA512 = Kdf(b"\x00\x03", "sha512", 64, _sha512)
