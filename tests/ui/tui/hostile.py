"""The full-screen face on this terminal, with hostile strings in every field of every event.

Run by tests/system/test_full_screen.py on a pseudo-terminal. The arguments: a profile, a server.
"""

from __future__ import annotations

import asyncio
import sys
import typing
from pathlib import Path

import msgspec

from engine.events import Event
from engine.profile import Profile
from engine.session import Session
from tests.engine.test_session import NoKeyring
from ui.options import Options
from ui.settings import Settings
from ui.tui.app import SottoApp
from ui.tui.screens.chat import ChatScreen
from ui.tui.screens.dialogs import Confirm, Lines
from ui.tui.screens.picker import Choice, Picker

MARK = "4242"  # stands in every hostile sequence, and in nothing that the program writes itself
COUNT = 5_000
DRAWN = 7  # the status of an attack that came to its end
KINDS = [
    "\x1b[31;{n};4242m",
    "\x1b]0;pwned4242\x07",
    "\x1b]52;c;NDI0Mg==4242\x1b\\",
    "\x9b4242;1H",
    "\x1b[4242J\x1b[4242;1H",
    "\x1bP4242q\x1b\\",
    "\x1b_G4242\x1b\\",
    "\u202e4242\u2066x\u200e",
    "\r\n4242\x08\x08\x7f\x00\x0b\x0c",
    "[bold]4242[/] [/foo] [@click=app.quit]4242[/]",
    "e" + "\u0301" * 40 + "4242",
    "\x1b]8;;http://4242/\x1b\\4242\x1b]8;;\x1b\\",
    "\x85\u2028\u2029\ufeff4242\U000e0041",
    "`\x1b[4242m` **\x1b[4242m** > \x1b[4242m",
]


def string(number: int) -> str:
    """The hostile string with this number."""
    return f"s{number} " + KINDS[number % len(KINDS)].replace("{n}", str(number % 90))


def made(kind: type[Event], number: int) -> tuple[Event, int]:
    """An event whose every text is hostile, and how many such texts it has."""
    values: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        if field.type is str:
            values[field.name] = string(number + len(values))
        elif field.type is int or field.type == int | None:
            values[field.name] = 1
        elif field.type is bool:
            values[field.name] = field.name != "own"
        else:
            values[field.name] = None
    return kind(**values), sum(isinstance(value, str) for value in values.values())


async def attack(app: SottoApp) -> None:
    """Emit, show in panels and print at the end; then close."""
    while not isinstance(app.screen, ChatScreen) or not app.screen.desk.account:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    chat, session, number = app.screen, app.session, 0
    assert session is not None
    kinds = typing.get_args(Event)
    while number < COUNT:
        for kind in kinds:
            event, count = made(kind, number)
            session._emit(event)
            number += count
        if number % 700 < 60:
            await panels(app, chat, number)
        await asyncio.sleep(0.03)  # a frame is drawn
    app.exit(DRAWN)


async def panels(app: SottoApp, chat: ChatScreen, number: int) -> None:
    """Show hostile strings in every kind of panel."""

    async def find(query: str) -> list[Choice]:
        return [Choice("x", string(number + n), string(number + n)) for n in range(12)]

    shown = [string(number + n) for n in range(14)]
    for screen in (
        Lines(shown[0], shown),
        Picker(shown[1], find, query=shown[2], hint=shown[3], above=shown[4]),
        Confirm(shown[5], yes=shown[6], no=shown[7]),
    ):
        await app.push_screen(screen)
        await asyncio.sleep(0.05)
        app.pop_screen()
    chat._composer.put("\n".join(shown[:4]))
    await asyncio.sleep(0.05)
    chat._composer.put("")


class Attacked(SottoApp):
    """The face, attacked from within."""

    def on_ready(self) -> None:
        """Begin."""
        self.run_worker(attack(self))


async def main(folder: str, server: str) -> None:
    keyring: typing.Any = NoKeyring()
    app = Attacked(
        lambda: Session(Profile(Path(folder), keyring=keyring), server=server),
        Options(server=server),
        Settings(bell="all", desktop="all", show_text=True),
    )
    status = await app.run_async()
    if app.fault is not None:
        raise app.fault
    print("drawn" if status == DRAWN else "not drawn")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
