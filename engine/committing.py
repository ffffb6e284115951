"""Makes commits of this device: planned, judged by our own rules, stored, sent, until one stands.

Never sends a commit that the members would refuse, and never sends one that is not durable: after a
crash the same bytes are sent again, so that the relay's first answer counts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from crypto.errors import PeerError
from crypto.mls.extensions import Extension
from crypto.mls.group import Draft, changed_rows, tree_objects
from crypto.mls.group import OwnCommit as MadeCommit
from crypto.mls.proposals import GroupContextExtensions, Proposal, Remove
from engine.commits import OwnCommit, places_of, proposed
from engine.context import Context
from engine.conversation import Conversation
from engine.group_policy import closed, extensions_of
from engine.judge import CommitView, Standing, expels, judge
from engine.killpoints import reached
from engine.live import Live
from engine.roster import Place, Refused, effects_of
from storage.client import messaging
from storage.client.messaging import PendingCommit
from wire.codec import encode
from wire.entry import EffectKind, EntryData, Id, Key, encode_data
from wire.errors import Code, WireError
from wire.fields import MAX_RID
from wire.policy import ROOM_PSK_EXTENSION, Policy
from wire.replies import Accepted, Conflict
from wire.requests import Append, CommitParts

# Each conflict means that another device's commit stood first: this many in a row is a flood.
MAX_TRIES: Final = 64
# After these the answer is not known: the commit is kept and sent again.
UNANSWERED: Final = frozenset({Code.NOT_CONNECTED, Code.TIMEOUT, Code.UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Plan:
    """What a commit shall do besides the relay's waiting Removes; nothing: only a new path.

    `policy` makes the next policy from the present one.
    """

    proposals: tuple[Proposal, ...] = ()
    policy: Callable[[Policy], Policy] | None = None


class Parts(msgspec.Struct, frozen=True, array_like=True):
    """What is kept with a pending commit: what goes out with it, and when it was made."""

    parts: CommitParts
    made_at_ms: int
    is_join: bool = False
    secret: tuple[bytes, bytes] | None = None


class RoomKey(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A password room's key inside a Welcome's encrypted GroupInfo (ROOM_PSK_EXTENSION)."""

    psk_id: Id
    psk: Key


class PendingRows(msgspec.Struct, frozen=True, array_like=True):
    """The rows that turn the stored group into the one that the commit opens."""

    put: dict[str, bytes]
    gone: tuple[str, ...] = ()


async def commit(
    context: Context, live: Live, wanted: Callable[[Conversation], Plan | None]
) -> None:
    """Commit until `wanted` asks for nothing more; it is asked anew after everything that came.

    Raises WireError: forbidden when our own rules refuse, the relay's own, not_connected.
    """
    async with live.committing:
        await _finish_unanswered(context, live)
        for _ in range(MAX_TRIES):
            async with live.lock:
                plan = wanted(live.value) if live.reads else None
                if plan is None:
                    return
                number, frame = await _prepare(context, live, plan)
            await _send(context, live, number, frame)
    raise WireError(Code.RATE_LIMITED, "Too many others change this conversation; try again.")


async def resend(context: Context, live: Live) -> None:
    """Learn what became of a commit whose answer was not heard, if there is one."""
    async with live.committing:
        await _finish_unanswered(context, live)


async def _finish_unanswered(context: Context, live: Live) -> None:
    """The same: it may stand in the log by now, otherwise the very same bytes are sent again."""
    if not _unanswered(live):
        return
    await live.catch_up()
    number = live.value.id
    row = await context.store.query(lambda c: messaging.load_pending_commit(c, number))
    if row is not None and row.transaction_id in live.own and live.reads:
        await _send(context, live, row.transaction_id, frame_of(row))


def _unanswered(live: Live) -> bool:
    return any(isinstance(own, OwnCommit) for own in live.own.values())


def frame_of(pending: PendingCommit) -> Append:
    """Return the very frame in which a pending commit went out."""
    extra = msgspec.msgpack.decode(pending.extra, type=Parts)
    return Append(0, pending.conversation, pending.message, extra.parts)


async def _send(context: Context, live: Live, number: bytes, frame: Append) -> None:
    """Send a commit that is durable; afterwards it stands, or is given up for another one."""
    reached("stored_commit")
    try:
        with live.under_way():
            reply = await context.link.request(frame)
    except WireError as error:
        if error.code not in UNANSWERED:
            await _drop(context, live, number)
        raise
    reached("answered_commit")
    if isinstance(reply, Accepted):
        await live.accepted(number, reply.answers[0][1])
        return
    if not isinstance(reply, Conflict):
        raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
    await _drop(context, live, number)
    await live.catch_up()


async def _drop(context: Context, live: Live, number: bytes) -> None:
    """Forget a commit that does not stand."""
    conversation = live.value.id

    def work(connection: Any) -> None:
        messaging.drop_pending_commit(connection, conversation, transaction_id=number)

    async with live.lock:
        await context.store.run(work)
        live.own.pop(number, None)


async def _prepare(context: Context, live: Live, plan: Plan) -> tuple[bytes, Append]:
    group, _ = live.value.now_in()
    number = context.fresh_number()
    try:
        draft, after, data = _draft(context, live.value, plan, number)
    except Refused as error:
        text = f"That is not allowed in this conversation ({error.code}). Nothing was changed."
        raise WireError(Code.FORBIDDEN, text) from None
    except PeerError as error:
        text = f"That cannot be done ({error.code}). Nothing was changed."
        raise WireError(Code.BAD_REQUEST, text) from None
    made = draft.finish(
        signer=context.keys.signer,
        authenticated_data=encode_data(data),
        welcome_extensions=_room_key(live, after),
        random=context.random,
    )
    parts = CommitParts(made.group_info, tree_objects(made.group, group), made.welcome)
    frame = Append(0, live.value.id, made.message, parts)
    check_fits(frame)
    await _keep(context, live, made, number=number, parts=parts, after=after)
    return number, frame


def check_fits(frame: Append) -> None:
    """Raise WireError(too_large) for a commit that no frame holds, before anything is stored."""
    try:
        encode(msgspec.structs.replace(frame, rid=MAX_RID))
    except WireError as error:
        text = (
            "That would give new keys to more devices than fit one step. Nothing was changed: add "
            "fewer people at once, or wait until more of those who are here have written."
        )
        raise WireError(error.code, text) from None


def _draft(
    context: Context, value: Conversation, plan: Plan, number: bytes
) -> tuple[Draft, Standing, EntryData]:
    group, standing = value.now_in()
    committer = standing.roster.of_device(context.keys.device)
    assert committer is not None  # a device with a group has a leaf in it
    proposals = _proposals(context, standing, plan, committer)
    draft = group.draft(proposals, random=context.random)
    added, removed = places_of(standing, draft.changes)
    changes = [(EffectKind.REMOVED, place) for place in removed]
    changes += [(EffectKind.ADDED, place) for place in added]
    data = EntryData(value.stands_on, number, effects_of(changes))
    view = CommitView(
        data.effects,
        is_external=False,
        committer=committer,
        path=committer,
        proposals=tuple(map(proposed, draft.resolved)),
        added=added,
        removed=removed,
    )
    return draft, judge(standing, view), data


def _proposals(
    context: Context, standing: Standing, plan: Plan, committer: Place
) -> tuple[Proposal, ...]:
    """Return what the commit carries by value, the obligatory closing of a room included."""
    if standing.waiting and plan.policy is not None:
        plan = Plan()  # first what the relay waits for; the plan's turn comes after it
    leaves = [waiting.leaf for waiting in standing.waiting]
    leaves += [one.removed for one in plan.proposals if isinstance(one, Remove)]
    removed = [place for leaf in leaves if (place := standing.roster.at(leaf)) is not None]
    policy = plan.policy(standing.policy) if plan.policy is not None else standing.policy
    if expels(standing, committer, removed):
        policy = closed(standing.policy)
    if policy == standing.policy:
        return plan.proposals
    extensions = extensions_of(policy, relay_key=context.relay_key)
    return (*plan.proposals, GroupContextExtensions(extensions))


def _room_key(live: Live, after: Standing) -> tuple[Extension, ...]:
    lock = after.policy.lock
    psk = None if lock is None else live.secrets.get(lock.psk_id)
    if lock is None or psk is None:
        return ()
    return (Extension(ROOM_PSK_EXTENSION, msgspec.msgpack.encode(RoomKey(lock.psk_id, psk))),)


async def _keep(
    context: Context,
    live: Live,
    made: MadeCommit,
    *,
    number: bytes,
    parts: CommitParts,
    after: Standing,
) -> None:
    """Store the commit, and the group without the key that its message took, in one transaction."""
    spent = made.group_if_refused
    assert spent is not None  # only who joins from outside has none
    made_at_ms = context.now_ms()
    put, gone = changed_rows(spent, made.group)
    rows = PendingRows(dict(put), tuple(gone))
    pending = PendingCommit(
        live.value.id,
        number,
        message=made.message,
        rows=msgspec.msgpack.encode(rows),
        extra=msgspec.msgpack.encode(Parts(parts, made_at_ms)),
    )

    def write(connection: Any) -> None:
        messaging.put_pending_commit(connection, pending)

    await live.keep_group(spent, write)
    live.own[number] = OwnCommit(
        number, made.message, group=made.group, standing=after, made_at_ms=made_at_ms
    )
