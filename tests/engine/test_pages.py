"""engine.pages and engine.drafts over a real relay: pages both ways, how people came in, drafts."""

from __future__ import annotations

from pathlib import Path

from tests.engine.test_session import PASSWORD, Scene, play, relay  # noqa: F401  (a fixture)
from tests.processes import Relay


def test_pages_go_both_ways_and_meet(relay: Relay, tmp_path: Path) -> None:  # noqa: F811
    async def work(scene: Scene) -> None:
        alice, _ = await scene.registered("alice")
        session = alice.session
        await session.create_room(name="den")
        for number in range(7):
            await session.send(to="#den", text=f"m{number}")
        newest = await session.lines("#den", limit=3)
        assert [line["text"] for line in newest] == ["m4", "m5", "m6"]
        older = await session.lines("#den", limit=3, before=newest[0]["row"])
        assert [line["text"] for line in older] == ["m1", "m2", "m3"]
        newer = await session.lines("#den", limit=3, after=older[-1]["row"])
        assert newer == newest
        assert await session.lines("#den", after=newest[-1]["row"]) == []
        assert await session.lines("@nobody") == []
        first = await session.first_line_from("#den", seq=older[1]["seq"])
        assert first is not None
        assert first["text"] == "m2"
        assert await session.first_line_from("#den", at_ms=1 << 50) is None

    play(relay, tmp_path, work)


def test_readers_say_how_each_came_in(relay: Relay, tmp_path: Path) -> None:  # noqa: F811
    async def work(scene: Scene) -> None:
        anna, _ = await scene.registered("anna")
        await scene.registered("bert")
        await anna.session.create_room(name="attic")
        await anna.session.invite(conversation="#attic", name="bert")
        rows = {row["name"]: row for row in await anna.session.readers("#attic")}
        assert rows["bert"]["by"] == "anna"
        assert rows["bert"]["at_ms"] > 0
        assert (rows["anna"]["by"], rows["anna"]["at_ms"]) == ("", None)
        assert await anna.session.troubles("#attic") == []

    play(relay, tmp_path, work)


def test_a_new_device_is_a_line_of_the_conversation(relay: Relay, tmp_path: Path) -> None:  # noqa: F811
    async def work(scene: Scene) -> None:
        cleo, answer = await scene.registered("cleo")
        await cleo.session.create_room(name="loft")
        second = scene.person("cleo-second")
        entered = await second.session.login(
            "cleo", PASSWORD, trust="tofu", recovery_code=answer["recovery_code"]
        )
        await second.session.sync()
        await cleo.session.sync()
        lines = [line for line in await cleo.session.lines("#loft") if line["kind"] == "device"]
        assert [(line["sender"], line["text"]) for line in lines] == [("cleo", entered["device"])]
        assert all(row["kind"] == "message" for row in await cleo.session.history("#loft"))

    play(relay, tmp_path, work)


def test_drafts_outlive_the_program(relay: Relay, tmp_path: Path) -> None:  # noqa: F811
    async def work(scene: Scene) -> None:
        dan, _ = await scene.registered("dan")
        assert await dan.session.drafts() == {}
        await dan.session.keep_drafts({"#lobby": "half a thou", "@eve": ""})
        await dan.session.close()
        again = scene.person("dan")
        await again.session.unlock()
        assert await again.session.drafts() == {"#lobby": "half a thou"}
        many = {f"#room{number}": "x" for number in range(300)}
        await again.session.keep_drafts(many)
        assert len(await again.session.drafts()) == 200

    play(relay, tmp_path, work)
