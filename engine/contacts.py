"""Who people are to this account: pins at first contact, changed roots, comparing safety numbers.

Never trusts the relay's word: a root counts when its certificate verifies, and a pinned one is
replaced only on the person's word.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from crypto.certificates import Root, check_root
from crypto.errors import PeerError
from crypto.identity import verify_chain
from crypto.safety_number import qr_payload, safety_number
from engine.context import Contact, DeviceKeys, Link, Store
from engine.events import Event, IdentityChanged
from engine.faults import from_peer
from storage.client import contacts as rows
from wire.errors import Code, WireError
from wire.link import encode_fingerprint, parse_fingerprint
from wire.names import canonical_name, is_display_of
from wire.replies import AccountInfo
from wire.requests import Lookup


class Contacts:
    """The ContactBook of engine/context.py, and what a person does with it."""

    def __init__(
        self,
        keys: DeviceKeys,
        store: Store,
        *,
        link: Link,
        emit: Callable[[Event], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._keys = keys
        self._store = store
        self._link = link
        self._emit = emit
        self._now_ms = now_ms
        self._pins: dict[str, Contact] = {}
        self._shown: dict[str, bytes] = {}  # whose safety number was shown, with which root

    async def load(self) -> None:
        """Read the pins; call it once, first."""
        self._pins = {row.account: _pin(row) for row in await self._store.query(rows.list_contacts)}

    def known(self, account: str) -> Contact | None:
        """See engine.context.ContactBook."""
        return self._own() if account == self._keys.account else self._pins.get(account)

    def may_send_to(self, account: str, root_identity: bytes) -> bool:
        """See engine.context.ContactBook."""
        pin = self.known(account)
        return pin is None or (pin.changed_root is None and pin.root_identity == root_identity)

    async def check(self, name: str) -> Contact:
        """See engine.context.ContactBook."""
        account = canonical_name(name)
        if account == self._keys.account:
            return self._own()
        pin = self._pins.get(account)
        try:
            pin = await self._ask(account)
        except WireError as error:
            if pin is None or error.code not in (Code.NOT_CONNECTED, Code.TIMEOUT):
                raise
        _refuse_changed(pin)
        return pin

    async def observe(self, chain: tuple[bytes, ...]) -> Contact:
        """See engine.context.ContactBook."""
        identity = verify_chain(chain)
        pin = self.known(identity.account)
        if pin is not None and pin.root_identity == identity.root_identity:
            return pin
        return await self._consider(check_root(chain[1]), chain[1])

    async def root_changed(self, account: str) -> None:
        """Look a known account up again, as the relay says that its root changed."""
        if account in self._pins:
            await self._ask(account)

    async def accept(self, name: str, fingerprint: str) -> Contact:
        """Pin the changed root that has this fingerprint; whoever was verified is so no longer."""
        pin = self._met(name)
        if pin.changed_root is None or encode_fingerprint(pin.changed_root) != parse_fingerprint(
            fingerprint
        ):
            raise WireError(Code.BAD_REQUEST, f"{pin.display} shows no identity like that one.")
        wanted = pin.changed_root

        def work(connection: Any) -> rows.Contact | None:
            row = rows.find_contact(connection, pin.account)
            certificate = row.changed_root_certificate if row is not None else None
            if certificate is not None and check_root(certificate).identity == wanted:
                rows.accept_root(
                    connection, pin.account, root_identity=wanted, root_certificate=certificate
                )
            return rows.find_contact(connection, pin.account)

        return self._keep(await self._store.run(work))

    def change_of(self, name: str) -> dict[str, Any]:
        """Return the pinned and the new fingerprint of a contact whose root has changed."""
        pin = self._met(name)
        if pin.changed_root is None:
            raise WireError(Code.BAD_REQUEST, f"{pin.display} has the same identity as before.")
        return {
            "name": pin.account,
            "old_fingerprint": encode_fingerprint(pin.root_identity),
            "new_fingerprint": encode_fingerprint(pin.changed_root),
            "was_verified": pin.verified,
        }

    async def safety(self, name: str) -> dict[str, Any]:
        """Return the safety number with `name` and what it was made from; asks once if unknown.

        What is shown here is what `verify` takes: the same root, however the pin changes meanwhile.
        """
        pin = self.known(canonical_name(name)) or await self.check(name)
        _refuse_changed(pin)
        own, other = self._party(), (pin.account, pin.root_identity)
        self._shown[pin.account] = pin.root_identity
        return {
            "name": pin.account,
            "display": pin.display,
            "digits": safety_number(own, other),
            "qr": qr_payload(own, other).hex(),
            "fingerprint": encode_fingerprint(pin.root_identity),
            "verified": pin.verified,
            "state": "verified" if pin.verified else "unverified",
        }

    async def verify(self, name: str) -> Contact:
        """Note that the safety number last shown for `name` was compared and is the same.

        Raises bad_request when none was shown, identity_changed when the root is another by now.
        """
        pin = self._met(name)
        shown = self._shown.get(pin.account)
        if shown is None:
            text = f"Compare the safety number with {pin.display} first."
            raise WireError(Code.BAD_REQUEST, text)
        _refuse_changed(pin)

        def work(connection: Any) -> rows.Contact | None:
            row = rows.find_contact(connection, pin.account)
            # The root that was compared, the one that is pinned now: one snapshot, or nothing.
            if row and row.root_identity == shown and row.changed_root_certificate is None:
                rows.set_verified(connection, pin.account, verified=True)
            return rows.find_contact(connection, pin.account)

        after = self._keep(await self._store.run(work))
        if after.root_identity != shown or not after.verified:
            del self._shown[pin.account]
            raise _changed(after, shown)
        return after

    async def unverify(self, name: str) -> Contact:
        """Take the mark away."""
        pin = self._met(name)
        self._shown.pop(pin.account, None)

        def work(connection: Any) -> rows.Contact | None:
            rows.set_verified(connection, pin.account, verified=False)
            return rows.find_contact(connection, pin.account)

        return self._keep(await self._store.run(work))

    def _own(self) -> Contact:
        keys = self._keys
        return Contact(
            keys.account, keys.display, keys.root_identity, root_certificate=keys.chain[1]
        )

    def _party(self) -> tuple[str, bytes]:
        return self._keys.account, self._keys.root_identity

    def _met(self, name: str) -> Contact:
        pin = self._pins.get(canonical_name(name))
        if pin is None:
            raise WireError(
                Code.NO_SUCH_USER, "You have not been in contact with anybody so named."
            )
        return pin

    def _keep(self, row: rows.Contact | None) -> Contact:
        assert row is not None  # contacts are never deleted
        self._pins[row.account] = _pin(row)
        return self._pins[row.account]

    async def _ask(self, account: str) -> Contact:
        answer = await self._link.request(Lookup(0, account))
        assert isinstance(answer, AccountInfo)
        try:
            root = check_root(answer.root_certificate)
            if root.account != account:
                raise PeerError("bad_certificate", "another account's")
            pin = await self._consider(root, answer.root_certificate)
        except PeerError as error:
            raise from_peer(error, what=f"The identity of {account} that the relay shows") from None
        if pin.changed_root is not None and root.identity == pin.root_identity:
            pin = await self._write_changed(pin.account, None)
        return pin

    async def _consider(self, root: Root, certificate: bytes) -> Contact:
        """Return the pin after a verified root was seen: made, left, or marked as changed."""
        if not is_display_of(root.display, root.account):
            raise PeerError("bad_certificate", "the name shown is not the account's")
        pin = self.known(root.account) or await self._pin_first(root, certificate)
        if root.identity in (pin.root_identity, pin.changed_root):
            return pin
        if root.account == self._keys.account:
            return replace(pin, changed_root=root.identity)
        changed = await self._write_changed(pin.account, certificate)
        self._emit(
            IdentityChanged(
                name=pin.account,
                old_fingerprint=encode_fingerprint(pin.root_identity),
                new_fingerprint=encode_fingerprint(root.identity),
                was_verified=pin.verified,
            )
        )
        return changed

    async def _pin_first(self, root: Root, certificate: bytes) -> Contact:
        def work(connection: Any) -> rows.Contact:
            return rows.pin_contact(
                connection,
                account=root.account,
                display=root.display,
                root_identity=root.identity,
                root_certificate=certificate,
                now_ms=self._now_ms(),
            )

        return self._keep(await self._store.run(work))

    async def _write_changed(self, account: str, certificate: bytes | None) -> Contact:
        def work(connection: Any) -> rows.Contact | None:
            rows.set_changed_root(connection, account, certificate)
            return rows.find_contact(connection, account)

        return self._keep(await self._store.run(work))


def _pin(row: rows.Contact) -> Contact:
    changed = row.changed_root_certificate
    return Contact(
        row.account,
        row.display,
        row.root_identity,
        root_certificate=row.root_certificate,
        verified=row.verified and changed is None,
        changed_root=None if changed is None else check_root(changed).identity,
    )


def _refuse_changed(pin: Contact) -> None:
    if pin.changed_root is not None:
        raise _changed(pin, pin.changed_root)


def _changed(pin: Contact, shown: bytes) -> WireError:
    text = f"{pin.display} has another identity than before. Nothing was sent: accept it first."
    return WireError(
        Code.IDENTITY_CHANGED,
        text,
        name=pin.account,
        expected=encode_fingerprint(pin.root_identity),
        shown=encode_fingerprint(shown),
    )
