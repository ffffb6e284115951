"""Names of people and rooms: one canonical form, one script, no look-alikes (RFC 8265, UTS 39).

Never asks who has a name, and gives the same answer on every Python that Sotto runs on. Names in
pure ASCII need none of the Unicode tables.
"""

import re
from functools import cache
from typing import Final
from unicodedata import combining

from wire.confusables import prototype, skeleton
from wire.errors import Code, WireError
from wire.scripts import is_one_script, letter

__all__ = [
    "canonical_name",
    "canonical_room_name",
    "display_name",
    "is_display_of",
    "is_reserved",
    "is_reserved_room",
    "skeleton",
]

MIN_NAME_CHARS: Final = 2
MAX_NAME_CHARS: Final = 32
_MAX_TYPED_CHARS: Final = 4 * MAX_NAME_CHARS  # looked at before anything is normalised
_MAX_MARKS_IN_A_ROW: Final = 4  # Burmese and Khmer syllables need that many

_ASCII_NAME: Final = re.compile(r"[A-Za-z0-9._-]*")
_SEPARATORS: Final = frozenset("._-")
_ASCII_DIGITS: Final = frozenset("0123456789")

# Together with all that looks like them.
_RESERVED_NAMES: Final = """
    abuse admin administrator anonymous announce anyone daemon everybody everyone help here
    hostmaster lobby moderator nobody noreply official operator owner postmaster relay root security
    server service sotto staff superuser support sysadmin sysop system webmaster
"""
# Just so: the skeleton of "all" is that of "ali".
_RESERVED_EXACT: Final = frozenset({"all"})
_RESERVED_ROOMS: Final = ("lobby",)


def canonical_name(typed: str) -> str:
    """The one form in which a user name is stored and compared: PRECIS UsernameCaseMapped.

    Raises WireError("bad_name") that says what is wrong: 2 to 32 characters; letters of one script
    with digits, full stop, underscore and hyphen; a letter first, no full stop last.
    """
    return _canonical(typed, may_start_with_digit=False)


def canonical_room_name(typed: str, *, allow_reserved: bool = False) -> str:
    """The same for a room, whose name may start with a digit.

    Raises WireError("bad_name"), also for the lobby's name and its look-alikes unless
    `allow_reserved`: whoever looks a room up may name the lobby, whoever makes one may not.
    """
    canonical = _canonical(typed, may_start_with_digit=True)
    if not allow_reserved and is_reserved_room(canonical):
        raise _refused("that room name is reserved: choose another")
    return canonical


def display_name(typed: str) -> str:
    """The form in which a name is shown: as typed, in NFC and ordinary width.

    Raises WireError("bad_name") exactly when `canonical_name` does.
    """
    canonical_name(typed)
    return typed if typed.isascii() else _enforced("UsernameCasePreserved", typed)


def is_display_of(display: str, account: str) -> bool:
    """Whether `display` is a form in which the account with this canonical name may be shown."""
    try:
        return display_name(display) == display and canonical_name(display) == account
    except WireError:
        return False


def is_reserved(canonical: str) -> bool:
    """Whether the name, or one that it looks like, is kept for the server and its people."""
    return canonical in _RESERVED_EXACT or skeleton(canonical) in _reserved_skeletons()


def is_reserved_room(canonical: str) -> bool:
    """Whether the room name, or one that it looks like, is kept for the lobby."""
    return any(skeleton(canonical) == skeleton(name) for name in _RESERVED_ROOMS)


@cache
def _reserved_skeletons() -> frozenset[str]:
    return frozenset(skeleton(name) for name in _RESERVED_NAMES.split())


def _canonical(typed: str, *, may_start_with_digit: bool) -> str:
    if len(typed) > _MAX_TYPED_CHARS:
        raise _refused(f"a name has at most {MAX_NAME_CHARS} characters")
    if typed.isascii():
        if not _ASCII_NAME.fullmatch(typed):
            raise _refused("a name has letters, digits, and . _ - only")
        canonical = typed.lower()
    else:
        canonical = _mapped(typed)
    _check_shape(canonical, may_start_with_digit=may_start_with_digit)
    return canonical


def _check_shape(canonical: str, *, may_start_with_digit: bool) -> None:
    if len(canonical) < MIN_NAME_CHARS:
        raise _refused(f"a name has at least {MIN_NAME_CHARS} characters")
    if len(canonical) > MAX_NAME_CHARS:
        raise _refused(f"a name has at most {MAX_NAME_CHARS} characters")
    first = canonical[0]
    if first in _SEPARATORS or (first in _ASCII_DIGITS and not may_start_with_digit):
        raise _refused("a name starts with a letter")
    if canonical.endswith("."):
        raise _refused("a name does not end with a full stop")


def _mapped(typed: str) -> str:
    """The canonical form of a name with characters beyond ASCII, its characters checked."""
    preserved = _enforced("UsernameCasePreserved", typed)
    canonical = _enforced("UsernameCaseMapped", typed)
    _check_characters(preserved)
    scripts = _check_characters(canonical)
    if scripts != {"Latin"}:
        _check_capitals(preserved, canonical, scripts)
    return canonical


def _enforced(profile: str, typed: str) -> str:
    # Imported here: most processes never meet a name beyond ASCII.
    import precis_i18n

    try:
        return str(precis_i18n.get_profile(profile).enforce(typed))
    except UnicodeEncodeError:
        raise _refused("a name has letters of one script, digits, and . _ - only") from None


def _check_characters(name: str) -> frozenset[str]:
    """The scripts of `name`; raises unless they are one and each character may stand there."""
    scripts, marks = set(), 0
    for position, character in enumerate(name):
        if character in _SEPARATORS or character in _ASCII_DIGITS:
            marks = 0
            continue
        known = letter(character)
        if known is None:
            raise _refused("a name has letters of one script, digits, and . _ - only")
        scripts.add(known.script)
        marks = marks + 1 if known.is_mark else 0
        if known.is_mark and (position == 0 or marks > _MAX_MARKS_IN_A_ROW):
            raise _refused("a name does not start with an accent, nor pile them up")
    if not is_one_script(frozenset(scripts)):
        raise _refused("all letters of a name are of one script")
    return frozenset(scripts)


def _check_capitals(preserved: str, canonical: str, scripts: frozenset[str]) -> None:
    """Refuse capitals that make a name look as if it were of another script.

    Skeletons are compared in small letters, but names are shown as typed: Greek small letters do
    not look like those of "anna", their capitals do.
    """
    shown = prototype(preserved)
    if all(_is_foreign(each, scripts) for each in shown) and skeleton(shown) != skeleton(canonical):
        raise _refused("its capitals look like another script: write the name in small letters")


def _is_foreign(character: str, scripts: frozenset[str]) -> bool:
    """Whether it may stand in a name of none of these `scripts`."""
    if character in _SEPARATORS or character in _ASCII_DIGITS or combining(character):
        return True
    known = letter(character)
    return known is not None and known.script not in scripts


def _refused(text: str) -> WireError:
    return WireError(Code.BAD_NAME, text)
