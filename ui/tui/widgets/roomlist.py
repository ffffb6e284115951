"""The list of conversations at the left: one row each, drawn on the line API.

Never decides which conversation is shown: a click is a wish.
"""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from ui.tui.model.rooms import Room


class RoomList(ScrollView, can_focus=False):
    """Rows of `Room`; the current one has a bar at its left and is drawn reversed."""

    class Chosen(Message):
        """The person has clicked on a conversation."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._rooms: list[Room] = []
        self._current = ""

    def show(self, rooms: list[Room], current: str) -> None:
        """Draw the list anew; the current conversation is kept in sight."""
        if rooms == self._rooms and current == self._current:
            return
        is_moved = current != self._current
        self._rooms, self._current = rooms, current
        self.virtual_size = Size(self.size.width, len(rooms))
        at = next((n for n, room in enumerate(rooms) if room.name == current), None)
        if is_moved and at is not None:
            top, height = self.scroll_offset.y, max(1, self.size.height)
            if not top <= at < top + height:
                self.scroll_to(y=max(0, at - height // 2), animate=False, immediate=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return the strip of a line of the screen (the line API)."""
        width = self.scrollable_content_region.width or self.size.width
        number = self.scroll_offset.y + y
        if not 0 <= number < len(self._rooms):
            return Strip.blank(width, self.rich_style)
        room = self._rooms[number]
        is_current = room.name == self._current
        look = Style(bold=bool(room.unread) or is_current, reverse=is_current)
        text = ("▌" if is_current else " ") + room.shown(max(4, width - 2)) + " "
        return Strip([Segment(text, self.rich_style + look)]).adjust_cell_length(
            width, self.rich_style
        )

    def on_click(self, event: events.Click) -> None:
        """Wish for the conversation under the pointer."""
        number = self.scroll_offset.y + event.y
        if 0 <= number < len(self._rooms):
            self.post_message(self.Chosen(self._rooms[number].name))
