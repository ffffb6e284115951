"""Comparing the safety number with a person, and answering a changed identity.

Never marks anybody verified by itself, and never accepts an identity that was not shown here.
"""

from __future__ import annotations

import io
from typing import ClassVar

import segno
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button

from engine.events import IdentityChanged
from ui.gate import clean_line, clean_name
from ui.tui.screens.dialogs import button, words
from wire.link import format_fingerprint

GROUP = 5
GROUPS_A_ROW = 3


def number_rows(digits: str) -> list[str]:
    """Return the digits in groups of five, three groups a row."""
    bare = clean_line(digits, cells=80).replace(" ", "")
    groups = [bare[at : at + GROUP] for at in range(0, len(bare), GROUP)]
    return ["  ".join(groups[at : at + GROUPS_A_ROW]) for at in range(0, len(groups), GROUPS_A_ROW)]


def qr_lines(payload: bytes) -> str:
    """Return a QR code in half blocks, two modules a line."""
    rows = [list(row) for row in segno.make(payload, error="l", micro=False).matrix]
    rows = [[0] * len(rows[0]), *rows, [0] * len(rows[0])]  # a quiet zone of one
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    out = io.StringIO()
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        # Light modules are drawn, as terminals are mostly dark: "█" is light above and below.
        cells = zip([0, *upper, 0], [0, *lower, 0], strict=True)
        out.write("".join(" ▄▀█"[2 * (not above) + (not below)] for above, below in cells) + "\n")
    return out.getvalue().rstrip("\n")


class VerifyPanel(ModalScreen[str | None]):
    """Shows a safety number; "same", "undo" or None."""

    AUTO_FOCUS = "#back"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, row: dict[str, str], *, is_verified: bool) -> None:
        super().__init__()
        self._row, self._is_verified = row, is_verified

    def compose(self) -> ComposeResult:
        """See Screen."""
        name = clean_name(self._row["display"])
        state = "you have verified this" if self._is_verified else "not verified yet"
        with Vertical(classes="panel"):
            yield words(f"Safety number with {name} ({state})", classes="title")
            with Horizontal(id="verify"):
                with Vertical(id="numbers"):
                    yield words("\n".join(number_rows(self._row["digits"])), id="digits")
                    yield words(
                        f"\nCompare these numbers with those that {name} sees: side by side, or by"
                        " voice. The same on both screens: nobody is in between. Not the same:"
                        " somebody is. Do not write anything secret then."
                    )
                yield words(qr_lines(bytes.fromhex(self._row["qr"])), id="qr")
            with Horizontal(classes="buttons"):
                yield button("Go back", id="back", primary=True)
                if self._is_verified:
                    yield button("Forget that I compared it", id="undo")
                else:
                    yield button("They are the same", id="same")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id if event.button.id != "back" else None)

    def action_close(self) -> None:
        """Go back; nothing is changed."""
        self.dismiss(None)


class IdentityPanel(ModalScreen[bool]):
    """Explains a changed identity and asks what to do."""

    AUTO_FOCUS = "#back"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, change: IdentityChanged) -> None:
        super().__init__()
        self._change = change

    def compose(self) -> ComposeResult:
        """See Screen; the careful answer is the one that Enter gives."""
        name = clean_name(self._change.name)
        had = f"You had compared {name}'s old number.\n" if self._change.was_verified else ""
        old = format_fingerprint(clean_line(self._change.old_fingerprint, cells=64))
        new = format_fingerprint(clean_line(self._change.new_fingerprint, cells=64))
        with Vertical(classes="panel"):
            yield words(f"Is this still {name}?", classes="title")
            with VerticalScroll():
                yield words(
                    f"{name} shows another identity than before. {had}"
                    f"\nThat happens when {name} lost every device and began anew without the"
                    " recovery code. It also happens when somebody else, the relay's operator for"
                    f" instance, pretends to be {name}.\n\nAsk {name} in person or by telephone,"
                    f" not in this chat. Until you answer, nothing that you write goes to {name};"
                    " what is written is kept.\n\n"
                    f"before: {old}\nnow:    {new}"
                )
            with Horizontal(classes="buttons"):
                yield button("Not now: send nothing", id="back", primary=True)
                yield button(f"I asked: this is {name}", id="accept")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "accept")

    def action_close(self) -> None:
        """Nothing is accepted."""
        self.dismiss(False)
