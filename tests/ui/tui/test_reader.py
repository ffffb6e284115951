"""ui.tui.reader: pages go on behind lines that show nothing, such as joins of the lobby."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from storage.client.messaging import Line, add_line
from tests.engine.test_session import Scene, play
from tests.processes import Relay
from ui.tui.model.window import PAGE
from ui.tui.reader import NEWS_PAGE, Reader

HIDDEN = 2 * NEWS_PAGE + PAGE


def test_many_lines_that_show_nothing_stop_no_page(relay: Relay, tmp_path: Path) -> None:
    async def work(scene: Scene) -> None:
        tess, _ = await scene.registered("tess")
        session = tess.session
        account = session._open()
        lobby = account.messenger.hub.need("#lobby").value.id

        async def put(kind: str, text: str, first: int, count: int) -> None:
            def write(connection: Any) -> None:
                for seq in range(first, first + count):
                    line = Line(kind, "uwe", text, seq=seq, arrived_at_ms=seq)
                    add_line(connection, lobby, line)

            await account.context.store.run(write)

        await put("message", "before", 1000, 1)
        await put("membership", "joined", 2000, HIDDEN)
        reader = Reader(session)
        reader.account = "tess"
        await reader.open("#lobby")
        for _ in range(HIDDEN // PAGE + 2):
            if any(item.text == "before" for item in reader.window.items):
                break
            assert await reader.read_older()
        assert [item.text for item in reader.window.items][-1] == "before"
        await put("membership", "joined", 3000, HIDDEN)
        await put("message", "after", 4000, 1)
        for _ in range(2):
            await reader.read_newer()
            await reader.read_on()
        assert [item.text for item in reader.window.items][-1] == "after"
        assert not reader.window.has_newer

    play(relay, tmp_path, work)
