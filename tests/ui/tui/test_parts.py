"""The last gate, the terminal's title and bell, the QR code, days, the keys' table."""

from __future__ import annotations

import itertools

import pytest
from rich.segment import Segment
from textual.color import Color

from ui.settings import Settings
from ui.tui import keys
from ui.tui.filter import LastGate
from ui.tui.palette import THEMES, style
from ui.tui.screens.chat import ChatScreen
from ui.tui.screens.panels import midnight_ms
from ui.tui.screens.verify import number_rows, qr_lines
from ui.tui.terminal import Terminal


def test_a75_nothing_that_a_terminal_obeys_passes_the_last_gate() -> None:
    def shown(text: str) -> str:
        out = LastGate().apply([Segment(text), Segment("fine")], Color(0, 0, 0))
        return "".join(segment.text for segment in out)

    assert shown("plain é 漢 👍") == "plain é 漢 👍fine"
    for code in itertools.chain(range(32), range(0x7F, 0xA0), (0x200E, 0x202E, 0x2066, 0x2028)):
        assert shown(f"a{chr(code)}b") == "a\ufffdbfine"


@pytest.mark.parametrize(
    ("settings", "is_mention", "written"),
    [
        (Settings(), True, ["\x07"]),
        (Settings(), False, []),
        (Settings(bell="all"), False, ["\x07"]),
        (Settings(bell="off", desktop="mentions"), True, ["\x1b]9;Sotto: bob\x1b\\"]),
        (
            Settings(bell="off", desktop="all", show_text=True),
            False,
            ["\x1b]9;Sotto: bob: a␇,b\x1b\\"],
        ),
    ],
)
def test_attention_as_the_settings_say(
    settings: Settings, is_mention: bool, written: list[str]
) -> None:
    out: list[str] = []
    terminal = Terminal(settings, out.append, lambda name: None)
    terminal.attention("bob", "a\x07;b", is_mention=is_mention)
    assert out == written
    terminal.is_quiet = True
    terminal.attention("bob", "again", is_mention=True)
    assert out == written


def test_the_title_counts_and_can_be_off() -> None:
    out: list[str] = []
    terminal = Terminal(Settings(), out.append, lambda name: None)
    for count in (0, 3, 3, 0):
        terminal.show_unread(count)
    assert out == [f"\x1b]0;Sotto{end}\x1b\\" for end in ("", " (3)", "")]
    Terminal(Settings(title=False), out.append, lambda name: None).show_unread(5)
    assert len(out) == 3


def test_every_style_exists_in_every_theme() -> None:
    names = ["time", "own", "failed", "told", "warning", "bold link", "code-keyword", "name7"]
    for theme in THEMES:
        for name in names:
            style(theme, name)


def test_a_safety_number_and_its_code_fit_a_small_screen() -> None:
    rows = number_rows("1234567890" * 6)
    assert rows[0] == "12345  67890  12345"
    assert len(rows) == 4
    lines = qr_lines(bytes(70)).split("\n")
    assert len(lines) <= 20
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) + 2 + len(rows[0]) <= 74


def test_days_as_people_write_them() -> None:
    today, yesterday = midnight_ms("today"), midnight_ms(" Yesterday ")
    assert today is not None
    assert yesterday is not None
    assert 82_000_000 < today - yesterday < 91_000_000
    assert midnight_ms("2026-02-30") is None
    assert midnight_ms("soon") is None


def test_every_key_of_the_table_does_something() -> None:
    for key in keys.CHAT:
        action = key.action.partition("(")[0]
        assert callable(getattr(ChatScreen, f"action_{action}")), key
    used = [each for key in keys.CHAT for each in key.keys.split(",")]
    assert len(used) == len(set(used))
    assert keys.shown("alt+down,f9") == "Alt+Down F9"
