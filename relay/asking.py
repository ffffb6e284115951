"""Whom to ask to commit a waiting Remove: one connected device at a time, each for a while.

Never sends: `due` says who is to be asked now. The clock is a parameter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from relay.outcome import AskCommit
from wire.limits import COMMIT_ASK_S

LOOK_AGAIN_S = 1.0  # for a candidate that has connected, while none is


@dataclass(slots=True)
class _Ask:
    stands_on: int
    candidates: tuple[bytes, ...]
    asked: set[bytes] = field(default_factory=set)
    until_s: float = 0.0


class Asking:
    """The conversations in which a Remove waits."""

    def __init__(self) -> None:
        self._asks: dict[bytes, _Ask] = {}

    def __len__(self) -> int:
        return len(self._asks)

    def begin(self, ask: AskCommit) -> None:
        """A Remove waits, or none does any more (no candidates)."""
        if ask.candidates:
            self._asks[ask.conversation] = _Ask(ask.stands_on, ask.candidates)
        else:
            self._asks.pop(ask.conversation, None)

    def settle(self, conversation: bytes) -> None:
        """A commit of the conversation was stored."""
        self._asks.pop(conversation, None)

    def due(
        self, now_s: float, is_connected: Callable[[bytes], bool]
    ) -> list[tuple[bytes, bytes, int]]:
        """Return (device, conversation, stands_on) of everybody who is to be asked now.

        When all connected candidates were asked in vain, they are asked anew.
        """
        found = []
        for conversation, ask in self._asks.items():
            if now_s < ask.until_s:
                continue
            device = _choose(ask, is_connected)
            ask.until_s = now_s + (LOOK_AGAIN_S if device is None else COMMIT_ASK_S)
            if device is not None:
                ask.asked.add(device)
                found.append((device, conversation, ask.stands_on))
        return found


def _choose(ask: _Ask, is_connected: Callable[[bytes], bool]) -> bytes | None:
    connected = [device for device in ask.candidates if is_connected(device)]
    fresh = [device for device in connected if device not in ask.asked]
    if connected and not fresh:
        ask.asked.clear()
        fresh = connected
    return fresh[0] if fresh else None
