"""What leaves for the terminal besides the screen: the bell, its title, a desktop notice.

Never the text of a message unless the settings say so, and never a character that a terminal obeys.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

from ui.gate import clean
from ui.settings import THEMES, Settings
from ui.tui.model.spans import cut

MAX_CELLS: Final = 120
BELL: Final = "\x07"
_OSC: Final = "\x1b]"
_ST: Final = "\x1b\\"


_ALT: Final = "123456789abcdefghijklmnopqrstuvwxyz"
_AltKey = Enum("_AltKey", {f"ALT_{sign}": f"alt+{sign}" for sign in _ALT})  # type: ignore[misc]


def know_alt_keys() -> None:
    """Have Alt with a digit or letter arrive as that key, at once.

    Textual takes Alt+digits for signs of one Mac keyboard, and waits a tenth of a second after
    others in case that more follows.
    """
    known = cast(dict[str, object], ANSI_SEQUENCES_KEYS)
    for sign in _ALT:
        known[f"\x1b{sign}"] = (_AltKey[f"ALT_{sign}"],)


class Terminal:
    """Writes with `write`, which knows the terminal; `use_theme` changes colours."""

    def __init__(
        self, settings: Settings, write: Callable[[str], None], use_theme: Callable[[str], None]
    ) -> None:
        self._settings, self._write, self._use_theme = settings, write, use_theme
        self._theme: str = settings.theme
        self._title = ""
        self.is_quiet = False

    def attention(self, who: str, text: str, *, is_mention: bool) -> None:
        """Ring and tell the desktop, each as the settings say."""
        if self.is_quiet:
            return
        if _is_wanted(self._settings.bell, is_mention):
            self._write(BELL)
        if _is_wanted(self._settings.desktop, is_mention):
            words = f"Sotto: {who}: {text}" if self._settings.show_text else f"Sotto: {who}"
            self._write(f"{_OSC}9;{_harmless(words)}{_ST}")

    def show_unread(self, count: int) -> None:
        """Say in the terminal's title how many messages are unread."""
        title = f"Sotto ({count})" if count else "Sotto"
        if self._settings.title and title != self._title:
            self._title = title
            self._write(f"{_OSC}0;{title}{_ST}")

    def take_theme(self, name: str) -> str | None:
        """Use a theme, the next one for ""; return its name, None for an unknown one."""
        if not name:
            name = THEMES[(THEMES.index(self._theme) + 1) % len(THEMES)]
        if name not in THEMES:
            return None
        self._theme = name
        self._use_theme(name)
        return name


def _is_wanted(alert: str, is_mention: bool) -> bool:
    return alert == "all" or (alert == "mentions" and is_mention)


def _harmless(text: str) -> str:
    return cut(clean(text.replace(";", ",")), MAX_CELLS)
