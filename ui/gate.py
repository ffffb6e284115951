"""The output gate: every string from outside passes here before a terminal shows it.

Never lets through a control character, an escape sequence, a bidirectional override or a flood of
combining marks: what is harmful is shown as harmless text, so that nobody can move the cursor,
write to the clipboard, forge another person's line or hide a part of a name.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from wcwidth import wcswidth, wcwidth

MAX_COMBINING = 4  # per base character; real scripts stay below, floods ("Zalgo") do not
MAX_NAME_CELLS = 40

# Explicit bidirectional formatting (UAX 9): overrides and embeddings reorder what is around them.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Invisible: two names that differ by these look the same. ZWJ and ZWNJ stay: scripts and emoji need
# them, and they are capped like combining marks.
_INVISIBLE = frozenset(
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b\u2060\u2061\u2062\u2063\u2064\u3164\ufeff\uffa0"
)
_JOINERS = frozenset("\u200c\u200d")
_SEPARATORS = frozenset("\u0085\u2028\u2029")
_PLAIN = re.compile(r"[ -~\n]*\Z")
_RTL = frozenset(("R", "AL", "AN"))
FSI, PDI = "\u2068", "\u2069"


def clean(text: str, *, keep_newlines: bool = False) -> str:
    """Return `text` made harmless; line feeds are kept only if asked, else shown like the rest.

    C0, DEL and C1 become control pictures or escapes such as ``\\x9b``; ESC becomes ``␛``.
    """
    if _PLAIN.match(text):
        return text if keep_newlines or "\n" not in text else text.replace("\n", "␊")
    out: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        if character == "\n" and keep_newlines:
            out.append(character)
            marks = 0
            continue
        shown = _shown(character)
        if _is_mark(character):
            marks += 1
            if marks > MAX_COMBINING:
                continue
        elif shown:
            marks = 0
        out.append(shown)
    return "".join(out)


@lru_cache(maxsize=4096)
def _shown(character: str) -> str:
    code = ord(character)
    if character == "\t":
        return "    "
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    if 0x80 <= code < 0xA0:
        return f"\\x{code:02x}"
    if character in _BIDI or character in _SEPARATORS:
        return f"\\u{code:04x}"
    if character in _INVISIBLE or 0xE0000 <= code <= 0xE0FFF or 0xFFF9 <= code <= 0xFFFB:
        return ""
    if unicodedata.category(character) in ("Cs", "Co", "Cn"):
        return "\ufffd"
    return character


def _is_mark(character: str) -> bool:
    return character in _JOINERS or unicodedata.category(character) in ("Mn", "Me", "Mc")


def clean_line(text: str, *, cells: int | None = None) -> str:
    """Return `text` as one harmless line, cut to `cells` terminal cells with an ellipsis.

    Text that runs right to left is isolated, so that it cannot move what stands beside it.
    """
    line = clean(text)
    if cells is not None:
        line = _cut(line, cells)
    return isolate(line)


def clean_name(text: str) -> str:
    """Return a name for the sender's column: one harmless line of at most MAX_NAME_CELLS cells."""
    return clean_line(text.strip() or "?", cells=MAX_NAME_CELLS)


def isolate(line: str) -> str:
    """Return `line` inside a first-strong isolate if it has right-to-left characters."""
    if line.isascii() or not any(unicodedata.bidirectional(c) in _RTL for c in line):
        return line
    return f"{FSI}{line}{PDI}"


def width(text: str) -> int:
    """Return how many terminal cells cleaned text takes."""
    return max(0, wcswidth(text))


def _cut(line: str, cells: int) -> str:
    if width(line) <= cells:
        return line
    used = 0
    for index, character in enumerate(line):
        used += max(0, wcwidth(character))
        if used > cells - 1:
            return line[:index] + "…"
    return line


def clean_block(text: str, *, indent: str) -> str:
    """Return a text of several lines; every line but the first begins with `indent`.

    So a message with line feeds cannot draw a line that looks like another person's.
    """
    lines = clean(text.replace("\r\n", "\n"), keep_newlines=True).split("\n")
    return f"\n{indent}".join(isolate(line) for line in lines)
