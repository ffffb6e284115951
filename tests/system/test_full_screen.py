"""The full-screen face on a real pseudo-terminal: what a person does most, and what leaves it."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pexpect
import pytest

from tests.processes import PASSWORD, ROOT, WAIT_S, People, Relay, environment
from tests.raw_terminal import Screen
from tests.terminal import Terminal
from tests.ui.tui.hostile import MARK

# Everything that the face may write besides characters and line feeds.
ALLOWED = re.compile(
    r"\x1b\[[0-9;]*[mH]"
    r"|\x1b\[\?[0-9;]+[hl]"
    r"|\x1b\[\?[0-9]+\$p"
    r"|\x1b\[[<>=][0-9;]*u"
    r"|\x1b\[2[23];0t"
    r"|\x1b\]22;[a-z-]*(?:\x07|\x1b\\)"
    r"|\x1b\]0;Sotto(?: \(\d+\))?\x1b\\"
    r"|\x1b\]9;Sotto: [^\x00-\x1f\x7f-\x9f;]*\x1b\\"
    r"|\x07"
)
OBEYED = re.compile("[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066\u2067\u2028\u2029]")


def full_screen(folder: Path, relay: Relay, **env: str) -> Terminal:
    """The face that a terminal gets, with the settings of nobody."""
    env = {"SOTTO_SETTINGS": str(folder / "client.toml"), "SOTTO_DATA": str(relay.data)} | env
    return Terminal(folder / "profile", None, "--server", relay.server, face=(), **env)


def register(face: Terminal, name: str) -> None:
    face.see("Register", "Password")
    face.type(name, PASSWORD)
    face.see("recovery code", "I have written it down")
    face.key("\t\r")
    face.see(f"you are {name}", "connected to")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "zoe").mkdir()
    return tmp_path / "zoe"


def test_what_a_person_does_most(folder: Path, everybody: People) -> None:
    relay = everybody.relay
    with full_screen(folder, relay) as face:
        register(face, "zoe")
        face.type("good morning")
        face.see("you ┃ good morning ✓")
        yan = everybody.join("yan")
        face.see("yan joined")
        yan.call("send", to="@zoe", text="a word with you")
        face.see("@yan", "@1")
        face.key("\x1ba")
        face.see("@yan · online", "a word with you", "new messages")
        face.type("yes", "/create den", "/invite yan")
        face.see("#den · 2 can read", "yan was brought in by you")
        face.key("\x1b1")
        face.see("#lobby · 2 can read")
        face.key("\x1b2")
        face.see("#den · 2 can read")
        face.key("\x1bOQ")
        face.see("Who can read #den: 2 people on 2 devices")
        face.key("\x1b")
        face.gone("Who can read")
        face.key("\x10")
        face.see("Go to")
        face.type("yan")
        face.see("@yan · online", "you ┃ yes ✓")
        face.key("\x1bOR")
        face.see("Safety number with yan")
        face.key("\x1b")
        face.gone("Safety number")
        face.key("\x1bOS")
        face.see("Search")
        face.key("morning")
        face.see("zoe: good morning")
        face.key("\r")
        face.see("▶")
        face.type("/why", "/me")
        face.see("reached this device", "You are zoe")
        relay.kill()
        face.see("not connected")
        face.type("into the dark")
        face.see("into the dark  … waiting")
        relay.start()
        face.see("into the dark ✓", "connected to")
        face.key("unfinished")
        face.key("\x11")
        assert face.wait() == 0
    with full_screen(folder, relay) as face:
        face.see("into the dark", "unfinished", "connected to")
        face.key("\x15")
        face.type("/quit")
        assert face.wait() == 0


def test_a75_no_hostile_string_reaches_the_terminal(tmp_path: Path, everybody: People) -> None:
    """Attack 75: 5,000 strings, in every field of every event and in every kind of panel."""
    relay = everybody.relay
    victim = everybody.join("victim")
    victim.close()
    child = pexpect.spawn(
        sys.executable,
        ["-m", "tests.ui.tui.hostile", str(victim.folder), relay.server],
        env=environment(
            TERM="xterm-256color", COLORTERM="truecolor", SOTTO_SETTINGS="/nonexistent"
        ),
        dimensions=(24, 80),
        timeout=WAIT_S * 4,
        cwd=str(ROOT),
    )
    child.expect(pexpect.EOF)
    written = child.before.decode("utf-8", "strict")
    child.close()
    assert child.exitstatus == 0, written[-2000:]
    assert "drawn" in written
    assert written.count(MARK) > 5_000  # they were shown, as text
    for sequence in ALLOWED.findall(written):
        assert MARK not in sequence or sequence.startswith("\x1b]9;"), sequence
    left = OBEYED.findall(ALLOWED.sub("", written))
    assert not left, sorted(set(left))


@pytest.mark.parametrize("sign", [signal.SIGHUP, signal.SIGTERM])
def test_it_ends_in_order_when_told_to(
    folder: Path, everybody: People, sign: signal.Signals
) -> None:
    relay = everybody.relay
    with full_screen(folder, relay) as face:
        register(face, "zoe")
        face.key("not sent yet")
        face.see("not sent yet")
        os.kill(face.pid, sign)
        assert face.wait() == 0
    with full_screen(folder, relay) as face:
        face.see("not sent yet")


def test_it_ends_with_its_terminal_even_without_a_signal(tmp_path: Path, everybody: People) -> None:
    screen = Screen(tmp_path / "nobody", everybody.relay)
    screen.seen("Register")
    screen.hang_up()
    assert screen.process.wait(WAIT_S) == 0
