"""Registering, logging in, and adding this device to an account: from a name to a first session.

Never sends a request before the keys it is about are stored, and never leaves an account behind
that the relay refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from msgspec.structs import replace

from crypto.identity import RootKind
from engine.faults import SafeStore
from engine.link import Connection
from engine.lock import Label, LockChoice, Method
from engine.newdevice import NewDevice, recovered, with_new_root
from engine.open_account import OpenAccount
from engine.profile import Profile
from engine.record import AccountRecord, check_own, get_record, put_record
from engine.trust import allowed, dial_allowed, local_fingerprints
from wire.emails import canonical_email
from wire.errors import Code, WireError
from wire.link import Address
from wire.names import canonical_name, display_name
from wire.passwords import check_password
from wire.pushes import Push
from wire.replies import AccountFound, LoggedIn, Reply
from wire.requests import Enroll, Login, Register, Resume

_MAX_EARLY_PUSHES: Final = 1024
_UNSURE: Final = frozenset({Code.NOT_CONNECTED, Code.TIMEOUT, Code.UNAVAILABLE})


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
    store: SafeStore
    connection: Connection
    mailbox: Mailbox
    logged_in: LoggedIn
    recovery_code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class _Way:
    server: str
    connection: Connection
    mailbox: Mailbox


class Registration:
    """The way from nothing to an account of this profile with a session."""

    def __init__(self, profile: Profile, *, random: Callable[[int], bytes] = os.urandom) -> None:
        self._profile = profile
        self._random = random

    async def register(
        self,
        where: Where,
        person: Person,
        *,
        email: str | None = None,
        identity: RootKind = "ed25519",
        admin_code: str | None = None,
    ) -> Entered:
        """Make an account and its first device. Raises WireError; nothing is kept then."""
        account, display = canonical_name(person.name), display_name(person.name)
        email = canonical_email(email) if email else None
        check_password(person.password, account, email=email)
        way = await self._dial(where)
        connection = way.connection
        try:
            device = await with_new_root(account, display, kind=identity, random=self._random)
            assert device.sealed_root is not None
            request = Register(
                0,
                display,
                email,
                person.password,
                admin_code=admin_code,
                chain=device.chain,
                sealed_root=device.sealed_root,
                proof=connection.proof(device.signer, account=account, device=device.id),
            )
            return await self._first_session(way, account, person, device=device, request=request)
        except BaseException:
            connection.fail(WireError(Code.NOT_CONNECTED, "The registration was not finished."))
            raise

    async def login(
        self,
        where: Where,
        person: Person,
        *,
        recovery_code: str | None = None,
        new_identity: bool = False,
        identity: RootKind = "ed25519",
    ) -> Entered:
        """Log in with name or e-mail and password, adding this device if it is new.

        Raises WireError: bad_credentials; bad_recovery_code with `needed` when this device is new
        and neither the code nor `new_identity` was given.
        """
        entered = await self._known_device(where, person, name=person.name)
        if entered is not None:
            return entered
        way = await self._dial(where)
        connection = way.connection
        try:
            answer = await connection.request(Login(0, person.name, person.password))
            if not isinstance(answer, AccountFound):
                raise WireError(Code.BAD_REQUEST, "The relay skipped the enrolment.")
            entered = await self._known_device(where, person, name=answer.account)
            if entered is not None:
                connection.fail(WireError(Code.NOT_CONNECTED, "Another connection took over."))
                return entered
            if new_identity:
                display = answer.display
                device = await with_new_root(
                    answer.account, display, kind=identity, random=self._random
                )
            else:
                device = recovered(answer, recovery_code, random=self._random)
            proof = connection.proof(device.signer, account=answer.account, device=device.id)
            request = Enroll(0, device.chain, proof, new_identity, device.sealed_root)
            return await self._first_session(
                way, answer.account, person, device=device, request=request
            )
        except BaseException:
            connection.fail(WireError(Code.NOT_CONNECTED, "The log-in was not finished."))
            raise

    async def _dial(self, where: Where, *, known: str | None = None) -> _Way:
        mailbox = Mailbox()
        known = known or self._profile.known_relay(where.address.server)
        fingerprints = allowed(
            where.address, trust=where.trust, known=known, local=local_fingerprints
        )
        connection = await dial_allowed(
            where.address, fingerprints=fingerprints, on_push=mailbox, random=self._random
        )
        return _Way(where.address.server, connection, mailbox)

    async def _first_session(
        self,
        way: _Way,
        account: str,
        person: Person,
        *,
        device: NewDevice,
        request: Register | Enroll,
    ) -> Entered:
        """Store the keys, send the request, then note that it was accepted."""
        record = AccountRecord(
            way.server,
            way.connection.fingerprint,
            way.connection.relay_key,
            device.signer.seed,
            device.chain,
            is_pending=True,
            recovery_code=device.recovery_code,
        )
        label = Label(account=account, server=way.server)
        opened = await self._create(label, person.passphrase)
        store = SafeStore(opened.store)
        try:
            await store.run(lambda connection: put_record(connection, record))
            answer = await way.connection.request(request)
            return await self._settle(way, opened, answer, record=record)
        except BaseException as error:
            # Without an answer the relay may have done it: the keys stay, log-in finds them.
            if isinstance(error, WireError) and error.code not in _UNSURE:
                await self._profile.discard(opened)
            await opened.release()
            raise

    async def _create(self, label: Label, passphrase: str | None) -> OpenAccount:
        """Make the account's store: a passphrase locks it, else the keyring, else a key file."""
        if passphrase:
            choice = LockChoice(Method.PASSPHRASE, passphrase)
            return await self._profile.create_account(label, choice)
        try:
            return await self._profile.create_account(label, LockChoice(Method.KEYRING))
        except WireError as error:
            if error.code is not Code.UNAVAILABLE:
                raise
        return await self._profile.create_account(label, LockChoice(Method.KEY_FILE))

    async def _known_device(self, where: Where, person: Person, *, name: str) -> Entered | None:
        """Log in with the device that this profile has for the name, or None without one."""
        found = self._find(name, where.address.server)
        if found is None:
            return None
        opened = await self._profile.open_account(found, passphrase=person.passphrase)
        way: _Way | None = None
        try:
            record = await SafeStore(opened.store).query(get_record)
            way = await self._dial(where, known=record.fingerprint)
            answer = await _prove(way.connection, record, person)
            return await self._settle(way, opened, answer, record=record)
        except BaseException as error:
            if way is not None:
                way.connection.fail(WireError(Code.NOT_CONNECTED, "The log-in was not finished."))
            if way is None or not _never_made(error, record):
                await opened.release()
                raise
            await self._profile.discard(opened)
            return None

    def _find(self, name: str, server: str) -> str | None:
        try:
            label = Label(account=canonical_name(name), server=server)
        except WireError:  # an e-mail address
            return None
        entries = self._profile.list_accounts()
        return next((entry.id for entry in entries if entry.label == label), None)

    async def _settle(
        self, way: _Way, opened: OpenAccount, answer: Reply, *, record: AccountRecord
    ) -> Entered:
        """Check the answer and note that nothing is pending any more."""
        keys = record.keys()
        assert isinstance(answer, LoggedIn)
        check_own(answer, account=keys.account, device=keys.device)
        settled = replace(
            record,
            server=way.server,
            is_pending=False,
            recovery_code=None,
            is_admin=answer.is_admin,
        )
        store = SafeStore(opened.store)
        await store.run(lambda connection: put_record(connection, settled))
        self._profile.remember_relay(way.server, way.connection.fingerprint)
        return Entered(
            opened,
            store,
            way.connection,
            mailbox=way.mailbox,
            logged_in=answer,
            recovery_code=record.recovery_code,
        )


def _never_made(error: BaseException, record: AccountRecord) -> bool:
    """Whether the relay does not know a device whose making was never confirmed."""
    refused = isinstance(error, WireError) and error.code is Code.BAD_CREDENTIALS
    return refused and record.is_pending


async def _prove(connection: Connection, record: AccountRecord, person: Person) -> Reply:
    keys = record.keys()
    proof = connection.proof(keys.signer, account=keys.account, device=keys.device)
    if record.is_pending:  # the password was right when the keys were made
        return await connection.request(Resume(0, keys.account, keys.device, proof))
    return await connection.request(Login(0, keys.account, person.password, keys.device, proof))
