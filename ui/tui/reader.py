"""Reads a conversation into its window: the newest page, older and newer ones, a place far away.

Never shows what is not stored, and never loads more than the window holds. One reading at a time.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from engine.session import Session
from ui.tui.model.items import Item, stored_item, waiting_item
from ui.tui.model.window import PAGE, Window

NEWS_PAGE: Final = 200
MAX_EMPTY_PAGES: Final = (
    8  # joins of a big lobby show nothing: so many pages are looked behind them
)
MAX_NEWS_PAGES: Final = 3  # more at once than this: the newest page is read instead


class Reader:
    """The window on the current conversation; `account` is whose eyes it is read with."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._reading = asyncio.Lock()
        self.account = ""
        self.window = Window("")
        self.found: str | None = None  # the item that a search or a date has led to

    async def open(self, title: str, *, read_seq: int | None = None) -> None:
        """Begin at the newest messages; `read_seq`: where reading stopped, if anywhere."""
        async with self._reading:
            window = Window(title)
            self._put_newer(window, rows := await self._session.lines(title, limit=PAGE))
            window.has_older = len(rows) == PAGE
            for _ in range(MAX_EMPTY_PAGES):
                if window.items or not window.has_older:
                    break
                await self._read_before(window)
            window.waiting = await self._waiting(title)
            if read_seq is not None:
                window.mark_unread(read_seq)
            self.window, self.found = window, None

    def _put_newer(self, window: Window, rows: list[dict[str, Any]]) -> None:
        window.append(self._items(rows))
        placed = [row["row"] for row in rows if row["seq"] is not None]
        window.last_read = placed[-1] if placed else window.last_read
        if rows and window.first_row is None:
            window.first_read = rows[0]["row"]

    async def _read_before(self, window: Window) -> bool:
        title, before = window.conversation, window.first_row
        rows = await self._session.lines(title, limit=PAGE, before=before)
        window.has_older = len(rows) == PAGE
        window.prepend(self._items(rows))
        window.first_read = rows[0]["row"] if rows else window.first_read
        return bool(rows)

    def _items(self, rows: list[dict[str, Any]]) -> list[Item]:
        made = (stored_item(row, account=self.account) for row in rows)
        return [item for item in made if item is not None]

    async def _waiting(self, title: str) -> list[Item]:
        rows = await self._session.outbox()
        return [waiting_item(row) for row in rows if row["conversation"] == title]

    async def read_newer(self) -> None:
        """Read what has come since, and what became of what was sent."""
        async with self._reading:
            window = self.window
            if window.has_newer:
                window.waiting = await self._waiting(window.conversation)
                return
            for _ in range(MAX_NEWS_PAGES):
                rows = await self._after(window, NEWS_PAGE)
                waiting = await self._waiting(window.conversation)
                self._put_newer(window, rows)
                window.waiting = waiting
                if len(rows) < NEWS_PAGE:
                    break
            else:
                window.has_newer = True
            window.trim(keep_newest=True)

    async def _after(self, window: Window, limit: int) -> list[dict[str, Any]]:
        after = window.last_row
        if after is None:
            return await self._session.lines(window.conversation, limit=limit)
        return await self._session.lines(window.conversation, limit=limit, after=after)

    async def read_older(self) -> bool:
        """Put a page before the oldest; False at the beginning."""
        async with self._reading:
            window = self.window
            if not window.has_older:
                return False
            found = await self._read_before(window)
            window.trim(keep_newest=False)
            return found

    async def read_on(self) -> bool:
        """Put a page behind the newest of a window that ends earlier; False at the end."""
        async with self._reading:
            window = self.window
            if not window.has_newer:
                return False
            rows = await self._after(window, PAGE)
            self._put_newer(window, rows)
            window.has_newer = len(rows) == PAGE
            window.trim(keep_newest=True)
            return True

    async def jump(self, title: str, row: int) -> None:
        """Open the conversation around the stored line `row`, and mark it."""
        async with self._reading:
            older = await self._session.lines(title, limit=PAGE // 2, before=row)
            if older:
                newer = await self._session.lines(title, limit=PAGE, after=older[-1]["row"])
            else:
                first = await self._session.first_line_from(title)
                rest = await self._session.lines(title, limit=PAGE, after=row)
                newer = [*([first] if first else []), *rest]
            window = Window(title, has_older=len(older) == PAGE // 2)
            self._put_newer(window, [*older, *newer])
            window.first_read = (older or newer or [{"row": row}])[0]["row"]
            window.has_newer = len(newer) >= PAGE
            window.waiting = await self._waiting(title)
            # The line itself may be one that shows nothing: then what stands behind it is meant.
            items = self._items(newer)
            self.window, self.found = window, items[0].key if items else None

    def say(self, item: Item) -> None:
        """Put a line of ours at the end."""
        self.window.append([item])
        self.window.trim(keep_newest=True)

    def clear(self) -> None:
        """Empty the window; everything is still stored."""
        self.window = Window(self.window.conversation, last_read=self.window.last_row)
