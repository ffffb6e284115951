"""A message's Markdown as rows: bold, italic, code with highlighting, quotes, lists, links in full.

Never turns text into more than styles: no HTML, no images, no entities, no links hidden behind
words. What is no markup stands as it was typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from ui.tui.model.spans import BLANK, Row, Span, wrap

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_MARKS: Final = re.compile(r"[*_`~\[\\]|^\s*(?:[>#]|[-+=]\s*|\d{1,9}[.)]\s)", re.MULTILINE)
_URL: Final = re.compile(r"https?://[^\s<>\"]+")
MAX_MARKDOWN_CHARS: Final = 16384  # longer texts are shown as typed: parsing is not free
MAX_HIGHLIGHT_CHARS: Final = 8192
MAX_NESTING: Final = 8
_INLINE: Final = {
    "strong": "bold",
    "em": "italic",
    "s": "strike",
}


def layout(text: str, width: int) -> list[Row]:
    """Return harmless `text` (of ui.tui.model.spans.plain) as rows of at most `width` cells."""
    if len(text) > MAX_MARKDOWN_CHARS or not _MARKS.search(text):
        return [row for line in text.split("\n") for row in wrap(_with_links(line, ""), width)]
    rows: list[Row] = []
    for block in _blocks(text):
        rows += block.rows(width)
    return rows or [BLANK]


@dataclass(slots=True)
class Block:
    """A paragraph or a line of code, and what stands before its first row and the others."""

    spans: list[Span]
    first: str = ""
    rest: str = ""

    def rows(self, width: int) -> list[Row]:
        """Return the block's rows."""
        room = max(8, width - len(self.rest))
        found = []
        for number, row in enumerate(wrap(self.spans, room)):
            lead = self.rest if number else self.first
            found.append((Span(lead, "quote"), *row) if lead else row)
        return found


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": 20})
    parser.enable("strikethrough")
    # An entity could name a character that the gate has taken out; indented text is no code here.
    return parser.disable(["entity", "html_block", "html_inline", "code", "reference", "image"])


@dataclass(slots=True)
class _Place:
    """Where in quotes and lists the walk is."""

    quotes: int = 0
    lists: list[int] = field(default_factory=list)  # the next number, 0 for a bullet
    bullet: str = ""  # what the next block begins with
    is_heading: bool = False

    def lead(self) -> tuple[str, str]:
        """Return what stands before the first and before the other rows."""
        bars = "▎ " * min(self.quotes, MAX_NESTING)
        indent = "  " * min(max(0, len(self.lists) - 1), MAX_NESTING)
        rest = bars + indent + " " * len(self.bullet)
        first = bars + indent + self.bullet
        self.bullet = " " * len(self.bullet)
        return first, rest


def _blocks(text: str) -> Iterator[Block]:
    place = _Place()
    end = 0  # the source line after the last block
    for token in _parser().parse(text):
        if token.type in ("paragraph_open", "heading_open", "fence", "hr") and token.map:
            for _ in range(min(token.map[0] - end, 1) if end else 0):
                yield Block([])
            end = token.map[1]
        yield from _block(token, place)


def _block(token: Token, place: _Place) -> Iterator[Block]:
    kind = token.type
    if kind == "blockquote_open":
        place.quotes += 1
    elif kind == "blockquote_close":
        place.quotes -= 1
    elif kind in ("heading_open", "heading_close"):
        place.is_heading = kind == "heading_open"
    elif kind == "bullet_list_open":
        place.lists.append(0)
    elif kind == "ordered_list_open":
        place.lists.append(int(token.attrs.get("start", 1)) or 1)
    elif kind in ("bullet_list_close", "ordered_list_close"):
        place.lists.pop()
        place.bullet = ""
    elif kind == "list_item_open":
        number = place.lists[-1]
        place.bullet = f"{token.info or number}. " if number else "• "
    elif kind == "inline":
        for line in _lines(token, "bold" if place.is_heading else ""):
            first, rest = place.lead()
            yield Block(line, first, rest)
    elif kind == "fence":
        yield from _fence(token, place)
    elif kind == "hr":
        yield Block([Span(token.markup or "---", "quote")])


def _fence(token: Token, place: _Place) -> Iterator[Block]:
    for line in highlighted(token.content.removesuffix("\n"), token.info.strip().split(" ")[0]):
        first, rest = place.lead()
        yield Block(line or [Span("")], f"{first}│ ", f"{rest}│ ")


def _lines(token: Token, style: str) -> list[list[Span]]:
    """Return the spans of an inline token, line by line."""
    lines: list[list[Span]] = [[]]
    styles = [style] if style else []
    for child in token.children or ():
        kind, _, edge = child.type.rpartition("_")
        if child.type in ("softbreak", "hardbreak"):
            lines.append([])
        elif child.type == "code_inline":
            lines[-1].append(Span(child.content, "code"))
        elif edge == "open" and kind in _INLINE:
            styles.append(_INLINE[kind])
        elif edge == "close" and kind in _INLINE:
            styles.pop()
        elif child.type == "link_close":
            lines[-1] += _target(child, lines[-1])
        elif child.type == "link_open":
            lines[-1].append(Span("", f"href {child.attrs.get('href', '')}"))
        elif child.content:
            lines[-1] += _with_links(child.content, " ".join(dict.fromkeys(styles)))
    return lines


def _target(child: Token, line: list[Span]) -> list[Span]:
    """Return the address of the link that ends here, shown in full unless the words are it."""
    for number in range(len(line) - 1, -1, -1):
        if line[number].style.startswith("href "):
            href = line[number].style.removeprefix("href ")
            words = "".join(span.text for span in line[number + 1 :])
            del line[number]
            return [] if words == href else [Span(" ("), Span(href, "link"), Span(")")]
    return []


def _with_links(text: str, style: str) -> list[Span]:
    if "://" not in text:
        return [Span(text, style)]
    spans, at = [], 0
    for match in _URL.finditer(text):
        if match.start() > at:
            spans.append(Span(text[at : match.start()], style))
        spans.append(Span(match.group(), f"{style} link".strip()))
        at = match.end()
    return [*spans, Span(text[at:], style)] if at < len(text) else spans


def highlighted(code: str, language: str) -> list[list[Span]]:
    """Return lines of code, coloured if the language is known."""
    lexer = _lexer(language) if language and len(code) <= MAX_HIGHLIGHT_CHARS else None
    if lexer is None:
        return [[Span(line, "code")] for line in code.split("\n")]
    lines: list[list[Span]] = [[]]
    for token, value in lexer.get_tokens(code):
        style = _code_style(str(token))
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append(Span(part, style))
    if lines and not lines[-1]:
        lines.pop()
    return lines


@cache
def _lexer(language: str) -> Any:
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return None


_CODE: Final = (
    ("Token.Keyword", "code-keyword"),
    ("Token.Literal.String", "code-string"),
    ("Token.Literal.Number", "code-number"),
    ("Token.Comment", "code-comment"),
    ("Token.Name.Function", "code-name"),
    ("Token.Name.Class", "code-name"),
    ("Token.Name.Builtin", "code-keyword"),
)


def _code_style(token: str) -> str:
    return next((style for prefix, style in _CODE if token.startswith(prefix)), "code")
