"""The full-screen face as a program: from the first frame to the last word.

Never loads the engine before something stands on the screen, and never shows a traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.filter import LineFilter
from textual.widgets import Static

from ui.settings import Settings, save_theme
from ui.tui.filter import LastGate
from ui.tui.palette import THEMES
from ui.tui.terminal import Terminal, know_alt_keys
from wire.errors import WireError

if TYPE_CHECKING:
    from engine.session import Session
    from ui.options import Options

TERMINAL_S = 0.5  # between two looks whether the terminal is still there
SAVE_TITLE, RESTORE_TITLE = "\x1b[22;0t", "\x1b[23;0t"


class SottoApp(App[int]):
    """Returns the exit status; `fault` is a fault of ours that ended it."""

    CSS_PATH = Path(__file__).with_name("sotto.tcss")
    TITLE = "Sotto"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", show=False, priority=True),
        Binding("ctrl+c", "copy_or_hint", show=False),
    ]

    def __init__(
        self, make_session: Callable[[], Session], options: Options, settings: Settings
    ) -> None:
        know_alt_keys()
        self._gate = LastGate()
        super().__init__()
        self._make_session, self._options, self._settings = make_session, options, settings
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = THEMES[settings.theme].name
        self.terminal = Terminal(settings, self._tell_terminal, self._use_theme)
        self.session: Session | None = None
        self.fault: BaseException | None = None
        self._theme_name: str = settings.theme

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Have every line pass the last gate, whatever drew it."""
        return [*super().get_line_filters(), self._gate]

    def compose(self) -> ComposeResult:
        """Show what stands there while the engine loads."""
        yield Static(Content("Sotto\n\nOpening ..."), id="form", markup=False)

    def on_mount(self) -> None:
        """Take the person's keys, then begin behind the first frame."""
        self.set_keymap(self._settings.keys)
        self._tell_terminal(SAVE_TITLE)
        if not self.is_headless:
            self._end_with_the_terminal()
        self.call_after_refresh(self._begin)

    def _end_with_the_terminal(self) -> None:
        """Close in order when the terminal goes, or when somebody asks this process to end."""
        loop = asyncio.get_running_loop()
        for name in ("SIGHUP", "SIGTERM"):
            with contextlib.suppress(AttributeError, NotImplementedError):  # not on every system
                loop.add_signal_handler(getattr(signal, name), self._end_soon)
        self.set_interval(TERMINAL_S, self._look_for_the_terminal)

    def _end_soon(self) -> None:
        self.run_worker(self.action_quit())

    def _look_for_the_terminal(self) -> None:
        """End without one: its end is not always a signal, and reading it then never waits."""
        if hasattr(select, "poll"):
            poll = select.poll()
            poll.register(0, 0)
            if poll.poll(0):
                self._end_soon()

    def _begin(self) -> None:
        self.run_worker(self._go())

    async def _go(self) -> None:
        """Open an account, chat, and again after logging out, until the person closes."""
        await asyncio.to_thread(_load)
        self.session = session = self._make_session()
        status = 0
        try:
            while await self._chat_once(session):
                pass
        except WireError as error:
            self.fault, status = error, 1
        finally:
            await session.close()
            self._tell_terminal(RESTORE_TITLE)
        self.exit(status)

    async def _chat_once(self, session: Session) -> bool:
        from ui.tui.desk import Desk
        from ui.tui.screens.chat import ChatScreen

        desk = Desk(session)
        unsubscribe = session.subscribe(desk.hear)
        try:
            if not await self._enter(session):
                return False
            chat = ChatScreen(desk, self.terminal, self._theme_name)
            how = await self.push_screen_wait(chat)
            if how != "logout":
                return False
            await session.logout()
            return True
        finally:
            unsubscribe()

    async def _enter(self, session: Session) -> bool:
        """Return once an account is open; False when the person closes."""
        from ui.tui.screens.entry import EntryScreen
        from ui.tui.screens.unlock import UnlockScreen

        problem = ""
        while True:
            rows = await session.accounts()
            free = [row for row in rows if not row["in_use"]]
            if len(free) == 1 and not free[0]["needs_passphrase"] and not problem:
                try:
                    await session.unlock(account=free[0]["id"])
                    return True
                except WireError as error:
                    problem = error.text
                    continue
            if free:
                answer = await self.push_screen_wait(UnlockScreen(session, free, problem))
                if answer != "other":
                    return answer == "open"
            back = "Back" if free else "Close"
            keyring = await session.has_keyring()
            entry = EntryScreen(session, self._options, has_keyring=keyring, back=back)
            if await self.push_screen_wait(entry):
                return True
            if not free:
                return False

    # The terminal.

    def _tell_terminal(self, sequence: str) -> None:
        """Write a sequence of ui.tui.terminal; nothing without a terminal."""
        driver = self._driver
        if driver is not None and not self.is_headless:
            driver.write(sequence)

    def _use_theme(self, name: str) -> None:
        self._theme_name = name
        self.theme = THEMES[name].name
        with contextlib.suppress(OSError):
            save_theme(name)

    async def action_quit(self) -> None:
        """Close, keeping what is typed."""
        from ui.tui.screens.chat import ChatScreen

        chats = [screen for screen in self.screen_stack if isinstance(screen, ChatScreen)]
        if not chats:
            self.exit(0)
            return
        while self.screen is not chats[0]:
            self.pop_screen()
        await chats[0].leave_chat("quit")

    def action_copy_or_hint(self) -> None:
        """Copy what is selected with the mouse; else say how to close."""
        chosen = self.screen.get_selected_text()
        if chosen:
            self.copy_to_clipboard(chosen)
        else:
            self.notify("Ctrl+Q closes Sotto.", markup=False, timeout=3)

    def _handle_exception(self, error: Exception) -> None:
        """End on a fault of ours without the traceback, whose frames may hold secrets."""
        self.fault = self._exception = error
        self._exception_event.set()
        self._return_code = 1
        self._close_messages_no_wait()


def _load() -> None:
    """Load what the screens need, beside the event loop."""
    import ui.tui.desk
    import ui.tui.screens.chat
    import ui.tui.screens.entry
    import ui.tui.screens.unlock  # noqa: F401


def ending(app: SottoApp) -> str | None:
    """Return the line that is left on the terminal, None after an orderly end."""
    fault: Any = app.fault
    if fault is None:
        return None
    if isinstance(fault, WireError):
        return fault.text
    return (
        f"Sotto has met a fault of its own ({type(fault).__name__}) and closed."
        " What you had sent and received is kept; start it again."
    )
