"""What the commands about rooms show of how a conversation is protected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.test_session import Scene, play
from tests.processes import Relay
from ui.lines.actions import ACTIONS
from ui.lines.actions.call import Call


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A relay with a lobby of its own."""
    with Relay(tmp_path) as running:
        yield running


class Chat:
    """Where the person is; nothing is asked here."""

    current = "#lobby"

    async def ask_secret(self, prompt: str) -> str:
        """See Place."""
        raise AssertionError(prompt)

    async def leave_chat(self, how: str) -> None:
        """See Place."""
        raise AssertionError(how)

    def clear(self) -> None:
        """See Place."""


def test_members_and_rooms_say_which_suite_protects_each(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        alice, _ = await scene.registered("alice")

        async def shown(command: str, *args: str) -> list[str]:
            return await ACTIONS[command](Call(alice.session, Chat(), args))

        await shown("create", "garden")
        await alice.session.create_room("attic", suite="classical")
        assert (await shown("members"))[0] == "1 devices can read #lobby (post-quantum):"
        assert (await shown("members", "garden"))[0].endswith("#garden (post-quantum):")
        assert (await shown("members", "attic"))[0].endswith("#attic (classical):")
        inside = await shown("rooms")
        assert inside[inside.index("You are in:") + 1 :] == [
            "  #attic (classical)",
            "  #garden (post-quantum)",
            "  #lobby (post-quantum)",
        ]

    play(relay, tmp_path, work)
