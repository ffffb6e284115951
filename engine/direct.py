"""Direct conversations: found at the first message, one for each pair of roots.

Never sends to a root that is not pinned, and never asks a person to press Enter twice: who loses
the race for founding goes on in the conversation that stands.
"""

from __future__ import annotations

from crypto.mls.proposals import Add
from engine.claims import claim, not_seated
from engine.committing import Plan, commit
from engine.context import Contact
from engine.conversation import Conversation, Notes, State
from engine.founding import finish, found
from engine.group_policy import direct_policy
from engine.hub import Hub
from engine.live import Live
from engine.outside import come_in
from engine.welcomes import take_inbox
from wire.errors import Code, WireError
from wire.policy import Kind
from wire.replies import Found
from wire.requests import Direct
from wire.suites import strength_rank


class Directs:
    """Finds or founds the conversation with a person."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._checked: set[str] = set()

    def disconnected(self) -> None:
        """Forget whom the relay was asked about in the session that ended."""
        self._checked.clear()

    async def resolve(self, account: str) -> Live:
        """Return the conversation to send to, with the other in it.

        Raises WireError: identity_changed, no_such_user, banned, not_connected ...
        """
        contact = await self._contact(account)
        live = self.best(contact.root_identity)
        is_new = live is None
        if live is None:
            live = await self._find_or_found(contact)
        await self._ensure_other(live, contact, is_new=is_new)
        return live

    async def _contact(self, account: str) -> Contact:
        """Return the pin, asked for at the relay once in a session; a changed root is refused."""
        contacts = self._hub.context.contacts
        known = contacts.known(account)
        is_fresh = account in self._checked and known is not None and known.changed_root is None
        if not is_fresh or known is None:
            known = await contacts.check(account)
            self._checked.add(account)
        return known

    def best(self, root: bytes) -> Live | None:
        """Return where to send: of several, one in which both have written.

        Of those the ones in the strongest suite, of those the smallest id: both sides choose alike.
        """
        found = [live for live in self._hub.of_kind(Kind.DIRECT) if self._is_with(live, root)]
        return min(found, key=_rank, default=None)

    def all_with(self, root: bytes) -> list[Live]:
        """Return every direct conversation with a root, readable or not."""
        return [live for live in self._hub if self._is_with(live, root)]

    def _is_with(self, live: Live, root: bytes) -> bool:
        return live.value.kind is Kind.DIRECT and live.value.notes.peer_root == root

    async def _find_or_found(self, contact: Contact) -> Live:
        root = contact.root_identity
        for live in self.all_with(root):
            if live.value.state is State.FOUNDING:
                return await self._finish(live, contact)
        reply = await self._hub.context.link.request(Direct(0, root))
        if not isinstance(reply, Found):
            raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
        if reply.conversation is not None:
            return await self._go_to(reply.conversation, contact)
        try:
            return await found(
                self._hub,
                direct_policy((self._hub.context.keys.root_identity, root)),
                peer=contact.account,
                notes=_notes(contact),
            )
        except WireError as error:
            return await self._after_race(error, contact)

    async def _finish(self, live: Live, contact: Contact) -> Live:
        try:
            await finish(self._hub, live)
        except WireError as error:
            return await self._after_race(error, contact)
        return live

    async def _after_race(self, error: WireError, contact: Contact) -> Live:
        """Go to the conversation that stands, if that is why the founding was refused."""
        if error.code is not Code.ROOM_EXISTS:
            raise error
        return await self._go_to(other_of(error), contact)

    async def _go_to(self, conversation: bytes, contact: Contact) -> Live:
        """Enter a conversation that stands: by the Welcome that waits, or from outside."""
        await take_inbox(self._hub)
        live = self._hub.get(conversation)
        if live is not None and live.reads:
            return live
        if live is None:
            bare = Conversation(
                conversation,
                Kind.DIRECT,
                "",
                State.JOINING,
                peer=contact.account,
                notes=_notes(contact),
            )
            live = self._hub.add(bare)
        await come_in(self._hub, live)
        standing = live.value.standing
        if standing is None or contact.root_identity not in standing.policy.owners:
            raise WireError(Code.UNAVAILABLE, "The relay named a conversation of others.")
        return live

    async def _ensure_other(self, live: Live, contact: Contact, *, is_new: bool) -> None:
        """Add the other's devices, and this account's own, where nobody of the other is yet.

        Who came in from outside adds those who are missing, too: the founder may not have got round
        to it, and nobody reads what was said before he was there.
        """
        root, own = contact.root_identity, self._hub.context.keys
        _, standing = live.value.now_in()
        is_outsider = is_new and not live.value.notes.needs_update and live.value.cursor > 0
        is_there = standing.roster.has_root(root) and root != own.root_identity
        if is_there and not is_outsider:
            return
        if root == own.root_identity and live.value.epoch_seq > 0:
            return  # notes to self: the other devices were added with the first note
        context, suite = self._hub.context, live.value.suite
        adds: tuple[Add, ...] = ()
        if root != own.root_identity:
            adds = await claim(context, contact, suite=suite, may_be_none=is_there)
        mine = context.contacts.known(own.account)
        if mine is not None:
            adds = (*adds, *await claim(context, mine, suite=suite))
        if not adds:
            return

        def wanted(value: Conversation) -> Plan | None:
            _, now = value.now_in()
            absent = not_seated(adds, now.roster)
            return Plan(absent) if absent else None

        await commit(context, live, wanted)


def _notes(contact: Contact) -> Notes:
    return Notes(peer_root=contact.root_identity, peer_display=contact.display)


def _rank(live: Live) -> tuple[bool, int, bytes]:
    value = live.value
    return (value.notes.wrote != (True, True), strength_rank(value.suite), value.id)


def other_of(error: WireError) -> bytes:
    """Return the conversation that a room_exists names."""
    try:
        return bytes.fromhex(str(error.data["conversation"]))
    except (KeyError, ValueError):
        raise WireError(Code.UNAVAILABLE, "The relay does not say what stands instead.") from None
