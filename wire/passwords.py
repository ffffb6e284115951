"""The rule that passwords of accounts and rooms obey, said in words, and a password that does.

Never stores, hashes or sends a password; an error's text names the rule, not what was typed.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Final
from unicodedata import category, normalize

from wire.errors import Code, WireError
from wire.limits import MAX_PASSWORD_CHARS

MIN_PASSWORD_CHARS: Final = 8
LONG_PASSWORD_CHARS: Final = 15  # from here on any characters will do

# 64 syllables that nobody mistypes: six bits each, so the low bits of a random byte choose evenly.
_CONSONANTS: Final = "bdfghjklmnprstvz"
_VOWELS: Final = "aiou"
_DIGITS: Final = "23456789"  # eight, without look-alikes of letters
_WORDS: Final = 3
_SYLLABLES_PER_WORD: Final = 3
_MAX_TRIES: Final = 64


def check_password(password: str, name: str, *, email: str | None = None) -> None:
    """Raise WireError("weak_password") naming every rule that `password` misses.

    `name` is the user name, or the room's; "" where there is none. Counted in NFC code points.
    """
    missed = [rule for rule, is_kept in rule_state(password, name, email=email) if not is_kept]
    if missed:
        raise WireError(Code.WEAK_PASSWORD, f"the password needs: {'; '.join(missed)}")


def rule_state(password: str, name: str, *, email: str | None = None) -> list[tuple[str, bool]]:
    """Each rule in words with whether `password` keeps it, always in the same order."""
    text = normalize("NFC", password)
    return [
        (
            f"at least {MIN_PASSWORD_CHARS} characters with a capital letter and a digit, "
            f"or at least {LONG_PASSWORD_CHARS} characters",
            _is_long_enough(text),
        ),
        (f"at most {MAX_PASSWORD_CHARS} characters", len(text) <= MAX_PASSWORD_CHARS),
        ("no control characters", not any(category(each) in ("Cc", "Cs") for each in text)),
        ("not one of the common passwords", not _is_common(text)),
        ("not the name inside it", not _contains_name(text, name, email)),
    ]


def suggest_password(random: Callable[[int], bytes] = os.urandom, *, name: str = "") -> str:
    """A password that keeps the rule, with 60 bits from `random`: like ``Kubavo-tirana-molisu-47``.

    Raises ValueError when 64 tries all contain `name`, which honest randomness does not bring.
    """
    for _ in range(_MAX_TRIES):
        password = _spoken(random(_WORDS * _SYLLABLES_PER_WORD + 2))
        if all(is_kept for _, is_kept in rule_state(password, name)):
            return password
    raise ValueError("the randomness gives no password without the name in it")


def _is_long_enough(text: str) -> bool:
    if len(text) >= LONG_PASSWORD_CHARS:
        return True
    has_capital = any(category(each) == "Lu" for each in text)
    has_digit = any(category(each) == "Nd" for each in text)
    return len(text) >= MIN_PASSWORD_CHARS and has_capital and has_digit


def _contains_name(text: str, name: str, email: str | None) -> bool:
    folded = text.casefold()
    own = (normalize("NFC", each).casefold() for each in (name, email or "") if each)
    return any(each in folded for each in own)


def _is_common(text: str) -> bool:
    return text.casefold() in _common_passwords()


@cache
def _common_passwords() -> frozenset[str]:
    # Read at the first check: no other part of a start needs its 30,000 strings.
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(each.casefold() for each in FREQUENCY_LISTS["passwords"])


def _spoken(random_bytes: bytes) -> str:
    syllables = [_CONSONANTS[byte >> 2 & 15] + _VOWELS[byte & 3] for byte in random_bytes[:-2]]
    words = (
        "".join(syllables[at : at + _SYLLABLES_PER_WORD])
        for at in range(0, len(syllables), _SYLLABLES_PER_WORD)
    )
    digits = "".join(_DIGITS[byte & 7] for byte in random_bytes[-2:])
    return "-".join((*words, digits)).capitalize()
