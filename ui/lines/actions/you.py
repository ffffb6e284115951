"""Commands about oneself, the connection and the program.

Never prints: an action returns the lines to show.
"""

from __future__ import annotations

from ui.gate import clean_line, clean_name
from ui.lines.actions.call import Action, Call
from ui.lines.commands import help_lines
from wire.link import format_fingerprint


async def me(call: Call) -> list[str]:
    row, state = await call.session.whoami(), await call.session.status()
    admin = " (admin)" if row["is_admin"] else ""
    return [
        f"You are {clean_name(row['display'])}{admin} on {clean_line(state['server'], cells=80)}.",
        f"  this device:   {row['device']}",
        f"  your identity: {format_fingerprint(row['fingerprint'])}",
        f"  the relay:     {format_fingerprint(state['fingerprint'])}",
    ]


async def status(call: Call) -> list[str]:
    row = await call.session.status()
    waiting = await call.session.outbox()
    lines = ["connected" if row["connected"] else "not connected: what you write is kept"]
    lines += [
        f"  {clean_line(item['id'], cells=36)} to {clean_name(item['conversation'])}: "
        f"{clean_line(item['state'], cells=20)} {clean_line(item.get('text') or '', cells=60)}"
        for item in waiting
    ]
    return [*lines, f"{len(waiting)} waiting to be sent"]


async def retry(call: Call) -> list[str]:
    await call.session.retry(id=call.arg(0) or None)
    return ["--- trying again"]


async def cancel(call: Call) -> list[str]:
    await call.session.cancel(id=call.arg(0) or None)
    return ["--- dropped: it will not be sent"]


async def reconnect(call: Call) -> list[str]:
    await call.session.reconnect(server=None, link=None, trust=None)
    return []


async def logout(call: Call) -> list[str]:
    await call.place.leave_chat("logout")
    return []


async def quit_(call: Call) -> list[str]:
    await call.place.leave_chat("quit")
    return []


async def help_(call: Call) -> list[str]:
    return help_lines(call.arg(0) or None)


ACTIONS: dict[str, Action] = {
    "me": me,
    "status": status,
    "retry": retry,
    "cancel": cancel,
    "reconnect": reconnect,
    "logout": logout,
    "quit": quit_,
    "help": help_,
}
