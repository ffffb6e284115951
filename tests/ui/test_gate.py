"""The output gate: nothing from outside reaches a terminal as anything but harmless text."""

from __future__ import annotations

import random
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ui.gate import MAX_COMBINING, clean, clean_block, clean_line, clean_name, width

OVERRIDES = "\u202a\u202b\u202d\u202e\u202c\u2066\u2067\u200e\u200f\u061c"
ESCAPES = (
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b]52;c;aGk=\x07",
    "\x1b]8;;http://evil\x1b\\click\x1b]8;;\x1b\\",
    "\x1bP$q\x1b\\",
    "\x9b2J",
    "\x9d0;x\x9c",
    "a\rb",
    "a\x08\x08b",
    "\x7f",
)


def is_harmless(text: str, *, newlines: bool = False) -> bool:
    allowed = "\n" if newlines else ""
    return all(
        c in allowed or (unicodedata.category(c) not in ("Cc", "Cs") and c not in OVERRIDES)
        for c in text
    )


@pytest.mark.parametrize("hostile", ESCAPES)
def test_a75_escape_sequences_lose_their_power(hostile: str) -> None:
    assert is_harmless(clean(hostile))
    assert "\x1b" not in clean_block(hostile, indent="  ")


@given(st.text(max_size=80))
def test_a75_no_string_gets_a_control_character_through(text: str) -> None:
    assert is_harmless(clean(text))
    assert is_harmless(clean_line(text))
    assert is_harmless(clean(text, keep_newlines=True), newlines=True)


def test_a76_links_and_clipboard_writes_are_shown_as_text() -> None:
    shown = clean("\x1b]8;;http://evil.example\x1b\\bank\x1b]8;;\x1b\\ \x1b]52;c;eA==\x07")
    assert "http://evil.example" in shown
    assert "\x1b" not in shown
    assert "\x07" not in shown


def test_a77_a_thousand_strings_never_move_the_sender_column() -> None:
    rng = random.Random(7)
    pool = OVERRIDES + "\u200b\u0301\u0489\u05d0\u0645ab\u4e2d\U0001f600\u200d\ufeff"
    for _ in range(1000):
        hostile = "".join(rng.choice(pool) for _ in range(rng.randrange(1, 60)))
        line = f"alice: {clean_block(hostile, indent='  ')}"
        assert line.startswith("alice: ")
        assert not any(c in line for c in OVERRIDES)
        assert line.count("\u2068") == line.count("\u2069")
        assert width(clean_name(hostile)) <= 40


def test_a77_combining_floods_are_capped() -> None:
    assert clean("a" + "\u0301" * 500).count("\u0301") <= MAX_COMBINING


def test_right_to_left_text_is_isolated() -> None:
    assert clean_line("שלום") == "\u2068שלום\u2069"


def test_a_message_cannot_draw_another_persons_line() -> None:
    assert clean_block("hi\nbob: I owe you", indent="   ") == "hi\n   bob: I owe you"


def test_ordinary_text_passes_unchanged() -> None:
    for text in ("hello", "grüße, 你好", "tests: [/foo] $(rm) `x`", "👩‍👩‍👧 family"):
        assert clean(text) == text


def test_long_lines_are_cut_with_an_ellipsis() -> None:
    assert clean_line("x" * 50, cells=10) == "x" * 9 + "…"
    assert width(clean_line("中" * 50, cells=10)) <= 10
