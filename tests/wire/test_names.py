from __future__ import annotations

import json
import string
import subprocess
import sys
from importlib.resources import files
from unicodedata import normalize

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire import names
from wire.confusables import prototype
from wire.errors import WireError
from wire.names import (
    canonical_name,
    canonical_room_name,
    display_name,
    is_display_of,
    is_reserved,
    is_reserved_room,
    skeleton,
)

ASCII_NAMES = st.text(string.ascii_letters + string.digits + "._-", max_size=36)


def canonical_or_none(typed: str) -> str | None:
    try:
        return canonical_name(typed)
    except WireError:
        return None


def refused(typed: str) -> str:
    with pytest.raises(WireError) as caught:
        canonical_name(typed)
    assert caught.value.code == "bad_name"
    return caught.value.text


@pytest.mark.parametrize(
    ("typed", "canonical", "shown"),
    [
        ("Alice", "alice", "Alice"),
        ("j.r_doe-7", "j.r_doe-7", "j.r_doe-7"),
        ("Наталья", "наталья", "Наталья"),
        ("Αννα", "αννα", "Αννα"),
        ("José", "josé", "José"),
        ("Jose\u0301", "josé", "José"),
        ("Ｂｏｂ", "bob", "Bob"),
        ("अमित", "अमित", "अमित"),
        ("アリス", "アリス", "アリス"),
        ("コーヒー", "コーヒー", "コーヒー"),
        ("李さん", "李さん", "李さん"),
        ("김철수", "김철수", "김철수"),
        ("محمد", "محمد", "محمد"),
        ("משה", "משה", "משה"),
        ("สมชาย", "สมชาย", "สมชาย"),
    ],
)
def test_names_are_compared_in_small_letters_and_shown_as_typed(
    typed: str, canonical: str, shown: str
) -> None:
    assert canonical_name(typed) == canonical
    assert display_name(typed) == shown
    assert is_display_of(shown, canonical)
    assert canonical_name(canonical) == canonical


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("", "at least"),
        ("a", "at least"),
        ("a" * 33, "at most"),
        ("a" * 10_000, "at most"),
        ("я" * 33, "at most"),
        ("1st", "starts"),
        ("_bob", "starts"),
        ("-bob", "starts"),
        (".bob", "starts"),
        ("bob.", "full stop"),
        ("al ice", "letters"),
        ("al@ice", "letters"),
        ("al\x00ice", "letters"),
        ("al\nice", "letters"),
        ("al\x1b[31m", "letters"),
        ("ali\u00a0ce", "letters"),
        ("naïve·", "letters"),
        ("bob٣é", "letters"),
        ("\ud800\ud800", "letters"),
        ("\u0301\u0301я", "letters"),
        ("\u093fअम", "accent"),
        ("ม" + "่" * 5, "accent"),
    ],
)
def test_the_refusal_says_what_is_wrong(typed: str, word: str) -> None:
    assert word in refused(typed)


def test_thirty_two_characters_are_counted_in_canonical_form() -> None:
    assert canonical_name("a" * 32) == "a" * 32
    assert canonical_name("e\u0301" * 32) == "é" * 32


@pytest.mark.parametrize("canonical", ["bob", "alice"])
def test_another_display_is_not_shown(canonical: str) -> None:
    assert not is_display_of("Mallory", canonical)
    assert not is_display_of("", canonical)
    assert not is_display_of("Ｂｏｂ", "bob"), "the wide form is not the shown one"
    assert not is_display_of("Jose\u0301", "josé")


def test_rooms_may_start_with_a_digit_and_the_lobby_is_kept() -> None:
    assert canonical_room_name("3D-print") == "3d-print"
    assert canonical_room_name("42") == "42"
    for typed in ("lobby", "LOBBY", "l0bby", "Iobby"):
        with pytest.raises(WireError) as caught:
            canonical_room_name(typed)
        assert caught.value.code == "bad_name"
        assert is_reserved_room(typed.lower())
    assert canonical_room_name("Lobby", allow_reserved=True) == "lobby"


@pytest.mark.parametrize(
    "name",
    ["admin", "administrator", "root", "system", "support", "all", "adm1n", "r00t", "5erver"],
)
def test_names_of_power_are_reserved_with_their_look_alikes(name: str) -> None:
    assert is_reserved(name) == (name != "5erver")


@pytest.mark.parametrize("name", ["ali", "alice", "bob", "adam", "rooty", "mod1"])
def test_peoples_names_are_not_reserved(name: str) -> None:
    assert not is_reserved(name)


def test_every_reserved_name_is_one_that_could_be_typed() -> None:
    for name in names._RESERVED_NAMES.split():
        assert canonical_name(name) == name
        assert is_reserved(name)


# --- the fast path -------------------------------------------------------------------------------


@settings(max_examples=300)
@given(ASCII_NAMES)
def test_the_ascii_path_gives_the_answer_of_the_long_one(typed: str) -> None:
    canonical = canonical_or_none(typed)
    if canonical is None:
        return
    assert names._mapped(typed) == canonical
    long_way = prototype(canonical).lower().translate({ord("i"): "l", ord("m"): "rn"})
    assert skeleton(canonical) == long_way


def test_ascii_names_load_no_table() -> None:
    script = (
        "import sys; from wire.names import *; canonical_name('Alice'); skeleton('alice');"
        "is_reserved('alice'); display_name('Alice'); canonical_room_name('go-lang');"
        "assert not {'precis_i18n', 'confusable_homoglyphs'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


# --- properties of every name --------------------------------------------------------------------

LETTERS = "aAeiIlLoOmrn01._-éßзаАеоЕНрсТяЯαΑβνΝοΟΣσςωךשمدआम国语アー김ｂＢ\u0301\u200b\u202eﬁ"


@settings(max_examples=400)
@given(st.text(LETTERS, min_size=1, max_size=6) | st.text(max_size=8))
def test_canonical_names_are_fixed_points(typed: str) -> None:
    canonical = canonical_or_none(typed)
    if canonical is None:
        return
    assert canonical_name(canonical) == canonical == normalize("NFC", canonical)
    assert canonical_name(display_name(typed)) == canonical
    assert display_name(display_name(typed)) == display_name(typed)
    assert 2 <= len(canonical) <= 32
    assert canonical == canonical.lower()
    assert skeleton(canonical) == skeleton(typed.lower()) or not typed.isascii()


# --- attack 40: look-alike names -----------------------------------------------------------------


def utf39_pairs() -> list[tuple[str, str]]:
    raw = json.loads((files("confusable_homoglyphs") / "confusables.json").read_text("utf-8"))
    pairs = {
        tuple(sorted((source.strip("\u200e"), target["c"].strip("\u200e"))))
        for source, targets in raw.items()
        for target in targets
    }
    return sorted((one, other) for one, other in pairs)


def test_a40_of_a_thousand_look_alike_pairs_the_second_is_never_registered() -> None:
    """Each pair of UTS 39 in a name: refused, the same name, or the same skeleton."""
    pairs, outcomes = utf39_pairs(), {"refused": 0, "same name": 0, "same skeleton": 0}
    assert len(pairs) >= 1000
    for one, other in pairs:
        for frame in ("{0}", "{0}{0}", "a{0}b", "а{0}я", "α{0}β"):
            first = canonical_or_none(frame.format(one))
            second = canonical_or_none(frame.format(other))
            if first is None or second is None:
                outcomes["refused"] += 1
            elif first == second:
                outcomes["same name"] += 1
            else:
                assert skeleton(first) == skeleton(second), (one, other)
                outcomes["same skeleton"] += 1
    assert outcomes["same skeleton"] > 100
    assert outcomes["refused"] > 1000


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "paypa1"),
        ("alice", "al1ce"),
        ("ALICE", "aIice"),
        ("bob", "b0b"),
        ("modern", "rnodern"),
        ("соре", "cope"),
        ("аре", "ape"),
        ("ора", "opa"),
    ],
)
def test_a40_whole_names_that_look_alike_share_a_skeleton(one: str, other: str) -> None:
    first, second = canonical_name(one), canonical_name(other)
    assert first != second
    assert skeleton(first) == skeleton(second)


@pytest.mark.parametrize("typed", ["аlice", "pаypal", "αlice", "bοb", "алисa", "김alice", "アbc"])
def test_a40_letters_of_two_scripts_are_refused(typed: str) -> None:
    assert "script" in refused(typed)


@pytest.mark.parametrize("typed", ["ΑΝΝΑ", "НОРА", "Нора", "ВЕТА", "ГА"])
def test_a40_capitals_that_read_as_another_script_are_refused(typed: str) -> None:
    assert "capitals" in refused(typed)
    assert canonical_name(typed.lower()) == typed.lower()


@pytest.mark.parametrize("typed", ["НАТАЛЬЯ", "Наталья", "Иван", "Пётр", "Ναταλία", "Γιώργος"])
def test_a40_ordinary_capitals_are_not(typed: str) -> None:
    assert canonical_name(typed) == typed.lower()


def test_skeletons_of_unlike_names_differ() -> None:
    people = [
        "alice",
        "bob",
        "carol",
        "dave",
        "наталья",
        "иван",
        "αννα",
        "アリス",
        "김철수",
        "josé",
    ]
    assert len({skeleton(canonical_name(name)) for name in people}) == len(people)


# --- attack 64: one name in several encodings ----------------------------------------------------


INVISIBLE = "\u200b\u200c\u200d\u2060\u202e\u2066\ufeff\u00ad\u034f\ufe0f\u0000\u3164"


def wide(text: str) -> str:
    return "".join(chr(ord(each) + 0xFEE0) for each in text)


def test_a64_five_hundred_collisions_fold_to_one_name_or_are_refused() -> None:
    people = [f"{first}{last}" for first in "abcdefghij" for last in ("na", "ro.", "mi-x", "lé")]
    checked = 0
    for person in (name.rstrip(".") for name in people):
        canonical = canonical_name(person)
        same = [
            person.upper(),
            person.capitalize(),
            normalize("NFD", person),
            wide(person[0]) + person[1:],
            wide(person[:2].upper()) + person[2:],
        ]
        never = [person[0] + invisible + person[1:] for invisible in INVISIBLE]
        never += [person + tail for tail in ("ﬁ", "ﬀ", "①", "ª", "\u0301\u0301", " ", "\u3000")]
        assert [canonical_name(each) for each in same] == [canonical] * len(same)
        assert [each for each in never if canonical_or_none(each) is not None] == []
        checked += len(same) + len(never)
    assert checked >= 500
