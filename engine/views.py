"""What faces and scripts see of conversations: plain dictionaries of the JSON contract.

Never changes anything, and never shows a key.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from engine.conversation import READS, State
from engine.hub import Hub
from engine.live import Live
from engine.membership import read_note, role_of
from engine.titles import title_of
from storage.client import search as searching
from storage.client import timeline
from storage.client.timeline import MEMBERSHIP, MESSAGE, TimelineRow
from wire.errors import Code, WireError
from wire.policy import Kind
from wire.suites import SUITE_NAMES

# Lines of other kinds stand between messages: so many rows are read to find a page of messages.
_READ_AT_ONCE: Final = 500
_SHOWN: Final = READS | {State.FROZEN, State.LOST}


class Views:
    """Reads for faces."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def conversations(self) -> list[dict[str, Any]]:
        """Return what the account is in; several logs of one name show as one."""
        counts = await self._counts()
        found: dict[str, dict[str, Any]] = {}
        for live in sorted(self._hub, key=lambda live: (not live.reads, live.value.id)):
            if live.value.state not in _SHOWN:
                continue
            row = found.get(live.value.title)
            if row is None:
                found[live.value.title] = self._row(live, counts)
            else:
                row["unread"] += counts.get(live.value.id, 0)
        return sorted(found.values(), key=lambda row: (row["kind"] != Kind.LOBBY, row["name"]))

    def _row(self, live: Live, counts: dict[bytes, int]) -> dict[str, Any]:
        value, standing = live.value, live.value.standing
        accounts = {place.account for place in standing.roster} if standing is not None else set()
        policy = None if standing is None else standing.policy
        return {
            "name": value.title,
            "kind": value.kind.value,
            "unread": counts.get(value.id, 0),
            "members": len(accounts),
            "state": value.state.value,
            "seq": value.cursor,
            "read_seq": value.read_seq,
            "id": value.id.hex(),
            "join": None if policy is None else policy.join.value,
            "closed": bool(policy and policy.lock and policy.lock.closed),
            "suite": SUITE_NAMES.get(value.suite),
        }

    async def unread(self) -> list[dict[str, Any]]:
        """Return the conversations with messages of others after what was read."""
        rows = await self.conversations()
        return [{"conversation": r["name"], "unread": r["unread"]} for r in rows if r["unread"]]

    async def _counts(self) -> dict[bytes, int]:
        account = self._hub.context.keys.account
        return await self._hub.context.store.query(lambda c: timeline.unread_counts(c, account))

    async def history(
        self, conversation: str, *, limit: int, before: int | None, everything: bool
    ) -> list[dict[str, Any]]:
        """Return messages before the entry `before`, oldest first; `everything`: all lines."""
        title = title_of(conversation)
        lives = self._hub.named(title)
        if not lives:
            raise WireError(Code.NO_SUCH_ROOM, f"There is no {title} here.")
        wanted = max(1, min(limit, _READ_AT_ONCE))
        rows: list[TimelineRow] = []
        for live in lives:
            rows += await self._page(live.value.id, wanted, before, everything)
        if len(lives) > 1:
            rows.sort(key=lambda row: (row.arrived_at_ms, row.id))
        return [self.line(row, title) for row in rows[-wanted:]]

    async def _page(
        self, conversation: bytes, wanted: int, before: int | None, everything: bool
    ) -> list[TimelineRow]:
        found: list[TimelineRow] = []
        anchor: int | None = None
        while len(found) < wanted:

            def work(connection: Any, anchor: int | None = anchor) -> list[TimelineRow]:
                first = before if anchor is None else None
                return timeline.history(
                    connection, conversation, limit=_READ_AT_ONCE, before=anchor, before_seq=first
                )

            page = await self._hub.context.store.query(work)
            found = [row for row in page if everything or row.kind == MESSAGE] + found
            if len(page) < _READ_AT_ONCE:
                break
            anchor = page[0].id
        return found[-wanted:]

    async def search(
        self, query: str, *, conversation: str | None, limit: int
    ) -> list[dict[str, Any]]:
        """Return messages in which the words of `query` stand."""
        found = await self.found(query, conversation=conversation, limit=limit)
        return [self.line(row, title) for row, title in found]

    async def found(
        self, query: str, *, conversation: str | None, limit: int
    ) -> list[tuple[TimelineRow, str]]:
        """Return the rows that `search` finds, each with its conversation's name."""
        lives = None if conversation is None else self._hub.named(title_of(conversation))
        if lives is not None and not lives:
            raise WireError(Code.NO_SUCH_ROOM, f"There is no {conversation} here.")
        titles = {live.value.id: live.value.title for live in self._hub}
        asked = [None] if lives is None else [live.value.id for live in lives]
        rows: list[TimelineRow] = []
        for number in asked:
            work = partial(searching.search, query=query, conversation=number, limit=limit)
            rows += await self._hub.context.store.query(work)
        rows.sort(key=lambda row: (row.arrived_at_ms, row.id))
        return [(row, titles.get(row.conversation, "")) for row in rows[-limit:]]

    def line(self, row: TimelineRow, title: str) -> dict[str, Any]:
        """Return what people see of a row."""
        own = self._hub.context.keys.account
        contact = self._hub.context.contacts.known(row.sender) if row.sender else None
        line = {
            "conversation": title,
            "kind": row.kind,
            "id": None if row.message_id is None else row.message_id.hex(),
            "seq": row.seq,
            "sender": row.sender,
            "display": contact.display if contact is not None else row.sender,
            "text": row.text,
            "sent_at_ms": row.sent_at_ms or row.arrived_at_ms,
            "arrived_at_ms": row.arrived_at_ms,
            "own": row.sender == own,
            "state": row.state,
        }
        if row.kind == MEMBERSHIP:
            note = read_note(row.extra)
            line.update(change=row.text, by=note.by, reason=note.reason, display=note.display)
        return line

    def members(self, conversation: str) -> list[dict[str, Any]]:
        """Return every device in a conversation with its account, role, and what is verified."""
        live = self._hub.need(title_of(conversation))
        _, standing = live.value.now_in()
        contacts, keys = self._hub.context.contacts, self._hub.context.keys
        found = []
        for place in sorted(standing.roster, key=lambda place: (place.account, place.leaf)):
            pin = contacts.known(place.account)
            is_verified = pin is not None and pin.verified and pin.root_identity == place.root
            found.append(
                {
                    "name": place.account,
                    "display": place.display,
                    "device": place.device.hex(),
                    "role": role_of(standing.policy, place.root),
                    "verified": is_verified,
                    "own": place.device == keys.device,
                }
            )
        return found
