"""Pins: first contact is kept, a changed root stops sending, verifying is about one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError
from crypto.identity import RootKey, certify_device, certify_root, device_id
from engine.contacts import Contacts
from engine.context import DeviceKeys
from engine.events import Event, IdentityChanged
from engine.faults import SafeStore
from storage.client.thread import StoreThread
from wire.errors import Code, WireError
from wire.link import encode_fingerprint
from wire.replies import AccountInfo, Reply
from wire.requests import Lookup, Request


class Someone:
    """An account with a root and a device, as its relay would show it."""

    def __init__(self, account: str, display: str | None = None) -> None:
        self.account, self.display = account, display or account
        self.root = RootKey.generate()
        self.signer = SigningKey.generate()
        certificate = certify_root(self.root, account=account, display=self.display)
        device = certify_device(self.root, certificate, device_key=self.signer.public)
        self.chain = (device, certificate)

    @property
    def fingerprint(self) -> str:
        """Of the root."""
        return encode_fingerprint(self.root.identity)

    def keys(self) -> DeviceKeys:
        """Of the device."""
        identity = self.root.identity
        device = device_id(self.signer.public)
        return DeviceKeys(
            self.account,
            self.display,
            identity,
            device=device,
            signer=self.signer,
            chain=self.chain,
        )


class Directory:
    """A Link whose relay answers Lookups from a table, and nothing else."""

    def __init__(self) -> None:
        self.shown: dict[str, Someone] = {}
        self.is_connected = True
        self.on_lookup: Callable[[], None] = lambda: None

    async def request(self, frame: Request) -> Reply:
        """See engine.context.Link."""
        if not self.is_connected:
            raise WireError(Code.NOT_CONNECTED, "Offline.")
        assert isinstance(frame, Lookup)
        self.on_lookup()
        if frame.name not in self.shown:
            raise WireError(Code.NO_SUCH_USER, "Nobody.")
        found = self.shown[frame.name]
        return AccountInfo(0, frame.name, found.display, found.chain[1], False, False)


class Scene:
    """Alice's contacts, with a relay that shows what the test wants."""

    def __init__(self, store: SafeStore) -> None:
        self.alice = Someone("alice")
        self.relay = Directory()
        self.heard: list[Event] = []
        self.store = store
        self.contacts = self.anew()

    def anew(self) -> Contacts:
        """Contacts as a fresh start of the program makes them."""
        return Contacts(
            self.alice.keys(),
            self.store,
            link=self.relay,
            emit=self.heard.append,
            now_ms=lambda: 1,
        )

    def shows(self, person: Someone) -> Someone:
        """Let the relay show `person` under its name from now on."""
        self.relay.shown[person.account] = person
        return person


def play(folder: Path, work: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a scene on a fresh store."""

    async def run() -> None:
        thread = await StoreThread.open(folder / "store.db", bytes(32), create=True)
        try:
            await work(Scene(SafeStore(thread)))
        finally:
            await thread.close()

    asyncio.run(run())


async def refusal(work: Awaitable[Any]) -> WireError:
    """Return the error that `work` ends with."""
    with pytest.raises(WireError) as caught:
        await work
    return caught.value


def test_first_contact_is_remembered(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        bob = scene.shows(Someone("bob", "Bob"))
        pin = await scene.contacts.check("BOB")
        assert (pin.account, pin.display, pin.verified) == ("bob", "Bob", False)
        assert pin.root_identity == bob.root.identity
        again = scene.anew()
        await again.load()
        assert again.known("bob") == pin
        scene.relay.is_connected = False
        assert await again.check("bob") == pin  # offline the pin counts
        assert (await refusal(again.check("cleo"))).code is Code.NOT_CONNECTED

    play(tmp_path, work)


def test_a02_a_root_of_another_in_the_place_of_a_pinned_one_stops_sending(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        old = scene.shows(Someone("bob"))
        await scene.contacts.check("bob")
        new = scene.shows(Someone("bob"))
        for _ in range(2):
            error = await refusal(scene.contacts.check("bob"))
            assert error.code is Code.IDENTITY_CHANGED
            assert error.data["expected"] == old.fingerprint
            assert error.data["shown"] == new.fingerprint
        assert not scene.contacts.may_send_to("bob", old.root.identity)
        assert not scene.contacts.may_send_to("bob", new.root.identity)
        assert len([e for e in scene.heard if isinstance(e, IdentityChanged)]) == 1
        scene.relay.is_connected = False  # still so offline, and after a restart
        again = scene.anew()
        await again.load()
        assert (await refusal(again.check("bob"))).code is Code.IDENTITY_CHANGED

    play(tmp_path, work)


def test_a03_only_the_root_that_was_looked_at_is_accepted(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        scene.shows(Someone("bob"))
        await scene.contacts.check("bob")
        seen = scene.shows(Someone("bob"))
        await refusal(scene.contacts.check("bob"))
        swapped = scene.shows(Someone("bob"))  # while the person reads the first one
        await refusal(scene.contacts.check("bob"))
        error = await refusal(scene.contacts.accept("bob", seen.fingerprint))
        assert error.code is Code.BAD_REQUEST
        pin = await scene.contacts.accept("bob", swapped.fingerprint)
        assert pin.root_identity == swapped.root.identity
        assert (await scene.contacts.check("bob")).changed_root is None

    play(tmp_path, work)


def test_accepting_takes_the_verified_mark_away(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        scene.shows(Someone("bob"))
        await scene.contacts.safety("bob")
        assert (await scene.contacts.verify("bob")).verified
        new = scene.shows(Someone("bob"))
        await refusal(scene.contacts.check("bob"))
        changed = [e for e in scene.heard if isinstance(e, IdentityChanged)]
        assert changed[0].was_verified
        assert not (await scene.contacts.accept("bob", new.fingerprint)).verified
        # The number that was compared is another's: it does not verify the new root.
        assert (await refusal(scene.contacts.verify("bob"))).code is Code.IDENTITY_CHANGED

    play(tmp_path, work)


def test_the_pinned_root_shown_again_lifts_the_warning(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        old = scene.shows(Someone("bob"))
        await scene.contacts.check("bob")
        scene.shows(Someone("bob"))
        await refusal(scene.contacts.check("bob"))
        scene.shows(old)
        assert (await scene.contacts.check("bob")).changed_root is None
        assert scene.contacts.may_send_to("bob", old.root.identity)

    play(tmp_path, work)


@pytest.mark.parametrize("step", range(4))
def test_a04_a_key_swapped_between_two_steps_is_never_verified(step: int, tmp_path: Path) -> None:
    """Look up, show the number, confirm, look at the mark: the root changes before step `step`."""

    async def work(scene: Scene) -> None:
        scene.shows(Someone("bob"))
        contacts = scene.contacts
        eve = Someone("bob")

        async def look_up() -> None:
            await contacts.check("bob")

        async def show() -> None:
            await contacts.safety("bob")

        async def confirm() -> None:
            await contacts.verify("bob")

        async def accept_and_confirm() -> None:  # even somebody who accepts everything
            await contacts.accept("bob", eve.fingerprint)
            await contacts.verify("bob")

        for number, do in enumerate((look_up, show, confirm, accept_and_confirm)):
            if number == step:
                scene.shows(eve)
                if number > 0:
                    await contacts.observe(eve.chain)
            try:
                await do()
            except WireError:
                continue
        pin = contacts.known("bob")
        assert pin is not None
        again = scene.anew()
        await again.load()
        stored = again.known("bob")
        assert stored == pin
        if step > 0:  # what was compared was never Eve's
            assert not pin.verified or pin.root_identity != eve.root.identity
            assert not pin.verified

    play(tmp_path, work)


def test_a04_verifying_needs_the_number_to_have_been_shown(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        scene.shows(Someone("bob"))
        await scene.contacts.check("bob")
        assert (await refusal(scene.contacts.verify("bob"))).code is Code.BAD_REQUEST
        assert (await refusal(scene.contacts.verify("cleo"))).code is Code.NO_SUCH_USER

    play(tmp_path, work)


@pytest.mark.parametrize("is_honest", [True, False])
def test_a03_numbers_are_the_same_unless_somebody_sits_between(
    is_honest: bool, tmp_path: Path
) -> None:
    numbers: list[str] = []
    alice, bob, eve = Someone("alice"), Someone("bob"), Someone("alice")

    async def alices(scene: Scene) -> None:
        scene.alice = alice
        scene.shows(bob)
        numbers.append((await scene.anew().safety("bob"))["digits"])

    async def bobs(scene: Scene) -> None:
        scene.alice = bob
        scene.shows(alice if is_honest else eve)
        numbers.append((await scene.anew().safety("alice"))["digits"])

    for name, work in (("a", alices), ("b", bobs)):
        (tmp_path / name).mkdir()
        play(tmp_path / name, work)
    assert len(numbers[0]) == len(numbers[1]) == 60
    assert (numbers[0] == numbers[1]) is is_honest


def test_chains_seen_in_groups_pin_and_warn(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        bob, eve = Someone("bob"), Someone("bob")
        assert (await scene.contacts.observe(bob.chain)).root_identity == bob.root.identity
        assert (await scene.contacts.observe(eve.chain)).changed_root == eve.root.identity
        with pytest.raises(PeerError):
            await scene.contacts.observe((bob.chain[0], eve.chain[1]))
        with pytest.raises(PeerError):  # shown as somebody else than the account
            await scene.contacts.observe(Someone("cleo", "alice").chain)

    play(tmp_path, work)


def test_a82_a_relay_that_shows_another_account_is_refused(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        scene.relay.shown["bob"] = Someone("eve")
        assert (await refusal(scene.contacts.check("bob"))).code is Code.UNAVAILABLE
        assert scene.contacts.known("bob") is None
        assert scene.contacts.known("eve") is None

    play(tmp_path, work)


def test_oneself_is_known_and_another_root_under_ones_name_is_not(tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        me = await scene.contacts.check("Alice")
        assert me.root_identity == scene.alice.root.identity
        twin = Someone("alice")
        assert (await scene.contacts.observe(twin.chain)).changed_root == twin.root.identity
        assert not scene.contacts.may_send_to("alice", twin.root.identity)

    play(tmp_path, work)
