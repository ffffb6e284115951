"""Commands for talking: send, look back, search.

Never prints: an action returns the lines to show.
"""

from __future__ import annotations

from typing import Any

from engine.session import Session
from ui.gate import clean_name
from ui.lines.actions.call import Action, Call, conversation_of
from ui.lines.reasons import explained
from ui.lines.render import date_and_time, message_lines
from wire.errors import Code, WireError

HISTORY_LINES = 20
MAX_HISTORY_LINES = 200


async def msg(call: Call) -> list[str]:
    return await send(call.session, call.place.current, f"@{call.name()}", call.arg(1))


async def send(session: Session, current: str, to: str, text: str) -> list[str]:
    """Send a text and return its line as it stands in the chat from now on."""
    sent = await session.send(to=to, text=text, transaction_id=None, wait="stored")
    state = "" if session.is_connected else "waits for the connection"
    at_ms = sent.get("sent_at_ms") or session.now_ms()
    line = message_lines(
        current=current, conversation=to, name="you", text=text, at_ms=at_ms, state=state
    )
    return [line]


async def query(call: Call) -> list[str]:
    return await switch_to(call, f"@{call.name()}")


async def switch(call: Call) -> list[str]:
    return await switch_to(call, conversation_of(call.arg(0)))


async def switch_to(call: Call, conversation: str) -> list[str]:
    """Make `conversation` the current one if it is one of the account's, or a person."""
    if conversation.startswith("@"):
        found = await call.session.find_person(name=conversation[1:])
        conversation = f"@{found['name']}"
    elif conversation not in {row["name"] for row in await call.session.conversations()}:
        room = clean_name(conversation)
        raise WireError(
            Code.NO_SUCH_ROOM, f"You are not in {room}: /join it, or /rooms lists some."
        )
    call.place.current = conversation
    return [f"--- now in {clean_name(conversation)}", *await _page(call, conversation, 5)]


async def history(call: Call) -> list[str]:
    first = call.arg(0)
    count = (
        int(first) if first.isascii() and first.isdecimal() and len(first) < 6 else HISTORY_LINES
    )
    where = call.where(1) if first.isdecimal() or not first else conversation_of(first)
    lines = await _page(call, where, max(1, min(count, MAX_HISTORY_LINES)))
    return lines or [f"Nothing is stored here of {clean_name(where)} yet."]


async def _page(call: Call, conversation: str, limit: int) -> list[str]:
    try:
        rows = await call.session.history(conversation=conversation, limit=limit, before=None)
    except WireError as error:
        if error.code in (Code.NO_SUCH_ROOM, Code.NO_SUCH_USER):
            return []
        raise
    return [_stored(row, conversation) for row in rows]


def _stored(row: dict[str, Any], current: str) -> str:
    return message_lines(
        current=current,
        conversation=row["conversation"],
        name=row.get("display") or row["sender"],
        text=row["text"],
        at_ms=row["sent_at_ms"],
        state="" if row.get("state") in (None, "", "stored", "received") else row["state"],
    )


async def search(call: Call) -> list[str]:
    rows = await call.session.search(query=call.arg(0), conversation=None, limit=HISTORY_LINES)
    found = [f"{date_and_time(row['sent_at_ms'])[:10]} {_stored(row, '')}" for row in rows]
    return found or ["Nothing found in what this device has stored."]


async def why(call: Call) -> list[str]:
    where = call.where(0)
    found = await call.session.troubles(where)
    if not found:
        return [f"Everything of {clean_name(where)} that reached this device could be read."]
    return explained(found[-1], where)


async def clear(call: Call) -> list[str]:
    call.place.clear()
    return []


ACTIONS: dict[str, Action] = {
    "msg": msg,
    "query": query,
    "switch": switch,
    "history": history,
    "search": search,
    "why": why,
    "clear": clear,
}
