"""An item as rows of a width: time and name once, the text beside them, states in signs and words.

Never tells own from others' by colour alone: the bar and the name differ as well.
"""

from __future__ import annotations

import time
from typing import Final
from zlib import crc32

from ui.lines.render import clock
from ui.tui.model.items import Item, Kind
from ui.tui.model.markdown import layout as layout_text
from ui.tui.model.spans import BLANK, Row, Span, cells, cut, fit, isolated, row_cells, wrap

NARROW_CELLS: Final = 44  # below, a name stands above its text
TOGETHER_MS: Final = 5 * 60_000  # messages of one person within this stand under one name
NAME_STYLES: Final = 8
TIME_CELLS: Final = 5
_STATES: Final = {
    "queued": Span("  … waiting", "state"),
    "failed": Span("  ✗ not sent", "failed"),
}
STORED: Final = Span(" ✓", "state")


def layout(item: Item, before: Item | None, width: int, *, is_first_unread: bool) -> list[Row]:
    """Return the rows of `item`, which stands below `before`, each at most `width` cells."""
    rows: list[Row] = []
    if before is None or day_of(item.at_ms) != day_of(before.at_ms):
        rows.append(_rule(day_name(item.at_ms), width, "day"))
    if is_first_unread:
        rows.append(_rule("new messages", width, "unread"))
    together = not rows and before is not None and _is_together(item, before)
    if item.kind is Kind.MESSAGE:
        rows += _message(item, width, together=together)
    else:
        rows += _line(item, width)
    return [isolated(row) for row in rows]


def _is_together(item: Item, before: Item) -> bool:
    return (
        item.kind is before.kind is Kind.MESSAGE
        and item.own == before.own
        and item.sender == before.sender
        and 0 <= item.at_ms - before.at_ms < TOGETHER_MS
    )


def day_of(at_ms: int) -> tuple[int, int]:
    """Return the local year and day of the year."""
    try:
        local = time.localtime(at_ms / 1000)
    except (OverflowError, ValueError, OSError):
        return (0, 0)
    return local.tm_year, local.tm_yday


def day_name(at_ms: int) -> str:
    """Return "Tuesday, 24 November 2026"."""
    try:
        local = time.localtime(at_ms / 1000)
    except (OverflowError, ValueError, OSError):
        return "a day beyond the calendar"
    return time.strftime("%A, ", local) + f"{local.tm_mday} " + time.strftime("%B %Y", local)


def name_style(sender: str) -> str:
    """Return the style of a person's name: always the same for the same account."""
    return f"name{crc32(sender.encode('utf-8', 'replace')) % NAME_STYLES}"


def _rule(words: str, width: int, style: str) -> Row:
    words = cut(f" {words} ", width)
    left = max(0, (width - cells(words)) // 2)
    right = max(0, width - cells(words) - left)
    return (Span("─" * left + words + "─" * right, style),)


def _message(item: Item, width: int, *, together: bool) -> list[Row]:
    style = "own" if item.own else name_style(item.sender)
    bar = Span("┃ " if item.own else "│ ", style)
    if width < NARROW_CELLS:
        head = (Span(clock(item.at_ms), "time"), Span(" "), Span(cut(item.name, width - 6), style))
        body = _with_state(layout_text(item.text, width - 2), item, width - 2)
        rows: list[Row] = [(bar, *row) for row in body]
        return rows if together else [head, *rows]
    name_cells = min(12, max(6, width // 6))
    room = width - TIME_CELLS - 1 - name_cells - 1 - 2
    body = _with_state(layout_text(item.text, room), item, room)
    shown_name = "" if together else item.name
    first = (
        Span(clock(item.at_ms) if not together else " " * TIME_CELLS, "time"),
        Span(" "),
        Span(fit(shown_name, name_cells, right=True), style),
        Span(" "),
        bar,
    )
    blank = (Span(" " * (TIME_CELLS + name_cells + 2)), bar)
    return [(*(blank if number else first), *row) for number, row in enumerate(body)]


def _with_state(body: list[Row], item: Item, room: int) -> list[Row]:
    """Return the text's rows with what became of an own message behind the last one."""
    if item.mention:
        body = [tuple(Span(s.text, f"{s.style} mention".strip()) for s in row) for row in body]
    if not item.own:
        return body
    mark = _STATES.get(item.state, STORED)
    if item.state == "failed" and item.code:
        mark = Span(f"  ✗ not sent: {item.code}  /retry  /cancel", mark.style)
    if row_cells(body[-1]) + cells(mark.text) <= room:
        return [*body[:-1], (*body[-1], mark)]
    return [*body, *wrap([Span(mark.text.strip(), mark.style)], room)]


_SIGNS: Final = {Kind.TOLD: "· ", Kind.WARNING: "! ", Kind.OUTPUT: "  "}


def _line(item: Item, width: int) -> list[Row]:
    style = item.kind.name.lower()
    lead = f"{clock(item.at_ms)} " if item.kind is not Kind.OUTPUT else ""
    sign = _SIGNS[item.kind]
    indent = " " * len(lead)
    rows: list[Row] = []
    for text in item.text.split("\n"):
        for row in wrap([Span(text, style)], width - len(lead) - len(sign)) or [BLANK]:
            first = not rows
            head = (Span(lead if first else indent, "time"), Span(sign if first else "  ", style))
            rows.append((*head, *row))
    return rows
