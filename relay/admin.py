"""What admins do to accounts: kick, ban, mute, promote and their opposites, announce, list.

Never touches what people wrote, and never acts without a row in the audit log.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from relay.context import Context, Who
from relay.leaving import check_order_fields
from relay.outcome import EndSessions, Event, Outcome, ToEverybody
from relay.removals import remove_account
from relay.rights import check_not_banned
from storage.relay import account_rows, other_rows
from storage.relay.account_rows import FOR_GOOD, NEVER, Account
from wire.entry import Order, OrderKind, encode_data
from wire.errors import Code, WireError
from wire.limits import MAX_ANNOUNCEMENT_BYTES, MAX_REASON_BYTES
from wire.names import canonical_name
from wire.pushes import Ended, EndReason, Notice, NoticeKind
from wire.replies import ActDone, AuditInfo, AuditList, Ok, UserInfo, UserList
from wire.requests import Act, AdminAct, Announce, ListAudit, ListUsers

OPERATOR = "operator"  # who acts from the relay's command line
MAX_AUDIT_CHARS = 512


@dataclass(frozen=True, slots=True)
class _Deed:
    """An act upon somebody, checked."""

    by: str
    target: Account
    reason: str
    until_ms: int
    order: Order | None = None


def act(connection: Connection, context: Context, who: Who, request: AdminAct) -> Outcome:
    """An admin acts upon somebody else; a ban needs his signed order.

    Raises WireError: not_admin, no_such_user, forbidden (upon himself, or the last admin),
    bad_request (the order).
    """
    admin = _admin(connection, context, who)
    target = _target(connection, request.name)
    if target.id == admin.id:
        raise WireError(Code.FORBIDDEN, "Nobody acts upon himself. Nothing was done.")
    order = _check_ban_order(connection, context, admin, target, request)
    until_ms = FOR_GOOD if request.for_s is None else context.now_ms() + request.for_s * 1000
    deed = _Deed(admin.name, target, _clean(request.reason), until_ms, order)
    return _do(connection, context, request.act, deed, rid=request.rid)


def act_as_operator(
    connection: Connection,
    context: Context,
    deed: Act,
    name: str,
    *,
    reason: str = "",
    for_s: int | None = None,
) -> Outcome:
    """The operator acts from the command line: his bans carry no order. See act()."""
    until_ms = FOR_GOOD if for_s is None else context.now_ms() + for_s * 1000
    target = _target(connection, name)
    return _do(connection, context, deed, _Deed(OPERATOR, target, _clean(reason), until_ms), rid=0)


def _admin(connection: Connection, context: Context, who: Who) -> Account:
    account = account_rows.account_by_id(connection, who.account_id)
    check_not_banned(context, account)  # in the same moment: its session ends only now
    if not account.is_admin:
        raise WireError(Code.NOT_ADMIN, "Only server admins may do that. Nothing was done.")
    return account


def _target(connection: Connection, name: str) -> Account:
    target = account_rows.account_by_name(connection, canonical_name(name))
    if target is None:
        raise WireError(Code.NO_SUCH_USER, "There is nobody of that name. Nothing was done.")
    return target


def _check_ban_order(
    connection: Connection,
    context: Context,
    admin: Account,
    target: Account,
    request: AdminAct,
) -> Order | None:
    order = request.order
    if request.act is not Act.BAN:
        return None
    if order is None:
        raise WireError(Code.BAD_REQUEST, "A ban carries its signed order. Nothing was done.")
    signer = check_order_fields(connection, context, order, kind=OrderKind.BAN)
    if signer != admin.id or (order.account, order.root) != (target.name, target.root):
        raise WireError(Code.BAD_REQUEST, "The signed order is for something else.")
    if order.reason != request.reason:
        raise WireError(Code.BAD_REQUEST, "The signed order has another reason.")
    return order


def _do(connection: Connection, context: Context, deed: Act, by: _Deed, *, rid: int) -> Outcome:
    was_online = context.is_online(by.target.name)
    events = _ACTS[deed](connection, context, by)
    lasting = deed in (Act.BAN, Act.MUTE)
    other_rows.insert_audit(
        connection,
        at_ms=context.now_ms(),
        by=by.by,
        act=deed.value,
        name=by.target.name,
        reason=by.reason,
        until_ms=by.until_ms if lasting else NEVER,
    )
    notice = Notice(
        _NOTICES[deed],
        by.target.name,
        by.target.display,
        by.by,
        by.reason,
        by.until_ms if lasting else NEVER,
    )
    done = ActDone(rid, by.target.name, by.target.display, was_online)
    return Outcome(done, (*events, ToEverybody(notice)))


def _kick(_connection: Connection, _context: Context, deed: _Deed) -> tuple[Event, ...]:
    ended = Ended(EndReason.KICKED, deed.by, deed.reason)
    return (EndSessions(deed.target.name, None, ended),)


def _ban(connection: Connection, context: Context, deed: _Deed) -> tuple[Event, ...]:
    account_rows.update_account(
        connection,
        deed.target.id,
        banned_until_ms=deed.until_ms,
        reason=deed.reason,
        ban_order=None if deed.order is None else encode_data(deed.order),
    )
    ended = Ended(EndReason.BANNED, deed.by, deed.reason, deed.until_ms)
    removals = remove_account(connection, context, deed.target.id, deed.order)
    return (EndSessions(deed.target.name, None, ended), *removals)


def _unban(connection: Connection, _context: Context, deed: _Deed) -> tuple[Event, ...]:
    account_rows.update_account(
        connection, deed.target.id, banned_until_ms=NEVER, ban_order=None, reason=""
    )
    return ()


def _mute(connection: Connection, _context: Context, deed: _Deed) -> tuple[Event, ...]:
    account_rows.update_account(connection, deed.target.id, muted_until_ms=deed.until_ms)
    return ()


def _unmute(connection: Connection, _context: Context, deed: _Deed) -> tuple[Event, ...]:
    account_rows.update_account(connection, deed.target.id, muted_until_ms=NEVER)
    return ()


def _promote(connection: Connection, _context: Context, deed: _Deed) -> tuple[Event, ...]:
    account_rows.update_account(connection, deed.target.id, is_admin=True)
    return ()


def _demote(connection: Connection, _context: Context, deed: _Deed) -> tuple[Event, ...]:
    if not deed.target.is_admin:
        raise WireError(Code.BAD_REQUEST, f"{deed.target.display} is no admin. Nothing was done.")
    if not account_rows.has_admin(connection, besides=deed.target.id):
        text = "The last admin stays one. Nothing was done: promote somebody else first."
        raise WireError(Code.FORBIDDEN, text)
    account_rows.update_account(connection, deed.target.id, is_admin=False)
    return ()


_ACTS: dict[Act, Callable[[Connection, Context, _Deed], tuple[Event, ...]]] = {
    Act.KICK: _kick,
    Act.BAN: _ban,
    Act.UNBAN: _unban,
    Act.MUTE: _mute,
    Act.UNMUTE: _unmute,
    Act.PROMOTE: _promote,
    Act.DEMOTE: _demote,
}
_NOTICES = {
    Act.KICK: NoticeKind.KICKED,
    Act.BAN: NoticeKind.BANNED,
    Act.UNBAN: NoticeKind.UNBANNED,
    Act.MUTE: NoticeKind.MUTED,
    Act.UNMUTE: NoticeKind.UNMUTED,
    Act.PROMOTE: NoticeKind.PROMOTED,
    Act.DEMOTE: NoticeKind.DEMOTED,
}


def announce(connection: Connection, context: Context, who: Who, request: Announce) -> Outcome:
    """Tell everybody online something."""
    admin = _admin(connection, context, who)
    events = _announce(connection, context, admin.name, admin.display, request.text)
    return Outcome(Ok(request.rid), events)


def announce_as_operator(connection: Connection, context: Context, text: str) -> Outcome:
    """The operator tells everybody online something, from the command line."""
    if len(text.encode()) > MAX_ANNOUNCEMENT_BYTES:
        limit = f"An announcement has at most {MAX_ANNOUNCEMENT_BYTES} bytes. Nothing was sent."
        raise WireError(Code.TOO_LARGE, limit)
    return Outcome(None, _announce(connection, context, OPERATOR, OPERATOR, text))


def _announce(
    connection: Connection, context: Context, by: str, display: str, text: str
) -> tuple[Event, ...]:
    if not text.strip():
        raise WireError(Code.BAD_REQUEST, "The announcement is empty. Nothing was sent.")
    kept = "".join(each if each.isprintable() else " " for each in text)[:MAX_AUDIT_CHARS]
    other_rows.insert_audit(
        connection, at_ms=context.now_ms(), by=by, act="announce", name="", reason=kept
    )
    return (ToEverybody(Notice(NoticeKind.ANNOUNCEMENT, by, display, by, text)),)


def list_users(connection: Connection, context: Context, who: Who, request: ListUsers) -> Outcome:
    """List accounts by name."""
    _admin(connection, context, who)
    found = users(connection, context, after=_printable(request.after), limit=request.limit)
    return Outcome(UserList(request.rid, found))


def users(
    connection: Connection, context: Context, *, after: str, limit: int, admins: bool = False
) -> tuple[UserInfo, ...]:
    """Return a page of accounts as admins see them; only admins if so asked."""
    now_ms = context.now_ms()
    page = account_rows.accounts_page(connection, after=after, limit=limit, admins=admins)
    return tuple(
        UserInfo(
            account.name,
            account.display,
            account.is_admin,
            context.is_online(account.name),
            account.created_ms,
            account.banned_until_ms if account.is_banned(now_ms) else NEVER,
            account.muted_until_ms if account.is_muted(now_ms) else NEVER,
            account.reason,
        )
        for account in page
    )


def list_audit(connection: Connection, context: Context, who: Who, request: ListAudit) -> Outcome:
    """List acts, newest first."""
    _admin(connection, context, who)
    acts = audit(connection, before=request.before, limit=request.limit)
    return Outcome(AuditList(request.rid, acts))


def audit(connection: Connection, *, before: int | None, limit: int) -> tuple[AuditInfo, ...]:
    """Return a page of acts, newest first."""
    rows = other_rows.audit_page(connection, before=before, limit=limit)
    return tuple(
        AuditInfo(row.id, row.at_ms, row.by, row.act, row.name, row.reason, row.until_ms)
        for row in rows
    )


def _clean(reason: str) -> str:
    """One line: what is shown to everybody and kept holds no control characters."""
    line = "".join(each if each.isprintable() else " " for each in reason)
    return line.strip()[:MAX_REASON_BYTES]


def _printable(typed: str) -> str:
    if not typed.isprintable():
        raise WireError(Code.BAD_REQUEST, "A name has no control characters.")
    return typed
