"""The first message between two people: keys come by themselves, whoever is there or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from engine.profile import Profile
from engine.session import Session
from tests.processes import PASSWORD, JsonClient, People, wait_until
from tests.system.between import Between, FromRelay, Line
from wire.limits import KEY_PACKAGES_KEPT
from wire.policy import Kind
from wire.replies import Accepted, Failed
from wire.requests import Append, Create, JoinInfo, Request

SIXTY = 60
AT_ONCE = 6


def direct_conversations(client: JsonClient) -> list[str]:
    rows = client.call("conversations")
    return [row["name"] for row in rows if row["kind"] == Kind.DIRECT.value]


def test_bob_was_stopped_before_alice_registered(everybody: People) -> None:
    bob = everybody.join("bob")
    bob.settle()
    assert bob.close() == 0
    alice = everybody.join("alice")
    assert alice.say("@bob", "are you there?")["seq"] > 0
    assert alice.say("@bob", "write when you are")["seq"] > 0
    assert alice.close() == 0
    bob = everybody.open("bob")
    bob.hears("@alice", "write when you are")
    assert bob.texts("@alice") == [("alice", "are you there?"), ("alice", "write when you are")]
    bob.say("@alice", "here I am")
    assert bob.close() == 0
    alice = everybody.open("alice")
    alice.hears("@bob", "here I am")
    assert [text for _, text in alice.history("@bob")] == [
        "are you there?",
        "write when you are",
        "here I am",
    ]


def test_bob_is_online(everybody: People) -> None:
    alice, bob = everybody.join("alice"), everybody.join("bob")
    alice.say("@bob", "hi")
    assert bob.hears("@alice", "hi")["direct"] is True
    bob.say("@alice", "hi yourself")
    alice.hears("@bob", "hi yourself")
    assert direct_conversations(alice) == ["@bob"]
    assert direct_conversations(bob) == ["@alice"]


class _Meeting:
    """Holds every founding of a conversation back until `count` have been asked for."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.held: list[tuple[Line, Create]] = []

    def up(self, line: Line, request: Request) -> Iterable[Request]:
        if isinstance(request, Create) and line.name in ("alice", "bob"):
            self.held.append((line, request))
            if len(self.held) < self._count:
                return ()
            # The other's goes out with ours: each of them believes to be the first.
            other, first = self.held[-2]
            other.send_up(first)
        return (request,)


def test_both_write_first_at_the_same_moment(everybody: People) -> None:
    meeting = _Meeting(2)
    with Between(everybody.relay, up=meeting.up) as between:
        carol = everybody.join("carol")  # founds the lobby, past the meeting
        carol.settle()
        alice, bob = (everybody.join(name, server=between.server) for name in ("alice", "bob"))
        alice.settle()
        bob.settle()
        one = alice.begin("send", to="@bob", text="from alice")
        two = bob.begin("send", to="@alice", text="from bob")
        assert alice.finish(one)["id"] != bob.finish(two)["id"]
        assert len(meeting.held) == 2, "they did not found at the same moment"
        alice.hears("@bob", "from bob")
        bob.hears("@alice", "from alice")
        alice.say("@bob", "and after")
        bob.hears("@alice", "and after")
        assert alice.history("@bob") == bob.history("@alice")
        assert sorted(text for _, text in alice.history("@bob")) == [
            "and after",
            "from alice",
            "from bob",
        ]
        assert direct_conversations(alice) == ["@bob"]
        assert direct_conversations(bob) == ["@alice"]


class _LateLoser(_Meeting):
    """As well keeps the one who lost from looking until the winner's message is stored."""

    def __init__(self) -> None:
        super().__init__(2)
        self._loser: Line | None = None
        self._waiting: list[JoinInfo] = []
        self._is_stored = False

    def up(self, line: Line, request: Request) -> Iterable[Request]:
        if isinstance(request, JoinInfo) and line is self._loser and not self._is_stored:
            self._waiting.append(request)
            return ()
        return super().up(line, request)

    def down(self, line: Line, frame: FromRelay) -> Iterable[FromRelay]:
        if isinstance(frame, Failed) and frame.code == "room_exists":
            self._loser = line
        elif isinstance(frame, Accepted) and self._loser is not None and line is not self._loser:
            asked = [line.asked[rid] for rid, _ in frame.answers]
            if any(isinstance(one, Append) and one.commit is None for one in asked):
                self._is_stored = True
                for request in self._waiting:
                    self._loser.send_up(request)
        return (frame,)


def test_who_comes_late_after_losing_reads_the_winners_message(everybody: People) -> None:
    meeting = _LateLoser()
    with Between(everybody.relay, up=meeting.up, down=meeting.down) as between:
        carol = everybody.join("carol")
        carol.settle()
        alice, bob = (everybody.join(name, server=between.server) for name in ("alice", "bob"))
        alice.settle()
        bob.settle()
        one = alice.begin("send", to="@bob", text="from alice")
        two = bob.begin("send", to="@alice", text="from bob")
        alice.finish(one)
        bob.finish(two)
        alice.hears("@bob", "from bob")
        bob.hears("@alice", "from alice")
        assert alice.history("@bob") == bob.history("@alice")


@contextlib.asynccontextmanager
async def _sixty(folder: Path, everybody: People) -> AsyncIterator[list[Session]]:
    sessions = [
        Session(
            Profile(folder / f"person{number}"),
            server=everybody.relay.server,
            trust=everybody.relay.fingerprint,
        )
        for number in range(SIXTY)
    ]
    try:
        yield sessions
    finally:
        await asyncio.gather(*(session.close() for session in sessions))


async def _write_to_bob(folder: Path, everybody: People) -> None:
    async with _sixty(folder, everybody) as sessions:
        places = asyncio.Semaphore(AT_ONCE)

        async def write(number: int, session: Session) -> None:
            async with places:
                await session.register(f"person{number}", PASSWORD)
                await session.send("@bob", f"hello from {number}")
                await session.close()

        await asyncio.gather(*(write(number, one) for number, one in enumerate(sessions)))


@pytest.mark.timeout(300)
def test_sixty_people_write_to_bob_who_is_away(
    everybody: People, tmp_path: Path, no_keyring: None
) -> None:
    """More than he left KeyPackages for: the last resort serves the rest."""
    assert SIXTY > KEY_PACKAGES_KEPT
    bob = everybody.join("bob")
    bob.settle()
    assert bob.close() == 0
    asyncio.run(_write_to_bob(tmp_path, everybody))
    bob = everybody.open("bob")
    for number in range(SIXTY):
        heard = bob.hears(f"@person{number}", f"hello from {number}", timeout_s=90)
        assert heard["sender"] == f"person{number}"
    bob.say("@person0", "one of many")
    assert len(direct_conversations(bob)) == SIXTY
    bob.settle()


@pytest.fixture
def pair(everybody: People) -> tuple[People, JsonClient, JsonClient, str]:
    """Alice and Bob who have talked, and Alice's recovery code."""
    alice = everybody.open("alice")
    code = alice.register("alice")["recovery_code"]
    bob = everybody.join("bob")
    alice.say("@bob", "from the first machine")
    bob.hears("@alice", "from the first machine")
    alice.call("create_room", name="garden", join="invite")
    alice.call("invite", conversation="#garden", name="bob")
    alice.say("#garden", "in the garden")
    bob.hears("#garden", "in the garden")
    return everybody, alice, bob, code


def test_a_second_machine_with_the_code_is_the_same_person(
    pair: tuple[People, JsonClient, JsonClient, str],
) -> None:
    everybody, alice, bob, code = pair
    laptop = everybody.open("laptop")
    laptop.login("alice", recovery_code=code)
    assert laptop.call("whoami")["fingerprint"] == alice.call("whoami")["fingerprint"]
    laptop.settle()
    wait_until(
        lambda: (
            {"@bob", "#garden", "#lobby"} <= {row["name"] for row in laptop.call("conversations")}
        ),
        "the laptop to join by itself",
    )
    bob.say("@alice", "which machine?")
    laptop.hears("@bob", "which machine?")
    alice.hears("@bob", "which machine?")
    laptop.say("#garden", "the new one")
    bob.hears("#garden", "the new one")
    assert alice.hears("#garden", "the new one")["own"] is True
    assert len(alice.call("devices")) == 2
    assert not [n for n in bob.notifications if n["method"] == "identity_changed"]


def test_a_wrong_code_adds_no_machine(pair: tuple[People, JsonClient, JsonClient, str]) -> None:
    everybody, alice, _, code = pair
    laptop = everybody.open("laptop")
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    for attempt in ({}, {"recovery_code": wrong}):
        laptop.fails(
            "bad_recovery_code",
            "login",
            name="alice",
            password=PASSWORD,
            server=laptop.server,
            trust="tofu",
            **attempt,
        )
    assert len(alice.call("devices")) == 1


def test_without_the_code_it_is_a_new_identity_and_contacts_are_warned(
    pair: tuple[People, JsonClient, JsonClient, str],
) -> None:
    everybody, alice, bob, _ = pair
    old = alice.call("whoami")["fingerprint"]
    laptop = everybody.open("laptop")
    new = laptop.login("alice", new_identity=True)["device"]
    assert laptop.call("whoami")["fingerprint"] != old
    changed = bob.wait_for("identity_changed", name="alice")
    assert changed["old_fingerprint"] == old
    failure = bob.fails("identity_changed", "send", to="@alice", text="not for strangers")
    assert old in failure.data.values()
    names = {row["name"] for row in laptop.call("conversations")}
    assert not names & {"@bob", "#garden"}, "a membership was inherited"
    bob.call("accept_identity", name="alice", fingerprint=changed["new_fingerprint"])
    bob.say("@alice", "so you lost your laptop")
    laptop.hears("@bob", "so you lost your laptop")
    assert [row["device"] for row in laptop.call("devices")] == [new]
    assert "not for strangers" not in [text for _, text in laptop.history("@bob")]
