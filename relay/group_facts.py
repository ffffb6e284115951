"""What the relay may know of a group: its public GroupInfo and the objects of its tree.

Never holds a group: it parses what members published, and checks that a joiner can walk it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from sqlalchemy import Connection

from crypto.errors import PeerError
from crypto.mls.codec import Reader
from crypto.mls.credential import Credential
from crypto.mls.extensions import (
    ExtensionType,
    ExternalSender,
    external_pub,
    external_senders,
    find_extension,
)
from crypto.mls.leaf_node import read_leaf_node
from crypto.mls.tree_object import LEAF, object_children
from crypto.mls.welcome import GroupInfo, decode_group_info
from storage.relay import log_rows
from wire.errors import Code, WireError
from wire.policy import POLICY_EXTENSION, Policy, decode_policy
from wire.suites import SUITES

RELAY_CREDENTIAL: Final = Credential.basic(b"sotto relay")


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """An epoch as its GroupInfo shows it, and the tree nodes (by hash) that came with it."""

    suite: int
    epoch: int
    root_hash: bytes
    policy: Policy
    nodes: Mapping[bytes, bytes] = field(repr=False)


def read_group(
    conversation: bytes, group_info: bytes, *, nodes: Sequence[bytes], relay_key: bytes
) -> GroupFacts:
    """Parse what a commit or a founding brings; raise WireError(bad_request) if it is not right."""
    try:
        parsed = decode_group_info(group_info)
        _check_group_info(parsed, conversation, relay_key)
    except PeerError as error:
        raise _refused(f"The group's description is malformed ({error.code}).") from None
    context = parsed.group_context
    by_hash = {sha256(node).digest(): node for node in nodes}
    policy = policy_of(parsed)
    return GroupFacts(context.suite, context.epoch, context.tree_hash, policy, by_hash)


def policy_of(group_info: GroupInfo) -> Policy:
    """Return the policy of a GroupInfo; raise WireError(bad_request) when there is none."""
    raw = find_extension(group_info.group_context.extensions, POLICY_EXTENSION)
    if raw is None:
        raise _refused("The group has no policy.")
    return decode_policy(raw)


def stored_policy(group_info: bytes) -> Policy:
    """Return the policy of a GroupInfo that was checked before it was stored."""
    return policy_of(decode_group_info(group_info))


def _check_group_info(parsed: GroupInfo, conversation: bytes, relay_key: bytes) -> None:
    context = parsed.group_context
    if context.suite not in SUITES:
        raise _refused("Conversations do not use the group's cipher suite.")
    if context.group_id != conversation:
        raise _refused("The group's description is another group's.")
    if len(context.tree_hash) != sha256().digest_size:
        raise _refused("The group's tree hash has the wrong size.")
    senders = external_senders(context.extensions)
    # "external_senders is exactly the pinned relay's key": else this relay could remove nobody
    if senders != (ExternalSender(relay_key, RELAY_CREDENTIAL),):
        raise _refused("The group's external sender is not this relay.")
    if external_pub(parsed.extensions) is None:
        raise _refused("The group's description lets nobody join.")
    if find_extension(parsed.extensions, ExtensionType.RATCHET_TREE) is not None:
        raise _refused("The group's tree comes as nodes, not in its description.")


def check_tree(connection: Connection, row: int | None, facts: GroupFacts) -> None:
    """Raise WireError(bad_request) unless the whole tree can be walked and each new node is in it.

    `row`: the conversation whose stored nodes count too; what is stored is complete.
    """
    reached = {facts.root_hash}
    level, outside = [facts.root_hash], set()
    while level:
        below: list[bytes] = []
        for name in level:
            if name in facts.nodes:
                below += [child for child in _children(facts.nodes[name]) if child not in reached]
                reached.update(below)
            else:
                outside.add(name)
        level = below
    if not facts.nodes.keys() <= reached:
        raise _refused("A node does not belong to the group's tree.")
    known = set() if row is None else log_rows.known_nodes(connection, row, outside)
    if known != outside:
        raise _refused("The group's tree is not complete.")


def founder_key(facts: GroupFacts) -> bytes:
    """Return the signature key of a new group's only leaf, its tree's root."""
    try:
        reader = Reader(facts.nodes.get(facts.root_hash, b""))
        if reader.u8() != LEAF or reader.u32() != 0 or not reader.optional():
            raise _refused("A new group has exactly one leaf.")
        leaf = read_leaf_node(reader)
        reader.done()
    except PeerError as error:
        raise _refused(f"The group's leaf is malformed ({error.code}).") from None
    return leaf.signature_key


def _children(node: bytes) -> tuple[bytes, ...]:
    try:
        return object_children(node)
    except PeerError as error:
        raise _refused(f"A node of the tree is malformed ({error.code}).") from None


def _refused(text: str) -> WireError:
    return WireError(Code.BAD_REQUEST, text)
