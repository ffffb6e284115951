"""A command with what it needs: the session, where the person is, the arguments as typed.

Never does anything by itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from engine.session import Session


class Place(Protocol):
    """Where the person is: the face has one."""

    current: str  # "#lobby", "#room" or "@bob"

    async def ask_secret(self, prompt: str) -> str:
        """Ask for a password."""

    async def leave_chat(self, how: str) -> None:
        """End the chat: "quit" or "logout"."""

    def clear(self) -> None:
        """Clear the screen."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command with what it needs."""

    session: Session
    place: Place
    args: tuple[str, ...]

    def arg(self, index: int, default: str = "") -> str:
        """Return an argument as typed, or `default`."""
        return self.args[index] if index < len(self.args) else default

    def name(self, index: int = 0) -> str:
        """Return a person's name, typed with or without @ and colon."""
        return self.arg(index).removeprefix("@").rstrip(":")

    def where(self, index: int) -> str:
        """Return the conversation that an argument names, else the current one."""
        typed = self.arg(index)
        return conversation_of(typed) if typed else self.place.current


Action = Callable[[Call], Awaitable[list[str]]]


def conversation_of(typed: str) -> str:
    """Return "#room" or "@name" as the session wants it; a bare word is a room."""
    return typed if typed.startswith(("#", "@")) else f"#{typed}"
