from __future__ import annotations

import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wire.errors import WireError
from wire.passwords import check_password, rule_state, suggest_password


def missed(password: str, name: str = "alice", email: str | None = None) -> str:
    with pytest.raises(WireError) as caught:
        check_password(password, name, email=email)
    assert caught.value.code == "weak_password"
    assert password not in caught.value.text or len(password) < 3
    return caught.value.text


@pytest.mark.parametrize(
    "password",
    [
        "Kestrel7",
        "Ünder8ung",
        "Пароль99я",
        "fifteen letters",
        "x" * 128,
        "пятнадцать букв",
        "émigré-" * 3,
        "A1" + "\U0001f600" * 6,
    ],
)
def test_good_passwords_pass(password: str) -> None:
    check_password(password, "alice")
    assert all(is_kept for _, is_kept in rule_state(password, "alice"))


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("", "at least 8"),
        ("Kestre7", "at least 8"),
        ("kestrel77", "capital"),
        ("Kestrelll", "digit"),
        ("fourteen chars", "15"),
        ("x" * 129, "at most 128"),
        ("Kestrel7\x00", "control"),
        ("Kestrel7\n", "control"),
        ("Kestrel7\ud800", "control"),
        ("Password1", "common"),
        ("PASSWORD1", "common"),
        ("1qaz2wsx3edc4rfv", "common"),
        ("Kalice77x", "name"),
        ("KALICE77x", "name"),
        ("my name is Alice, hello", "name"),
    ],
)
def test_a_missed_rule_is_named(password: str, word: str) -> None:
    assert word in missed(password)


def test_every_missed_rule_is_named_at_once() -> None:
    text = missed("alice\x00")
    assert all(word in text for word in ("at least 8", "control", "name"))


def test_decomposed_letters_count_once() -> None:
    seven = "Kestr7" + "e\u0301"
    assert len(seven) == 8
    assert "at least 8" in missed(seven)
    assert "at most" in missed("e\u0301" * 129)
    check_password("e\u0301" * 128, "alice")


def test_the_name_is_found_in_any_case_and_form() -> None:
    assert "name" in missed("Xjose\u0301-99999", name="José")
    assert "name" in missed("XНАТАЛЬЯ99", name="наталья")
    assert "name" in missed("alice@example.org9X", name="bob", email="Alice@Example.org")
    check_password("Kestrel7", "")


def test_the_rules_stand_in_the_same_order_for_a_live_display() -> None:
    texts = [[text for text, _ in rule_state(password, "alice")] for password in ("", "Kestrel7")]
    assert texts[0] == texts[1]
    assert [is_kept for _, is_kept in rule_state("alice", "alice")] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_a_suggestion_keeps_the_rule_and_is_never_the_same() -> None:
    source = random.Random(3).randbytes
    found = {suggest_password(source) for _ in range(200)}
    assert len(found) == 200
    for password in found:
        check_password(password, "")


@settings(max_examples=50)
@given(st.sampled_from(["ka", "bo", "ti", "al", "22", "-"]), st.integers(0, 2**32))
def test_a_suggestion_does_not_hold_the_name(name: str, seed: int) -> None:
    if name == "-":
        with pytest.raises(ValueError, match="randomness"):
            suggest_password(random.Random(seed).randbytes, name=name)
        return
    check_password(suggest_password(random.Random(seed).randbytes, name=name), name)


def test_the_list_of_common_passwords_is_not_loaded_before_it_is_needed() -> None:
    script = "import sys, wire.passwords; assert 'zxcvbn' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
