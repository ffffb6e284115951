"""What the relay tells about people: who is online, what admins did, and this account's standing.

Never trusted: it is the relay's word, shown as such, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from engine.events import Banned, Event, Kicked, Muted, Notice, Presence
from wire import pushes
from wire.errors import Code, WireError
from wire.pushes import Ended, EndReason, NoticeKind
from wire.replies import LoggedIn

MAX_ONLINE: Final = 10_000  # names that are kept; a relay that tells more is cut short


class News:
    """Turns a relay's word into events, and remembers what `status` and `who` show."""

    def __init__(self, account: str, emit: Callable[[Event], None]) -> None:
        self._account = account
        self._emit = emit
        self.online: dict[str, str] = {}
        self.is_admin = False
        self.muted_until_ms = 0  # 0: not muted; -1: for good

    def entered(self, logged_in: LoggedIn) -> None:
        """Start anew with what the log-in said."""
        self.online.clear()
        self.is_admin = logged_in.is_admin
        self.muted_until_ms = logged_in.muted_until_ms

    def ended(self, error: WireError, ended: Ended | None) -> None:
        """Tell why a session ended, when it was on purpose."""
        self.online.clear()
        if ended is not None and ended.reason is EndReason.KICKED:
            self._emit(Kicked(by=ended.by, text=ended.text))
        elif ended is not None and ended.reason is EndReason.BANNED:
            self._emit(Banned(by=ended.by, text=ended.text, until_ms=ended.until_ms))
        elif ended is None and error.code is Code.BANNED:
            until_ms = error.data.get("until_ms", -1)
            self._emit(
                Banned(text=error.text, until_ms=until_ms if isinstance(until_ms, int) else -1)
            )

    def told(self, push: pushes.Presence | pushes.Notice) -> None:
        """Pass on who came or went, or what happened to somebody."""
        if isinstance(push, pushes.Presence):
            for name, display, online in push.changes:
                self._present(name, display, online)
        elif push.account == self._account and push.kind in _ABOUT_ONESELF:
            self._about_oneself(push)
        else:
            self._emit(_notice(push))

    def _present(self, name: str, display: str, online: bool) -> None:
        if not online:
            self.online.pop(name, None)
        elif len(self.online) < MAX_ONLINE:
            self.online[name] = display
        self._emit(Presence(name=name, online=online, display=display))

    def _about_oneself(self, push: pushes.Notice) -> None:
        if push.kind in (NoticeKind.MUTED, NoticeKind.UNMUTED):
            self.muted_until_ms = push.until_ms if push.kind is NoticeKind.MUTED else 0
            self._emit(Muted(by=push.by, text=push.text, until_ms=self.muted_until_ms))
        else:
            self.is_admin = push.kind is NoticeKind.PROMOTED
            self._emit(_notice(push))


_ABOUT_ONESELF: Final = frozenset(
    {NoticeKind.MUTED, NoticeKind.UNMUTED, NoticeKind.PROMOTED, NoticeKind.DEMOTED}
)


def _notice(push: pushes.Notice) -> Notice:
    return Notice(
        kind=push.kind.value,
        text=push.text,
        name=push.account,
        display=push.display,
        by=push.by,
        until_ms=push.until_ms,
    )
