"""The flows of the full-screen face, over a real relay, without a terminal."""

from __future__ import annotations

from pathlib import Path

from tests.engine.test_session import Person
from tests.processes import PASSWORD, Relay
from tests.ui.tui.stage import run, stage
from ui.options import Options
from ui.settings import load_settings
from ui.tui.screens.chat import ChatScreen
from ui.tui.widgets.composer import Composer
from ui.tui.widgets.timeline import TimelineView


async def friend(relay: Relay, folder: Path, name: str) -> Person:
    """Somebody else on the relay."""
    person = Person(folder / name, relay.server)
    await person.session.register(name, PASSWORD, trust="tofu")
    return person


def test_first_run_writing_and_coming_back(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "ann") as face:
            await face.see("Register")
            await face.enter("ann")
            await face.type("short")
            await face.see("✗ at least 8 characters", "weak")
            await face.press("enter")
            await face.see("the password needs")
            for _ in "short":
                await face.press("backspace")
            await face.enter(PASSWORD)
            await face.see("recovery code")
            await face.press("tab", "enter")
            await face.see("you are ann", "connected to", "#lobby")
            await face.enter("hello **everybody**")
            await face.see("hello everybody ✓", "you ┃")
            await face.type("half a thought")
            await face.press("ctrl+q")
        async with stage(relay, tmp_path / "ann") as face:
            await face.see("hello everybody", "half a thought", "connected to")

    run(work)


def test_rooms_messages_marks_and_moving(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "bea") as face:
            await face.register("bea")
            carl = await friend(relay, tmp_path, "carl")
            try:
                await face.see("carl joined")
                await carl.session.send(to="@bea", text="psst")
                await face.see("@carl", "@1")
                await face.press("alt+a")
                await face.see("@carl · online", "psst", "new messages")
                await face.enter("yes?")
                await face.see("yes? ✓")
                await face.enter("/create den")
                await face.see("#den · 1 can read")
                await face.enter("/invite carl")
                await face.see("carl was brought in by you")
                await carl.session.sync()
                await carl.session.send(to="#den", text="> quoted\n\nhere @bea")
                await face.see("▎ quoted", "here @bea")
                await face.press("f2")
                await face.see("Who can read #den: 2 people on 2 devices", " by bea")
                await face.press("escape")
                await face.gone("Who can read")
                await face.press("alt+1")
                await face.see("#lobby ·")
                await face.press("ctrl+p")
                await face.see("Go to")
                await face.enter("den")
                await face.see("#den · 2 can read")
                await face.enter("/leave")
                await face.see("You are the last owner of #den")
                await face.enter("/owner carl")
                await face.see("carl is an owner")
                await face.enter("/leave")
                await face.see("you left #den", "#lobby ·")
            finally:
                await carl.session.close()

    run(work)


def test_verifying_a_person(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "dora") as face:
            await face.register("dora")
            emil = await friend(relay, tmp_path, "emil")
            try:
                theirs = (await emil.session.safety_number(name="dora"))["digits"]
                await face.enter("/query emil")
                await face.see("@emil")
                await face.press("f3")
                shown = await face.see("Safety number with emil", "█▀▀▀▀▀▀▀█")
                groups = theirs.replace(" ", "")
                for at in range(0, len(groups), 5):
                    assert groups[at : at + 5] in shown
                assert all(len(line) <= 80 for line in shown.split("\n"))
                await face.press("escape")
                await face.gone("Safety number")
                assert not (await face.session.safety_number(name="emil"))["verified"]
                await face.press("f3")
                await face.see("They are the same")
                await face.press("tab", "enter")
                await face.see("emil is verified")
                assert (await face.session.safety_number(name="emil"))["verified"]
            finally:
                await emil.session.close()

    run(work)


def test_a_changed_identity_blocks_until_it_is_answered(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "flo") as face:
            await face.register("flo")
            gus = await friend(relay, tmp_path, "gus")
            await gus.session.send(to="@flo", text="it is me")
            await face.see("@1")
            await face.press("alt+a")
            await face.see("it is me")
            await gus.session.close()
            other = Person(tmp_path / "gus-again", relay.server)
            try:
                await other.session.login("gus", PASSWORD, trust="tofu", new_identity=True)
                await face.see("gus has another identity than before")
                await face.enter("are you there")
                await face.see("accept it first")
                composer = face.app.screen.query_one(Composer)
                await face.wait(lambda: composer.text == "are you there", "the text kept")
                await face.press("f3")
                await face.see("Is this still gus?", "in person or by telephone")
                await face.press("enter")  # the careful answer
                await face.gone("Is this still gus?")
                assert (await face.session.changed_identity(name="gus"))["name"] == "gus"
                await face.press("f3")
                await face.see("I asked: this is gus")
                await face.press("tab", "enter")
                await face.see("the new identity of gus is accepted")
                await face.press("enter")
                await face.see("are you there ✓")
            finally:
                await other.session.close()

    run(work)


def test_search_and_dates_lead_to_the_place(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "hal") as face:
            await face.register("hal")
            session = face.session
            for number in range(150):
                await session.send(to="#lobby", text=f"line {number}", wait="stored")
            await session.sync()
            await face.see("line 149 ✓")
            assert len(_chat(face.app.screen).desk.reader.window.items) <= 240
            await face.press("f4")
            await face.see("type to narrow")
            await face.type("line 3")
            await face.see("line 39", "line 30")
            await face.type("5")
            await face.gone("line 39")
            await face.press("enter")
            await face.see("▶", "line 35", "newer below")
            await face.press("ctrl+end")
            await face.see("line 149")
            await face.enter("/date today")
            await face.see("line 0", "line 5")
            await face.enter("/date 2031-01-01")
            await face.see("nothing is stored here from 2031-01-01 on")
            await face.enter("/date soon")
            await face.see("A day is written like this")

    run(work)


def _chat(screen: object) -> ChatScreen:
    assert isinstance(screen, ChatScreen)
    return screen


def test_scrolling_back_and_new_messages_below(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "ida") as face:
            await face.register("ida")
            jo = await friend(relay, tmp_path, "jo")
            try:
                await face.enter("/create long")
                await face.see("#long")
                for number in range(120):
                    await face.session.send(to="#long", text=f"old {number}", wait="stored")
                await face.session.sync()
                await face.session.invite(conversation="#long", name="jo")
                await jo.session.sync()
                view = face.app.screen.query_one(TimelineView)
                for _ in range(12):
                    await face.press("pageup")
                await face.see("old 0")
                await jo.session.send(to="#long", text="a new one")
                await face.see("1 new messages below")
                assert "a new one" not in face.text()
                await face.press("ctrl+end")
                await face.see("a new one")
                await face.gone("new messages below")
                assert view.is_at_end
            finally:
                await jo.session.close()

    run(work)


def test_mistakes_are_not_sent_and_not_lost(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "kim") as face:
            await face.register("kim")
            composer = face.app.screen.query_one(Composer)
            await face.enter("/jion den")
            await face.see("There is no command /jion")
            assert composer.text == "/jion den"
            await face.press("ctrl+u")
            await face.type("/hi")
            await face.see("▸ /history")
            await face.press("tab")
            assert composer.text == "/history "
            await face.press("ctrl+u")
            await face.enter("first")
            await face.see("first ✓")
            await face.type("one")
            await face.press("alt+enter")
            await face.type("two")
            await face.press("up", "up")
            assert composer.text == "first"
            await face.press("down")
            assert composer.text == "one\ntwo"
            await face.press("enter")
            await face.see("two ✓")
            await face.press("ctrl+u")
            await face.type(":thumbsu")
            await face.see("👍")
            await face.press("tab")
            assert composer.text == "👍"
            assert [line["text"] for line in await face.session.history("#lobby")] == [
                "first",
                "one\ntwo",
            ]

    run(work)


def test_the_relay_goes_and_comes_back(tmp_path: Path) -> None:
    async def work() -> None:
        with Relay(tmp_path / "relay-folder-of-its-own") as relay:
            async with stage(relay, tmp_path / "lea") as face:
                await face.register("lea")
                relay.kill()
                await face.see("not connected")
                await face.enter("written meanwhile")
                await face.see("… waiting", "1 waiting here")
                relay.start()
                await face.see("written meanwhile ✓", "connected to")

    (tmp_path / "relay-folder-of-its-own").mkdir()
    run(work)


def test_an_admin_kicks_bans_and_reads_the_audit(tmp_path: Path) -> None:
    async def work() -> None:
        with Relay(tmp_path / "own") as relay:
            options = Options(server=relay.server, trust="tofu", admin_code=relay.admin_code)
            async with stage(relay, tmp_path / "admin", options=options) as face:
                await face.see("register the name admin")
                await face.register("admin")
                await face.see("(admin)")
                mo = await friend(relay, tmp_path, "mo")
                try:
                    await face.press("f10")
                    await face.see("People", "mo")
                    await face.enter("mo")
                    await face.see("mo: what to do?", "ban: keep them out")
                    await face.press("escape")
                    await face.enter("/ban mo 1h spam")
                    await face.see("mo was banned by you until")
                    await face.enter("/audit")
                    await face.see("ban mo", "spam")
                finally:
                    await mo.session.close()

    (tmp_path / "own").mkdir()
    run(work)


def test_another_device_asks_for_the_recovery_code(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        first = Person(tmp_path / "nell", relay.server)
        answer = await first.session.register("nell", PASSWORD, trust="tofu")
        try:
            async with stage(relay, tmp_path / "nell-second") as face:
                await face.see("Register")
                await face.enter("nell")
                await face.type(PASSWORD)
                await face.press("tab", "tab", "tab", "enter")  # the lock, Register, Log in
                await face.see("This device is new to your account")
                await face.enter("wrong")
                await face.see("Recovery code")
                await face.enter(str(answer["recovery_code"]))
                await face.see("you are nell")
        finally:
            await first.session.close()

    run(work)


def test_a_passphrase_locks_and_a_wrong_one_does_not_open(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        person = Person(tmp_path / "olga", relay.server)
        await person.session.register("olga", PASSWORD, trust="tofu", passphrase="open sesame")
        await person.session.close()
        async with stage(relay, tmp_path / "olga") as face:
            await face.see("olga at", "Passphrase")
            await face.enter("wrong")
            await face.see("passphrase")
            await face.enter("open sesame")
            await face.see("you are olga")
            await face.enter("/logout")
            await face.see("Passphrase")

    run(work)


def test_themes_keys_and_narrow_screens(relay: Relay, tmp_path: Path) -> None:
    async def work() -> None:
        keys = {"theme": "f11"}
        async with stage(relay, tmp_path / "pia", size=(60, 20), keys=keys) as face:
            await face.register("pia")
            rooms = face.app.screen.query_one("#rooms")
            assert not rooms.display or rooms.region.width == 0
            await face.press("f6")
            await face.press("f11")
            await face.wait(lambda: face.app.theme == "sotto-light", "the light theme")
            assert load_settings().theme == "light"
            await face.enter("/theme terminal")
            await face.wait(lambda: face.app.theme == "sotto-terminal", "the terminal's colours")
            await face.enter("a line that is much too long for sixty columns, so that it wraps")
            shown = await face.see("it wraps")
            assert all(len(line) <= 60 for line in shown.split("\n"))
            await face.press("f8")
            await face.wait(lambda: face.app.terminal.is_quiet, "quiet")

    run(work)


def test_a_verified_persons_new_device_is_told_before_the_next_text(
    relay: Relay, tmp_path: Path
) -> None:
    async def work() -> None:
        async with stage(relay, tmp_path / "rosa") as face:
            await face.register("rosa")
            first = Person(tmp_path / "sven", relay.server)
            answer = await first.session.register("sven", PASSWORD, trust="tofu")
            second = Person(tmp_path / "sven-second", relay.server)
            try:
                await first.session.send(to="@rosa", text="hello rosa")
                await face.see("@1")
                await face.press("alt+a")
                await face.see("hello rosa")
                await face.press("f3")
                await face.see("They are the same")
                await face.press("tab", "enter")
                await face.see("sven is verified")
                await face.enter("before")
                await face.see("before ✓")
                code = answer["recovery_code"]
                await second.session.login("sven", PASSWORD, trust="tofu", recovery_code=code)
                await face.see("sven has a new device")
                desk = _chat(face.app.screen).desk
                await face.wait(lambda: "sven" in desk.new_devices, "the warning")
                await face.enter("after")
                await face.see("Not sent yet. Somebody whom you verified")
                composer = face.app.screen.query_one(Composer)
                await face.wait(lambda: composer.text == "after", "the text kept")
                await face.press("enter")
                await face.see("after ✓")
            finally:
                await first.session.close()
                await second.session.close()

    run(work)
