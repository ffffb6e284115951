"""What may be meant by the word before the cursor: commands, people, rooms, emoji.

Never decides: a face shows the candidates, and the person takes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Final

from ui.gate import clean_name
from ui.lines.commands import BY_NAME

MAX_SHOWN: Final = 8
MIN_EMOJI_CHARS: Final = 2
_EMOJI_WORD: Final = re.compile(r":[a-z0-9_+-]{2,40}\Z", re.IGNORECASE)
_SHORTCODE: Final = re.compile(r"(?<![\w:]):([a-z0-9_+-]{2,40}):(?![\w:])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """`text` takes the place of the last `size` characters; `label` and `help` are shown."""

    text: str
    size: int
    label: str
    help: str = ""


def candidates(
    before: str, *, people: Iterable[str], rooms: Iterable[str], more: dict[str, str]
) -> list[Candidate]:
    """Return what may be meant; `before` is the text up to the cursor, `more` extra commands."""
    return list(islice(_all(before, people, rooms, more), MAX_SHOWN))


def _all(
    before: str, people: Iterable[str], rooms: Iterable[str], more: dict[str, str]
) -> Iterator[Candidate]:
    word = re.split(r"\s", before)[-1]
    if before.startswith("/") and word == before and not before.startswith("//"):
        helps = {name: f"{spec.usage}  {spec.help}" for name, spec in BY_NAME.items()} | more
        for name in sorted(helps):
            if name.startswith(word[1:].lower()):
                yield Candidate(f"/{name} ", len(word), f"/{name}", helps[name])
    elif word.startswith("@"):
        ends = ": " if word == before else " "
        for name in sorted(people):
            if name.startswith(word[1:].lower()):
                yield Candidate(f"@{name}{ends}", len(word), f"@{clean_name(name)}")
    elif word.startswith("#"):
        for name in sorted(rooms):
            if name.startswith(word.lower()):
                yield Candidate(f"{name} ", len(word), clean_name(name))
    elif _EMOJI_WORD.search(word):
        asked = word[word.rindex(":") :].lower()
        for name, sign in _emoji().items():
            if name.startswith(asked):
                yield Candidate(sign, len(asked), f"{sign} {name}")
    elif before.startswith("/") and word:
        for name in sorted(people):
            if name.startswith(word.lower()):
                yield Candidate(f"{name} ", len(word), clean_name(name))


@cache
def _emoji() -> dict[str, str]:
    """Return signs by ":name:", sorted; read at the first question for one."""
    import emoji

    found: dict[str, str] = {}
    for sign, data in emoji.EMOJI_DATA.items():
        if data["status"] != emoji.STATUS["fully_qualified"]:
            continue
        for name in (data["en"], *data.get("alias", ())):
            found[str(name).lower()] = sign
    return dict(sorted(found.items()))


def with_emoji(text: str) -> str:
    """Return `text` with every :name: of an emoji replaced, but not inside code."""
    if ":" not in text or not _SHORTCODE.search(text):
        return text
    parts = text.split("`")
    parts[::2] = [_SHORTCODE.sub(_sign, part) for part in parts[::2]]
    return "`".join(parts)


def _sign(match: re.Match[str]) -> str:
    return _emoji().get(match.group().lower(), match.group())
