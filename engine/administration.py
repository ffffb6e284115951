"""What server admins do from a client, and what anybody may ask the relay about itself.

Never decides a right: the relay does, and members check the signed order of a ban.
"""

from __future__ import annotations

from typing import Any

from crypto.certificates import check_root
from crypto.errors import PeerError
from engine.context import Context
from engine.faults import from_peer
from engine.orders import sign_order
from wire import replies, requests
from wire.entry import Order, OrderKind
from wire.errors import Code, WireError
from wire.limits import ID_BYTES, MAX_ANNOUNCEMENT_BYTES, MAX_REASON_BYTES
from wire.names import canonical_name
from wire.requests import Act


class Administration:
    """The relay's own business, asked over the link."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def act(
        self, act: Act, name: str, *, reason: str = "", for_s: int | None = None
    ) -> dict[str, Any]:
        """Do `act` upon an account; a ban carries this admin's signed order."""
        _check_size(reason, MAX_REASON_BYTES, what="reason")
        account = canonical_name(name)
        order = await self._ban_order(account, reason) if act is Act.BAN else None
        request = requests.AdminAct(0, act, account, reason, for_s, order)
        answer = await self._context.link.request(request)
        assert isinstance(answer, replies.ActDone)
        return {
            "name": answer.account,
            "display": answer.display,
            "was_online": answer.was_online,
        }

    async def _ban_order(self, account: str, reason: str) -> Order:
        found = await self._context.link.request(requests.Lookup(0, account))
        assert isinstance(found, replies.AccountInfo)
        try:
            root = check_root(found.root_certificate)
        except PeerError as error:
            raise from_peer(error, what=f"The identity of {account}") from None
        if root.account != account:
            raise WireError(Code.NO_SUCH_USER, f"The relay shows another account than {account}.")
        return self._order(OrderKind.BAN, account, root.identity, device=b"", reason=reason)

    def _order(
        self, kind: OrderKind, account: str, root: bytes, *, device: bytes, reason: str = ""
    ) -> Order:
        keys = self._context.keys
        order = Order(
            kind=kind,
            account=account,
            root=root,
            device=device,
            conversation=b"",
            reason=reason,
            issued_at_ms=self._context.now_ms(),
        )
        return sign_order(order, signer=keys.signer, chain=keys.chain)

    async def announce(self, text: str) -> dict[str, Any]:
        """Tell everybody online something; the relay sees it."""
        _check_size(text, MAX_ANNOUNCEMENT_BYTES, what="announcement")
        await self._context.link.request(requests.Announce(0, text))
        return {}

    async def users(self, *, after: str, limit: int) -> list[dict[str, Any]]:
        """Return a page of accounts; admins only."""
        answer = await self._context.link.request(requests.ListUsers(0, after, limit))
        assert isinstance(answer, replies.UserList)
        return [
            {
                "name": user.account,
                "display": user.display,
                "admin": user.is_admin,
                "online": user.online,
                "created_at_ms": user.created_at_ms,
                "banned_until_ms": user.banned_until_ms,
                "muted_until_ms": user.muted_until_ms,
                "reason": user.reason,
            }
            for user in answer.users
        ]

    async def audit(self, *, before: int | None, limit: int) -> list[dict[str, Any]]:
        """Return a page of admins' acts, newest first; admins only."""
        answer = await self._context.link.request(requests.ListAudit(0, before, limit))
        assert isinstance(answer, replies.AuditList)
        return [
            {
                "number": act.number,
                "at_ms": act.at_ms,
                "by": act.by,
                "act": act.act,
                "name": act.name,
                "reason": act.reason,
                "until_ms": act.until_ms,
            }
            for act in answer.acts
        ]

    async def rooms(self, *, query: str, limit: int, after: str) -> list[dict[str, Any]]:
        """Return rooms that can be joined, by name."""
        request = requests.ListRooms(0, query, after, limit)
        answer = await self._context.link.request(request)
        assert isinstance(answer, replies.RoomList)
        return [
            {
                "name": room.name,
                "join": room.join.value,
                "members": room.members,
                "closed": room.closed,
            }
            for room in answer.rooms
        ]

    async def who(self, conversation: bytes | None) -> list[dict[str, Any]]:
        """Return who is online: everybody (a page), or in a conversation."""
        answer = await self._context.link.request(requests.Who(0, conversation))
        assert isinstance(answer, replies.NameList)
        return [{"name": account, "display": display} for account, display in answer.names]

    async def devices(self) -> list[dict[str, Any]]:
        """Return the devices of one's own account, oldest first."""
        answer = await self._context.link.request(requests.ListDevices(0))
        assert isinstance(answer, replies.DeviceList)
        return [
            {
                "device": device.device.hex(),
                "added_at_ms": device.added_at_ms,
                "seen_at_ms": device.seen_at_ms,
                "online": device.online,
                "current": device.device == self._context.keys.device,
            }
            for device in answer.devices
        ]

    async def revoke_device(self, device: str) -> dict[str, Any]:
        """Log a device (32 hex digits) of one's own account out for good."""
        keys = self._context.keys
        try:
            raw = bytes.fromhex(device)
        except ValueError:
            raw = b""
        if len(raw) != ID_BYTES:
            raise WireError(Code.BAD_REQUEST, "A device is named by 32 hexadecimal digits.")
        order = self._order(OrderKind.REVOKE, keys.account, keys.root_identity, device=raw)
        await self._context.link.request(requests.RevokeDevice(0, raw, order))
        return {}


def _check_size(text: str, limit_bytes: int, *, what: str) -> None:
    if len(text.encode("utf-8", "replace")) > limit_bytes:
        raise WireError(Code.TOO_LARGE, f"The {what} is longer than {limit_bytes} bytes.")
