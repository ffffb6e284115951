"""Ask for a password: masked on a terminal by pwinput, a plain line from a pipe.

Never echoes, keeps or logs what was typed. What pwinput lacks is put around it here: Ctrl-C and
Ctrl-D end the question, and pasted or fast typed characters do not show between two of its reads.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

CTRL_C, CTRL_D = "\x03", "\x04"


def ask_secret(prompt: str) -> str:
    """Return what was typed; raise KeyboardInterrupt on Ctrl-C, EOFError on Ctrl-D or the end.

    Blocks: call it in a thread. Standard input must be a terminal.
    """
    import pwinput  # its module reads the terminal: not loaded for pipes

    with _no_echo(), _signals_heard(pwinput):
        try:
            return str(pwinput.pwinput(prompt, mask="*"))
        except (KeyboardInterrupt, EOFError):
            sys.stdout.write("\r\n")
            sys.stdout.flush()
            raise


@contextlib.contextmanager
def _signals_heard(module: object) -> Iterator[None]:
    """Let Ctrl-C and Ctrl-D through: pwinput drops them like any control character."""
    original = module.getch  # type: ignore[attr-defined]

    def getch() -> str | bytes:
        key: str | bytes = original()
        text = key.decode("latin-1") if isinstance(key, bytes) else key
        if text == CTRL_C:
            raise KeyboardInterrupt
        if text in ("", CTRL_D):
            raise EOFError
        return key

    module.getch = getch  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.getch = original  # type: ignore[attr-defined]


@contextlib.contextmanager
def _no_echo() -> Iterator[None]:
    """Keep the terminal's echo off for the whole question.

    pwinput switches it off for each character alone, so what arrives in between would be shown.
    """
    if sys.platform == "win32":
        yield
        return
    import termios

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    silent = termios.tcgetattr(descriptor)
    silent[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG)
    termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
