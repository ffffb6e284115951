"""Small windows above a screen: a question, a secret, some lines to read.

Never closes without an answer: Escape is the answer that changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from ui.gate import clean

_CLOSE: list[BindingType] = [Binding("escape", "close", "close", show=False)]


def words(text: str, *, id: str | None = None, classes: str | None = None) -> Static:
    """Return a widget with text from anywhere: harmless, and no markup."""
    return Static(Content(clean(text, keep_newlines=True)), markup=False, id=id, classes=classes)


def button(label: str, *, id: str, primary: bool = False) -> Button:
    """Return a button of one line."""
    return Button(
        Content(clean(label)), id=id, compact=True, variant="primary" if primary else "default"
    )


class AskText(ModalScreen[str | None]):
    """Asks for a line of text, a secret one as dots; None for "never mind"."""

    BINDINGS: ClassVar[list[BindingType]] = _CLOSE

    def __init__(self, prompt: str, *, secret: bool = False, above: str = "") -> None:
        super().__init__()
        self._prompt, self._is_secret, self._above = prompt, secret, above

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="dialog"):
            if self._above:
                yield words(self._above)
            yield words(self._prompt)
            yield Input(password=self._is_secret, compact=True)
            yield words("Enter takes it, Escape goes back.", classes="dim")

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_close(self) -> None:
        """Go back without an answer."""
        self.dismiss(None)


class Confirm(ModalScreen[bool]):
    """Asks a question that only two words answer."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *_CLOSE,
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, text: str, *, yes: str, no: str = "Go back") -> None:
        super().__init__()
        self._text, self._yes, self._no = text, yes, no

    def compose(self) -> ComposeResult:
        """See Screen; the careful answer is the one that Enter gives."""
        with Vertical(classes="dialog"):
            yield words(self._text)
            with Horizontal(classes="buttons"):
                yield button(self._no, id="no", primary=True)
                yield button(self._yes, id="yes")

    @on(Button.Pressed)
    def _answer(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_close(self) -> None:
        """The answer is no."""
        self.dismiss(False)


class Lines(ModalScreen[None]):
    """Shows lines that are too many for the timeline."""

    AUTO_FOCUS = "VerticalScroll"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "close", show=False)
    ]

    def __init__(self, title: str, lines: Sequence[str]) -> None:
        super().__init__()
        self._title, self._lines = title, lines

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="panel"):
            yield words(self._title, classes="title")
            with VerticalScroll():
                yield words("\n".join(self._lines))
            yield words("↑ ↓ move, Escape closes", classes="dim")

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)
