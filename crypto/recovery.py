"""The recovery code, and the account's root key sealed under it for the relay to keep.

Never derives anything from a password: the code has 256 bits, so the relay cannot guess it.
"""

import os
from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.errors import PeerError, UsageError
from crypto.labels import Purpose, labelled

Random = Callable[[int], bytes]

_SECRET_BYTES: Final = 32
_CHECK_BYTES: Final = 3  # 35 bytes fill 56 symbols; a mistyped code passes once in 16 million
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
_SYMBOLS: Final = (_SECRET_BYTES + _CHECK_BYTES) * 8 // 5
_GROUP: Final = 4
_MAX_TYPED_CHARS: Final = 512
_FORGIVEN: Final = str.maketrans("OIL", "011", " -_.\t\r\n")
_VALUES: Final = {symbol: value for value, symbol in enumerate(_ALPHABET)}

_VERSION: Final = b"\x01"
_SALT_BYTES: Final = 32
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 2
# One size for each kind of root: the relay learns the kind, which the certificate shows anyway.
_PADDED_BYTES: Final = (128, 2048)
_SEALED_BYTES: Final = tuple(
    len(_VERSION) + _SALT_BYTES + padded + _TAG_BYTES for padded in _PADDED_BYTES
)


def new_recovery_code(random: Random = os.urandom) -> str:
    """A code of 256 random bits: 56 symbols in groups of four, joined by hyphens."""
    return _spelled(random(_SECRET_BYTES))


def parse_recovery_code(typed: str) -> bytes:
    """The secret, 32 bytes, that a code stands for, however it was typed.

    Case, spaces, hyphens, full stops do not count; O is 0; I and L are 1.
    Raises PeerError("bad_recovery_code").
    """
    symbols = typed.upper().translate(_FORGIVEN) if len(typed) <= _MAX_TYPED_CHARS else ""
    if len(symbols) != _SYMBOLS or not all(symbol in _VALUES for symbol in symbols):
        raise PeerError("bad_recovery_code", f"a recovery code has {_SYMBOLS} letters and digits")
    number = 0
    for symbol in symbols:
        number = number << 5 | _VALUES[symbol]
    whole = number.to_bytes(_SECRET_BYTES + _CHECK_BYTES, "big")
    secret, check = whole[:_SECRET_BYTES], whole[_SECRET_BYTES:]
    if not compare_digest(check, _check(secret)):
        raise PeerError("bad_recovery_code", "a letter or digit of the code is mistyped")
    return secret


def seal_root(code: str, account: str, root_bytes: bytes, *, random: Random = os.urandom) -> bytes:
    """`root_bytes` (RootKey.to_bytes) sealed under `code`, bound to the canonical name `account`.

    177 or 2,097 bytes: version, salt, padded ciphertext, tag. Raises UsageError for a root of more
    than 2,046 bytes, PeerError("bad_recovery_code") for no code.
    """
    secret = parse_recovery_code(code)
    plain_bytes = _LENGTH_BYTES + len(root_bytes)
    padded_bytes = next((size for size in _PADDED_BYTES if plain_bytes <= size), None)
    if padded_bytes is None:
        raise UsageError("a root key is smaller than that")
    padded = (len(root_bytes).to_bytes(_LENGTH_BYTES, "big") + root_bytes).ljust(
        padded_bytes, b"\0"
    )
    salt = random(_SALT_BYTES)
    key, nonce = _key_and_nonce(secret, salt, account)
    return _VERSION + salt + AESGCM(key).encrypt(nonce, padded, _bound_to(account))


def open_root(code: str, account: str, sealed: bytes) -> bytes:
    """The root's bytes; raises PeerError("bad_recovery_code").

    A wrong code and a sealed root that is damaged, another account's, or of another code look the
    same: the code alone is secret, so nothing outside it can tell them apart.
    """
    secret = parse_recovery_code(code)
    if len(sealed) not in _SEALED_BYTES or not sealed.startswith(_VERSION):
        raise PeerError("bad_recovery_code", "the sealed root key has another form")
    salt, ciphertext = sealed[1 : 1 + _SALT_BYTES], sealed[1 + _SALT_BYTES :]
    key, nonce = _key_and_nonce(secret, salt, account)
    try:
        padded = AESGCM(key).decrypt(nonce, ciphertext, _bound_to(account))
    except InvalidTag:
        raise PeerError("bad_recovery_code", "the code does not open this account") from None
    end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")
    if end > len(padded) or any(padded[end:]):
        raise PeerError("bad_recovery_code", "the sealed root key has another form")
    return padded[_LENGTH_BYTES:end]


def _spelled(secret: bytes) -> str:
    number = int.from_bytes(secret + _check(secret), "big")
    symbols = "".join(
        _ALPHABET[number >> 5 * (_SYMBOLS - 1 - place) & 31] for place in range(_SYMBOLS)
    )
    return "-".join(symbols[at : at + _GROUP] for at in range(0, _SYMBOLS, _GROUP))


def _check(secret: bytes) -> bytes:
    return sha256(labelled(Purpose.RECOVERY_CHECK, secret)).digest()[:_CHECK_BYTES]


def _bound_to(account: str) -> bytes:
    return labelled(Purpose.RECOVERY, _VERSION, account.encode())


def _key_and_nonce(secret: bytes, salt: bytes, account: str) -> tuple[bytes, bytes]:
    """A key and nonce for this salt alone, so a code may seal any number of times."""
    hkdf = HKDF(SHA256(), _KEY_BYTES + _NONCE_BYTES, salt, _bound_to(account))
    both = hkdf.derive(secret)
    return both[:_KEY_BYTES], both[_KEY_BYTES:]
