"""What honest members of the world send in its epoch: fuzzing changes it, and it has to work after.

Never sent in the world itself: its states stay as they are.
"""

from __future__ import annotations

from functools import cache

from crypto.mls.framing import ContentType
from crypto.mls.group import external_draft
from crypto.mls.proposals import Remove
from crypto.mls.receiving import open_handshake
from tests.crypto.mls.clients import config, signing_key
from tests.fuzz.world import seeded, world


@cache
def good() -> tuple[bytes, bytes]:
    """A message and a Commit by alice, for members without pending proposals."""
    alice, rng = world().members["alice"], seeded(3)
    signer = signing_key("alice")
    _, said = alice.protect(b"good", signer=signer, random=rng)
    return said, alice.draft(random=rng).finish(signer=signer, random=rng).message


@cache
def commits() -> tuple[bytes, ...]:
    """Commits by alice, by erin of what is pending, and by a newcomer."""
    alice, erin, rng = world().members["alice"], world().pending["erin"], seeded(4)
    info = alice.signed_group_info(signing_key("alice"))
    drafts = (
        (alice.draft(random=rng), "alice"),
        (alice.draft([Remove(3)], random=rng), "alice"),
        (erin.draft(random=rng), "erin"),
        (external_draft(info, alice.tree, config=config("grace"), random=rng), "grace"),
    )
    made = (draft.finish(signer=signing_key(name), random=rng) for draft, name in drafts)
    return tuple(commit.message for commit in made)


@cache
def commit_bodies() -> tuple[bytes, ...]:
    """The same as they stand in the message, before it is signed."""
    bob = world().pending["bob"]
    return tuple(open_handshake(bob, m, ContentType.COMMIT).content.content for m in commits())


@cache
def messages() -> tuple[bytes, ...]:
    """Something of each kind."""
    alice, signer, rng = world().members["alice"], signing_key("alice"), seeded(5)
    _, said = alice.protect(b"hello", signer=signer, padding=20, random=rng)
    _, proposed = alice.propose_update(config("alice"), signer=signer, random=rng)
    return (said, proposed, alice.signed_group_info(signer), *commits())
