"""Commands for rooms and who is in them.

Never prints: an action returns the lines to show.
"""

from __future__ import annotations

from typing import Any

from ui.gate import clean_line, clean_name
from ui.lines.actions.call import Action, Call, conversation_of
from ui.lines.render import LOBBY
from wire.errors import Code, WireError
from wire.suites import CLASSICAL, HYBRID, SUITE_NAMES

# What people call the suites: whether a quantum computer could open what was recorded today.
PROTECTION = {SUITE_NAMES[HYBRID]: "post-quantum", SUITE_NAMES[CLASSICAL]: "classical"}


async def rooms(call: Call) -> list[str]:
    rows = await call.session.rooms(query=call.arg(0), limit=50, after="")
    mine = await _protections(call)
    lines = [
        f"  #{clean_name(row['name'])}  {_join_rule(row)}, {row['members']} members"
        + (", you are in it" if f"#{row['name']}" in mine else "")
        for row in rows
    ]
    inside = [f"  {clean_name(name)}{_aside(mine[name])}" for name in sorted(mine)]
    return [*(lines or ["No room can be joined."]), "You are in:", *inside]


async def _protections(call: Call) -> dict[str, str]:
    """By conversation of one's own: the word for the suite that protects it, "" for none yet."""
    rows = await call.session.conversations()
    return {row["name"]: PROTECTION.get(row["suite"], "") for row in rows}


def _aside(word: str) -> str:
    return f" ({word})" if word else ""


def _join_rule(row: dict[str, Any]) -> str:
    if row.get("closed"):
        return "closed until its owner sets a new password"
    return {"open": "open", "password": "with a password"}.get(row["join"], "by invitation")


async def join(call: Call) -> list[str]:
    name = call.arg(0).removeprefix("#")
    result = await _join(call, name, call.arg(1) or None)
    where = result["conversation"]
    if result["state"] == "waiting":
        return [f"--- waiting for a member of {clean_name(where)} to let you in; you will be told."]
    call.place.current = where
    return [f"--- you joined {clean_name(where)}; it is the current conversation"]


async def _join(call: Call, name: str, password: str | None) -> dict[str, Any]:
    try:
        result: dict[str, Any] = await call.session.join_room(name=name, password=password)
        return result
    except WireError as error:
        if error.code is not Code.WRONG_ROOM_PASSWORD or password is not None:
            raise
    password = await call.place.ask_secret(f"Password of #{clean_name(name)}: ")
    again: dict[str, Any] = await call.session.join_room(name=name, password=password)
    return again


async def create(call: Call) -> list[str]:
    name, password = call.arg(0).removeprefix("#"), call.arg(1) or None
    rule = "invite" if password == "invite" else "password" if password else "open"  # noqa: S105
    if rule == "invite":
        password = None
    result = await call.session.create_room(name=name, join=rule, password=password)
    call.place.current = result["conversation"]
    return [f"--- {clean_name(result['conversation'])} is made; it is the current conversation"]


async def leave(call: Call) -> list[str]:
    where = call.where(0)
    if not where.startswith("#") or where == LOBBY:
        raise WireError(Code.BAD_REQUEST, "Name a room to leave: /leave ROOM. The lobby stays.")
    await call.session.leave_room(conversation=where)
    if call.place.current == where:
        call.place.current = LOBBY
    return [f"--- you left {clean_name(where)}; its history stays on this device"]


async def invite(call: Call) -> list[str]:
    where = call.where(1)
    await call.session.invite(conversation=where, name=call.name())
    return [f"--- {clean_name(call.name())} is in {clean_name(where)} now"]


async def remove(call: Call) -> list[str]:
    where = call.where(1)
    await call.session.remove_member(conversation=where, name=call.name())
    return [f"--- {clean_name(call.name())} was removed from {clean_name(where)}"]


async def password(call: Call) -> list[str]:
    where = call.where(0)
    new = call.arg(1) or await call.place.ask_secret(f"New password of {clean_name(where)}: ")
    await call.session.set_room_password(conversation=where, password=new)
    return [f"--- {clean_name(where)} has a new password"]


async def owner(call: Call) -> list[str]:
    where = call.where(1)
    await call.session.set_role(conversation=where, name=call.name(), role="owner")
    return [f"--- {clean_name(call.name())} is an owner of {clean_name(where)}"]


async def members(call: Call) -> list[str]:
    where = call.where(0)
    rows = await call.session.members(conversation=where)
    lines = [
        f"  {clean_name(row['name'])}  device {clean_line(row['device'], cells=32)}"
        f"  {clean_line(row['role'], cells=16)}{'  verified' if row['verified'] else ''}"
        for row in rows
    ]
    word = (await _protections(call)).get(where, "")
    return [f"{len(rows)} devices can read {clean_name(where)}{_aside(word)}:", *lines]


async def who(call: Call) -> list[str]:
    where = conversation_of(call.arg(0)) if call.args else None
    rows = await call.session.who(conversation=where)
    names = ", ".join(clean_name(row.get("display") or row["name"]) for row in rows)
    return [f"online ({len(rows)}): {names}"]


ACTIONS: dict[str, Action] = {
    "rooms": rooms,
    "join": join,
    "create": create,
    "leave": leave,
    "invite": invite,
    "remove": remove,
    "password": password,
    "owner": owner,
    "members": members,
    "who": who,
}
