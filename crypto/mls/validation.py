"""How leaves and trees must fit a group: the same rules at every door. RFC 9420, 7.3 and 12.4.3.1.

Never looks at a clock, a proposal or a secret. The doors are Add, Update, the path of a Commit, the
tree that a newcomer gets, and the extensions that all members must support.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence, Set

from crypto.errors import PeerError
from crypto.mls.census import Census
from crypto.mls.extensions import (
    DEFAULT_EXTENSION_TYPES,
    Extension,
    check_unique,
    external_senders,
    required_capabilities,
)
from crypto.mls.leaf_node import Capabilities, LeafNode
from crypto.mls.leaf_rules import check_leaf_alone
from crypto.mls.parent_hash import check_parent_hashes
from crypto.mls.proposals import ProposalType
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Suite
from crypto.mls.tree_node import Branch, LeafSlot, Subtree, changed_subtrees, leaf_slot

DEFAULT_PROPOSAL_TYPES = frozenset(ProposalType)


def check_supports(capabilities: Capabilities, extensions: Sequence[Extension]) -> None:
    """Check that a leaf supports the GroupContext's extensions and required capabilities."""
    known = DEFAULT_EXTENSION_TYPES.union(capabilities.extensions)
    # "The capabilities field MUST indicate support for each extension in the GroupContext" (13.4)
    if any(extension.type not in known for extension in extensions):
        raise PeerError("VAL-13.4-2", "a leaf does not support an extension of the group")
    required = required_capabilities(extensions)
    proposals = DEFAULT_PROPOSAL_TYPES.union(capabilities.proposals)
    # "the required extensions, proposals, and credential types MUST be listed in the LeafNode's
    # capabilities field" (7.3); default types need not be (11.1)
    if (
        not known.issuperset(required.extensions)
        or not proposals.issuperset(required.proposals)
        or not set(capabilities.credentials).issuperset(required.credentials)
    ):
        raise PeerError("VAL-7.3-3", "a leaf lacks a required capability")


def check_new_leaves(
    old: RatchetTree | None, new: RatchetTree, census: Census, extensions: Sequence[Extension]
) -> None:
    """Check that each leaf that `new` has and `old` had not fits its group; `census` is of `new`.

    Signatures and sources are checked where a leaf comes in. O(what changed), unless a credential
    type comes into use that no member had.
    """
    changed = changed_subtrees(new.root, old.root if old else None)
    slots = (subtree for subtree in changed if isinstance(subtree, LeafSlot))
    leaves = [slot.node for slot in slots if slot.node is not None]
    for capabilities in dict.fromkeys(leaf.capabilities for leaf in leaves):
        check_supports(capabilities, extensions)
        check_supports_types(capabilities, census.credential_types.keys())
    known = _types_in_use(old)
    for credential_type in dict.fromkeys(leaf.credential.type for leaf in leaves):
        if credential_type not in known:
            check_all_support_type(new, credential_type)


def check_supports_types(capabilities: Capabilities, types_in_use: Set[int]) -> None:
    """Check that a leaf supports the credential types of all members."""
    # "the capabilities field of this LeafNode indicates support for all the credential types
    # currently in use by other members" (7.3)
    if not types_in_use <= set(capabilities.credentials):
        raise PeerError("VAL-7.3-4", "a leaf does not support a credential type in use")


def _types_in_use(tree: RatchetTree | None) -> set[int]:
    """Types that every member is known to support: one leaf's own type, if there is a leaf."""
    return set() if tree is None else {leaf.credential.type for _, leaf in _first(tree.leaves())}


def _first(leaves: Iterable[tuple[int, LeafNode]]) -> Iterable[tuple[int, LeafNode]]:
    for leaf in leaves:
        return (leaf,)
    return ()


def check_all_support_type(
    tree: RatchetTree, credential_type: int, *, but: int | None = None
) -> None:
    """Check that every member supports a credential type that was not in use; O(members)."""
    # "Verify that the credential type is supported by all members of the group" (7.3)
    for index, leaf in tree.leaves():
        if index != but and credential_type not in leaf.capabilities.credentials:
            raise PeerError("VAL-7.3-4", "a member does not support a leaf's credential type")


def check_all_leaves_support(
    tree: RatchetTree, extensions: Sequence[Extension], *, but: int | None = None
) -> None:
    """Check every member against new GroupContext extensions (12.1.7); O(members).

    `but` is a leaf that the path of the same Commit replaces: the new one is checked instead.
    """
    others = (leaf.capabilities for index, leaf in tree.leaves() if index != but)
    for capabilities in dict.fromkeys(others):
        check_supports(capabilities, extensions)


def check_extensions(suite: Suite, extensions: Sequence[Extension]) -> None:
    """Check what the GroupContext's own extensions hold: that they parse, and external keys."""
    check_unique(extensions)
    required_capabilities(extensions)
    # VAL-5.1.1-2: "the public key is in the format specified in [RFC8032]" (5.1.1)
    for sender in external_senders(extensions):
        suite.check_signature_key(sender.signature_key)


def check_tree(tree: RatchetTree, *, group_id: bytes, extensions: Sequence[Extension]) -> Census:
    """Check a whole tree as somebody who joins must (12.4.3.1), and return its census.

    The caller has compared the tree hash. Raises PeerError with the rule's id.
    """
    root = tree.root
    # A tree is truncated until "there is at least one non-blank leaf node in the right subtree"
    # (12.1.3).
    if tree.members == 0 or (isinstance(root, Branch) and root.right.members == 0):
        raise PeerError("VAL-12.1.3-2", "the tree is not truncated")
    _check_unmerged(root)
    for subtree in changed_subtrees(root, None):
        if isinstance(subtree, LeafSlot) and subtree.node is not None:
            check_leaf_alone(tree.suite, subtree.node, group_id=group_id, leaf_index=subtree.index)
        elif isinstance(subtree, Branch) and subtree.node is not None:
            _check_parent_key(tree.suite, subtree.node.encryption_key)
    census = Census().moved(None, tree)
    check_new_leaves(None, tree, census, extensions)
    check_parent_hashes(tree)
    return census


def _check_parent_key(suite: Suite, key: bytes) -> None:
    try:
        suite.check_encryption_key(key)
    except PeerError:
        raise PeerError("VAL-5.1.1-1", "a key of a parent is unusable") from None


def _check_unmerged(root: Subtree) -> None:
    for subtree in changed_subtrees(root, None):
        if isinstance(subtree, LeafSlot) or subtree.node is None:
            continue
        end = subtree.first + (1 << subtree.level)
        for leaf in subtree.node.unmerged_leaves:
            # "Verify that the entry represents a non-blank leaf node that is a descendant of the
            # parent node" (12.4.3.1)
            if not subtree.first <= leaf < end or leaf_slot(subtree, leaf).node is None:
                raise PeerError("VAL-12.4.3.1-3", "an unmerged leaf is not below its parent")
            _check_unmerged_between(subtree, leaf)


def _check_unmerged_between(subtree: Branch, leaf: int) -> None:
    below = subtree.towards(leaf)
    while isinstance(below, Branch):
        # "every non-blank intermediate node between the leaf node and the parent node also has an
        # entry for the leaf node in its unmerged_leaves" (12.4.3.1)
        if below.node is not None and not _holds(below.node.unmerged_leaves, leaf):
            raise PeerError("VAL-12.4.3.1-4", "a leaf is merged below a parent it is not merged at")
        below = below.towards(leaf)


def _holds(ascending: Sequence[int], number: int) -> bool:
    place = bisect_left(ascending, number)
    return place < len(ascending) and ascending[place] == number
