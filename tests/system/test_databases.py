"""The main job on the other databases, each fresh; nothing is known about them but a URL."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import msgspec
import pytest
import sqlalchemy

from tests.processes import PASSWORD, people
from tests.system.canaries import betrayals, canary, folder_bytes, room_canary
from tests.system.databases import fresh_database


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_the_main_job_runs_on(kind: str, tmp_path: Path) -> None:
    with (
        fresh_database(kind) as url,
        people(tmp_path, "--database-url", url) as everybody,
    ):
        admin = everybody.admin()
        alice, bob = everybody.join("alice"), everybody.join("Bobby", email="bob@example.org")
        alice.fails("name_taken", "register", name="bobby", password=PASSWORD, trust="tofu")
        alice.say("#lobby", "hello everybody \N{PARTY POPPER}")
        bob.hears("#lobby", "hello everybody \N{PARTY POPPER}")
        alice.say("@bobby", "hello you")
        bob.hears("@alice", "hello you")
        alice.call("create_room", name="cellar", join="password", password="Keller-Treppe-9")
        bob.fails("wrong_room_password", "join_room", name="cellar", password="Keller-Treppe-8")
        assert bob.call("join_room", name="cellar", password="Keller-Treppe-9")["state"] == "joined"
        bob.say("#cellar", "in the dark")
        alice.hears("#cellar", "in the dark")
        everybody.relay.kill()
        alice.say("@bobby", "while the relay is away", wait="stored")
        everybody.relay.start()
        bob.hears("@alice", "while the relay is away")
        bob.call("logout")
        bob.login("bob@example.org")
        admin.call("reconnect")
        admin.call("kick", name="bobby")
        bob.wait_for("kicked")
        bob.call("reconnect")
        admin.call("ban", name="bobby", reason="enough")
        bob.wait_for("banned")
        alice.wait_for("membership", conversation="#lobby", name="bobby", change="banned")
        alice.say("#lobby", "quiet now")
        admin.hears("#lobby", "quiet now")
        acts = [(act["act"], act["name"]) for act in admin.call("audit")]
        assert acts[:2] == [("ban", "bobby"), ("kick", "bobby")]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mysql"])
def test_a55_no_row_of_the_database_betrays_a_text_or_a_password(kind: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        flags: list[str] = []
        url = f"sqlite:///{tmp_path / 'relay' / 'relay.db'}"
        if kind != "sqlite":
            url = stack.enter_context(fresh_database(kind))
            flags = ["--database-url", url]
        everybody = stack.enter_context(people(tmp_path, *flags))
        passwords = [canary("Passwort") + "K7" for _ in range(2)]
        alice = everybody.join("alice", password=passwords[0])
        bob = everybody.join("bob", password=passwords[1])
        words, key, room = [canary("Wort") for _ in range(3)], room_canary(), canary("saal")
        alice.say("#lobby", words[0])
        bob.hears("#lobby", words[0])
        bob.say("@alice", words[1])
        alice.hears("@bob", words[1])
        alice.call("create_room", name=room, join="password", password=key)
        assert bob.call("join_room", name=room, password=key)["state"] == "joined"
        bob.say(f"#{room}", words[2])
        alice.hears(f"#{room}", words[2])
        rows = everything_in(url)
        assert betrayals(rows, room), "the search does not find what is there"
        for secret in (*passwords, *words, key):
            assert betrayals(rows, secret) == []
            assert betrayals(folder_bytes(tmp_path / "relay"), secret) == []


def everything_in(url: str) -> bytes:
    """Every value of every row of every table."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    metadata = sqlalchemy.MetaData()
    parts: list[bytes] = []
    with engine.connect() as connection:
        metadata.reflect(connection)
        assert len(metadata.tables) > 10
        for table in metadata.sorted_tables:
            for row in connection.execute(sqlalchemy.select(table)):
                parts += [v if isinstance(v, bytes) else str(v).encode() for v in row]
    return b"\0".join(parts)


def test_a46_short_texts_are_of_one_size_to_relay_and_network(tmp_path: Path) -> None:
    with people(tmp_path) as everybody:
        alice = everybody.join("alice")
        alice.call("create_room", name="den", join="open")
        for size in (1, 2, 17, 60, 111):
            alice.say("#den", "x" * size)
        database = sqlite3.connect(everybody.relay.data / "relay.db")
        segments = database.execute("SELECT entries FROM segments ORDER BY id").fetchall()
        database.close()
    sizes = [len(entry[2]) for (packed,) in segments for entry in msgspec.msgpack.decode(packed)]
    assert len(set(sizes[-5:])) == 1
