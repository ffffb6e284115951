"""Opening an account of this profile: which one, and its passphrase where it has one.

Never shows a passphrase, and never keeps one after it was tried.
"""

from __future__ import annotations

from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

from engine.session import Session
from ui.gate import clean, clean_name
from ui.tui.screens.dialogs import button, words
from wire.errors import WireError


class UnlockScreen(Screen[str]):
    """ "open" once an account is, "other" for one that is not here yet, "close"."""

    def __init__(self, session: Session, rows: list[dict[str, Any]], problem: str = "") -> None:
        super().__init__()
        self._session, self._rows, self._problem = session, rows, problem

    def compose(self) -> ComposeResult:
        """See Screen."""
        with Vertical(id="form"):
            yield words("Sotto", classes="title")
            yield words("Your messages on this device are encrypted. Unlock them to go on.\n")
            shown = [Option(Content(clean_name(row["label"]))) for row in self._rows]
            choices = OptionList(*shown, compact=True, markup=False)
            choices.styles.height = min(8, len(shown))
            choices.highlighted = 0
            yield choices
            with Horizontal(classes="row", id="passphrase-row"):
                yield words("Passphrase", classes="label")
                yield Input(password=True, id="passphrase", compact=True)
            yield Static(Content(clean(self._problem)), id="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield button("Open", id="open", primary=True)
                yield button("Another account", id="other")
                yield button("Close", id="close")

    def on_mount(self) -> None:
        """Begin where an answer is missing."""
        self._draw()
        first = self._row["needs_passphrase"] and len(self._rows) == 1
        self.query_one("#passphrase" if first else OptionList).focus()

    @property
    def _row(self) -> dict[str, Any]:
        return self._rows[self.query_one(OptionList).highlighted or 0]

    @on(OptionList.OptionHighlighted)
    def _draw(self) -> None:
        self.query_one("#passphrase-row").display = self._row["needs_passphrase"]

    @on(OptionList.OptionSelected)
    def _chosen(self) -> None:
        if self._row["needs_passphrase"]:
            self.query_one("#passphrase").focus()
        else:
            self._begin()

    @on(Input.Submitted)
    def _begin(self) -> None:
        self.run_worker(self._open(), exclusive=True)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "open":
            self._begin()
        else:
            self.dismiss(str(event.button.id))

    async def _open(self) -> None:
        field, problem = self.query_one("#passphrase", Input), self.query_one("#problem", Static)
        row, typed = self._row, field.value or None
        field.value = ""
        problem.update(Content("Opening ..."))
        try:
            await self._session.unlock(
                typed if row["needs_passphrase"] else None, account=row["id"]
            )
        except WireError as error:
            problem.update(Content(clean(error.text)))
            return
        self.dismiss("open")
