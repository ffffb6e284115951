"""Whether what a commit declares fits the members, the devices, and its committer's role.

Never sees whether the commit does what it declares: its members do, and refuse it if not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs
from sqlalchemy import Connection

from relay.context import Context
from relay.headers import Header
from storage.relay import account_rows
from storage.relay.account_rows import Account, Device
from storage.relay.conversation_rows import Membership
from wire.entry import Effect, EffectKind
from wire.errors import Code, WireError
from wire.policy import JoinRule, Kind, Policy
from wire.suites import MAX_LEAVES


@dataclass(frozen=True, slots=True)
class Joining:
    """A device that a commit adds."""

    effect: Effect
    device: Device
    account: Account


@dataclass(frozen=True, slots=True)
class Changes:
    """What a commit does to the membership."""

    joining: tuple[Joining, ...]
    leaving: tuple[Membership, ...]


def read_changes(
    connection: Connection,
    context: Context,
    header: Header,
    members: Sequence[Membership],
    *,
    suite: int,
) -> Changes:
    """Resolve the declared effects against the members that the commit stands on.

    `suite`: the conversation's, which decides how large it may be.

    Raises WireError(bad_request) for what cannot be, banned for whom may not come in.
    """
    effects = header.data.effects
    if len({(each.kind, each.leaf) for each in effects}) != len(effects):
        raise _refused("A leaf is named twice.")
    leaving = _leaving([e for e in effects if e.kind is EffectKind.REMOVED], members)
    added = [each for each in effects if each.kind is EffectKind.ADDED]
    gone = {stay.id for stay in leaving}
    staying = [member for member in members if member.id not in gone]
    _check_places(added, staying, MAX_LEAVES[suite])
    return Changes(_joining(connection, context, added), leaving)


def _leaving(effects: list[Effect], members: Sequence[Membership]) -> tuple[Membership, ...]:
    by_leaf = {member.leaf: member for member in members}
    found = []
    for effect in effects:
        member = by_leaf.get(effect.leaf)
        if member is None or (member.device, member.account, member.key_hash) != (
            effect.device,
            effect.account,
            effect.key_hash,
        ):
            raise _refused("A removed leaf is not as declared.")
        found.append(member)
    return tuple(found)


def _check_places(added: list[Effect], staying: list[Membership], most: int) -> None:
    devices = [member.device for member in staying] + [each.device for each in added]
    leaves = [member.leaf for member in staying] + [each.leaf for each in added]
    if len(set(devices)) != len(devices):
        raise WireError(Code.ALREADY_MEMBER, "A device is a member already. Nothing was changed.")
    if len(set(leaves)) != len(leaves) or max(leaves, default=0) >= most:
        raise _refused("An added leaf has no place.")


def _joining(connection: Connection, context: Context, added: list[Effect]) -> tuple[Joining, ...]:
    devices = account_rows.devices_by_ids(connection, [each.device for each in added])
    accounts: dict[int, Account] = {}
    found = []
    for effect in added:
        device = devices.get(effect.device)
        if device is None or device.revoked_ms or device.key_hash != effect.key_hash:
            raise _refused("An added device does not exist, or has another key.")
        if device.account_id not in accounts:
            accounts[device.account_id] = account_rows.account_by_id(connection, device.account_id)
        account = accounts[device.account_id]
        if account.name != effect.account:
            raise _refused("An added device is another account's.")
        if account.is_banned(context.now_ms()):
            raise WireError(Code.BANNED, f"{account.display} is banned. Nothing was changed.")
        found.append(Joining(effect, device, account))
    return tuple(found)


def check_role(
    changes: Changes,
    *,
    committer: Account,
    before: Policy,
    after: Policy,
    pending: Mapping[int, object],
    roots: Mapping[int, bytes],
) -> None:
    """Raise WireError(forbidden) when the committer may not do this to others, or to the policy.

    `pending`: memberships (row ids) that the relay wants removed, which anybody may commit;
    `roots`: the root of each leaving account, by row id. The members apply the same rules.
    """
    for joining in changes.joining:
        if joining.account.id != committer.id and not _may_add(before, committer, joining.account):
            raise _forbidden("add somebody")
    for stay in changes.leaving:
        own = stay.account_id == committer.id or stay.id in pending
        if not own and not _may_remove(before, committer.root, roots[stay.account_id]):
            raise _forbidden("remove somebody")
    may_change = committer.root in _owners(before) or (
        bool(changes.leaving) and after == _locked(before)
    )
    if after != before and not may_change:
        raise _forbidden("change its rules")


def _may_add(policy: Policy, committer: Account, newcomer: Account) -> bool:
    if policy.kind is Kind.LOBBY:
        return False
    if policy.kind is Kind.DIRECT:
        return newcomer.root in policy.owners
    return policy.join is not JoinRule.INVITE or committer.root in policy.owners + policy.admins


def _may_remove(policy: Policy, committer: bytes, leaving: bytes) -> bool:
    if policy.kind is Kind.LOBBY:
        return False
    if committer in policy.owners:
        return True
    return committer in policy.admins and leaving not in policy.owners


def _owners(policy: Policy) -> tuple[bytes, ...]:
    return policy.owners if policy.kind is Kind.ROOM else ()


def _locked(policy: Policy) -> Policy:
    """The policy after a removal from a password room: nobody joins until a new password."""
    if policy.lock is None:
        return policy
    return structs.replace(policy, lock=structs.replace(policy.lock, closed=True))


def _refused(text: str) -> WireError:
    return WireError(Code.BAD_REQUEST, text)


def _forbidden(what: str) -> WireError:
    text = f"Your role in the conversation does not let you {what}. Nothing was changed."
    return WireError(Code.FORBIDDEN, text)
