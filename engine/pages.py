"""Pages of a conversation's timeline for a face that scrolls, and what else it draws from.

Never changes anything: every line is read where reading entries has stored it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from engine.hub import Hub
from engine.live import Live
from engine.membership import read_note
from engine.titles import title_of
from engine.views import Views
from storage.client import timeline
from storage.client.timeline import TimelineRow

TROUBLES: Final = ("unreadable", "gap", "notice")  # kinds of lines that /why explains
MAX_TROUBLES: Final = 20


class Pages:
    """Reads for a face that scrolls. A line is that of `history`, with `row`: its local id.

    A conversation that nobody has written in yet has no lines; it is no error to ask.
    """

    def __init__(self, hub: Hub, views: Views) -> None:
        self._hub = hub
        self._views = views

    async def lines(
        self, conversation: str, *, limit: int, before: int | None, after: int | None
    ) -> list[dict[str, Any]]:
        """Return lines of every kind, oldest first: the newest, or those around a row.

        `before`: the last ones before that row; `after`: the first ones after it.
        """
        title = title_of(conversation)
        lives = self._hub.named(title)
        rows: list[TimelineRow] = []
        for live in lives:
            rows += await self._page(live, limit=limit, before=before, after=after)
        if len(lives) > 1:
            rows.sort(key=_as_it_came)
        chosen = rows[-limit:] if after is None else rows[:limit]
        return [self._line(row, title) for row in chosen]

    async def _page(
        self, live: Live, *, limit: int, before: int | None, after: int | None
    ) -> list[TimelineRow]:
        """Return a page of one log; the anchor may be a row of another log of the same name."""
        number = live.value.id

        def work(connection: Any) -> list[TimelineRow]:
            anchor = before if before is not None else after
            found = None if anchor is None else timeline.find_row(connection, anchor)
            if found is not None and found.conversation != number:
                return self._beside(connection, number, found, limit, is_before=before is not None)
            if after is not None:
                return timeline.following(connection, number, limit=limit, after=after)
            return timeline.history(connection, number, limit=limit, before=before)

        rows: list[TimelineRow] = await self._hub.context.store.query(work)
        return rows

    @staticmethod
    def _beside(
        connection: Any, number: bytes, anchor: TimelineRow, limit: int, *, is_before: bool
    ) -> list[TimelineRow]:
        first = timeline.first_from(connection, number, at_ms=anchor.arrived_at_ms + 1)
        if is_before:
            end = None if first is None else first.id
            return timeline.history(connection, number, limit=limit, before=end)
        if first is None:
            return []
        return [first, *timeline.following(connection, number, limit=limit - 1, after=first.id)]

    def _line(self, row: TimelineRow, title: str) -> dict[str, Any]:
        return self._views.line(row, title) | {"row": row.id}

    async def first_from(
        self, conversation: str, *, seq: int = 0, at_ms: int = 0
    ) -> dict[str, Any] | None:
        """Return the first line from the entry `seq` on that arrived at `at_ms` or later."""
        title = title_of(conversation)
        found = await self._of_each(
            title, lambda c, number: timeline.first_from(c, number, seq=seq, at_ms=at_ms)
        )
        rows = [row for row in found if row is not None]
        return self._line(min(rows, key=_as_it_came), title) if rows else None

    async def find(
        self, query: str, *, conversation: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return what `search` finds, newest last."""
        found = await self._views.found(query, conversation=conversation, limit=limit)
        return [self._line(row, title) for row, title in found]

    async def troubles(self, conversation: str) -> list[dict[str, Any]]:
        """Return the newest lines that tell of something unreadable or missing, oldest first."""
        title = title_of(conversation)
        found = await self._of_each(
            title,
            lambda c, number: timeline.newest_of(c, number, kinds=TROUBLES, limit=MAX_TROUBLES),
        )
        rows = sorted((row for page in found for row in page), key=_as_it_came)
        return [self._line(row, title) for row in rows[-MAX_TROUBLES:]]

    async def readers(self, conversation: str) -> list[dict[str, Any]]:
        """Return `members` with how each account came in: `by` ("" for by itself) and `at_ms`.

        `at_ms` is None for who was there before this device.
        """
        title = title_of(conversation)
        places = self._views.members(conversation)
        came: dict[str, TimelineRow] = {}
        for page in await self._of_each(title, timeline.arrivals):
            came.update(page)
        return [place | _came_in(came.get(place["name"])) for place in places]

    async def _of_each(self, title: str, ask: Callable[[Any, bytes], Any]) -> list[Any]:
        numbers = [live.value.id for live in self._hub.named(title)]
        return await self._hub.context.store.query(
            lambda connection: [ask(connection, number) for number in numbers]
        )


def _as_it_came(row: TimelineRow) -> tuple[int, int]:
    return row.arrived_at_ms, row.id


def _came_in(row: TimelineRow | None) -> dict[str, Any]:
    if row is None:
        return {"by": "", "at_ms": None}
    return {"by": read_note(row.extra).by, "at_ms": row.arrived_at_ms}
