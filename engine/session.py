"""Session: all that a face may ask of the client, by the names of the JSON contract.

Never shows anything and never computes: it opens an account of the profile and delegates.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal

from engine.account import Account
from engine.context import now_ms
from engine.entering import Entered, Person, Where
from engine.events import Event
from engine.hardening import harden_process
from engine.keyrings import SystemKeyring
from engine.lock import Method
from engine.open_account import OpenAccount
from engine.profile import Profile
from engine.registration import Registration
from engine.session_talk import METHODS, Talk
from engine.trust import Refusals, allowed, dial_allowed, local_fingerprints
from wire.errors import Code, WireError
from wire.limits import PROTOCOL_VERSION
from wire.link import Address, encode_fingerprint, parse_fingerprint, parse_server
from wire.suites import DEFAULT_SUITE

DEFAULT_SERVER: Final = "127.0.0.1:5000"


class Session(Talk):
    """One face's session: no account open at first, then one at a time."""

    def __init__(
        self,
        profile: Profile,
        *,
        server: str | None = None,
        trust: str | None = None,
        suite: int = DEFAULT_SUITE,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`server` (HOST:PORT or a link), `trust` and `suite` stand in where a method names none.

        `suite` (a number of wire/suites.py) is also that of direct conversations and of the lobby.
        """
        self._profile = profile
        self._server = server
        self._trust = trust
        self._suite = suite
        self._random = random
        self._registration = Registration(profile, random=random)
        self._account: Account | None = None
        self._changing = asyncio.Lock()  # one opening, closing or logging in at a time
        self._listeners: list[Callable[[Event], None]] = []
        self._refusals = Refusals()

    @classmethod
    def on(
        cls,
        folder: Path | None,
        *,
        server: str | None = None,
        trust: str | None = None,
        suite: int = DEFAULT_SUITE,
    ) -> Session:
        """Return a session on the profile in `folder` (None: the platform's place)."""
        harden_process()
        return cls(Profile(folder), server=server, trust=trust, suite=suite)

    # Events and life.

    def subscribe(self, listener: Callable[[Event], None]) -> Callable[[], None]:
        """Call `listener` with every event, in order, on the loop; return what ends that."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            with contextlib.suppress(ValueError):
                self._listeners.remove(listener)

        return unsubscribe

    def _emit(self, event: Event) -> None:
        for listener in tuple(self._listeners):
            listener(event)

    async def start(self, *, opens_alone: bool = False) -> None:
        """Start; with `opens_alone`, open the profile's only account if nothing has to be asked."""
        free = [row for row in await self.accounts() if not row["in_use"]]
        if opens_alone and len(free) == 1 and not free[0]["needs_passphrase"]:
            with contextlib.suppress(WireError):  # it stays locked, and `unlock` says why
                await self.unlock()

    async def close(self) -> None:
        """End everything; the profile's account is free again."""
        async with self._changing:
            await self._close_account()

    async def _close_account(self) -> None:
        account, self._account = self._account, None
        if account is not None:
            await account.close()

    def _open(self) -> Account:
        if self._account is None:
            raise WireError(Code.LOCKED, "No account is open: log in, register or unlock first.")
        return self._account

    # Registering and logging in.

    async def register(
        self,
        name: str,
        password: str,
        server: str | None = None,
        email: str | None = None,
        identity: Literal["ed25519", "rsa"] = "ed25519",
        admin_code: str | None = None,
        trust: str | None = None,
        passphrase: str | None = None,
    ) -> dict[str, Any]:
        """Make an account; the recovery code in the answer is shown this once."""
        async with self._changing:
            where, person = self._where(server, trust), Person(name, password, passphrase)
            entered = await self._noting(
                where,
                self._registration.register(
                    where,
                    person,
                    email=email,
                    identity=identity,
                    admin_code=admin_code,
                ),
            )
            return await self._enter(entered)

    async def login(
        self,
        name: str,
        password: str,
        server: str | None = None,
        trust: str | None = None,
        passphrase: str | None = None,
        recovery_code: str | None = None,
        new_identity: bool = False,
        identity: Literal["ed25519", "rsa"] = "ed25519",
    ) -> dict[str, Any]:
        """Log in by name or e-mail; a new device needs the recovery code or `new_identity`."""
        async with self._changing:
            await self._close_account()  # its device may be the one that logs in
            where, person = self._where(server, trust), Person(name, password, passphrase)
            entered = await self._noting(
                where,
                self._registration.login(
                    where,
                    person,
                    recovery_code=recovery_code,
                    new_identity=new_identity,
                    identity=identity,
                ),
            )
            return await self._enter(entered)

    async def _enter(self, entered: Entered) -> dict[str, Any]:
        await self._close_account()
        try:
            account = await self._make(entered.opened)
        except BaseException:
            entered.connection.fail(WireError(Code.NOT_CONNECTED, "The account was not opened."))
            raise
        entered.mailbox.deliver_to(account.on_push)
        account.adopt(entered.connection, entered.logged_in)
        self._account = account
        answer = {
            "account": account.keys.account,
            "device": account.keys.device.hex(),
            "fingerprint": account.record.fingerprint,
        }
        if entered.recovery_code is not None:
            answer["recovery_code"] = entered.recovery_code
        # Who has registered is in the lobby: the next person's words are for them, too.
        await account.messenger.wait_ready()
        return answer

    async def _make(self, opened: OpenAccount) -> Account:
        try:
            return await Account.open(
                opened, emit=self._emit, random=self._random, suite=self._suite
            )
        except BaseException:
            await opened.release()
            raise

    def _where(self, server: str | None, trust: str | None) -> Where:
        typed = server or self._server or DEFAULT_SERVER
        return Where(parse_server(typed), trust or self._trust)

    async def _noting(self, where: Where, work: Any) -> Any:
        """Await `work`, remembering which relay was refused, for `trust_relay`."""
        try:
            return await work
        except WireError as error:
            self._refusals.note(where.address, error)
            raise

    # The profile.

    async def accounts(self) -> list[dict[str, Any]]:
        """Return the profile's accounts: id, account, server, label, in_use, needs_passphrase."""
        return [
            {
                "id": entry.id,
                "account": entry.label.account if entry.label else "",
                "server": entry.label.server if entry.label else "",
                "label": f"{entry.label.account} at {entry.label.server}"
                if entry.label
                else "damaged",
                "in_use": entry.in_use,
                "needs_passphrase": entry.method is Method.PASSPHRASE,
            }
            for entry in self._profile.list_accounts()
        ]

    async def has_keyring(self) -> bool:
        """Tell whether this system has a keyring that can lock a store."""
        return await asyncio.to_thread(SystemKeyring().is_real)

    async def hello(self) -> dict[str, Any]:
        """Return the protocol's version and the methods."""
        return {"version": PROTOCOL_VERSION, "methods": list(METHODS)}

    async def unlock(
        self, passphrase: str | None = None, account: str | None = None
    ) -> dict[str, Any]:
        """Open an account (its id; the only free one by default) and connect behind."""
        async with self._changing:
            if self._account is None:
                chosen = self._choose(account)
                opened = await self._profile.open_account(chosen, passphrase=passphrase)
                self._account = await self._make(opened)
                self._account.spawn(self._connect_behind(self._account))
        return await self.whoami()

    def _choose(self, account: str | None) -> str:
        entries = self._profile.list_accounts()
        if account is not None:
            return account
        free = [entry.id for entry in entries if not entry.in_use]
        if len(free) == 1:
            return free[0]
        if entries and not free:
            raise WireError(Code.PROFILE_IN_USE, "Every account here is open in another window.")
        text = "There are several accounts: say which." if free else "There is no account yet."
        raise WireError(Code.BAD_REQUEST, text)

    async def open(self, account: str, passphrase: str | None = None) -> dict[str, Any]:
        """Open the account with this id, and connect behind."""
        return await self.unlock(passphrase, account)

    async def _connect_behind(self, account: Account) -> None:
        try:
            await account.line.ask()
        except WireError as error:
            self._refusals.note(account.address, error)

    async def lock(self, passphrase: str | None = None) -> dict[str, Any]:
        """Close the account; its messages are encrypted until it is unlocked."""
        async with self._changing:
            self._open()
            if passphrase is not None:  # the contract's parameter is for unlocking
                raise WireError(Code.BAD_REQUEST, "Locking takes no passphrase.")
            await self._close_account()
        return {}

    # The relay.

    async def connect(
        self, server: str | None = None, link: str | None = None, trust: str | None = None
    ) -> dict[str, Any]:
        """Connect the open account, to another address of its relay when one is named."""
        account = self._open()
        typed = link or server
        try:
            if typed:
                await self._move_to(account, parse_server(typed), trust)
            await account.line.ask()
        except WireError as error:
            self._refusals.note(account.address, error)
            raise
        return {"fingerprint": account.record.fingerprint}

    async def _move_to(self, account: Account, address: Address, trust: str | None) -> None:
        known = account.record.fingerprint
        allowed(address, trust=trust, known=known, local=local_fingerprints)
        if address.server != account.record.server:
            await account.line.stop()
            await account.save(server=address.server)

    async def reconnect(
        self, server: str | None = None, link: str | None = None, trust: str | None = None
    ) -> dict[str, Any]:
        """The same as `connect`, also after a kick."""
        return await self.connect(server, link, trust)

    async def trust_relay(self, fingerprint: str, replaces: str | None = None) -> dict[str, Any]:
        """Pin `fingerprint` in place of the one that `replaces` names.

        Without `replaces` it must be the fingerprint that was refused last, both having been shown.
        """
        wanted = parse_fingerprint(fingerprint)
        async with self._changing:
            account = self._account
            address = account.address if account else self._refusals.address_of(wanted)
            known = account.record.fingerprint if account else None
            known = known or self._profile.known_relay(address.server)
            self._refusals.check_replacement(wanted, replaces=replaces, known=known)
            if account is not None:
                await self._replace_pin(account, wanted)
            self._profile.remember_relay(address.server, wanted)
        return {"fingerprint": wanted}

    async def _replace_pin(self, account: Account, wanted: str) -> None:
        connection = await dial_allowed(
            account.address, fingerprints=(wanted,), on_push=lambda _: None, random=self._random
        )
        await connection.close()
        await account.line.stop()
        await account.trust(wanted, connection.relay_key)
        # Everything that knew the old key is made anew.
        self._account = await account.reopened()
        self._account.spawn(self._connect_behind(self._account))

    async def logout(self) -> dict[str, Any]:
        """End the session and close the account; the device stays the account's."""
        async with self._changing:
            account = self._open()
            await account.say_goodbye()
            await self._close_account()
        return {}

    # Who and how.

    @property
    def is_connected(self) -> bool:
        """Whether a session with the relay is ready."""
        return self._account is not None and self._account.line.is_connected

    async def greetings(self) -> list[str]:
        """Return what the relay says to whoever logs in: lines of its operator's, not trusted."""
        greeting = self._open().greeting
        return [greeting] if greeting else []

    def now_ms(self) -> int:
        """Return the clock that new messages are dated by."""
        return now_ms()

    async def whoami(self) -> dict[str, Any]:
        """Return the open account, its device and its identity's fingerprint."""
        account = self._open()
        return {
            "account": account.keys.account,
            "display": account.keys.display,
            "device": account.keys.device.hex(),
            "fingerprint": encode_fingerprint(account.keys.root_identity),
            "is_admin": account.record.is_admin,
        }

    async def status(self) -> dict[str, Any]:
        """Return how things stand; it never fails."""
        account = self._account
        if account is None:
            return {"locked": True, "connected": False, "accounts": await self.accounts()}
        return {
            "locked": False,
            "connected": account.line.is_connected,
            "state": account.line.state.name.lower(),
            "account": account.keys.account,
            "server": account.record.server,
            "fingerprint": account.record.fingerprint,
            "is_admin": account.record.is_admin,
            "muted_until_ms": account.news.muted_until_ms,
            "online": len(account.news.online),
        }
