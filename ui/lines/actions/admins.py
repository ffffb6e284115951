"""Commands for admins of the relay.

Never prints: an action returns the lines to show.
"""

from __future__ import annotations

from ui.gate import clean_line, clean_name
from ui.lines.actions.call import Action, Call
from ui.lines.commands import seconds
from ui.lines.render import date_and_time, until


async def kick(call: Call) -> list[str]:
    done = await call.session.kick(name=call.name(), reason=call.arg(1), for_s=None)
    return [] if done.get("was_online") else [f"--- {clean_name(call.name())} was not connected"]


async def ban(call: Call) -> list[str]:
    reason, for_s = _time_and_reason(call)
    await call.session.ban(name=call.name(), reason=reason, for_s=for_s)
    return []


async def mute(call: Call) -> list[str]:
    reason, for_s = _time_and_reason(call)
    await call.session.mute(name=call.name(), reason=reason, for_s=for_s)
    return []


def _time_and_reason(call: Call) -> tuple[str, int | None]:
    for_s = seconds(call.arg(1)) if call.arg(1) else None
    if for_s is None:
        return " ".join(call.args[1:]), None
    return call.arg(2), for_s


def _simple(method: str) -> Action:
    async def act(call: Call) -> list[str]:
        await getattr(call.session, method)(name=call.name(), reason="", for_s=None)
        return []

    return act


async def announce(call: Call) -> list[str]:
    await call.session.announce(text=call.arg(0))
    return []


async def users(call: Call) -> list[str]:
    rows = await call.session.users(limit=50, after=call.arg(0))
    return [
        f"  {clean_name(row['name'])}{' admin' if row['admin'] else ''}"
        f"{' online' if row['online'] else ''}"
        f"{' banned' + until(row['banned_until_ms']) if row['banned_until_ms'] else ''}"
        f"{' muted' + until(row['muted_until_ms']) if row['muted_until_ms'] else ''}"
        for row in rows
    ]


async def audit(call: Call) -> list[str]:
    typed = call.arg(0)
    before = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 16 else None
    rows = await call.session.audit(limit=50, before=before)
    return [
        f"  {row['number']}  {date_and_time(row['at_ms'])}  {clean_name(row['by'])} "
        f"{clean_line(row['act'], cells=20)} {clean_name(row['name'])}{until(row['until_ms'])}"
        f" {clean_line(row['reason'], cells=80)}"
        for row in rows
    ]


ACTIONS: dict[str, Action] = {
    "kick": kick,
    "ban": ban,
    "unban": _simple("unban"),
    "mute": mute,
    "unmute": _simple("unmute"),
    "promote": _simple("promote"),
    "demote": _simple("demote"),
    "announce": announce,
    "users": users,
    "audit": audit,
}
