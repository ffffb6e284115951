"""What was typed before, for ↑ and ↓: newest last, without anything that holds a password.

Never written anywhere: it ends with the program.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from ui.lines.commands import holds_secret

MAX_LINES: Final = 200


@dataclass(slots=True)
class Typed:
    """`at` is how far back the person has gone; `draft` is what stood there before."""

    lines: list[str] = field(default_factory=list, repr=False)
    at: int = 0
    draft: str = field(default="", repr=False)

    def add(self, text: str) -> None:
        """Remember a text that was sent; the walk begins anew."""
        self.at, self.draft = 0, ""
        if text.strip() and not holds_secret(text) and self.lines[-1:] != [text]:
            self.lines = [*self.lines, text][-MAX_LINES:]

    def older(self, current: str) -> str | None:
        """Return the text before, or None at the end; `current` comes back with `newer`."""
        if self.at == len(self.lines):
            return None
        if self.at == 0:
            self.draft = current
        self.at += 1
        return self.lines[-self.at]

    def newer(self) -> str | None:
        """Return the text after, or what stood there before; None when nothing was asked."""
        if self.at == 0:
            return None
        self.at -= 1
        return self.lines[-self.at] if self.at else self.draft
