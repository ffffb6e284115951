"""SIGKILL between every two writes of a message's way: afterwards all is there once, in order.

A kill point is a place in the code with a name (storage/killpoints.py). Each test names one, lets
people talk, sees the process die there, starts it again and compares what everybody has. A point
that was not reached fails its test, and so does a point in the code that no test names.
"""

from __future__ import annotations

import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.processes import ROOT, JsonClient, People, Relay, RpcFailure, wait_until

SENDER = (
    "queued",
    "stored_founding",
    "founded",
    "stored_commit",
    "answered_commit",
    "stored_outgoing",
    "accepted",
    "client_row",
    "client_group",
    "client_lines",
    "stored_incoming",
    "acknowledged",
)
RECEIVER = ("stored_welcome", "client_row", "client_lines", "stored_incoming", "acknowledged")
JOINER = ("stored_join", "answered_join")
RELAY = (
    "relay_entry",
    "relay_head",
    "relay_commit_entry",
    "relay_commit_row",
    "relay_commit_nodes",
    "relay_commit_members",
    "relay_commit_head",
    "relay_welcome",
    "relay_durable",
    "relay_answered",
)
LOBBY = ["zero", "one", "three"]
DIRECT = ["two", "four", "five"]


class Stage:
    """People on a relay, one process of them with a kill point that `arm` makes count."""

    def __init__(self, folder: Path, victim: str, point: str) -> None:
        self.folder, self.victim = folder, victim
        self._armed = folder / "armed"
        self._deadly = {"SOTTO_KILL_AT": point, "SOTTO_KILL_ARMED_BY": str(self._armed)}
        self.deaths = 0
        self.relay = Relay(folder, **self._env("relay"))
        self.relay.start()
        self.people = People(folder, self.relay)
        self.clients: dict[str, JsonClient] = {}

    def _env(self, name: str) -> dict[str, str]:
        return self._deadly if name == self.victim else {}

    def open(self, name: str) -> JsonClient:
        self.clients[name] = self.people.open(name, **self._env(name))
        return self.clients[name]

    def arm(self) -> None:
        self._armed.touch()

    def bury(self) -> None:
        """Start the victim again if it has died, this time without a kill point."""
        if self.victim == "relay":
            process = self.relay.process
            if process is not None and process.poll() is not None:
                self._died(process.returncode)
                self.relay.env = {}
                self.relay.start()
        elif self.clients[self.victim].process.poll() is not None:
            self._died(self.clients[self.victim].wait_dead())
            self._deadly = {}
            self.open(self.victim)

    def _died(self, status: int) -> None:
        assert status == -signal.SIGKILL, f"{self.victim} ended by itself with {status}"
        self.deaths += 1

    def call(self, who: str, method: str, /, **params: Any) -> Any:
        """Call as a script does that survives the death of its client: again, until answered."""
        for _ in range(3):
            self.bury()
            client = self.clients[who]
            try:
                return client.call(method, **params)
            except AssertionError:
                client.wait_dead()
        raise AssertionError(f"{who} does not answer {method}")

    def say(self, name: str, to: str, text: str) -> None:
        number = text.encode().hex().ljust(32, "0")
        self.call(name, "send", to=to, text=text, transaction_id=number, wait="stored")

    def has(self, name: str, conversation: str, wanted: list[str]) -> None:
        """Wait until somebody's history of a conversation is `wanted`, and exactly that."""
        seen: list[str] = []

        def there() -> bool:
            try:
                rows = self.call(name, "history", conversation=conversation, limit=50)
            except RpcFailure as failure:
                assert failure.code == "no_such_room", failure
                return False
            seen[:] = [row["text"] for row in rows if row["kind"] == "message"]
            return len(seen) >= len(wanted)

        wait_until(there, f"{name} to have all of {conversation}", timeout_s=60)
        assert seen == wanted

    def end(self) -> None:
        self.people.end()
        self.relay.kill()


def play(stage: Stage) -> None:
    """The talk in which every step is taken: by founders, members and readers."""
    for name in ("alice", "bob"):
        stage.open(name).register(name)
    alice, bob = stage.clients["alice"], stage.clients["bob"]
    alice.say("#lobby", "zero")
    bob.hears("#lobby", "zero")
    alice.settle()
    bob.settle()
    stage.arm()
    stage.say("alice", "#lobby", "one")
    stage.say("alice", "@bob", "two")
    stage.say("alice", "#lobby", "three")
    stage.say("alice", "@bob", "four")
    stage.has("bob", "@alice", DIRECT[:2])
    stage.say("bob", "@alice", "five")
    for name, other in (("alice", "@bob"), ("bob", "@alice")):
        stage.has(name, other, DIRECT)
        stage.has(name, "#lobby", LOBBY)
    wait_until(lambda: bool(stage.bury() or stage.deaths), f"{stage.victim} to die")


def check_after(stage: Stage) -> None:
    """Everything is as if nobody had died, and goes on."""
    assert stage.deaths == 1, "the kill point was never reached"
    stage.bury()
    for name in ("alice", "bob"):
        assert stage.call(name, "sync", timeout_s=30)["outbox_empty"]
    stage.say("alice", "@bob", "six")
    stage.say("bob", "#lobby", "seven")
    for name, other in (("alice", "@bob"), ("bob", "@alice")):
        stage.has(name, other, [*DIRECT, "six"])
        stage.has(name, "#lobby", [*LOBBY, "seven"])
        unreadable = [n for n in stage.clients[name].notifications if n["method"] == "unreadable"]
        assert not unreadable


CASES = [
    *(("alice", point) for point in SENDER),
    *(("bob", point) for point in RECEIVER),
    *(("relay", point) for point in RELAY),
]


@pytest.mark.parametrize(("victim", "point"), CASES)
def test_nothing_is_lost_or_doubled(tmp_path: Path, victim: str, point: str) -> None:
    stage = Stage(tmp_path, victim, point)
    try:
        play(stage)
        check_after(stage)
    finally:
        stage.end()


@pytest.mark.parametrize("point", JOINER)
def test_whoever_dies_while_joining_is_in_afterwards(tmp_path: Path, point: str) -> None:
    stage = Stage(tmp_path, "carol", point)
    try:
        for name in ("alice", "carol"):
            stage.open(name).register(name)
            stage.clients[name].settle()
        stage.call("alice", "create_room", name="garden", join="open")
        stage.arm()
        _join_until_in(stage, "garden")
        stage.say("carol", "#garden", "one")
        stage.has("alice", "#garden", ["one"])
        assert stage.deaths == 1, "the kill point was never reached"
    finally:
        stage.end()


def _join_until_in(stage: Stage, room: str) -> None:
    """Join as a script does that may have been cut off: again, until the room is there."""
    for _ in range(3):
        try:
            stage.call("carol", "join_room", name=room)
            return
        except RpcFailure as failure:
            if failure.code == "already_member":
                return
            assert failure.code == "not_connected", failure
            stage.call("carol", "reconnect")


def test_every_kill_point_in_the_code_has_a_test_and_the_other_way_round() -> None:
    in_code: list[str] = []
    for room in ("engine", "relay", "storage"):
        for path in sorted((ROOT / room).rglob("*.py")):
            in_code += re.findall(r'\breached\("(\w+)"\)', path.read_text(encoding="utf-8"))
    assert len(set(in_code)) == len(in_code), "two places share a name"
    assert set(in_code) == {*SENDER, *RECEIVER, *JOINER, *RELAY}
