"""Looking up people and rooms.

Never says anything about e-mail addresses, and never lists accounts to anybody but admins.
"""

from __future__ import annotations

from sqlalchemy import Connection

from relay.context import Context, Who
from relay.outcome import Outcome
from relay.rights import not_a_member, open_conversation
from storage.relay import account_rows, conversation_rows
from wire.errors import Code, WireError
from wire.names import canonical_name, canonical_room_name
from wire.policy import JoinRule
from wire.replies import AccountInfo, NameList, RoomInfo, RoomList
from wire.requests import ListRooms, Lookup
from wire.requests import Who as WhoRequest


def lookup(connection: Connection, context: Context, _who: Who, request: Lookup) -> Outcome:
    """Say who has a name, typed in any case; raise WireError(no_such_user)."""
    try:
        account = account_rows.account_by_name(connection, canonical_name(request.name))
    except WireError:
        account = None
    if account is None:
        raise WireError(Code.NO_SUCH_USER, "There is nobody of that name.")
    return Outcome(
        AccountInfo(
            request.rid,
            account.name,
            account.display,
            account.root_certificate,
            context.is_online(account.name),
            account.is_banned(context.now_ms()),
        )
    )


def list_rooms(connection: Connection, _context: Context, _who: Who, request: ListRooms) -> Outcome:
    """List open and password rooms whose name starts with the query, by name."""
    rooms = conversation_rows.rooms_page(
        connection,
        prefix=_folded(request.query),
        after=_folded(request.after),
        limit=request.limit,
    )
    counts = conversation_rows.member_counts(connection, [room.id for room in rooms])
    return Outcome(
        RoomList(
            request.rid,
            tuple(
                RoomInfo(
                    room.name,
                    room.conversation,
                    JoinRule(room.join_rule),
                    counts.get(room.id, 0),
                    room.locked,
                )
                for room in rooms
            ),
        )
    )


def _folded(typed: str) -> str:
    """What is typed of a name, in the form in which names are stored; nothing else can match."""
    try:
        return canonical_room_name(typed, allow_reserved=True)
    except WireError:
        folded = typed.strip().lower()
        if not folded.isprintable():
            raise WireError(Code.BAD_REQUEST, "A room's name has no control characters.") from None
        return folded


def who_is_in(connection: Connection, context: Context, who: Who, request: WhoRequest) -> Outcome:
    """List the accounts in a conversation of the asker's that are online, by name."""
    assert request.conversation is not None  # everybody online: the bus knows
    found = open_conversation(connection, request.conversation, lock=False)
    members = conversation_rows.current_members(connection, found.id)
    if all(member.device != who.device for member in members):
        raise not_a_member(conversation_rows.stays_of(connection, found.id, who.device_row))
    accounts = {member.account_id: member.account for member in members}
    online = sorted(
        (name, row)
        for row, name in accounts.items()
        if name > request.after and context.is_online(name)
    )[: request.limit]
    names = [(name, account_rows.account_by_id(connection, row).display) for name, row in online]
    return Outcome(NameList(request.rid, tuple(names)))
