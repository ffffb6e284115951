"""Founding conversations, and reading what they are: join information, nodes, entries, heads.

Never changes a log: append.py does.
"""

from __future__ import annotations

from hashlib import sha256

from sqlalchemy import Connection

from relay.context import Context, Who
from relay.group_facts import GroupFacts, check_tree, founder_key, read_group
from relay.outcome import Outcome, ToAccounts
from relay.rights import (
    check_may_join,
    check_may_see,
    check_not_banned,
    check_not_revoked,
    no_such_room,
    open_conversation,
    pair_of,
    peer_banned,
)
from relay.usage import charge
from storage.relay import account_rows, conversation_rows, log_rows
from storage.relay.account_rows import Account
from storage.relay.conversation_rows import Conversation
from wire.errors import Code, WireError
from wire.limits import MAX_FETCH_BYTES
from wire.names import canonical_room_name
from wire.policy import LOBBY_NAME, Kind, Policy
from wire.pushes import ConversationChanged
from wire.replies import Created, Found, JoinInfoFound, NodesFound
from wire.requests import Create, Direct, GetNodes, JoinInfo


def create(connection: Connection, context: Context, who: Who, request: Create) -> Outcome:
    """Found a conversation with this device as its only member.

    Raises WireError: room_exists with data conversation (hex), bad_name, no_such_user, banned...
    """
    facts = read_group(
        request.conversation,
        request.group_info,
        nodes=request.nodes,
        relay_key=context.signing_key.public,
    )
    found = conversation_rows.find(connection, request.conversation)
    if found is not None:
        return _founded_before(found, who, request)
    account = account_rows.account_by_id(connection, who.account_id)
    check_not_banned(context, account)  # in the same moment: its session ends only now
    active_name, pair = _check_founding(connection, context, account, facts.policy)
    device = account_rows.device_by_id(connection, who.device)
    if device is None or founder_key(facts) != device.signature_key or facts.epoch != 0:
        raise WireError(Code.BAD_REQUEST, "A new group has this device as its only leaf.")
    check_not_revoked(device)
    check_tree(connection, None, facts)
    charge(connection, context, account, len(request.group_info))
    _store(connection, context, who, request, facts=facts, active_name=active_name, pair=pair)
    changed = ConversationChanged(request.conversation)
    reply = Created(request.rid, request.conversation)
    return Outcome(reply, (ToAccounts((who.account,), changed),))


def _founded_before(found: Conversation, who: Who, request: Create) -> Outcome:
    if found.founder_id != who.device_row:
        raise WireError(Code.BAD_REQUEST, "That conversation id is in use: choose another.")
    return Outcome(Created(request.rid, request.conversation))


def _check_founding(
    connection: Connection, context: Context, account: Account, policy: Policy
) -> tuple[str | None, bytes | None]:
    """Return (unique name, unique pair), one of them None."""
    if policy.kind is Kind.DIRECT:
        return None, _check_direct(connection, context, account, policy)
    name = LOBBY_NAME
    if policy.kind is Kind.ROOM:
        name = canonical_room_name(policy.name)
        if account.root not in policy.owners:
            raise WireError(Code.BAD_REQUEST, "Whoever founds a room is one of its owners.")
    taken = conversation_rows.find_active(connection, name)
    if taken is not None:
        raise _exists(taken, f"There is a conversation named {name} already.")
    limit = context.limits.conversations_per_account
    if conversation_rows.founded_by(connection, account.id) >= limit:
        text = f"You founded {limit} conversations. No other was made: leave some."
        raise WireError(Code.RATE_LIMITED, text)
    return name, None


def _check_direct(
    connection: Connection, context: Context, account: Account, policy: Policy
) -> bytes:
    if account.root not in policy.owners:
        raise WireError(Code.BAD_REQUEST, "A direct conversation is for its founder and a peer.")
    for root in policy.owners:
        peer = account_rows.account_by_root(connection, root)
        if peer is None:
            raise WireError(Code.NO_SUCH_USER, "Nobody has that identity. Nothing was made.")
        if peer.is_banned(context.now_ms()):
            raise peer_banned(peer)
    pair = pair_of(policy.owners[0], policy.owners[-1])
    taken = conversation_rows.find_pair(connection, pair)
    if taken is not None:
        raise _exists(taken, "There is a direct conversation of you two already.")
    return pair


def _exists(taken: Conversation, text: str) -> WireError:
    return WireError(
        Code.ROOM_EXISTS, text + " Nothing was made.", conversation=taken.conversation.hex()
    )


def _store(
    connection: Connection,
    context: Context,
    who: Who,
    request: Create,
    *,
    facts: GroupFacts,
    active_name: str | None,
    pair: bytes | None,
) -> None:
    policy = facts.policy
    row = conversation_rows.insert_conversation(
        connection,
        policy.owners if policy.kind is Kind.DIRECT else (),
        conversation=request.conversation,
        suite=facts.suite,
        kind=policy.kind.value,
        name=policy.name,
        active_name=active_name,
        pair=pair,
        founder_id=who.device_row,
        members_version=new_version(context),
        **policy_columns(policy),
    )
    log_rows.insert_commit(
        connection,
        conversation_id=row,
        seq=0,
        device_id=who.device_row,
        root_hash=facts.root_hash,
        group_info=request.group_info,
    )
    log_rows.store_nodes(connection, row, 0, facts.nodes)
    member = {
        "conversation_id": row,
        "device_id": who.device_row,
        "account_id": who.account_id,
        "leaf": 0,
        "key_hash": sha256(founder_key(facts)).digest(),
        "added_seq": 0,
    }
    conversation_rows.add_members(connection, [member])


def policy_columns(policy: Policy) -> dict[str, str | bytes | bool | None]:
    """Return the columns that follow an epoch's policy."""
    lock = policy.lock
    return {
        "join_rule": policy.join.value,
        "psk_id": None if lock is None else lock.psk_id,
        "locked": lock is not None and lock.closed,
    }


def new_version(context: Context) -> int:
    """Return a version of a membership that never was before, whatever is rolled back."""
    return int.from_bytes(context.random(7))


def join_info(connection: Connection, _context: Context, who: Who, request: JoinInfo) -> Outcome:
    """Give whoever may join from outside what an external commit needs."""
    if request.conversation is not None:
        found = open_conversation(connection, request.conversation, lock=False)
    else:
        found = _by_name(connection, request.name or "")
    account = account_rows.account_by_id(connection, who.account_id)
    check_may_join(connection, found, account)
    commit = log_rows.commit_at(connection, found.id, found.commit_seq)
    assert commit is not None
    return Outcome(
        JoinInfoFound(
            request.rid,
            found.conversation,
            commit.group_info,
            found.head_seq,
            found.last_seq,
            found.commit_seq,
        )
    )


def _by_name(connection: Connection, typed: str) -> Conversation:
    name = canonical_room_name(typed, allow_reserved=True)
    found = conversation_rows.find_active(connection, name)
    if found is None:
        raise no_such_room()
    return found


def direct(connection: Connection, _context: Context, who: Who, request: Direct) -> Outcome:
    """Find the direct conversation with a root."""
    account = account_rows.account_by_id(connection, who.account_id)
    found = conversation_rows.find_pair(connection, pair_of(account.root, request.root))
    return Outcome(Found(request.rid, None if found is None else found.conversation))


def get_nodes(connection: Connection, _context: Context, who: Who, request: GetNodes) -> Outcome:
    """Give as many of the asked nodes as fit a frame, in the order asked."""
    found = conversation_rows.find(connection, request.conversation)
    if found is None:
        raise no_such_room()
    check_may_see(connection, found, who)
    nodes = log_rows.nodes_by_hash(connection, found.id, set(request.hashes))
    budget = MAX_FETCH_BYTES
    fitting: list[bytes] = []
    for name in dict.fromkeys(request.hashes):
        node = nodes.get(name)
        if node is None:
            continue
        budget -= len(node)
        if fitting and budget < 0:
            break
        fitting.append(node)
    return Outcome(NodesFound(request.rid, tuple(fitting)))
