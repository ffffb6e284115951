"""Account passwords as the relay keeps them: bcrypt over a peppered hash of the NFC form.

Never decides who may log in, and never spends less on a name that does not exist.
"""

from __future__ import annotations

import base64
import hmac
from functools import lru_cache
from unicodedata import normalize

import bcrypt

from relay.context import Context


def hash_password(context: Context, password: str) -> str:
    """Return what is stored: one bcrypt of the context's cost (about 0.2 s at cost 12)."""
    salt = bcrypt.gensalt(context.limits.bcrypt_cost)
    return bcrypt.hashpw(_peppered(context.pepper, password), salt).decode("ascii")


def verify_password(context: Context, password: str, stored: str | None) -> bool:
    """Whether the password is the stored one; exactly one bcrypt, also when `stored` is None."""
    wanted = stored or _dummy_hash(context.limits.bcrypt_cost)
    matches = bcrypt.checkpw(_peppered(context.pepper, password), wanted.encode("ascii"))
    return matches and stored is not None


def _peppered(pepper: bytes, password: str) -> bytes:
    """64 characters of base64: under bcrypt's 72 bytes and without NUL, whatever was typed."""
    digest = hmac.digest(pepper, normalize("NFC", password).encode("utf-8"), "sha384")
    return base64.b64encode(digest)


@lru_cache(maxsize=4)
def _dummy_hash(cost: int) -> str:
    """A hash of the right form and cost that no password has: made without a bcrypt."""
    return bcrypt.gensalt(cost).decode("ascii") + "." * 31
