"""ML-KEM-768 (FIPS 203): a key encapsulation mechanism that stands against quantum computers.

Never keeps a private key, and takes no randomness of the caller's: the library draws its own.
"""

from functools import lru_cache

from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey

from crypto.errors import PeerError, UsageError

PUBLIC_KEY_LENGTH = 1184
SEED_LENGTH = 64
CIPHERTEXT_LENGTH = 1088

# Expanding the matrix of a public key costs as much as encapsulating to it, and the keys of a tree
# come again in every path of ours. A key object holds about 8 KB.
_KEPT_KEYS = 1024


@lru_cache(maxsize=_KEPT_KEYS)
def load_public(public_key: bytes) -> MLKEM768PublicKey:
    """The key object of 1184 bytes from outside.

    Raises PeerError("bad_public_key") on a wrong size and on a coefficient not below the modulus
    3329: the check that FIPS 203, section 7.2, demands before any encapsulation.
    """
    if len(public_key) != PUBLIC_KEY_LENGTH:
        raise PeerError("bad_public_key", "an ML-KEM-768 public key has 1184 bytes")
    try:
        return MLKEM768PublicKey.from_public_bytes(public_key)
    except ValueError:
        raise PeerError("bad_public_key", "not an ML-KEM-768 public key") from None


def load_private(seed: bytes) -> MLKEM768PrivateKey:
    """The key object of a seed of 64 bytes (d and z of FIPS 203, section 7.1)."""
    if len(seed) != SEED_LENGTH:
        raise UsageError("an ML-KEM-768 seed has 64 bytes")
    return MLKEM768PrivateKey.from_seed_bytes(seed)


def encapsulate(public_key: bytes) -> tuple[bytes, bytes]:
    """A shared secret of 32 bytes and the ciphertext, 1088 bytes, that carries it.

    Raises PeerError("bad_public_key") as load_public does.
    """
    return load_public(public_key).encapsulate()


def decapsulate(private_key: MLKEM768PrivateKey, ciphertext: bytes) -> bytes:
    """The shared secret, 32 bytes; of a ciphertext that was changed, one that nobody knows.

    Raises PeerError("bad_public_key") on a wrong size.
    """
    if len(ciphertext) != CIPHERTEXT_LENGTH:
        raise PeerError("bad_public_key", "an ML-KEM-768 ciphertext has 1088 bytes")
    return private_key.decapsulate(ciphertext)
