"""Registering, logging in, and adding this device to an account: from a name to a first session.

Never sends a request before the keys it is about are stored, and never leaves an account behind
that the relay refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from crypto.certificates import check_root
from crypto.errors import PeerError
from crypto.identity import RootKind
from engine.entering import Entered, Mailbox, Person, Way, Where
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
from wire.names import canonical_name, display_name
from wire.passwords import check_password
from wire.replies import AccountFound, LoggedIn, Reply
from wire.requests import Enroll, Login, Register

_UNSURE: Final = frozenset({Code.TIMEOUT, Code.UNAVAILABLE})


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
            await self._clear_pending(account, where, person.passphrase)
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

    async def _dial(self, where: Where, *, known: str | None = None) -> Way:
        mailbox = Mailbox()
        known = known or self._profile.known_relay(where.address.server)
        fingerprints = allowed(
            where.address, trust=where.trust, known=known, local=local_fingerprints
        )
        connection = await dial_allowed(
            where.address, fingerprints=fingerprints, on_push=mailbox, random=self._random
        )
        return Way(where.address.server, connection, mailbox)

    async def _first_session(
        self,
        way: Way,
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
            # Without a clear answer the relay may have done it: the keys stay, log-in finds them.
            if (
                isinstance(error, WireError)
                and way.connection.is_open
                and error.code not in _UNSURE
            ):
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
        """Log in with the device that this profile has for the name; None: a new one is needed."""
        found = self._find(name, where.address.server)
        if found is None:
            return None
        opened = await self._profile.open_account(found, passphrase=person.passphrase)
        way: Way | None = None
        try:
            record = await SafeStore(opened.store).query(get_record)
            way = await self._dial(where, known=record.fingerprint)
            answer = await _log_in(way.connection, record, person)
            if answer is not None:
                return await self._settle(way, opened, answer, record=record)
            way.connection.fail(
                WireError(Code.NOT_CONNECTED, "This device is the account's no more.")
            )
            await self._put_aside(opened, record)
            return None
        except BaseException:
            if way is not None:
                way.connection.fail(WireError(Code.NOT_CONNECTED, "The log-in was not finished."))
            await opened.release()
            raise

    async def _put_aside(self, opened: OpenAccount, record: AccountRecord) -> None:
        """Make way for another device of the account; what this one has received stays readable."""
        if record.is_pending:
            await self._profile.discard(opened)
            return
        label = Label(account=opened.label.account, server=f"{opened.label.server} (logged out)")
        opened.relabel(label)
        await opened.release()

    async def _clear_pending(self, name: str, where: Where, passphrase: str | None) -> None:
        """Forget a registration of that name that nobody answered: it is made again now."""
        found = self._find(name, where.address.server)
        if found is None:
            return
        try:
            opened = await self._profile.open_account(found, passphrase=passphrase)
        except WireError:  # in use, or locked with another passphrase: not ours to judge
            return
        try:
            record = await SafeStore(opened.store).query(get_record)
            if record.is_pending:
                await self._profile.discard(opened)
        finally:
            await opened.release()

    def _find(self, name: str, server: str) -> str | None:
        try:
            label = Label(account=canonical_name(name), server=server)
        except WireError:  # an e-mail address
            return None
        entries = self._profile.list_accounts()
        return next((entry.id for entry in entries if entry.label == label), None)

    async def _settle(
        self, way: Way, opened: OpenAccount, answer: Reply, *, record: AccountRecord
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
            way.connection,
            mailbox=way.mailbox,
            logged_in=answer,
            recovery_code=record.recovery_code,
        )


async def _log_in(connection: Connection, record: AccountRecord, person: Person) -> LoggedIn | None:
    """Log in with a device that is here; None when the account needs another one.

    A relay that forgot the device (it was restored, or the enrolment never arrived) is told again.
    """
    keys = record.keys()
    proof = connection.proof(keys.signer, account=keys.account, device=keys.device)
    request = Login(0, keys.account, person.password, keys.device, proof)
    try:
        answer = await connection.request(request)
    except WireError as error:
        if error.code is Code.REMOVED:
            return None
        raise
    if isinstance(answer, AccountFound):
        if not _is_under(keys.root_identity, answer.root_certificate):
            return None
        answer = await connection.request(Enroll(0, keys.chain, proof))
    assert isinstance(answer, LoggedIn)
    return answer


def _is_under(root_identity: bytes, root_certificate: bytes) -> bool:
    try:
        return check_root(root_certificate).identity == root_identity
    except PeerError:
        return False
