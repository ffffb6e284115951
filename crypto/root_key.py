"""The root key of an account: Ed25519, or RSA-3072 where an organisation demands RSA.

Never signs anything but certificates, and never shows itself: its repr tells the kind only.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal, TypeAlias

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from crypto import ed25519
from crypto.errors import PeerError, UsageError

RootKind: TypeAlias = Literal["ed25519", "rsa"]

RSA_BITS: Final = 3072
RSA_EXPONENT: Final = 65537
_RSA_SPKI_BYTES: Final = 422
_MAX_PRIVATE_BYTES: Final = 2048  # PKCS #8 of RSA-3072 has about 1,800

# RFC 8410, section 4: SEQUENCE { SEQUENCE { 1.3.101.112 }, BIT STRING of 32 bytes }.
_ED25519_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
# RFC 8410, section 7: version 0, the same algorithm, the seed of 32 bytes inside two OCTET STRINGs.
_ED25519_PKCS8_PREFIX: Final = bytes.fromhex("302e020100300506032b657004220420")
# After tag and length of four bytes: version 0, SEQUENCE { 1.2.840.113549.1.1.1, NULL }.
_RSA_PKCS8_AT: Final = 4
_RSA_PKCS8: Final = bytes.fromhex("020100300d06092a864886f70d0101010500")
_ED25519_SPKI_BYTES: Final = len(_ED25519_SPKI_PREFIX) + ed25519.PUBLIC_KEY_LENGTH


def ed25519_spki(public_key: bytes) -> bytes:
    """The SubjectPublicKeyInfo, 44 bytes, of an Ed25519 key of 32 bytes."""
    return _ED25519_SPKI_PREFIX + public_key


def read_ed25519_spki(spki: bytes) -> bytes:
    """The checked Ed25519 key, 32 bytes, of a SubjectPublicKeyInfo.

    Raises PeerError: "bad_certificate" for another type, "bad_public_key" for a key that the
    strict checks of crypto.ed25519 refuse.
    """
    if len(spki) != _ED25519_SPKI_BYTES or not spki.startswith(_ED25519_SPKI_PREFIX):
        raise PeerError("bad_certificate", "the key is not an Ed25519 key")
    public_key = spki[len(_ED25519_SPKI_PREFIX) :]
    ed25519.load_public(public_key)
    return public_key


def root_kind(spki: bytes) -> RootKind:
    """Which of the two kinds of root this SubjectPublicKeyInfo holds, all checks done.

    Raises PeerError("bad_certificate") or PeerError("bad_public_key").
    """
    if len(spki) == _ED25519_SPKI_BYTES:
        read_ed25519_spki(spki)
        return "ed25519"
    _load_rsa(spki)
    return "rsa"


def verify_certificate(spki: bytes, tbs: bytes, signature: bytes) -> None:
    """Check the root's signature over the bytes of a certificate.

    Raises PeerError("bad_certificate"), or "bad_public_key" for a weak key.
    """
    if root_kind(spki) == "rsa":
        _verify_rsa(spki, tbs, signature)
        return
    try:
        ed25519.verify(read_ed25519_spki(spki), tbs, signature)
    except PeerError:
        raise PeerError("bad_certificate", "the signature is wrong") from None


def _verify_rsa(spki: bytes, tbs: bytes, signature: bytes) -> None:
    if len(signature) != RSA_BITS // 8:
        raise PeerError("bad_certificate", "the signature has a wrong size")
    try:
        _load_rsa(spki).verify(signature, tbs, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise PeerError("bad_certificate", "the signature is wrong") from None


@lru_cache(maxsize=512)
def _load_rsa(spki: bytes) -> RSAPublicKey:
    if len(spki) != _RSA_SPKI_BYTES:
        raise PeerError("bad_certificate", "the key is neither Ed25519 nor RSA-3072")
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        raise PeerError("bad_certificate", "the key cannot be read") from None
    if not isinstance(key, RSAPublicKey) or not _is_ours(key):
        raise PeerError("bad_certificate", "the key is not RSA-3072 with exponent 65537")
    if _spki_of(key) != spki:
        raise PeerError("bad_certificate", "the key is not in its one encoding")
    return key


def _load_private_rsa(data: bytes) -> RSAPrivateKey:
    try:
        key = load_der_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise PeerError("bad_root_key", "cannot be read") from None
    if not isinstance(key, RSAPrivateKey) or not _is_ours(key.public_key()):
        raise PeerError("bad_root_key", "neither Ed25519 nor RSA-3072")
    return key


def _is_ours(key: RSAPublicKey) -> bool:
    numbers = key.public_numbers()
    return key.key_size == RSA_BITS and numbers.e == RSA_EXPONENT and numbers.n % 2 == 1


def _spki_of(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class RootKey:
    """An account's private root key; immutable. Its repr shows its kind only."""

    __slots__ = ("_identity", "_key", "_spki")

    def __init__(self, key: Ed25519PrivateKey | RSAPrivateKey) -> None:
        self._key = key
        self._spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self._identity = sha256(self._spki).digest()

    @classmethod
    def generate(cls, kind: RootKind = "ed25519") -> "RootKey":
        """A fresh key from the library's own randomness: RSA takes about half a second."""
        if kind == "ed25519":
            return cls(Ed25519PrivateKey.generate())
        if kind == "rsa":
            return cls(generate_private_key(RSA_EXPONENT, RSA_BITS))
        raise UsageError("a root key is of kind ed25519 or rsa")

    @classmethod
    def from_bytes(cls, data: bytes) -> "RootKey":
        """The key from its PKCS #8 form; raises PeerError("bad_root_key") on anything else."""
        if len(data) > _MAX_PRIVATE_BYTES:
            raise PeerError("bad_root_key", "too long")
        if data.startswith(_ED25519_PKCS8_PREFIX):
            seed = data[len(_ED25519_PKCS8_PREFIX) :]
            if len(seed) == ed25519.SEED_LENGTH:
                return cls(Ed25519PrivateKey.from_private_bytes(seed))
        # The library is not asked about other types: it raises InternalError on some.
        elif data[_RSA_PKCS8_AT:].startswith(_RSA_PKCS8):
            return cls(_load_private_rsa(data))
        raise PeerError("bad_root_key", "neither Ed25519 nor RSA-3072")

    @property
    def kind(self) -> RootKind:
        """``ed25519`` or ``rsa``."""
        return "ed25519" if isinstance(self._key, Ed25519PrivateKey) else "rsa"

    @property
    def identity(self) -> bytes:
        """Who the account is, to everybody: SHA-256 of the SubjectPublicKeyInfo, 32 bytes."""
        return self._identity

    @property
    def spki(self) -> bytes:
        """The public key as a DER SubjectPublicKeyInfo: 44 bytes, or 422 with RSA."""
        return self._spki

    def to_bytes(self) -> bytes:
        """The secret key, unencrypted PKCS #8 DER: for sealing only (48 or about 1,800 bytes)."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def sign_certificate(self, tbs: bytes) -> bytes:
        """The signature over the bytes of a certificate: for crypto.certificates alone.

        64 bytes, or 384 with RSA (PKCS #1 v1.5 with SHA-256: a salt would leave a channel in
        which certificates of equal fields differ). Raises UsageError on anything but a sequence.
        """
        if not tbs.startswith(b"\x30"):
            raise UsageError("a root key signs certificates only")
        if isinstance(self._key, Ed25519PrivateKey):
            return self._key.sign(tbs)
        return self._key.sign(tbs, PKCS1v15(), SHA256())

    def __repr__(self) -> str:
        return f"RootKey({self.kind}, ...)"
