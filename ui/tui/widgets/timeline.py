"""The timeline: a view of rows on the line API, so that only what is seen is drawn.

Never holds a message that its window has let go.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from ui.tui.model.items import Item
from ui.tui.model.layout import layout
from ui.tui.model.spans import Row, Span, row_text
from ui.tui.model.window import Window
from ui.tui.palette import style

NEAR: Final = 3  # rows from an end at which the next page is asked for
_Key = tuple[str, str, str, bool, int]


class _Drawn:
    """A row, and its strip once it was drawn; `is_found` is how it was drawn."""

    __slots__ = ("is_found", "row", "strip")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.strip: Strip | None = None
        self.is_found = False


class TimelineView(ScrollView, can_focus=False):
    """Shows a Window; keeps its place when rows come or go anywhere in it."""

    class NearTop(Message):
        """The person is near the oldest row."""

    class NearEnd(Message):
        """The person is at the newest row."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.palette = "dark"
        self._window = Window("")
        self._items: list[Item] = []
        self._rows: list[_Drawn] = []
        self._starts: list[int] = []  # the first row of each item
        self._made: dict[_Key, list[_Drawn]] = {}
        self._base: Style | None = None  # the widget's own colours, dear to compute
        self._found: str | None = None

    # What is shown.

    def show(self, window: Window, *, found: str | None) -> None:
        """Draw a window anew; another one than before begins at its end or at what was found."""
        is_other = window is not self._window
        was_at_end, place = self.is_at_end, self._place()
        self._window, self._found = window, found
        self._build()
        if is_other and found is not None:
            self._go_to(found)
        elif is_other or (was_at_end and not window.has_newer):
            self.to_end()
        else:
            self._restore(place)
        self.refresh()

    def _build(self) -> None:
        width = self._text_width
        before: Item | None = None
        rows: list[_Drawn] = []
        starts: list[int] = []
        made: dict[_Key, list[_Drawn]] = {}
        self._items = self._window.all()
        for item in self._items:
            is_first = item.key == self._window.first_unread
            key = (item.key, item.state, before.key if before else "", is_first, width)
            found = self._made.get(key)
            if found is None:
                laid = layout(item, before, width, is_first_unread=is_first)
                found = [_Drawn(row) for row in laid]
            made[key] = found
            starts.append(len(rows))
            rows += found
            before = item
        self._rows, self._starts, self._made = rows, starts, made
        self.virtual_size = Size(width, len(rows))

    @property
    def _text_width(self) -> int:
        return max(20, (self.scrollable_content_region.width or self.size.width - 1) - 1)

    def repaint(self, palette: str) -> None:
        """Draw in the colours of another theme."""
        self.palette = palette
        self._forget_strips()

    def notify_style_update(self) -> None:
        """The theme has changed."""
        super().notify_style_update()
        self._forget_strips()

    def _forget_strips(self) -> None:
        self._base = None
        for drawn in self._rows:
            drawn.strip = None
        self.refresh()

    # Where the person is.

    @property
    def is_at_end(self) -> bool:
        """Whether the newest row is seen."""
        return self.scroll_offset.y >= len(self._rows) - self._height

    @property
    def _height(self) -> int:
        return max(1, self.scrollable_content_region.height or self.size.height)

    def to_end(self) -> None:
        """Go down to the newest row."""
        self._scroll(len(self._rows) - self._height)

    def page(self, step: int) -> None:
        """Go a screen up (-1) or down (1)."""
        self._scroll(self.scroll_offset.y + step * max(1, self._height - 2))

    def _go_to(self, key: str) -> None:
        for number, item in enumerate(self._items):
            if item.key == key:
                self._scroll(self._starts[number] - self._height // 2)
                return
        self.to_end()

    def go_to_unread(self) -> bool:
        """Go to the marker; False when it is not here."""
        key = self._window.first_unread
        if key is None or all(item.key != key for item in self._items):
            return False
        self._go_to(key)
        return True

    def _place(self) -> tuple[str, int] | None:
        """Return the item at the top of the screen, and how many of its rows are above."""
        if not self._items:
            return None
        top = self.scroll_offset.y
        number = max(0, bisect_right(self._starts, top) - 1)
        return self._items[number].key, top - self._starts[number]

    def _restore(self, place: tuple[str, int] | None) -> None:
        if place is None:
            self.to_end()
            return
        for number, item in enumerate(self._items):
            if item.key == place[0]:
                self._scroll(self._starts[number] + place[1])
                return

    def _scroll(self, y: int) -> None:
        top = max(0, min(y, len(self._rows) - self._height))
        self.scroll_to(y=top, animate=False, force=True, immediate=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Ask for more at an end."""
        super().watch_scroll_y(old_value, new_value)
        if new_value < old_value and new_value <= NEAR and self._window.has_older:
            self.post_message(self.NearTop())
        if new_value > old_value and self.is_at_end:
            self.post_message(self.NearEnd())

    def on_resize(self, event: events.Resize) -> None:
        """Break the rows anew, at the same place."""
        was_at_end, place = self.is_at_end, self._place()
        self._build()
        if was_at_end or place is None:
            self.call_after_refresh(self.to_end)
        else:
            self._restore(place)

    # Drawing.

    def render_line(self, y: int) -> Strip:
        """Return the strip of a line of the screen (the line API)."""
        width = self.scrollable_content_region.width
        if self._base is None:
            self._base = self.rich_style
        # A short conversation stands at the bottom, where the next message comes.
        number = self.scroll_offset.y + y - max(0, self._height - len(self._rows))
        if not 0 <= number < len(self._rows):
            return Strip.blank(width, self._base)
        selection = self.text_selection
        span = None if selection is None else selection.get_span(number)
        if span is not None:
            return self._selected(number, span, width)
        drawn = self._rows[number]
        is_found = self._found is not None and self._is_found(number)
        if drawn.strip is None or drawn.is_found != is_found or drawn.strip.cell_length != width:
            drawn.is_found = is_found
            drawn.strip = self._strip(drawn, width, self._base)
        return drawn.strip.apply_offsets(0, number)

    def _strip(self, drawn: _Drawn, width: int, base: Style) -> Strip:
        row = (Span("▶" if drawn.is_found else " ", "unread"), *drawn.row)
        segments = [Segment(s.text, base + style(self.palette, s.style)) for s in row]
        return Strip(segments).adjust_cell_length(width, base)

    def _is_found(self, number: int) -> bool:
        at = bisect_right(self._starts, number) - 1
        return self._items[at].key == self._found

    def _selected(self, number: int, span: tuple[int, int], width: int) -> Strip:
        text = " " + row_text(self._rows[number].row)
        start, end = span[0], len(text) if span[1] == -1 else span[1]
        chosen = self.screen.get_component_rich_style("screen--selection")
        parts = (Span(text[:start]), Span(text[start:end], "chosen"), Span(text[end:]))
        segments = [Segment(part.text, chosen if part.style else self.rich_style) for part in parts]
        strip = Strip(segments).adjust_cell_length(width, self.rich_style)
        return strip.apply_offsets(0, number)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """Return the text that is selected with the mouse."""
        text = "\n".join(" " + row_text(drawn.row) for drawn in self._rows)
        return selection.extract(text), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        self.refresh()
