"""Who may read, join and speak, as far as the relay can tell.

Never the last word: the members judge every entry themselves.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection

from relay.context import Context, Who
from storage.relay import account_rows, conversation_rows, other_rows
from storage.relay.account_rows import FOR_GOOD, Account, Device, Standing, lasts
from storage.relay.conversation_rows import Conversation, Membership
from wire.entry import Id
from wire.errors import Code, WireError
from wire.policy import JoinRule, Kind

_LAST_S: Final = 253_000_000_000  # a little before the year 10000, where dates end


def open_conversation(connection: Connection, conversation: Id, *, lock: bool) -> Conversation:
    """Return a conversation that is not closed; raise WireError(no_such_room)."""
    found = conversation_rows.find(connection, conversation, lock=lock)
    if found is None or found.closed:
        raise no_such_room()
    return found


def no_such_room() -> WireError:
    """The answer for what does not exist, is closed, or is nobody's business."""
    return WireError(Code.NO_SUCH_ROOM, "There is no such conversation. Nothing was changed.")


def pair_of(first_root: bytes, second_root: bytes) -> bytes:
    """Return what is unique for the direct conversation of two roots (or one), 32 bytes."""
    return sha256(b"".join(sorted({first_root, second_root}))).digest()


def account_is_member(connection: Connection, conversation: Conversation, account_id: int) -> bool:
    """Whether a device of the account has a leaf that is not about to be removed."""
    stays = conversation_rows.all_stays_in(connection, [conversation.id], account_id)
    current = [stay.id for stay in stays.get(conversation.id, ()) if stay.removed_seq is None]
    return bool(set(current) - other_rows.pending_of_members(connection, current))


def check_may_join(connection: Connection, conversation: Conversation, account: Account) -> None:
    """Raise WireError(forbidden or no_such_room) unless an external commit is open to the account.

    Whether it knows the password, only the members find out.
    """
    if conversation.kind == Kind.LOBBY:
        return
    is_inside = account_is_member(connection, conversation, account.id)
    if conversation.locked and not is_inside:
        text = "The room takes nobody in until an owner sets a new password. Ask an owner."
        raise WireError(Code.FORBIDDEN, text)
    if conversation.join_rule in (JoinRule.OPEN, JoinRule.PASSWORD):
        return
    if is_inside:
        return
    if conversation.kind != Kind.DIRECT:
        raise WireError(Code.FORBIDDEN, "The room is by invitation: ask an owner to invite you.")
    if account.root not in conversation_rows.direct_roots_of(connection, conversation.id):
        raise no_such_room()


def check_may_see(connection: Connection, conversation: Conversation, who: Who) -> None:
    """Raise WireError unless the device has or had a leaf, or its account may join."""
    if conversation_rows.stays_of(connection, conversation.id, who.device_row):
        return
    check_may_join(connection, conversation, account_rows.account_by_id(connection, who.account_id))


def check_not_muted(standing: Standing, now_ms: int) -> None:
    """Raise WireError(muted) when messages of the account are not taken anywhere."""
    until_ms = standing.muted_until_ms
    if lasts(until_ms, now_ms):
        text = f"You are muted {until_words(until_ms)}. Nothing was sent."
        raise WireError(Code.MUTED, text, until_ms=until_ms)


def check_not_revoked(device: Device) -> None:
    """Raise WireError(removed) for a device that was logged out for good."""
    if device.revoked_ms:
        text = (
            "This device was logged out for good. Its messages stay here: log in as a new device."
        )
        raise WireError(Code.REMOVED, text)


def check_not_banned(context: Context, account: Account) -> None:
    """Raise WireError(banned) with data until_ms and reason. Only for whom has proved who it is."""
    if account.is_banned(context.now_ms()):
        until = until_words(account.banned_until_ms)
        because = f": {account.reason}" if account.reason else ""
        raise WireError(
            Code.BANNED,
            f"You are banned {until}{because}. Your messages here are kept.",
            until_ms=account.banned_until_ms,
            reason=account.reason,
        )


def peer_banned(peer: Account) -> WireError:
    """What somebody hears who writes to a banned account."""
    text = f"{peer.display} is banned {until_words(peer.banned_until_ms)}. Nothing was sent."
    return WireError(Code.BANNED, text, until_ms=peer.banned_until_ms, name=peer.name)


def not_a_member(stays: list[Membership]) -> WireError:
    """What a device hears that has no leaf: whether it had one makes the difference."""
    if stays:
        return WireError(Code.REMOVED, "This device was removed. Nothing was sent: join again.")
    return WireError(Code.FORBIDDEN, "This device is not a member. Nothing was sent: join first.")


def until_words(until_ms: int) -> str:
    """Say how long something lasts."""
    if until_ms == FOR_GOOD:
        return "for good"
    at_s = min(until_ms // 1000, _LAST_S)
    return f"until {datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"
