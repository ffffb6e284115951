"""Whether this device sends into a conversation: every member's root is the one that is pinned.

Never a verdict: pins are this device's own, and nobody is judged by them.
"""

from __future__ import annotations

from engine.context import Context
from engine.judge import Standing
from wire.errors import Code, WireError
from wire.link import encode_fingerprint
from wire.policy import JoinRule


async def check_members(context: Context, standing: Standing) -> None:
    """Raise identity_changed when somebody here has another root than the pinned one.

    Where anybody may join (the lobby, open rooms) nothing is gained by it, and nothing is checked.
    """
    if standing.policy.join is JoinRule.OPEN:
        return
    contacts = context.contacts
    for place in standing.roster:
        if contacts.may_send_to(place.account, place.root):
            continue
        pin = await contacts.observe(place.chain)
        expected = encode_fingerprint(pin.root_identity)
        text = f"{place.display} has another identity than before. Nothing was sent: accept it."
        raise WireError(
            Code.IDENTITY_CHANGED,
            text,
            name=place.account,
            expected=expected,
            shown=encode_fingerprint(place.root),
        )
