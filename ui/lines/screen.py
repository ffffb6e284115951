"""Where the plain face asks and shows: a terminal with line editing, or a pipe.

Never shows a string that did not pass the output gate: callers hand over ready lines.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, BinaryIO, Protocol, TextIO

from ui.input import read_lines
from ui.lines.secrets import ask_secret

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import Completer
    from prompt_toolkit.history import History

Complete = Callable[[str], Iterable[str]]


def wrapped(text: str, columns: int) -> str:
    """Return our own sentences ("*** ..." and "--- ...") broken between words; others unchanged.

    A terminal would break them inside words; messages are shown as they were written.
    """
    lines = text.split("\n")
    return "\n".join(
        textwrap.fill(line, max(20, columns - 1), subsequent_indent="    ")
        if line.startswith(("*** ", "--- ")) and len(line) >= columns
        else line
        for line in lines
    )


class Ended(Exception):
    """Standard input is at its end, or the person pressed Ctrl-D."""


class Interrupted(Exception):
    """The person pressed Ctrl-C."""


class Screen(Protocol):
    """What the face needs of the place where it runs."""

    is_terminal: bool

    def show(self, line: str) -> None:
        """Show a line (or several, already indented)."""

    async def ask(self, prompt: str, *, default: str = "") -> str:
        """Return a line, stripped; `default` for an empty one. Raises Ended, Interrupted."""

    async def ask_secret(self, prompt: str) -> str:
        """Return a password. Raises Ended, Interrupted."""

    async def ask_line(self, prompt: str) -> str:
        """Return a line of the chat, with completion and history. Raises Ended, Interrupted."""

    def clear(self) -> None:
        """Clear the screen; nothing is deleted."""


class PipeScreen:
    """Lines in, lines out: nobody is there to be asked twice."""

    is_terminal = False

    def __init__(self, source: BinaryIO, sink: TextIO) -> None:
        self._sink = sink
        self._lines: AsyncIterator[bytes] = read_lines(source)

    def show(self, line: str) -> None:
        try:
            print(line, file=self._sink, flush=True)
        except (BrokenPipeError, ValueError):
            raise Ended from None

    async def ask(self, prompt: str, *, default: str = "") -> str:
        self.show(prompt)
        return (await self.ask_line("")).strip() or default

    async def ask_secret(self, prompt: str) -> str:
        self.show(prompt)
        return await self.ask_line("")

    async def ask_line(self, prompt: str) -> str:
        try:
            line = await anext(self._lines)
        except StopAsyncIteration:
            raise Ended from None
        return line.decode("utf-8", "replace").rstrip("\r\n")

    def clear(self) -> None:
        pass


class TerminalScreen:
    """A terminal: line editing and completion by prompt_toolkit, what arrives is shown above."""

    is_terminal = True

    def __init__(self, complete: Complete, holds_secret: Callable[[str], bool]) -> None:
        from prompt_toolkit import PromptSession

        self._session: PromptSession[str] = PromptSession(
            history=_history(holds_secret),
            completer=_completer(complete),
            complete_while_typing=False,
            erase_when_done=True,
            enable_suspend=True,
        )
        self._plain: PromptSession[str] = PromptSession()

    def show(self, line: str) -> None:
        # Inside ask_line standard output is prompt_toolkit's, which draws above the prompt.
        sys.stdout.write(wrapped(line, shutil.get_terminal_size().columns) + "\n")
        sys.stdout.flush()

    async def ask(self, prompt: str, *, default: str = "") -> str:
        return (await self._prompt(self._plain, prompt)).strip() or default

    async def ask_secret(self, prompt: str) -> str:
        try:
            return await asyncio.to_thread(ask_secret, prompt)
        except KeyboardInterrupt:
            raise Interrupted from None
        except EOFError:
            raise Ended from None

    async def ask_line(self, prompt: str) -> str:
        return await self._prompt(self._session, prompt)

    async def _prompt(self, session: PromptSession[str], prompt: str) -> str:
        from prompt_toolkit.patch_stdout import patch_stdout

        try:
            with patch_stdout():
                return await session.prompt_async(prompt, set_exception_handler=False)
        except KeyboardInterrupt:
            raise Interrupted from None
        except EOFError:
            raise Ended from None

    def clear(self) -> None:
        from prompt_toolkit.shortcuts import clear

        clear()


def _history(holds_secret: Callable[[str], bool]) -> History:
    from prompt_toolkit.history import InMemoryHistory

    class History(InMemoryHistory):
        """Lines of this session, in memory alone, without those that hold a password."""

        def append_string(self, string: str) -> None:
            if not holds_secret(string):
                super().append_string(string)

    return History()


def _completer(complete: Complete) -> Completer:
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.document import Document

    class LineCompleter(Completer):
        def get_completions(
            self, document: Document, complete_event: object
        ) -> Iterable[Completion]:
            text = document.text_before_cursor
            word = text.rsplit(" ", 1)[-1]
            for candidate in complete(text):
                yield Completion(candidate, start_position=-len(word))

    return LineCompleter()
