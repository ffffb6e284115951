"""Where a person writes: several lines, ↑ for what was typed before, Tab for what may be meant.

Never sends: Enter is a wish, and what cannot be taken is given back.
"""

from __future__ import annotations

from typing import Final

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import Static, TextArea

from ui.gate import clean
from ui.tui.filter import OBEYED
from ui.tui.model.completion import Candidate
from ui.tui.model.typed import Typed
from wire.limits import MAX_TEXT_BYTES

NEW_LINE: Final = frozenset({"alt+enter", "ctrl+j", "shift+enter", "ctrl+enter"})


class Offers(Static):
    """What Tab would complete, above the composer."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self.candidates: list[Candidate] = []
        self.at = 0
        self.display = False

    @property
    def chosen(self) -> Candidate | None:
        """The candidate that stands out."""
        return self.candidates[self.at] if self.candidates else None

    def offer(self, candidates: list[Candidate]) -> None:
        """Show these; none hides the list."""
        self.candidates, self.at = candidates, 0
        self._draw()

    def move(self, step: int) -> None:
        """Let another candidate stand out."""
        self.at = (self.at + step) % max(1, len(self.candidates))
        self._draw()

    def _draw(self) -> None:
        self.display = bool(self.candidates)
        lines = [
            Content.assemble(
                ("▸ " if number == self.at else "  "),
                (clean(each.label), "bold" if number == self.at else ""),
                ("  " + clean(each.help), "dim"),
            )
            for number, each in enumerate(self.candidates)
        ]
        self.update(Content("\n").join(lines))


class Composer(TextArea):
    """A text area that grows to a few lines."""

    class Sent(Message):
        """The person wants this sent."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Asked(Message):
        """What may be meant by the word before the cursor?"""

        def __init__(self, before: str) -> None:
            super().__init__()
            self.before = before

    class Pasted(Message):
        """So many characters of a paste were left out: a terminal would have obeyed them."""

        def __init__(self, count: int) -> None:
            super().__init__()
            self.count = count

    class Ended(Message):
        """Ctrl+D in an empty composer."""

    def __init__(self, typed: Typed, offers: Offers, *, id: str) -> None:
        super().__init__(
            id=id,
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            highlight_cursor_line=False,
            placeholder="Write a message, or / for commands",
        )
        self.typed, self._offers = typed, offers

    @property
    def before_cursor(self) -> str:
        """The text from the beginning to the cursor."""
        return str(self.get_text_range((0, 0), self.cursor_location))

    def put(self, text: str) -> None:
        """Have this text, the cursor at its end."""
        self.text = text
        self.move_cursor(self.document.end)

    async def _on_key(self, event: events.Key) -> None:
        if self._took(event.key):
            event.stop()
            event.prevent_default()
            return
        await super()._on_key(event)

    def _took(self, key: str) -> bool:
        """Do what a key means here; False when it means what it means in any text."""
        if key == "enter":
            self._offers.offer([])
            # Emptied at once: what is typed on meanwhile is another text.
            text = self.text
            self.put("")
            self.post_message(self.Sent(text))
        elif key in NEW_LINE:
            self.insert("\n")
        elif key == "tab":
            self._complete()
        elif key == "escape":
            self._offers.offer([])
        elif key == "ctrl+d" and not self.text:
            self.post_message(self.Ended())
        elif key in ("up", "down"):
            return self._up_or_down(key)
        else:
            return False
        return True

    def _up_or_down(self, key: str) -> bool:
        step = -1 if key == "up" else 1
        if self._offers.display:
            self._offers.move(step)
            return True
        row, last = self.cursor_location[0], self.document.line_count - 1
        if (key == "up" and row > 0) or (key == "down" and row < last):
            return False
        found = self.typed.older(self.text) if key == "up" else self.typed.newer()
        if found is not None:
            self.put(found)
            self._offers.offer([])
        return True

    def _complete(self) -> None:
        chosen = self._offers.chosen
        if chosen is None:
            self.post_message(self.Asked(self.before_cursor))
            return
        row, column = self.cursor_location
        self.replace(chosen.text, (row, column - chosen.size), (row, column))
        self._offers.offer([])

    async def _on_paste(self, event: events.Paste) -> None:
        """Take a paste as text: never a key, never a character that a terminal obeys."""
        event.stop()
        event.prevent_default()
        text = event.text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
        kept = "\n".join(OBEYED.sub("", line) for line in text.split("\n"))
        if len(kept) < len(text):
            self.post_message(self.Pasted(len(text) - len(kept)))
        if len(kept) > MAX_TEXT_BYTES:
            self.post_message(self.Pasted(-1))
            return
        self.insert(kept)
