"""What all nodes of a tree share out among them: keys that must be unique, credential types.

Never walks the whole tree after the first time: a census follows from the one before.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from crypto.errors import PeerError
from crypto.mls.key_set import KeySet
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.tree_node import Branch, LeafSlot, Subtree, changed_subtrees


@dataclass(frozen=True, slots=True, eq=False)
class Census:
    """The keys in a tree, and how many leaves have each credential type."""

    encryption_keys: KeySet = field(default_factory=KeySet)
    signature_keys: KeySet = field(default_factory=KeySet)
    credential_types: Mapping[int, int] = field(default_factory=dict)

    def moved(self, old: RatchetTree | None, new: RatchetTree) -> "Census":
        """The census of `new`, when this one is of `old`; O(what changed).

        Raises PeerError when a key stands twice in `new`: "VAL-7.3-8" for signature keys,
        "VAL-7.3-9" for encryption keys of leaves, "VAL-12.4.3.1-5" for those of parents.
        """
        gone = changed_subtrees(old.root, new.root) if old else ()
        smaller = _without(self, gone)
        return _with(smaller, changed_subtrees(new.root, old.root if old else None))


def _without(census: Census, subtrees: Iterable[Subtree]) -> Census:
    encryption, signature = census.encryption_keys, census.signature_keys
    types = dict(census.credential_types)
    for subtree in subtrees:
        if subtree.key is not None:
            encryption = encryption.remove(subtree.key)
        if isinstance(subtree, LeafSlot) and subtree.node is not None:
            signature = signature.remove(subtree.node.signature_key)
            types[subtree.node.credential.type] -= 1
    return Census(encryption, signature, {kind: n for kind, n in types.items() if n})


def _with(census: Census, subtrees: Iterable[Subtree]) -> Census:
    found = tuple(subtrees)
    slots = (subtree for subtree in found if isinstance(subtree, LeafSlot))
    leaves = [slot.node for slot in slots if slot.node is not None]
    above = (subtree.key for subtree in found if isinstance(subtree, Branch))
    signature = _unique(census.signature_keys, (leaf.signature_key for leaf in leaves), "VAL-7.3-8")
    encryption = census.encryption_keys
    encryption = _unique(encryption, (leaf.encryption_key for leaf in leaves), "VAL-7.3-9")
    encryption = _unique(encryption, (key for key in above if key is not None), "VAL-12.4.3.1-5")
    types = Counter(census.credential_types)
    types.update(leaf.credential.type for leaf in leaves)
    return Census(encryption, signature, types)


def _unique(keys: KeySet, added: Iterable[bytes], rule: str) -> KeySet:
    try:
        return keys.add(added)
    except KeyError:
        raise PeerError(rule, "a key stands twice in the tree") from None
