"""The secrets of one epoch's messages: a tree above, two ratchets under each leaf that has spoken.

Never keeps what was consumed: a node goes when its children are derived, a key when it is given.
Immutable; an operation returns the next tree. RFC 9420, section 9.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from crypto.errors import PeerError, UsageError
from crypto.mls import tree_math
from crypto.mls.codec import Reader, decode_all, u32, vector
from crypto.mls.framing import ContentType
from crypto.mls.persistent import PersistentVector
from crypto.mls.ratchet import MessageKey, Ratchet
from crypto.mls.suite import Suite
from crypto.mls.tree_math import LeafIndex, NodeIndex

SIZE_ROW = "size"


@dataclass(frozen=True, slots=True)
class SecretTree:
    """Node secrets not consumed yet, and the ratchets of leaves that have been used.

    A leaf's first message costs O(log n) steps, each later one O(1) derivations and one copied
    path of a persistent vector.
    """

    suite: Suite
    leaf_count: int
    nodes: PersistentVector[bytes] = field(repr=False)
    handshake: PersistentVector[Ratchet] = field(repr=False)
    application: PersistentVector[Ratchet] = field(repr=False)

    def next_key(self, leaf: LeafIndex, kind: ContentType) -> tuple["SecretTree", MessageKey]:
        """The key for this leaf's next message of this kind, and the tree without it."""
        tree = self._with_ratchets(leaf)
        ratchet, key = tree._ratchet(leaf, kind).next_key(self.suite)
        return tree._with(leaf, kind, ratchet), key

    def key_for(
        self, leaf: LeafIndex, kind: ContentType, generation: int
    ) -> tuple["SecretTree", MessageKey]:
        """The key of a message received from this leaf, and the tree without it.

        Raises PeerError: "no_such_leaf", "key_consumed" or "generation_too_far".
        """
        if not 0 <= leaf < self.leaf_count:
            raise PeerError("no_such_leaf")
        tree = self._with_ratchets(leaf)
        ratchet, key = tree._ratchet(leaf, kind).key_for(self.suite, generation)
        return tree._with(leaf, kind, ratchet), key

    def _ratchet(self, leaf: LeafIndex, kind: ContentType) -> Ratchet:
        is_application = kind is ContentType.APPLICATION
        ratchet = (self.application if is_application else self.handshake)[leaf]
        if ratchet is None:
            raise AssertionError("a leaf has both ratchets or none")
        return ratchet

    def _with(self, leaf: LeafIndex, kind: ContentType, ratchet: Ratchet) -> "SecretTree":
        handshake, application = self.handshake, self.application
        if kind is ContentType.APPLICATION:
            application = application.set(leaf, ratchet)
        else:
            handshake = handshake.set(leaf, ratchet)
        return SecretTree(self.suite, self.leaf_count, self.nodes, handshake, application)

    def _with_ratchets(self, leaf: LeafIndex) -> "SecretTree":
        """This tree after the leaf's secret, with all above it, became its two ratchets."""
        if self.application[leaf] is not None:
            return self
        nodes, secret = self._opened(leaf)
        expand, length = self.suite.expand_with_label, self.suite.hash_length
        return SecretTree(
            self.suite,
            self.leaf_count,
            nodes,
            self.handshake.set(leaf, Ratchet(0, expand(secret, "handshake", b"", length))),
            self.application.set(leaf, Ratchet(0, expand(secret, "application", b"", length))),
        )

    def _opened(self, leaf: LeafIndex) -> tuple[PersistentVector[bytes], bytes]:
        """The nodes without the path to a leaf, its copath filled in, and the leaf's secret."""
        node, nodes = tree_math.node_of(leaf), self.nodes
        top, secret = self._lowest_secret(node)
        nodes = nodes.set(top, None)
        expand, length = self.suite.expand_with_label, self.suite.hash_length
        while top != node:
            left, right = tree_math.left(top), tree_math.right(top)
            left_secret = expand(secret, "tree", b"left", length)
            right_secret = expand(secret, "tree", b"right", length)
            if node < top:
                nodes = nodes.set(right, right_secret)
                top, secret = left, left_secret
            else:
                nodes = nodes.set(left, left_secret)
                top, secret = right, right_secret
        return nodes, secret

    def _lowest_secret(self, node: NodeIndex) -> tuple[NodeIndex, bytes]:
        for above in (node, *tree_math.direct_path(node, self.leaf_count)):
            secret = self.nodes[above]
            if secret is not None:
                return above, secret
        raise AssertionError("a leaf without ratchets has a secret above it")


def create(suite: Suite, leaf_count: int, encryption_secret: bytes) -> SecretTree:
    """The tree of a new epoch; `leaf_count` is a power of two. The caller drops the secret."""
    if not tree_math.is_full(leaf_count):
        raise UsageError("a secret tree has a power of two of leaves")
    nodes = PersistentVector[bytes].empty(tree_math.node_count(leaf_count))
    return SecretTree(
        suite,
        leaf_count,
        nodes.set(tree_math.root(leaf_count), encryption_secret),
        PersistentVector.empty(leaf_count),
        PersistentVector.empty(leaf_count),
    )


def rows(tree: SecretTree) -> dict[str, bytes]:
    """The tree as rows for storage, in O(secrets that it holds).

    "size"; "n/NODE" for a node's secret; "h/LEAF" and "a/LEAF" for a ratchet, and under it
    "h/LEAF/GENERATION" for each key passed over.
    """
    found = {SIZE_ROW: u32(tree.leaf_count)}
    found.update((f"n/{node}", secret) for node, secret in tree.nodes.items())
    for prefix, ratchets in (("h", tree.handshake), ("a", tree.application)):
        for leaf, ratchet in ratchets.items():
            found.update(_ratchet_rows(f"{prefix}/{leaf}", ratchet))
    return found


def changed_rows(old: SecretTree, new: SecretTree) -> tuple[dict[str, bytes], set[str]]:
    """Rows to write and names of rows to delete, to make the rows of `old` those of `new`.

    After a message these are that sender's alone, found without visiting the others.
    """
    before: dict[str, bytes] = {}
    after: dict[str, bytes] = {}
    if old.leaf_count != new.leaf_count:
        after[SIZE_ROW] = u32(new.leaf_count)
    for node in new.nodes.changed(old.nodes):
        before.update(_node_rows(old.nodes, node))
        after.update(_node_rows(new.nodes, node))
    pairs = (("h", old.handshake, new.handshake), ("a", old.application, new.application))
    for prefix, was, now in pairs:
        for leaf in now.changed(was):
            name = f"{prefix}/{leaf}"
            before.update(_ratchet_rows(name, _at(was, leaf)))
            after.update(_ratchet_rows(name, _at(now, leaf)))
    put = {name: row for name, row in after.items() if before.get(name) != row}
    return put, before.keys() - after.keys()


def from_rows(suite: Suite, stored: Mapping[str, bytes]) -> SecretTree:
    """The tree that `rows` wrote; PeerError("malformed") when rows are missing or damaged."""
    if SIZE_ROW not in stored:
        raise PeerError("malformed", "the secret tree has no size row")
    leaf_count = decode_all(stored[SIZE_ROW], Reader.u32)
    if not tree_math.is_full(leaf_count):
        raise PeerError("malformed", "a secret tree has a power of two of leaves")
    try:
        tree = SecretTree(
            suite,
            leaf_count,
            _nodes_from_rows(stored, tree_math.node_count(leaf_count)),
            _ratchets_from_rows(stored, "h/", leaf_count),
            _ratchets_from_rows(stored, "a/", leaf_count),
        )
    except (ValueError, IndexError, KeyError):
        raise PeerError("malformed", "a row of the secret tree is damaged") from None
    _check_complete(tree)
    return tree


def _check_complete(tree: SecretTree) -> None:
    """Raise unless each leaf has either both ratchets or one secret above it."""
    spoken = [leaf for leaf, _ in tree.application.items()]
    below = sum(1 << tree_math.level(NodeIndex(node)) for node, _ in tree.nodes.items())
    if spoken != [leaf for leaf, _ in tree.handshake.items()]:
        raise PeerError("malformed", "a leaf of the secret tree has one ratchet")
    if below + len(spoken) != tree.leaf_count:
        raise PeerError("malformed", "a row of the secret tree is missing")


def _at(ratchets: PersistentVector[Ratchet], leaf: int) -> Ratchet | None:
    return ratchets[leaf] if leaf < len(ratchets) else None


def _node_rows(nodes: PersistentVector[bytes], node: int) -> dict[str, bytes]:
    secret = nodes[node] if node < len(nodes) else None
    return {} if secret is None else {f"n/{node}": secret}


def _ratchet_rows(name: str, ratchet: Ratchet | None) -> Iterator[tuple[str, bytes]]:
    if ratchet is None:
        return
    yield name, u32(ratchet.generation) + vector(ratchet.secret)
    for generation, key in ratchet.skipped.items():
        yield f"{name}/{generation}", vector(key.key) + vector(key.nonce)


def _nodes_from_rows(stored: Mapping[str, bytes], size: int) -> PersistentVector[bytes]:
    nodes = PersistentVector[bytes].empty(size)
    for name, secret in stored.items():
        if name.startswith("n/"):
            nodes = nodes.set(int(name[2:]), secret)
    return nodes


def _ratchets_from_rows(
    stored: Mapping[str, bytes], prefix: str, size: int
) -> PersistentVector[Ratchet]:
    skipped: dict[int, dict[int, MessageKey]] = {}
    heads: dict[int, bytes] = {}
    for name, row in stored.items():
        if not name.startswith(prefix):
            continue
        leaf, _, generation = name[len(prefix) :].partition("/")
        if generation:
            key = _read_message_key(Reader(row), int(generation))
            skipped.setdefault(int(leaf), {})[key.generation] = key
        else:
            heads[int(leaf)] = row
    ratchets = PersistentVector[Ratchet].empty(size)
    for leaf_index, row in heads.items():
        keys = dict(sorted(skipped.pop(leaf_index, {}).items()))
        ratchets = ratchets.set(leaf_index, _read_ratchet(Reader(row), keys))
    if skipped:
        raise PeerError("malformed", "a key belongs to no ratchet")
    return ratchets


def _read_message_key(reader: Reader, generation: int) -> MessageKey:
    key = MessageKey(generation, reader.vector(), reader.vector())
    reader.done()
    return key


def _read_ratchet(reader: Reader, skipped: Mapping[int, MessageKey]) -> Ratchet:
    ratchet = Ratchet(reader.u32(), reader.vector(), skipped)
    reader.done()
    return ratchet
