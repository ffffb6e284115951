"""Sessions against a real relay: registering, logging in, devices, kicks and bans, its identity."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from engine.events import Banned, Connected, Disconnected, Event, IdentityChanged, Kicked, Muted
from engine.keyrings import KeyStore
from engine.profile import Profile
from engine.session import Session
from tests.processes import PASSWORD, Relay
from wire.errors import Code, WireError

T = TypeVar("T", bound=Event)


class NoKeyring:
    """A system without a keyring."""

    def get(self, name: str) -> bytes:
        """See KeyStore."""
        raise LookupError

    def put(self, name: str, key: bytes) -> None:
        """See KeyStore."""
        raise LookupError

    def delete(self, name: str) -> None:
        """See KeyStore."""
        raise LookupError


class Person:
    """A session, and what it has heard."""

    def __init__(self, folder: Path, server: str | None) -> None:
        keyring: KeyStore = NoKeyring()
        self.session = Session(Profile(folder, keyring=keyring), server=server)
        self.heard: list[Event] = []
        self._news = asyncio.Event()
        self.session.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        self.heard.append(event)
        self._news.set()

    async def hear(self, kind: type[T], *, after: int = 0) -> T:
        """Return the first event of that kind from number `after` on, once it is there."""
        while True:
            self._news.clear()
            for event in self.heard[after:]:
                if isinstance(event, kind):
                    return event
            await self._news.wait()


class Scene:
    """A relay and people, each with a profile of their own."""

    def __init__(self, relay: Relay, folder: Path) -> None:
        self.relay, self.folder = relay, folder
        self.people: list[Person] = []

    def person(self, profile: str) -> Person:
        """Somebody whose profile has that name; the same name is the same folder."""
        self.people.append(Person(self.folder / profile, self.relay.server))
        return self.people[-1]

    async def registered(self, name: str, **more: Any) -> tuple[Person, dict[str, Any]]:
        """Somebody with a new account."""
        person = self.person(name)
        return person, await person.session.register(name, PASSWORD, trust="tofu", **more)

    async def admin(self) -> Person:
        """The relay's admin: registered, or the same again."""
        self.people.append(Person(self.relay.folder / "admin", self.relay.server))
        person = self.people[-1]
        known = await person.session.accounts()
        if known:
            await person.session.login("admin", PASSWORD)
        else:
            code = self.relay.admin_code
            await person.session.register("admin", PASSWORD, trust="tofu", admin_code=code)
        return person


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """One relay for all of them: each test has accounts of its own."""
    with Relay(tmp_path_factory.mktemp("relay")) as running:
        yield running


def play(relay: Relay, folder: Path, work: Callable[[Scene], Awaitable[None]]) -> None:
    """Run a scene with a limit that only a hang reaches."""

    async def run() -> None:
        scene = Scene(relay, folder)
        try:
            async with asyncio.timeout(60):
                await work(scene)
        finally:
            for person in scene.people:
                await person.session.close()

    asyncio.run(run())


async def refusal(work: Awaitable[Any]) -> WireError:
    """Return the error that `work` ends with."""
    with pytest.raises(WireError) as caught:
        await work
    return caught.value


def test_registering_makes_an_account_that_comes_back(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        rita, answer = await scene.registered("Rita")
        assert answer["account"] == "rita"
        assert answer["fingerprint"] == relay.fingerprint
        assert len(answer["recovery_code"].split("-")) == 14
        who = await rita.session.whoami()
        assert (who["display"], who["device"]) == ("Rita", answer["device"])
        assert rita.session.is_connected
        await rita.session.lock()
        assert (await refusal(rita.session.whoami())).code is Code.LOCKED
        after = len(rita.heard)
        await rita.session.unlock()
        assert (await rita.hear(Connected, after=after)).fingerprint == relay.fingerprint
        devices = await rita.session.devices()
        assert [row["device"] for row in devices] == [answer["device"]]

    play(relay, tmp_path, work)


def test_a_taken_name_leaves_nothing_behind(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        await scene.registered("taken")
        other = scene.person("other")
        error = await refusal(other.session.register("Taken", PASSWORD, trust="tofu"))
        assert error.code is Code.NAME_TAKEN
        assert await other.session.accounts() == []
        assert list((tmp_path / "other" / "accounts").iterdir()) == []

    play(relay, tmp_path, work)


@pytest.mark.parametrize(
    ("name", "password", "code"),
    [
        ("x", PASSWORD, Code.BAD_NAME),
        ("weakling", "short", Code.WEAK_PASSWORD),
        ("Weakling", "weakling-And-7", Code.WEAK_PASSWORD),
        ("admin", PASSWORD, Code.BAD_NAME),
    ],
)
def test_what_the_rules_refuse(
    relay: Relay, tmp_path: Path, name: str, password: str, code: Code
) -> None:
    async def work(scene: Scene) -> None:
        person = scene.person("new")
        error = await refusal(person.session.register(name, password, trust="tofu"))
        assert error.code in (code, Code.BAD_ADMIN_CODE)
        assert await person.session.accounts() == []

    play(relay, tmp_path, work)


def test_logging_in_on_the_same_machine(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        sam, made = await scene.registered("sam", email="sam@example.org")
        await sam.session.logout()
        error = await refusal(sam.session.login("sam", "Not-the-1"))
        assert error.code is Code.BAD_CREDENTIALS
        for name in ("SAM", "sam@example.org"):  # by name, in any case, or by e-mail
            answer = await sam.session.login(name, PASSWORD)
            assert (answer["device"], "recovery_code" in answer) == (made["device"], False)
            assert len(await sam.session.accounts()) == 1
            await sam.session.logout()

    play(relay, tmp_path, work)


def test_a_passphrase_locks_the_store(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        person, _ = await scene.registered("paula", passphrase="open sesame")
        await person.session.lock()
        assert [row["needs_passphrase"] for row in await person.session.accounts()] == [True]
        assert (await refusal(person.session.unlock())).code is Code.LOCKED
        assert (await refusal(person.session.unlock("wrong"))).code is Code.BAD_PASSPHRASE
        await person.session.start(opens_alone=True)  # nothing opens without being asked
        assert (await person.session.status())["locked"]
        assert (await person.session.unlock("open sesame"))["account"] == "paula"

    play(relay, tmp_path, work)


def test_a_second_machine_needs_the_recovery_code(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        first, made = await scene.registered("tess")
        second = scene.person("second")
        error = await refusal(second.session.login("tess", PASSWORD, trust="tofu"))
        assert (error.code, error.data["needed"]) == (Code.BAD_RECOVERY_CODE, "recovery_code")
        other_code = (await scene.registered("tessa"))[1]["recovery_code"]
        for wrong in ("nonsense", other_code):
            error = await refusal(
                second.session.login("tess", PASSWORD, trust="tofu", recovery_code=wrong)
            )
            assert error.code is Code.BAD_RECOVERY_CODE
        assert await second.session.accounts() == []
        code = made["recovery_code"].lower().replace("-", " ")
        answer = await second.session.login("tess", PASSWORD, trust="tofu", recovery_code=code)
        identities = [(await one.session.whoami())["fingerprint"] for one in (first, second)]
        assert identities[0] == identities[1]
        devices = await first.session.devices()
        assert {row["device"] for row in devices} == {made["device"], answer["device"]}

    play(relay, tmp_path, work)


def test_a_new_identity_is_seen_and_ends_the_old_devices(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        old, _ = await scene.registered("uwe")
        friend, _ = await scene.registered("vera")
        before = (await friend.session.safety_number("uwe"))["fingerprint"]
        new = scene.person("new")
        answer = await new.session.login("uwe", PASSWORD, trust="tofu", new_identity=True)
        assert answer["recovery_code"]
        assert (await old.hear(Disconnected)).code == "revoked"
        changed = await friend.hear(IdentityChanged)
        assert (changed.name, changed.old_fingerprint) == ("uwe", before)
        error = await refusal(friend.session.find_person("uwe"))
        assert error.code is Code.IDENTITY_CHANGED
        await friend.session.accept_identity("uwe", changed.new_fingerprint)
        assert (await friend.session.find_person("uwe"))["verified"] is False
        # The old machine: what it has stays readable, and it comes back as a new device.
        assert (await refusal(old.session.connect())).code in (Code.REMOVED, Code.BAD_CREDENTIALS)
        back = await old.session.login("uwe", PASSWORD, recovery_code=answer["recovery_code"])
        assert back["account"] == "uwe"
        labels = [row["server"] for row in await old.session.accounts()]
        assert labels == [relay.server, f"{relay.server} (logged out)"]

    play(relay, tmp_path, work)


def test_a_revoked_device_is_out(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        first, made = await scene.registered("wim")
        second = scene.person("second")
        code = made["recovery_code"]
        answer = await second.session.login("wim", PASSWORD, trust="tofu", recovery_code=code)
        await first.session.revoke_device(answer["device"])
        assert (await second.hear(Disconnected)).code == "revoked"
        assert not second.session.is_connected
        assert len(await first.session.devices()) == 1

    play(relay, tmp_path, work)


def test_whoever_is_kicked_comes_back_only_when_asked(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        person, _ = await scene.registered("xena")
        admin = await scene.admin()
        assert (await refusal(person.session.kick("admin"))).code is Code.NOT_ADMIN
        assert (await admin.session.kick("xena", reason="calm down"))["was_online"]
        assert (await person.hear(Kicked)) == Kicked(by="admin", text="calm down")
        assert (await person.hear(Disconnected)).retry_in_s is None
        assert (await person.session.status())["state"] == "held"
        await person.session.reconnect()
        assert person.session.is_connected

    play(relay, tmp_path, work)


def test_whoever_is_banned_stays_out_until_unbanned(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        person, _ = await scene.registered("yann")
        admin = await scene.admin()
        await admin.session.ban("yann", reason="spam", for_s=3600)
        told = await person.hear(Banned)
        assert (told.by, told.text) == ("admin", "spam")
        assert told.until_ms > 0
        error = await refusal(person.session.reconnect())
        assert (error.code, error.data["reason"]) == (Code.BANNED, "spam")
        again = await refusal(person.session.login("yann", PASSWORD))
        assert again.code is Code.BANNED
        await admin.session.unban("yann")
        assert (await person.session.login("yann", PASSWORD))["account"] == "yann"
        acts = [(row["act"], row["name"]) for row in await admin.session.audit()]
        assert acts[:2] == [("unban", "yann"), ("ban", "yann")]

    play(relay, tmp_path, work)


def test_whoever_is_muted_is_told(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        person, _ = await scene.registered("zoe")
        admin = await scene.admin()
        await admin.session.mute("zoe")
        assert (await person.hear(Muted)).until_ms == -1
        assert (await person.session.status())["muted_until_ms"] == -1
        after = len(person.heard)
        await admin.session.unmute("zoe")
        assert (await person.hear(Muted, after=after)).until_ms == 0

    play(relay, tmp_path, work)


def test_the_same_device_twice_is_told_and_does_not_fight(relay: Relay, tmp_path: Path) -> None:
    """A copied profile: the second start ends the first, which does not come back by itself."""

    async def work(scene: Scene) -> None:
        person, _ = await scene.registered("anna")
        await person.session.lock()
        shutil.copytree(tmp_path / "anna", tmp_path / "copy")
        await person.session.unlock()
        await person.session.connect()
        copy = scene.person("copy")
        await copy.session.unlock()
        await copy.session.connect()
        assert (await person.hear(Disconnected)).code == "replaced"
        assert (await person.session.status())["state"] == "held"
        assert copy.session.is_connected

    play(relay, tmp_path, work)


def test_an_account_in_use_is_not_opened_twice(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        await scene.registered("berta")
        window = scene.person("berta")
        assert [row["in_use"] for row in await window.session.accounts()] == [True]
        assert (await refusal(window.session.unlock())).code is Code.PROFILE_IN_USE
        assert (await refusal(window.session.login("berta", PASSWORD))).code is Code.PROFILE_IN_USE

    play(relay, tmp_path, work)


def test_first_contact_asks_and_a_wrong_fingerprint_is_refused(
    relay: Relay, tmp_path: Path
) -> None:
    async def work(scene: Scene) -> None:
        person = scene.person("first")
        error = await refusal(person.session.register("carla", PASSWORD))
        assert error.code is Code.UNTRUSTED_RELAY
        assert (error.data["expected"], error.data["shown"]) == (None, relay.fingerprint)
        wrong = "A" * 43
        error = await refusal(person.session.register("carla", PASSWORD, trust=wrong))
        assert (error.data["expected"], error.data["shown"]) == (wrong, relay.fingerprint)
        assert await person.session.accounts() == []
        await person.session.trust_relay(relay.fingerprint)  # the one that was shown
        await person.session.register("carla", PASSWORD)

    play(relay, tmp_path, work)


def test_a_relay_that_restarts_is_found_again(tmp_path: Path) -> None:
    with Relay(tmp_path) as own:

        async def work(scene: Scene) -> None:
            person, _ = await scene.registered("dora")
            await asyncio.to_thread(own.stop)
            assert (await person.hear(Disconnected)).retry_in_s is not None
            error = await refusal(person.session.devices())
            assert error.code is Code.NOT_CONNECTED
            after = len(person.heard)
            await asyncio.to_thread(own.start)
            await person.hear(Connected, after=after)
            assert await person.session.devices()

        play(own, tmp_path, work)


def test_another_relay_in_the_same_place_is_refused(tmp_path: Path) -> None:
    with Relay(tmp_path) as one:

        async def work(scene: Scene) -> None:
            person, _ = await scene.registered("emil")
            old = one.fingerprint
            await asyncio.to_thread(one.stop)
            shutil.move(one.data, tmp_path / "gone")
            await asyncio.to_thread(one.start)
            error = await refusal(person.session.reconnect())
            assert error.code is Code.UNTRUSTED_RELAY
            assert (error.data["expected"], error.data["shown"]) == (old, one.fingerprint)
            assert (await person.session.status())["state"] == "held"
            error = await refusal(person.session.trust_relay(one.fingerprint, replaces="A" * 43))
            assert error.code is Code.BAD_REQUEST
            await person.session.trust_relay(one.fingerprint, replaces=old)
            # It is trusted now, and does not know the device.
            assert (await refusal(person.session.connect())).code is Code.BAD_CREDENTIALS
            assert (await person.session.status())["fingerprint"] == one.fingerprint

        play(one, tmp_path, work)


def test_a_wrong_port_is_said(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        person = scene.person("lost")
        server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            error = await refusal(
                person.session.register("fred", PASSWORD, f"127.0.0.1:{port}", trust="tofu")
            )
            assert error.code is Code.NOT_SOTTO
        error = await refusal(
            person.session.register("fred", PASSWORD, f"127.0.0.1:{port}", trust="tofu")
        )
        assert error.code is Code.NOT_CONNECTED
        assert await person.session.accounts() == []

    play(relay, tmp_path, work)


def test_a50_a_captured_log_in_is_refused_on_another_connection(
    relay: Relay, tmp_path: Path
) -> None:
    """The very frame that logged a device in, sent again on a new connection."""
    from engine.dial import open_connection
    from wire.link import parse_server
    from wire.requests import Resume

    async def work(scene: Scene) -> None:
        person, _ = await scene.registered("gina")
        account = person.session._open()
        keys = account.keys
        address = parse_server(relay.server)
        one = await open_connection(address, pin=relay.fingerprint, on_push=lambda push: None)
        proof = one.proof(keys.signer, account=keys.account, device=keys.device)
        captured = Resume(0, keys.account, keys.device, proof)
        other = await open_connection(address, pin=relay.fingerprint, on_push=lambda push: None)
        assert (await refusal(other.request(captured))).code is Code.BAD_CREDENTIALS
        await one.request(captured)  # where it belongs it is right
        await one.close()
        await other.close()

    play(relay, tmp_path, work)
