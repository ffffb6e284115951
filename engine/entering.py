"""What goes into registering or logging in, and what comes out: plain values, and early pushes.

Never shows a password or a code: no repr has one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from engine.link import Connection
from engine.open_account import OpenAccount
from wire.errors import Code, WireError
from wire.link import Address
from wire.pushes import Push
from wire.replies import LoggedIn

_MAX_EARLY_PUSHES: Final = 1024


class Mailbox:
    """Keeps the pushes of a new session until there is an account to take them."""

    def __init__(self) -> None:
        self._kept: list[Push] = []
        self._take: Callable[[Push], None] | None = None

    def __call__(self, push: Push) -> None:
        if self._take is not None:
            self._take(push)
        elif len(self._kept) < _MAX_EARLY_PUSHES:
            self._kept.append(push)
        else:
            raise WireError(Code.NOT_SOTTO, "The relay said too much before it was asked.")

    def deliver_to(self, take: Callable[[Push], None]) -> None:
        """Hand over what was kept, and everything from now on."""
        kept, self._kept = self._kept, []
        for push in kept:
            take(push)
        self._take = take


@dataclass(frozen=True, slots=True)
class Where:
    """The relay that somebody named, and how they trust it ("tofu", a fingerprint or None)."""

    address: Address
    trust: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody typed to register or log in. `passphrase` locks the store on this machine."""

    name: str
    password: str = field(repr=False)
    passphrase: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Entered:
    """A first session: to be made an Account of."""

    opened: OpenAccount
    connection: Connection
    mailbox: Mailbox
    logged_in: LoggedIn
    recovery_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Way:
    """A connection that nobody has logged in on yet, and what comes over it meanwhile."""

    server: str
    connection: Connection
    mailbox: Mailbox
