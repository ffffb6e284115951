from __future__ import annotations

import json
import sys
from importlib.resources import files
from unicodedata import category, normalize

import pytest

from wire.scripts import Letter, is_one_script, letter

EVERY_LETTER = [
    (chr(point), found)
    for point in range(sys.maxunicode + 1)
    if (found := letter(chr(point))) is not None
]


def test_the_table_agrees_with_the_scripts_of_unicode() -> None:
    raw = json.loads((files("confusable_homoglyphs") / "categories.json").read_text("utf-8"))
    names = [alias.title() for alias in raw["iso_15924_aliases"]]
    scripts = {
        chr(point): names[script]
        for first, last, script, _ in raw["code_points_ranges"]
        for point in range(first, last + 1)
    }
    for character, found in EVERY_LETTER:
        assert scripts[character] == ("Common" if character == "ー" else found.script)


def test_the_table_holds_letters_and_marks_in_their_final_form() -> None:
    for character, found in EVERY_LETTER:
        assert category(character)[0] == ("M" if found.is_mark else "L")
        assert normalize("NFC", character) == character
        assert letter(character.lower()) is not None


@pytest.mark.parametrize(
    ("character", "found"),
    [
        ("a", Letter("Latin", False)),
        ("я", Letter("Cyrillic", False)),
        ("ि", Letter("Devanagari", True)),
        ("ー", Letter("Japanese", False)),
        ("1", None),
        ("@", None),
        ("\u0301", None),
        ("\u200d", None),
        ("𝐚", None),
        ("\U0010ffff", None),
        ("\0", None),
    ],
)
def test_single_characters(character: str, found: Letter | None) -> None:
    assert letter(character) == found


def test_what_is_written_together_is_one_script() -> None:
    assert is_one_script(frozenset())
    assert is_one_script(frozenset({"Latin"}))
    assert is_one_script(frozenset({"Han", "Hiragana", "Katakana"}))
    assert is_one_script(frozenset({"Han", "Hangul"}))
    assert not is_one_script(frozenset({"Hiragana", "Hangul"}))
    assert not is_one_script(frozenset({"Latin", "Cyrillic"}))
    assert not is_one_script(frozenset({"Latin", "Han"}))
