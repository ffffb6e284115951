"""Fetches a ratchet tree node by node, from the hash that a member signed.

Never trusts a node for more than its hash, and never fetches more than a group may have.
"""

from __future__ import annotations

from typing import Final

from crypto.errors import PeerError
from crypto.mls.group import RatchetTree, missing_objects
from crypto.mls.suite import Suite
from engine.context import Context
from wire.errors import Code, WireError
from wire.limits import MAX_GROUP_LEAVES, MAX_NODES_PER_FETCH
from wire.replies import NodesFound
from wire.requests import GetNodes

MAX_NODES: Final = 4 * MAX_GROUP_LEAVES  # a full tree over the leaves, rounded up to a power of two


async def walk_tree(
    context: Context, conversation: bytes, *, suite: Suite, root_hash: bytes
) -> RatchetTree:
    """Return the tree; raise WireError(unavailable) when the relay does not have it all."""
    objects: dict[bytes, bytes] = {}
    try:
        while missing := missing_objects(root_hash, objects):
            if len(objects) + len(missing) > MAX_NODES:
                raise PeerError("too_large", "the tree is larger than any of ours")
            before = len(objects)
            wanted = tuple(sorted(missing))
            for start in range(0, len(wanted), MAX_NODES_PER_FETCH):
                hashes = wanted[start : start + MAX_NODES_PER_FETCH]
                await _fetch(context, conversation, hashes, suite=suite, objects=objects)
            if len(objects) == before:
                raise PeerError("missing_object", "the relay does not have a node of the tree")
        return RatchetTree.from_objects(suite, root_hash, objects)
    except PeerError as error:
        text = f"The relay's tree of the conversation is not whole ({error.code}). Not joined."
        raise WireError(Code.UNAVAILABLE, text) from None


async def _fetch(
    context: Context,
    conversation: bytes,
    hashes: tuple[bytes, ...],
    *,
    suite: Suite,
    objects: dict[bytes, bytes],
) -> None:
    reply = await context.link.request(GetNodes(0, conversation, hashes))
    if not isinstance(reply, NodesFound):
        raise WireError(Code.BAD_REQUEST, "The relay answered something else.")
    for node in reply.nodes:
        name = suite.hash(node)
        if name in hashes:
            objects[name] = node
