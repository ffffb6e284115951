"""The pictures of the full-screen face in docs/pictures: `python -m tests.ui.tui.pictures`.

Every picture is of the running program with a real relay; rsvg-convert makes PNG of its SVG.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import tempfile
from pathlib import Path

from tests.engine.test_session import Person
from tests.processes import PASSWORD, ROOT, Relay
from tests.ui.tui.stage import Stage, stage

FOLDER = ROOT / "docs" / "pictures"
TALK = (
    ("ben", "Morning! Who has the numbers of last night's run?"),
    (
        "cleo",
        "> who has the numbers\n\nI do. Two of three are **green**, see https://lab.example/42",
    ),
    (
        "ben",
        "What does this print for you?\n\n```python\nfor name in sorted(readers):\n"
        "    print(name, 'can read')  # and nobody else\n```",
    ),
    ("cleo", "- the same as for you\n- *no* surprise this time\n\n@ada may I tell the others?"),
)


def take(face: Stage, name: str) -> None:
    """Save the screen as a picture."""
    svg = face.app.export_screenshot(title="Sotto")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    FOLDER.mkdir(exist_ok=True)
    target = FOLDER / f"{name}.png"
    subprocess.run(
        ["rsvg-convert", "--zoom", "0.8", "-o", str(target)], input=svg.encode(), check=True
    )


async def chat(face: Stage, others: dict[str, Person]) -> None:
    """Fill the lobby, a room and a private chat."""
    await face.enter("/create lab")
    await face.see("#lab · 1 can read")
    for name in others:
        await face.enter(f"/invite {name}")
        await face.see(f"{name} was brought in by you")
    for who, text in TALK:
        await others[who].session.sync()
        await others[who].session.send(to="#lab", text=text)
    await others["ben"].session.send(to="@ada", text="psst, lunch?")
    await others["cleo"].session.send(to="#lobby", text="hello everybody")
    await face.see("may I tell the others")
    await face.enter("Yes, please do :thumbsup:")
    await face.see("please do 👍 ✓", "@1")


async def main() -> None:
    with tempfile.TemporaryDirectory() as name, Relay(Path(name)) as relay:
        folder = Path(name)
        others = {}
        for who in ("ben", "cleo"):
            others[who] = Person(folder / who, relay.server)
            await others[who].session.register(who, PASSWORD, trust="tofu")
        async with stage(relay, folder / "ada") as face:
            await face.see("Register")
            await face.enter("ada")
            await face.type("Kubavo-tir")
            await face.see("at least 8 characters")
            take(face, "first-run")
            await face.press("enter")
            for _ in "Kubavo-tir":
                await face.press("backspace")
            await face.enter(PASSWORD)
            await face.see("recovery code")
            await face.press("tab", "enter")
            await face.see("you are ada", "connected to")
            await chat(face, others)
            take(face, "chat-80x24")
            await face.press("f2")
            await face.see("Who can read")
            take(face, "readers")
            await face.press("escape")
            await face.gone("Who can read")
            await face.enter("/safety ben")
            await face.see("Safety number")
            take(face, "verify")
            await face.press("tab", "enter")
            await face.see("ben is verified")
        async with stage(relay, folder / "ada", size=(160, 50)) as face:
            await face.see("you are ada", "connected to")
            await face.press("alt+2")
            await face.see("please do")
            await face.press("ctrl+u")
            await face.type("/inv")
            await face.see("bring somebody into a room")
            take(face, "chat-160x50")
            await face.press("ctrl+u")
            await face.enter("/theme light")
            await face.wait(lambda: face.app.theme == "sotto-light", "the light theme")
            await face.pilot.pause(0.3)
            take(face, "light")
        for person in others.values():
            await person.session.close()


if __name__ == "__main__":
    asyncio.run(main())
