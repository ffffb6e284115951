"""The half of a Session that is about conversations and people: thin, every method delegates.

Never computes: engine/messenger.py, engine/contacts.py and engine/administration.py do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from engine.drafts import keep_drafts, load_drafts
from wire.link import encode_fingerprint
from wire.requests import Act
from wire.suites import suite_named

if TYPE_CHECKING:
    from engine.account import Account


METHODS: Final = (
    "register",
    "login",
    "hello",
    "unlock",
    "lock",
    "connect",
    "reconnect",
    "trust_relay",
    "accept_identity",
    "logout",
    "whoami",
    "status",
    "send",
    "outbox",
    "retry",
    "cancel",
    "sync",
    "unread",
    "mark_read",
    "rooms",
    "who",
    "devices",
    "revoke_device",
    "set_room_password",
    "set_role",
    "conversations",
    "history",
    "search",
    "create_room",
    "join_room",
    "invite",
    "remove_member",
    "leave_room",
    "members",
    "safety_number",
    "verify",
    "unverify",
    "kick",
    "ban",
    "unban",
    "mute",
    "unmute",
    "promote",
    "demote",
    "announce",
    "users",
    "audit",
)
"""The methods of the JSON contract, all of them methods of Session."""


class Talk:
    """Methods of the JSON contract; all raise WireError, `locked` when no account is open."""

    def _open(self) -> Account:
        raise AssertionError("a Session says which account is open")

    # Messages.

    async def send(
        self, to: str, text: str, transaction_id: str | None = None, wait: str = "relay"
    ) -> Any:
        """Send `text` to "@bob" or "#room": id and seq, or "queued" once it is durable here."""
        return await self._open().messenger.send(to, text, transaction_id=transaction_id, wait=wait)

    async def outbox(self) -> Any:
        """Return what is not at the relay yet, or was refused."""
        return await self._open().messenger.outbox()

    async def retry(self, id: str | None = None) -> Any:
        """Send a refused message again; without `id` all of them."""
        return await self._open().messenger.retry(id)

    async def cancel(self, id: str | None = None) -> Any:
        """Give a message up that was not sent; without `id` all of them."""
        return await self._open().messenger.cancel(id)

    async def sync(self, timeout_s: float = 30.0) -> Any:
        """Wait until everything known is processed and the outbox is empty, or the time is over."""
        return await self._open().messenger.sync(timeout_s)

    async def unread(self) -> Any:
        """Return how many messages of others are unread, by conversation."""
        return await self._open().messenger.unread()

    async def mark_read(self, conversation: str, seq: int) -> Any:
        """Note that everything up to `seq` was read."""
        return await self._open().messenger.mark_read(conversation, seq)

    async def conversations(self) -> Any:
        """Return the account's conversations."""
        return await self._open().messenger.conversations()

    async def history(self, conversation: str, limit: int = 50, before: int | None = None) -> Any:
        """Return messages, oldest first, ending before the entry `before`."""
        return await self._open().messenger.history(conversation, limit=limit, before=before)

    async def search(self, query: str, conversation: str | None = None, limit: int = 50) -> Any:
        """Return messages in which the words of `query` stand."""
        return await self._open().messenger.search(query, conversation=conversation, limit=limit)

    # For a face that scrolls; not part of the JSON contract.

    async def lines(
        self,
        conversation: str,
        limit: int = 100,
        before: int | None = None,
        after: int | None = None,
    ) -> list[dict[str, Any]]:
        """Return lines of every kind, oldest first; see engine/pages.py."""
        pages = self._open().messenger.pages
        return await pages.lines(conversation, limit=limit, before=before, after=after)

    async def first_line_from(
        self, conversation: str, seq: int = 0, at_ms: int = 0
    ) -> dict[str, Any] | None:
        """Return the first line from the entry `seq` on that arrived at `at_ms` or later."""
        return await self._open().messenger.pages.first_from(conversation, seq=seq, at_ms=at_ms)

    async def find(
        self, query: str, conversation: str | None = None, limit: int = 50
    ) -> list[dict[str, Any]]:
        """Return what `search` does, each with its local row."""
        pages = self._open().messenger.pages
        return await pages.find(query, conversation=conversation, limit=limit)

    async def troubles(self, conversation: str) -> list[dict[str, Any]]:
        """Return the newest lines that tell of something unreadable or missing."""
        return await self._open().messenger.pages.troubles(conversation)

    async def readers(self, conversation: str) -> list[dict[str, Any]]:
        """Return who can read a conversation, device by device, and how each came in."""
        return await self._open().messenger.pages.readers(conversation)

    async def drafts(self) -> dict[str, str]:
        """Return what was typed and not sent, by conversation."""
        return await load_drafts(self._open().context.store)

    async def keep_drafts(self, drafts: Mapping[str, str]) -> None:
        """Keep what is typed and not sent, in place of what was kept before."""
        await keep_drafts(self._open().context.store, drafts)

    # Rooms.

    async def create_room(
        self,
        name: str,
        join: str = "open",
        password: str | None = None,
        suite: str | None = None,
    ) -> Any:
        """Found a room: "open", "password" (with one) or "invite"; `suite`: see wire.suites."""
        number = None if suite is None else suite_named(suite)
        return await self._open().messenger.create_room(
            name, join=join, password=password, suite=number
        )

    async def join_room(self, name: str, password: str | None = None) -> Any:
        """Join a room: "joined", or "waiting" for a member's verdict."""
        return await self._open().messenger.join_room(name, password=password)

    async def invite(self, conversation: str, name: str) -> Any:
        """Add somebody to a room."""
        return await self._open().messenger.invite(conversation, name)

    async def remove_member(self, conversation: str, name: str) -> Any:
        """Remove somebody from a room."""
        return await self._open().messenger.remove_member(conversation, name)

    async def leave_room(self, conversation: str) -> Any:
        """Leave a room with all devices."""
        return await self._open().messenger.leave_room(conversation)

    async def members(self, conversation: str) -> Any:
        """Return who is in a conversation, with which devices and roles."""
        return await self._open().messenger.members(conversation)

    async def set_room_password(self, conversation: str, password: str) -> Any:
        """Give a room a new password, which also opens it again; owners only."""
        return await self._open().messenger.set_room_password(conversation, password)

    async def set_role(self, conversation: str, name: str, role: str) -> Any:
        """Make a member owner, admin or member; owners only."""
        return await self._open().messenger.set_role(conversation, name, role)

    # The relay and its people.

    async def rooms(self, query: str = "", limit: int = 50, after: str = "") -> Any:
        """Return rooms that can be joined, by name."""
        return await self._open().administration.rooms(query=query, limit=limit, after=after)

    async def who(self, conversation: str | None = None) -> Any:
        """Return who is online, at the relay or in a conversation."""
        account = self._open()
        asked = None
        if conversation is not None:
            asked = await account.messenger.conversation_id(conversation)
        return await account.administration.who(asked)

    async def devices(self) -> Any:
        """Return the devices of this account."""
        return await self._open().administration.devices()

    async def revoke_device(self, device: str) -> Any:
        """Log a device of this account out for good."""
        return await self._open().administration.revoke_device(device)

    # Trust in people.

    async def safety_number(self, name: str) -> dict[str, Any]:
        """Return the digits to compare with `name`, and whether they were compared before."""
        return await self._open().contacts.safety(name)

    async def verify(self, name: str) -> dict[str, Any]:
        """Note that the digits shown by `safety_number` are the same on the other side."""
        contact = await self._open().contacts.verify(name)
        return {"name": contact.account, "state": "verified"}

    async def unverify(self, name: str) -> dict[str, Any]:
        """Take the mark away."""
        contact = await self._open().contacts.unverify(name)
        return {"name": contact.account, "state": "unverified"}

    async def changed_identity(self, name: str) -> dict[str, Any]:
        """Return what is pinned for `name` and what it shows now, before anything is accepted."""
        return self._open().contacts.change_of(name)

    async def find_person(self, name: str) -> dict[str, Any]:
        """Return who `name` is: name, display, verified. Asks the relay; offline the pin counts."""
        contact = await self._open().contacts.check(name)
        return {
            "name": contact.account,
            "display": contact.display,
            "verified": contact.verified,
        }

    async def accept_identity(self, name: str, fingerprint: str) -> dict[str, Any]:
        """Accept the changed identity with this fingerprint: sending goes on."""
        contact = await self._open().contacts.accept(name, fingerprint)
        return {
            "name": contact.account,
            "fingerprint": encode_fingerprint(contact.root_identity),
            "state": "unverified",
        }

    # Admins.

    async def kick(self, name: str, reason: str = "", for_s: int | None = None) -> Any:
        """End somebody's connections."""
        return await self._act(Act.KICK, name, reason, for_s)

    async def ban(self, name: str, reason: str = "", for_s: int | None = None) -> Any:
        """Shut somebody out, for `for_s` seconds or for good."""
        return await self._act(Act.BAN, name, reason, for_s)

    async def unban(self, name: str, reason: str = "", for_s: int | None = None) -> Any:
        """Let somebody in again."""
        return await self._act(Act.UNBAN, name, reason, for_s)

    async def mute(self, name: str, reason: str = "", for_s: int | None = None) -> Any:
        """Let somebody read only."""
        return await self._act(Act.MUTE, name, reason, for_s)

    async def unmute(self, name: str, reason: str = "", for_s: int | None = None) -> Any:
        """Let somebody write again."""
        return await self._act(Act.UNMUTE, name, reason, for_s)

    async def promote(self, name: str, reason: str = "", for_s: int | None = None) -> Any:
        """Make somebody an admin of the relay."""
        return await self._act(Act.PROMOTE, name, reason, for_s)

    async def demote(self, name: str, reason: str = "", for_s: int | None = None) -> Any:
        """Make an admin an ordinary account."""
        return await self._act(Act.DEMOTE, name, reason, for_s)

    async def _act(self, act: Act, name: str, reason: str, for_s: int | None) -> Any:
        return await self._open().administration.act(act, name, reason=reason, for_s=for_s)

    async def announce(self, text: str) -> Any:
        """Tell everybody online something; the relay sees it."""
        return await self._open().administration.announce(text)

    async def users(self, limit: int = 50, after: str = "") -> Any:
        """Return a page of the relay's accounts."""
        return await self._open().administration.users(after=after, limit=limit)

    async def audit(self, limit: int = 50, before: int | None = None) -> Any:
        """Return a page of what admins did, newest first."""
        return await self._open().administration.audit(before=before, limit=limit)
