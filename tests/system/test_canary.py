"""Nothing that people write, and no password, is found where the relay could keep it.

Texts, room passwords and account passwords are unique strings. They are searched, raw, in hex and
in base64 at each alignment, in the relay's files, its log, its memory, the frames that it was sent
and the bytes on the line. Every search must first find a leak that was planted in its place.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.processes import People, people, wait_until
from tests.system.between import Between
from tests.system.canaries import (
    betrayals,
    canary,
    folder_bytes,
    forms,
    memory_bytes,
    room_canary,
)
from tests.system.stranger import Stranger
from tests.system.wiretap import Wiretap
from wire.replies import Failed
from wire.requests import Login

Search: TypeAlias = Callable[["Scene"], bytes]
Plant: TypeAlias = Callable[["Scene", bytes], AbstractContextManager[None]]


@dataclass
class Scene:
    """A relay after a day's talk, and what must not be found there."""

    everybody: People
    between: Between
    wire: Wiretap
    room: str  # a room's name: the relay does see it, so a search of ours must, too
    texts: list[str] = field(default_factory=list)
    room_passwords: list[str] = field(default_factory=list)
    account_passwords: list[str] = field(default_factory=list)

    @property
    def end_to_end(self) -> list[str]:
        """What only members may ever see."""
        return self.texts + self.room_passwords

    @property
    def all(self) -> list[str]:
        return self.end_to_end + self.account_passwords


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("canary")
    with (
        people(folder, "--log-level", "debug") as everybody,
        Between(everybody.relay) as between,
        Wiretap(between.port) as wire,
    ):
        made = Scene(everybody, between, wire, room="zqsaal" + os.urandom(4).hex())
        _talk(made)
        yield made


def _talk(scene: Scene) -> None:
    """Everything that carries a text or a password, once."""

    def text() -> str:
        scene.texts.append(canary("Wort"))
        return scene.texts[-1]

    names = ["alice", "bob", "carol"]
    clients = []
    for name in names:
        scene.account_passwords.append(canary("Konto") + "X9")
        client = scene.everybody.join(
            name, server=scene.wire.server, password=scene.account_passwords[-1]
        )
        clients.append(client)
    alice, bob, carol = clients
    lobby, private, secret = text(), text(), text()
    alice.say("#lobby", lobby)
    bob.hears("#lobby", lobby)
    alice.say("@bob", private)
    bob.hears("@alice", private)
    first, second = room_canary(), room_canary()
    scene.room_passwords += [first, second, room_canary()]
    alice.call("create_room", name=scene.room, join="password", password=first)
    assert bob.call("join_room", name=scene.room, password=first)["state"] == "joined"
    carol.fails(
        "wrong_room_password", "join_room", name=scene.room, password=scene.room_passwords[2]
    )
    alice.say(f"#{scene.room}", secret)
    bob.hears(f"#{scene.room}", secret)
    alice.call("set_room_password", conversation=f"#{scene.room}", password=second)
    alice.call("invite", conversation=f"#{scene.room}", name="carol")
    alice.say(f"#{scene.room}", text())
    carol.hears(f"#{scene.room}", scene.texts[-1])
    bob.call("logout")
    bob.login("bob", scene.account_passwords[1])
    carol.fails(
        "bad_credentials",
        "login",
        name="alice",
        password=canary("Falsch") + "1",
        server=carol.server,
        trust="tofu",
    )
    carol.login("carol", scene.account_passwords[2])
    for client in clients:
        client.settle()


def _database(scene: Scene) -> bytes:
    return folder_bytes(scene.everybody.relay.data)


def _log(scene: Scene) -> bytes:
    return scene.everybody.relay.log.read_bytes()


def _line(scene: Scene) -> bytes:
    return scene.wire.captured()


def _frames(scene: Scene) -> bytes:
    return b"\0".join(scene.between.frames)


def _memory(scene: Scene) -> bytes:
    process = scene.everybody.relay.process
    assert process is not None
    try:
        return memory_bytes(process.pid)
    except (PermissionError, FileNotFoundError) as error:
        pytest.skip(f"this machine does not let a test read another process's memory: {error}")


@contextmanager
def _plant_file(scene: Scene, leak: bytes) -> Iterator[None]:
    (scene.everybody.relay.data / "leak").write_bytes(b"before" + leak + b"after")
    yield


@contextmanager
def _plant_log(scene: Scene, leak: bytes) -> Iterator[None]:
    with scene.everybody.relay.log.open("ab") as log:
        log.write(b"a careless line: " + leak + b"\n")
    yield


@contextmanager
def _plant_line(scene: Scene, leak: bytes) -> Iterator[None]:
    with socket.create_connection(("127.0.0.1", scene.wire.port)) as line:
        line.sendall(b"not TLS " + leak + b"\r\n")
        while line.recv(4096):
            pass
    yield


@contextmanager
def _plant_frames(scene: Scene, leak: bytes) -> Iterator[None]:
    """Somebody who tells the relay: as the name to log in with."""
    with Stranger(scene.between.port) as stranger:
        stranger.hello()
        stranger.send(Login(1, leak.decode(), "Falsch-geraten-1"))
        stranger.expect(Failed)
    yield


@contextmanager
def _plant_memory(scene: Scene, leak: bytes) -> Iterator[None]:
    """A request that is not finished: the relay has to hold it until it is."""
    with Stranger(scene.everybody.relay.port) as stranger:
        stranger.socket.sendall(b"GET / HTTP/1.1\r\nHost: there\r\nX-Leak: " + leak)
        wait_until(lambda: leak in _memory(scene), "the relay to have read it")
        yield


PLACES: dict[str, tuple[Search, Plant]] = {
    "database": (_database, _plant_file),
    "log": (_log, _plant_log),
    "memory": (_memory, _plant_memory),
    "frames": (_frames, _plant_frames),
    "line": (_line, _plant_line),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_only_members_may_see_is_nowhere(scene: Scene, place: str) -> None:
    haystack = PLACES[place][0](scene)
    assert haystack
    found = {text: names for text in scene.end_to_end if (names := betrayals(haystack, text))}
    assert not found


@pytest.mark.parametrize("place", ["database", "log", "line"])
def test_account_passwords_are_stored_nowhere(scene: Scene, place: str) -> None:
    haystack = PLACES[place][0](scene)
    found = {
        text: names for text in scene.account_passwords if (names := betrayals(haystack, text))
    }
    assert not found


def test_the_relay_does_see_account_passwords_and_room_names(scene: Scene) -> None:
    """So the searches above look at the right bytes: what may be seen there is found."""
    frames, files = _frames(scene), _database(scene)
    assert all(betrayals(frames, text) == ["raw"] for text in scene.account_passwords)
    assert "raw" in betrayals(frames, scene.room)
    assert "raw" in betrayals(files, scene.room)


@pytest.mark.parametrize("form", forms("x" * 16))
@pytest.mark.parametrize("place", PLACES)
def test_a_planted_leak_is_found(scene: Scene, place: str, form: str) -> None:
    search, plant = PLACES[place]
    text = canary("Leck")
    assert not betrayals(search(scene), text)
    with plant(scene, forms(text)[form]):
        assert form in betrayals(search(scene), text)


def test_the_clients_files_hold_no_text_either(scene: Scene, tmp_path: Path) -> None:
    """The members' own disks: everything in the store is encrypted (a keyring is not used here)."""
    for name in ("alice", "bob", "carol"):
        haystack = folder_bytes(scene.everybody.folder / name)
        assert haystack
        assert not [text for text in scene.all if betrayals(haystack, text)]
    (tmp_path / "leak").write_text(scene.texts[0])
    assert betrayals(folder_bytes(tmp_path), scene.texts[0])
