"""A list to choose from with a line that narrows it: conversations, rooms, people, what was found.

Never waits for an answer of the last question but one: a new question ends the old.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from ui.gate import clean
from ui.tui.screens.dialogs import words
from wire.errors import WireError


@dataclass(frozen=True, slots=True)
class Choice:
    """`value` is returned when it is taken; `label` is shown, `note` beside it in grey."""

    value: str
    label: str
    note: str = ""

    def content(self) -> Content:
        """Return what is shown."""
        return Content.assemble(clean(self.label), ("  " + clean(self.note), "dim"))


Find = Callable[[str], Awaitable[list[Choice]]]


class Picker(ModalScreen[str | None]):
    """Asks `find` for choices as the person types; None when they go back."""

    AUTO_FOCUS = "Input"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False),
        Binding("down", "move(1)", show=False, priority=True),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("pagedown", "move(10)", show=False, priority=True),
        Binding("pageup", "move(-10)", show=False, priority=True),
    ]

    def __init__(
        self, title: str, find: Find, *, query: str = "", hint: str = "", above: str = ""
    ) -> None:
        super().__init__()
        self._title, self._find, self._hint = title, find, hint
        self._query, self._above = query, above
        self._choices: list[Choice] = []

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(classes="panel"):
            yield words(self._title, classes="title")
            if self._above:
                yield words(self._above)
            yield Input(value=self._query, compact=True, placeholder="type to narrow")
            yield OptionList(compact=True, markup=False)
            yield Static(id="note", classes="dim", markup=False)

    def on_mount(self) -> None:
        """Ask for the first choices."""
        self._ask(self._query)

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        if event.value != self._query:
            self._ask(event.value)

    def _ask(self, query: str) -> None:
        self._query = query
        self.run_worker(self._fill(query), exclusive=True, exit_on_error=True)

    async def _fill(self, query: str) -> None:
        note = self._hint or "↑ ↓ choose, Enter takes it, Escape goes back"
        try:
            self._choices = await self._find(query)
        except WireError as error:
            self._choices, note = [], error.text
        if not self.is_current:
            return  # they have gone back meanwhile
        shown = self.query_one(OptionList)
        shown.clear_options()
        shown.add_options([Option(choice.content()) for choice in self._choices])
        shown.highlighted = 0 if self._choices else None
        nothing = "nothing found. " if query and not self._choices else ""
        self.query_one("#note", Static).update(Content(clean(nothing + note)))

    def action_move(self, step: int) -> None:
        """Let another choice stand out."""
        shown = self.query_one(OptionList)
        if self._choices:
            at = (shown.highlighted or 0) + step
            shown.highlighted = max(0, min(at, len(self._choices) - 1))

    @on(Input.Submitted)
    def _take(self) -> None:
        at = self.query_one(OptionList).highlighted
        if at is not None and at < len(self._choices):
            self.dismiss(self._choices[at].value)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[event.option_index].value)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)
