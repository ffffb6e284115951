"""The pre-shared key that a room's password gives (the external PSK of its external commits).

Never leaves this cost to a setting: members of one room must come to the same key.
"""

from typing import Final
from unicodedata import normalize

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from crypto.errors import UsageError
from crypto.labels import Purpose, labelled

SALT_BYTES: Final = 16
PSK_BYTES: Final = 32

# RFC 9106, section 4, second choice, but with one lane: a browser or a phone has no more to give.
# A fifth of a second on a small machine.
_MEMORY_KIB: Final = 64 * 1024
_PASSES: Final = 3
_LANES: Final = 1


def room_psk(password: str, salt: bytes) -> bytes:
    """The key, 32 bytes, of a password (taken in NFC) and the room's salt of 16 bytes.

    Raises UsageError for another salt size.
    """
    if len(salt) != SALT_BYTES:
        raise UsageError("a room's salt has 16 bytes")
    argon = Argon2id(
        salt=salt,
        length=PSK_BYTES,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
        ad=labelled(Purpose.ROOM_PASSWORD),
    )
    # JSON can carry half a surrogate pair: some bytes for it, rather than an error.
    return argon.derive(normalize("NFC", password).encode("utf-8", "surrogatepass"))
