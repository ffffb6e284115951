"""What the desk asks of the screen, and what it tells it to draw.

Never knows how a screen does it: tests and the time before a screen have Nobody.
"""

from __future__ import annotations

from enum import Flag, auto
from typing import Protocol

from wire.errors import Code, WireError


class Part(Flag):
    """What has changed and must be drawn anew."""

    ROOMS = auto()
    TIMELINE = auto()
    STATUS = auto()
    ALL = ROOMS | TIMELINE | STATUS


class Wishes(Protocol):
    """What the desk asks of the screen."""

    async def ask_secret(self, prompt: str) -> str:
        """Ask for a password."""

    async def leave_chat(self, how: str) -> None:
        """End the chat: "quit" or "logout"."""

    def changed(self, part: Part) -> None:
        """Draw parts anew."""

    def show_lines(self, title: str, lines: list[str]) -> None:
        """Show a long answer."""

    def open_panel(self, name: str, about: str) -> None:
        """Open "readers", "verify", "search" or "help"."""

    def attention(self, who: str, text: str, *, is_mention: bool) -> None:
        """Tell the person of a message that is not before their eyes."""

    def is_watching(self) -> bool:
        """Tell whether the person sees the end of the current conversation."""


class Nobody:
    """Wishes before a screen is there: nothing is seen, and nobody answers."""

    async def ask_secret(self, prompt: str) -> str:
        """See Wishes."""
        raise WireError(Code.BAD_REQUEST, "Nobody is there to be asked.")

    async def leave_chat(self, how: str) -> None:
        """See Wishes."""

    def changed(self, part: Part) -> None:
        """See Wishes."""

    def show_lines(self, title: str, lines: list[str]) -> None:
        """See Wishes."""

    def open_panel(self, name: str, about: str) -> None:
        """See Wishes."""

    def attention(self, who: str, text: str, *, is_mention: bool) -> None:
        """See Wishes."""

    def is_watching(self) -> bool:
        """See Wishes."""
        return False
