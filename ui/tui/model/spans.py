"""Styled text as rows of a width: the smallest things that the timeline draws.

Never holds a string that did not pass the output gate: `plain` is where text from outside enters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from rich.cells import cell_len, chop_cells

from ui.gate import FSI, PDI, clean, isolate

_WORDS: Final = re.compile(r"\s+|\S+")
_ISOLATES: Final = str.maketrans("", "", FSI + PDI)


class Span(NamedTuple):
    """Text of one style; `style` is a name of ui/tui/palette.py."""

    text: str
    style: str = ""


Row: TypeAlias = tuple[Span, ...]
BLANK: Final[Row] = ()


def plain(text: str, *, keep_newlines: bool = False) -> str:
    """Return text from outside made harmless; right-to-left text is isolated row by row, later."""
    return clean(text, keep_newlines=keep_newlines).translate(_ISOLATES)


def cells(text: str) -> int:
    """Return how many cells the terminal takes, counted as the compositor counts."""
    return len(text) if text.isascii() else cell_len(text)


def row_cells(row: Iterable[Span]) -> int:
    """Return how many cells a row takes."""
    return sum(cells(span.text) for span in row)


def row_text(row: Iterable[Span]) -> str:
    """Return a row without its styles."""
    return "".join(span.text for span in row)


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` cells, with an ellipsis where something was cut."""
    if cells(text) <= width:
        return text
    if width < 1:
        return ""
    first = chop_cells(text, width - 1)[0] if width > 1 else ""
    return f"{first}…"


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Return `text` in exactly `width` cells."""
    short = cut(text, width)
    room = " " * (width - cells(short))
    return room + short if right else short + room


def isolated(row: Row) -> Row:
    """Return the row so that right-to-left text cannot move what stands beside it."""
    if all(span.text.isascii() for span in row):
        return row
    return tuple(Span(isolate(span.text), span.style) for span in row)


def wrap(spans: Iterable[Span], width: int) -> list[Row]:
    """Return rows of at most `width` cells, broken between words, and inside words too long."""
    width = max(1, width)
    rows: list[Row] = []
    row: list[Span] = []
    used = 0
    for word, size in _sized_words(spans, width):
        if used + size > width and used:
            rows.append(_joined(row))
            row, used = [], 0
            if word.text.isspace():
                continue
        row.append(word)
        used += size
    rows.append(_joined(row))
    return rows


def _sized_words(spans: Iterable[Span], width: int) -> Iterator[tuple[Span, int]]:
    for text, style in spans:
        for word in _WORDS.findall(text):
            size = cells(word)
            if size <= width:
                yield Span(word, style), size
                continue
            for piece in chop_cells(word, width):
                yield Span(piece, style), cells(piece)


def _joined(row: list[Span]) -> Row:
    """Return the row with neighbours of one style put together, without blanks at the end."""
    out: list[Span] = []
    for span in row:
        if out and out[-1].style == span.style:
            out[-1] = Span(out[-1].text + span.text, span.style)
        else:
            out.append(span)
    while out and not out[-1].style and not out[-1].text.rstrip():
        out.pop()
    return tuple(out)
