"""TreeKEM: fresh keys along a member's path, sealed to everybody beside it. RFC 9420, 7.4 to 7.6.

Never keeps a path secret: the private keys made of them are kept, by level above the own leaf.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from crypto.errors import PeerError
from crypto.mls.commit import HpkeCiphertext, UpdatePath, UpdatePathNode
from crypto.mls.hpke import Random
from crypto.mls.leaf_node import LeafNode
from crypto.mls.parent_hash import path_nodes
from crypto.mls.ratchet_tree import PathStep, RatchetTree
from crypto.mls.suite import Suite
from crypto.mls.tree_node import Branch, Subtree, resolution, resolution_size

_LABEL = "UpdatePathNode"

# Private keys of the nodes on the own direct path that this member knows, by level; 0 is the leaf.
PrivateKeys = Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class PathSecrets:
    """What a path secret gives at its node and above; all keyed by level."""

    secrets: Mapping[int, bytes] = field(repr=False)
    private_keys: PrivateKeys = field(repr=False)
    public_keys: tuple[bytes, ...]
    commit_secret: bytes = field(repr=False)


def derive_path(suite: Suite, path_secret: bytes, steps: Sequence[PathStep]) -> PathSecrets:
    """Secrets and keys of a filtered path, from the path secret of its lowest step. 7.4."""
    secrets: dict[int, bytes] = {}
    private_keys: dict[int, bytes] = {}
    public_keys: list[bytes] = []
    for step in steps:
        secrets[step.level] = path_secret
        node_secret = suite.derive_secret(path_secret, "node")
        private_keys[step.level], public_key = suite.derive_key_pair(node_secret)
        public_keys.append(public_key)
        path_secret = suite.derive_secret(path_secret, "path")
    return PathSecrets(secrets, private_keys, tuple(public_keys), path_secret)


@dataclass(frozen=True, slots=True)
class NewPath:
    """A path that this member has made: its secrets, the tree with it, and its own new leaf key."""

    tree: RatchetTree
    leaf: LeafNode
    steps: tuple[PathStep, ...]
    path: PathSecrets
    private_keys: PrivateKeys = field(repr=False)


def create_path(
    tree: RatchetTree,
    leaf_index: int,
    *,
    leaf_private: bytes,
    make_leaf: Callable[[bytes], LeafNode],
    random: Random = os.urandom,
) -> NewPath:
    """Fresh keys along the path of a leaf; `make_leaf` signs the leaf for a given parent hash.

    `tree` has the proposals applied and room for the leaf.
    """
    suite, steps = tree.suite, tree.filtered_path(leaf_index)
    path = derive_path(suite, random(suite.hash_length), steps)
    nodes, leaf_hash = path_nodes(suite, steps, path.public_keys)
    leaf = make_leaf(leaf_hash)
    merged = tree.with_path(leaf_index, leaf, nodes)
    return NewPath(merged, leaf, steps, path, {**path.private_keys, 0: leaf_private})


def encrypt_path(
    new: NewPath,
    *,
    context: bytes,
    added: frozenset[int] = frozenset(),
    random: Random = os.urandom,
) -> UpdatePath:
    """The path, each secret sealed to those beside it, except to the leaves just `added`.

    `context` is the encoded provisional GroupContext. Section 7.6.
    """
    suite = new.tree.suite

    def seal_to(node: Subtree, secret: bytes) -> HpkeCiphertext:
        assert node.key is not None  # a resolution has no blank nodes
        sealed = suite.encrypt_with_label(
            node.key, _LABEL, context=context, plaintext=secret, random=random
        )
        return HpkeCiphertext(*sealed)

    nodes: list[UpdatePathNode] = []
    for step, public_key in zip(new.steps, new.path.public_keys, strict=True):
        secret = new.path.secrets[step.level]
        receivers = resolution(step.copath, excluded=added)
        sealed = tuple(seal_to(node, secret) for node in receivers)
        nodes.append(UpdatePathNode(public_key, sealed))
    return UpdatePath(new.leaf, tuple(nodes))


def merge_path(tree: RatchetTree, leaf_index: int, path: UpdatePath) -> RatchetTree:
    """The tree with a received path in it; its shape and parent hash are checked. 7.5.

    Raises PeerError("VAL-7.6-1") when it does not have the nodes of the filtered direct path, and
    PeerError("VAL-7.9.2-2") when the leaf carries another parent hash.
    """
    suite, steps = tree.suite, tree.filtered_path(leaf_index)
    if len(path.nodes) != len(steps):
        raise PeerError("VAL-7.6-1", "the path has a wrong number of nodes")
    keys = [node.encryption_key for node in path.nodes]
    for key in keys:
        try:
            suite.check_encryption_key(key)
        except PeerError:
            raise PeerError("VAL-5.1.1-1", "a key of the path is unusable") from None
    nodes, leaf_hash = path_nodes(suite, steps, keys)
    # "clients MUST recompute the expected value of parent_hash for the committer's new leaf and
    # verify that it matches" (7.9.2)
    if path.leaf_node.content.parent_hash != leaf_hash:
        raise PeerError("VAL-7.9.2-2", "the new leaf carries a wrong parent hash")
    return tree.with_path(leaf_index, path.leaf_node, nodes)


def check_ciphertext_counts(
    tree: RatchetTree, leaf_index: int, path: UpdatePath, *, added: frozenset[int]
) -> None:
    """Check that each secret is sealed exactly to its resolution; PeerError("VAL-7.6-2").

    "The length of the encrypted_path_secret vector MUST be equal to the length of the resolution
    of the copath node (excluding new leaf nodes)" (7.6).
    """
    for step, node in zip(tree.filtered_path(leaf_index), path.nodes, strict=True):
        receivers = resolution_size(step.copath, excluded=added)
        if receivers != len(node.encrypted_path_secrets):
            raise PeerError("VAL-7.6-2", "a path secret is sealed to a wrong number of nodes")


@dataclass(frozen=True, slots=True)
class OpenedPath:
    """What a receiver has from a path: the secret meant for it, its new keys, the commit secret."""

    path_secret: bytes = field(repr=False)
    private_keys: PrivateKeys = field(repr=False)
    commit_secret: bytes = field(repr=False)


def decrypt_path(
    tree: RatchetTree,
    path: UpdatePath,
    *,
    sender: int,
    receiver: int,
    private_keys: PrivateKeys,
    context: bytes,
    added: frozenset[int] = frozenset(),
) -> OpenedPath:
    """What `receiver` gets from the path of `sender`; `tree` has it merged, counts are checked.

    Raises PeerError when the own secret does not open or gives other keys than the path. 7.5.
    """
    steps = tree.filtered_path(sender)
    place = _place_beside(steps, receiver)
    level, ciphertext = _own_ciphertext(
        steps[place], path.nodes[place], receiver, private_keys=private_keys, added=added
    )
    path_secret = tree.suite.decrypt_with_label(
        private_keys[level],
        _LABEL,
        context=context,
        kem_output=ciphertext.kem_output,
        ciphertext=ciphertext.ciphertext,
    )
    if len(path_secret) != tree.suite.hash_length:
        raise PeerError("VAL-7.5-1", "the path secret has a wrong length")
    derived = derive_path(tree.suite, path_secret, steps[place:])
    expected = tuple(node.encryption_key for node in path.nodes[place:])
    # "Verify that the derived public keys are the same as the corresponding public keys sent in
    # the UpdatePath" (7.5)
    if derived.public_keys != expected:
        raise PeerError("VAL-7.5-1", "the path secret does not match the path")
    below = {level: key for level, key in private_keys.items() if level < steps[place].level}
    return OpenedPath(path_secret, {**below, **derived.private_keys}, derived.commit_secret)


def _place_beside(steps: Sequence[PathStep], receiver: int) -> int:
    for place, step in enumerate(steps):
        if step.copath.first <= receiver < step.copath.first + (1 << step.copath.level):
            return place
    raise AssertionError("every other member stands beside the sender's path")


def _own_ciphertext(
    step: PathStep,
    node: UpdatePathNode,
    receiver: int,
    *,
    private_keys: PrivateKeys,
    added: frozenset[int],
) -> tuple[int, HpkeCiphertext]:
    """The level of a node whose private key the receiver has, and what is sealed to it."""
    place, subtree = 0, step.copath
    while isinstance(subtree, Branch) and subtree.node is None:
        if subtree.goes_right(receiver):
            place += resolution_size(subtree.left, excluded=added)
        subtree = subtree.towards(receiver)
    unmerged: list[int] = []
    if isinstance(subtree, Branch) and subtree.node is not None:
        unmerged = [leaf for leaf in subtree.node.unmerged_leaves if leaf not in added]
    if receiver in unmerged:
        return 0, node.encrypted_path_secrets[place + 1 + unmerged.index(receiver)]
    if subtree.level not in private_keys:
        raise PeerError("VAL-7.5-2", "the path has nothing for this member")
    return subtree.level, node.encrypted_path_secrets[place]


def keys_still_valid(tree: RatchetTree, leaf_index: int, private_keys: PrivateKeys) -> PrivateKeys:
    """The private keys whose nodes are not blank in `tree`; the others are dropped. 7.5."""
    present = tree.keys_above(leaf_index)
    return {level: key for level, key in private_keys.items() if level in present}


def check_private_keys(tree: RatchetTree, leaf_index: int, private_keys: PrivateKeys) -> None:
    """Check that each private key belongs to the public key at its node.

    Raises PeerError("VAL-12.4.3.1-6") otherwise.
    """
    present = tree.keys_above(leaf_index)
    for level, private_key in private_keys.items():
        if present.get(level) != tree.suite.encryption_key_of(private_key):
            raise PeerError("VAL-12.4.3.1-6", "a private key does not belong to its node")
