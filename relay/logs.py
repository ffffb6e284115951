"""The relay's log on standard error: JSON, or words on a terminal; connections are numbered.

Never a name, an address or a secret at any level: an event has a fixed word and small facts, an
exception its type and places without its text, which may hold what came from outside.
"""

from __future__ import annotations

import datetime
import logging
import sys
from types import TracebackType
from typing import Any, Final, TextIO

import structlog

_MAX_VALUE_CHARS: Final = 200
_ROOT: Final = "sotto"
# These say addresses, frames' bytes and tracebacks of failed handshakes; we count and log our own.
_SILENT: Final = ("picows", "aiofastnet", "asyncio", "sqlalchemy", "alembic")

Fact = str | int | float | bool | None


def setup(level: str, form: str = "json", stream: TextIO | None = None) -> None:
    """Send every event of `level` and above to `stream` (standard error).

    `form`: "json", "console", or "auto" for words on a terminal and JSON elsewhere.
    """
    out = stream or sys.stderr
    is_console = form == "console" or (form == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(Lines(is_console=is_console, has_colours=is_console and out.isatty()))
    root = logging.getLogger(_ROOT)
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False
    for name in _SILENT:
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False
        logger.handlers[:] = [logging.NullHandler()]


def logger(room: str) -> logging.Logger:
    """Return the logger of a part of the relay."""
    return logging.getLogger(f"{_ROOT}.{room}")


def event(log: logging.Logger, level: int, word: str, /, **facts: Fact) -> None:
    """Log a fixed word with small facts; text is cut and cleaned."""
    if log.isEnabledFor(level):
        log.log(level, word, extra={"facts": facts})


def failure(log: logging.Logger, word: str, error: BaseException, /, **facts: Fact) -> None:
    """Log an unexpected exception: its type and where it was raised, never its text."""
    log.error(word, extra={"facts": facts | describe(error)})


def describe(error: BaseException) -> dict[str, Fact]:
    """Return an exception as facts: type and places."""
    return {"error": type(error).__name__, "places": _places(error.__traceback__)}


def clean(text: str) -> str:
    """Return `text` cut short, with every control and non-ASCII character escaped."""
    cut = text[:_MAX_VALUE_CHARS]
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in cut)


class Lines(logging.Formatter):
    """A record as one line, with nothing in it that a terminal would obey."""

    def __init__(self, *, is_console: bool, has_colours: bool = False) -> None:
        super().__init__()
        self._render: Any = structlog.processors.JSONRenderer()
        if is_console:
            self._render = structlog.dev.ConsoleRenderer(
                colors=has_colours, timestamp_key="at", sort_keys=False, pad_event_to=20
            )

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        line: dict[str, Any] = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "room": record.name.removeprefix(f"{_ROOT}."),
            "event": clean(str(record.msg)),
        }
        for name, value in getattr(record, "facts", {}).items():
            line[name] = clean(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[1] is not None:
            line |= describe(record.exc_info[1])
        return str(self._render(None, record.levelname, line))


def _places(traceback: TracebackType | None) -> str:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return " ".join(places[-8:])
