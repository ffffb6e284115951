"""What every operation is given: who asks, and what the relay is made of.

Never a database row: names and ids only, so that it may be kept for a connection's life.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from crypto.ed25519 import SigningKey
from relay.caches import AckBuffer, MemberCache, SeenBuffer, Usage
from wire.limits import DEFAULT_RETENTION_S, ID_BYTES


def wall_clock_ms() -> int:
    """Return the time since 1970 in ms, UTC."""
    return time.time_ns() // 1_000_000


def nobody(_whom: str | bytes) -> bool:
    """Nobody is online: the default where no connections are."""
    return False


@dataclass(frozen=True, slots=True)
class Limits:
    """What an operator may set; everything else is in wire/limits.py."""

    retention_s: int = DEFAULT_RETENTION_S
    lobby_idle_s: int = 90 * 86400  # a lobby leaf unseen for this long is removed
    conversations_per_account: int = 1000  # founded, not closed
    stored_bytes_per_account: int = 2 << 30  # entries, trees and Welcomes that one account stored
    bcrypt_cost: int = 12


@dataclass(frozen=True, slots=True)
class Context:
    """What the operations share.

    `signing_key` is the relay's identity and the external sender of every conversation; `pepper`
    (32 bytes) keys the password hashes; `history` (16 bytes) is another one after each restore;
    `now_ms` and `random` are the clock and the randomness. `is_online` (of an account) and
    `is_connected` (of a device) may be asked from any thread.
    """

    signing_key: SigningKey
    pepper: bytes = field(repr=False)
    limits: Limits = Limits()
    history: bytes = bytes(ID_BYTES)
    now_ms: Callable[[], int] = wall_clock_ms
    random: Callable[[int], bytes] = os.urandom
    is_online: Callable[[str], bool] = nobody
    is_connected: Callable[[bytes], bool] = nobody
    members: MemberCache = field(default_factory=MemberCache, repr=False)
    acks: AckBuffer = field(default_factory=AckBuffer, repr=False)
    seen: SeenBuffer = field(default_factory=SeenBuffer, repr=False)
    usage: Usage = field(default_factory=Usage, repr=False)


@dataclass(frozen=True, slots=True)
class Who:
    """A logged-in device. `account` is the canonical name; `device` 16 bytes; ids are rows."""

    account: str
    account_id: int
    device: bytes
    device_row: int
    is_admin: bool


@dataclass(frozen=True, slots=True)
class Proof:
    """What a device proof covers besides the device itself; 32 bytes each."""

    client_nonce: bytes
    relay_nonce: bytes
    relay_key: bytes
    tls_spki_hash: bytes
