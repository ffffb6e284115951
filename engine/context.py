"""What every part of the engine is given: the device's keys, store, link, contacts, clock, chance.

Never any behaviour of its own: it names the pieces, engine/session.py puts them together.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from crypto.ed25519 import SigningKey
from crypto.mls.credential import Credential
from crypto.mls.key_package import LeafConfig
from engine.events import Event
from engine.numbers import fresh_number
from wire.limits import KEY_PACKAGE_LIFETIME_S
from wire.policy import POLICY_EXTENSION
from wire.replies import Reply
from wire.requests import Request
from wire.suites import DEFAULT_SUITE, SUITES

T = TypeVar("T")

CLOCK_SLACK_S: Final = 3600  # how far behind a claimer's clock may be


@dataclass(frozen=True, slots=True)
class DeviceKeys:
    """Who this device is.

    `account` is case-mapped, `display` as typed, `root_identity` 32 bytes, `device` 16 bytes,
    `chain` the DER certificates (device, root).
    """

    account: str
    display: str
    root_identity: bytes
    device: bytes
    signer: SigningKey = field(repr=False)
    chain: tuple[bytes, bytes] = field(repr=False)

    @property
    def credential(self) -> Credential:
        """The x509 credential that this device's leaves carry."""
        return Credential.x509(self.chain)

    def leaf_config(self, now_s: int) -> LeafConfig:
        """Return what this device's leaves carry; the lifetime starts an hour before `now_s`."""
        start_s = max(0, now_s - CLOCK_SLACK_S)
        return LeafConfig(
            self.signer,
            self.credential,
            extension_types=(POLICY_EXTENSION,),
            lifetime=(start_s, start_s + KEY_PACKAGE_LIFETIME_S),
            cipher_suites=SUITES,
        )


@dataclass(frozen=True, slots=True)
class Contact:
    """An account as this device pinned it at first contact.

    `changed_root`: another root (32 bytes) that the account shows now and that nobody accepted yet;
    while it is set, nothing is sent to the account.
    """

    account: str
    display: str
    root_identity: bytes
    root_certificate: bytes = field(repr=False)
    verified: bool = False
    changed_root: bytes | None = None


class ContactBook(Protocol):
    """Pins of accounts (engine/contacts.py)."""

    def known(self, account: str) -> Contact | None:
        """Return the pin of a case-mapped account name, or None before first contact."""

    def may_send_to(self, account: str, root_identity: bytes) -> bool:
        """Tell whether that root is the pinned one (or the account is not known yet)."""

    async def check(self, name: str) -> Contact:
        """Return the contact after asking the relay who it is now.

        First contact is pinned. Offline, the pin stands. Raises WireError no_such_user,
        identity_changed (both fingerprints), not_connected (offline and unknown).
        """

    async def observe(self, chain: tuple[bytes, ...]) -> Contact:
        """Note a verified chain (device, root) seen in a group or a claimed package.

        First contact is pinned; another root is kept as `changed_root` and told once as an event.
        Raises PeerError when the chain does not verify.
        """


class Link(Protocol):
    """The connection to the relay (engine/link.py behind engine/reconnect.py)."""

    @property
    def is_connected(self) -> bool:
        """Whether a session is ready."""

    async def request(self, frame: Request) -> Reply:
        """Send a frame (its rid is set here) and return the answer.

        Conflict is returned, an Append answers with Accepted of exactly one (rid, seq). A Failed
        is raised as WireError with its code; without a session: WireError(not_connected); no
        answer in time: WireError(timeout), the connection is then ended.
        """


class Store(Protocol):
    """The account's store (storage/client/thread.py), one thread, one transaction a call."""

    async def run(self, work: Callable[[Any], T], *, then: Callable[[T], None] | None = None) -> T:
        """Run `work(connection)` in a write transaction; it is durable before this returns.

        A cancelled caller's transaction is finished; `then(result)` is called when it is durable,
        cancelled or not. Raises WireError disk_full, store_damaged.
        """

    async def query(self, work: Callable[[Any], T]) -> T:
        """Run `work(connection)` for reading."""

    async def truncate_wal(self) -> None:
        """Leave no old page beside the file; called after each epoch."""


def now_ms() -> int:
    """Return the wall clock in ms since 1970, UTC: for display and dates, never for verdicts."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Context:
    """The pieces. `relay_key` (32 bytes) is the pinned relay's: the only external sender.

    `suite` is that of the conversations which this client founds (wire/suites.py).

    `spawn(work)` runs a bounded background task that ends with the session; a WireError in it is
    dropped (the work is found again at the next connect), any other error ends the session loudly.
    """

    keys: DeviceKeys
    store: Store
    link: Link
    contacts: ContactBook
    relay_key: bytes
    emit: Callable[[Event], None]
    spawn: Callable[[Coroutine[Any, Any, None]], None]
    suite: int = DEFAULT_SUITE
    now_ms: Callable[[], int] = now_ms
    random: Callable[[int], bytes] = os.urandom

    def fresh_number(self) -> bytes:
        """Return a new transaction id."""
        return fresh_number(self.random, self.now_ms())
