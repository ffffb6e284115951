"""Colours: the four themes, and what each style of the timeline looks like in them.

Never the only sign of anything: whatever a colour says, a word or a sign says as well.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from rich.style import Style
from textual.theme import Theme

THEMES: Final = {
    "dark": Theme(
        name="sotto-dark",
        primary="#7aa2f7",
        secondary="#9ece6a",
        accent="#e0af68",
        warning="#e0af68",
        error="#f7768e",
        success="#9ece6a",
        foreground="#d5d9ee",
        background="#16171f",
        surface="#1d1e29",
        panel="#262837",
        dark=True,
    ),
    "light": Theme(
        name="sotto-light",
        primary="#2450a8",
        secondary="#33691e",
        accent="#8a4b00",
        warning="#8a4b00",
        error="#b3002d",
        success="#2e6b1f",
        foreground="#1c1d24",
        background="#fbfbfd",
        surface="#f0f1f5",
        panel="#e2e4ec",
        dark=False,
    ),
    "high-contrast": Theme(
        name="sotto-high-contrast",
        primary="#ffff00",
        secondary="#00ffff",
        accent="#00ff00",
        warning="#ffff00",
        error="#ff6060",
        success="#00ff00",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#303030",
        dark=True,
    ),
    "terminal": Theme(
        name="sotto-terminal",
        ansi=True,
        primary="ansi_blue",
        secondary="ansi_cyan",
        accent="ansi_green",
        warning="ansi_yellow",
        error="ansi_red",
        success="ansi_green",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        boost="ansi_default",
        dark=True,
        variables={  # what Textual's styles look up in a theme of the terminal's colours
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "border-blurred": "ansi_black",
            "input-cursor-text-style": "none",
            "input-selection-foreground": "ansi_black",
            "screen-selection-foreground": "ansi_black",
            "block-cursor-foreground": "ansi_black",
            "block-cursor-background": "ansi_white",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-selection-background": "ansi_blue",
            "screen-selection-background": "ansi_blue",
        },
    ),
}

_PLAIN: Final = {
    "bold": "bold",
    "italic": "italic",
    "strike": "strike",
    "output": "",
}
_STYLES: Final = {
    "dark": {
        "time": "#8087a2",
        "own": "bold #7dcfff",
        "state": "#8087a2",
        "failed": "bold #f7768e",
        "told": "italic #9aa0ba",
        "warning": "bold #e0af68",
        "day": "#8087a2",
        "unread": "bold #f7768e",
        "quote": "#9aa0ba",
        "link": "underline #7aa2f7",
        "mention": "bold #e0af68",
        "code": "#c3e88d",
        "code-keyword": "#bb9af7",
        "code-string": "#9ece6a",
        "code-number": "#ff9e64",
        "code-comment": "italic #8087a2",
        "code-name": "#7aa2f7",
        "names": "#7aa2f7 #9ece6a #e0af68 #bb9af7 #f7768e #2ac3de #ff9e64 #73daca",
    },
    "light": {
        "time": "#5f6373",
        "own": "bold #005a87",
        "state": "#5f6373",
        "failed": "bold #b3002d",
        "told": "italic #4d5163",
        "warning": "bold #8a4b00",
        "day": "#5f6373",
        "unread": "bold #b3002d",
        "quote": "#4d5163",
        "link": "underline #2450a8",
        "mention": "bold #8a4b00",
        "code": "#33691e",
        "code-keyword": "#6a1b9a",
        "code-string": "#2e6b1f",
        "code-number": "#a34700",
        "code-comment": "italic #5f6373",
        "code-name": "#2450a8",
        "names": "#2450a8 #2e6b1f #8a4b00 #6a1b9a #b3002d #006978 #a34700 #00695c",
    },
    "high-contrast": {
        "time": "#ffffff",
        "own": "bold #00ffff",
        "state": "#ffffff",
        "failed": "bold reverse #ff6060",
        "told": "italic #ffffff",
        "warning": "bold #ffff00",
        "day": "#ffffff",
        "unread": "bold reverse #ffff00",
        "quote": "#ffffff",
        "link": "underline #00ffff",
        "mention": "bold reverse #ffff00",
        "code": "#00ff00",
        "code-keyword": "bold #00ff00",
        "code-string": "#00ff00",
        "code-number": "#00ff00",
        "code-comment": "italic #ffffff",
        "code-name": "#00ff00",
        "names": "#ffff00 #00ff00 #ff80ff #ffffff #ffff00 #00ff00 #ff80ff #ffffff",
    },
    "terminal": {
        "time": "bright_black",
        "own": "bold cyan",
        "state": "bright_black",
        "failed": "bold red",
        "told": "italic",
        "warning": "bold yellow",
        "day": "bright_black",
        "unread": "bold red",
        "quote": "",
        "link": "underline blue",
        "mention": "bold yellow",
        "code": "green",
        "code-keyword": "magenta",
        "code-string": "green",
        "code-number": "yellow",
        "code-comment": "italic",
        "code-name": "blue",
        "names": "blue green yellow magenta red cyan blue green",
    },
}


@lru_cache(maxsize=512)
def style(theme: str, names: str) -> Style:
    """Return what the styles `names` (with blanks between) look like in a theme."""
    table = _STYLES[theme]
    found = Style.null()
    for name in names.split():
        if name.startswith("name") and name[4:].isdigit():
            found += Style.parse(f"bold {table['names'].split()[int(name[4:])]}")
        else:
            found += Style.parse(table.get(name, _PLAIN.get(name, "")) or "none")
    return found
