"""People over a real relay who are up to date with each other, and what each of them sees.

Never mocks: every one is a session with a profile of its own.
"""

from __future__ import annotations

from tests.engine.test_session import Person, Scene

ROOM_PASSWORD = "Birken-am-See-42"


async def synced(*people: Person) -> None:
    """Return when everybody has processed everything."""
    for person in people:
        assert (await person.session.sync(20))["complete"]


async def texts(person: Person, conversation: str) -> list[str]:
    """The texts that somebody has of a conversation."""
    return [row["text"] for row in await person.session.history(conversation)]


async def names(person: Person, conversation: str) -> set[str]:
    """Who is in a conversation, as somebody sees it."""
    return {row["name"] for row in await person.session.members(conversation)}


async def crowd(scene: Scene, *accounts: str) -> list[Person]:
    """People with new accounts, all in the lobby and up to date."""
    people = [(await scene.registered(account))[0] for account in accounts]
    await synced(*people)
    await synced(*people)
    return people
