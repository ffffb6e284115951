"""The main job on the other databases, each fresh; nothing is known about them but a URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.processes import PASSWORD, people
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
