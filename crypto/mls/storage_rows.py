"""A group as rows for storage, and which rows a change touches.

Never writes a row that did not change: after a message the sender's ratchet alone, after a Commit
the epoch and O(log n) nodes. The rows hold secrets.
"""

from collections.abc import Iterable, Iterator, Mapping

from crypto.errors import PeerError
from crypto.mls import secret_tree
from crypto.mls.census import Census
from crypto.mls.codec import Reader, decode_all, items, optional, u8, u32, u64, vector
from crypto.mls.framing import read_sender
from crypto.mls.group_context import read_group_context
from crypto.mls.group_state import G, GroupState, PendingProposal
from crypto.mls.key_schedule import read_epoch_secrets
from crypto.mls.leaf_node import read_leaf_node
from crypto.mls.proposals import encode_proposal, read_proposal, read_reinit
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Suite, suite_by_number
from crypto.mls.tree_node import (
    Branch,
    LeafSlot,
    Subtree,
    changed_subtrees,
    read_parent_node,
)
from crypto.mls.tree_object import DEEPEST

# The form of all rows of a group, at the head of the row that changes with every Commit. The next
# one gets the next number, and a way to read this one.
FORM = 2
_FIRST_FORM = b"\x00"
EPOCH = "epoch"
KEYS = "keys"
PENDING = "pending"
_NODE = "node/"
_Keys = tuple[dict[int, bytes], dict[bytes, bytes], tuple[tuple[int, bytes], ...]]
_RATCHETS = "ratchets/"


def rows(group: GroupState) -> dict[str, bytes]:
    """Every row of a group, by name."""
    found = _fixed_rows(group)
    for subtree in changed_subtrees(group.tree.root, None):
        found.update(_node_row(subtree))
    found.update(_prefixed(secret_tree.rows(group.secret_tree)))
    return found


def changed_rows(old: GroupState, new: GroupState) -> tuple[dict[str, bytes], set[str]]:
    """Rows to write and names of rows to delete, to make the rows of `old` those of `new`."""
    before: dict[str, bytes] = {}
    after: dict[str, bytes] = {}
    if not _shares_fixed_rows(old, new):
        before, after = _fixed_rows(old), _fixed_rows(new)
    if old.tree is not new.tree:
        for subtree in changed_subtrees(old.tree.root, new.tree.root):
            before.update(_node_row(subtree))
        for subtree in changed_subtrees(new.tree.root, old.tree.root):
            after.update(_node_row(subtree))
    put = {name: row for name, row in after.items() if before.get(name) != row}
    gone = before.keys() - after.keys()
    secrets_put, secrets_gone = secret_tree.changed_rows(old.secret_tree, new.secret_tree)
    put.update(_prefixed(secrets_put))
    return put, gone | {_RATCHETS + name for name in secrets_gone}


def next_epoch_rows(
    stored: Mapping[str, bytes], put: Mapping[str, bytes], gone: Iterable[str]
) -> dict[str, bytes]:
    """The rows of the epoch that a Commit opens, from `changed_rows` of when it was made.

    Messages may have moved the ratchets of `stored` since, and proposals may have come: nothing of
    them goes on.
    """
    size = _RATCHETS + secret_tree.SIZE_ROW
    rows = {name: row for name, row in stored.items() if name == size or not _is_ratchet(name)}
    rows[PENDING] = items(())
    rows.update(put)
    for name in gone:
        rows.pop(name, None)
    return rows


def _is_ratchet(name: str) -> bool:
    return name.startswith(_RATCHETS)


def from_rows(kind: type[G], stored: Mapping[str, bytes]) -> G:
    """The group that `rows` wrote.

    Raises PeerError("malformed") when rows are missing or damaged, and PeerError("unknown_form")
    when a later version of this library wrote them.
    """
    if not {EPOCH, KEYS, PENDING} <= stored.keys():
        raise PeerError("malformed", "rows of the group are missing")
    epoch = _opened_epoch(stored[EPOCH])
    context = read_group_context(epoch)
    suite = suite_by_number(context.suite)
    own_leaf, level = epoch.u32(), epoch.u8()
    reinit = read_reinit(epoch) if epoch.optional() else None
    interim, tag, secrets = epoch.vector(), epoch.vector(), read_epoch_secrets(epoch)
    epoch.done()
    tree = _read_tree(suite, stored, level)
    if tree.hash() != context.tree_hash or tree.leaf(own_leaf) is None:
        raise PeerError("malformed", "rows of the tree are missing or damaged")
    private_keys, own_updates, past_psks = decode_all(stored[KEYS], _read_keys)
    secret_rows = {k[len(_RATCHETS) :]: row for k, row in stored.items() if k.startswith(_RATCHETS)}
    secrets_of_messages = secret_tree.from_rows(suite, secret_rows)
    if secrets_of_messages.leaf_count != tree.capacity:
        raise PeerError("malformed", "the secret tree belongs to another tree")
    return kind(
        suite,
        context,
        own_leaf,
        tree=tree,
        census=Census().moved(None, tree),
        private_keys=private_keys,
        secrets=secrets,
        secret_tree=secrets_of_messages,
        interim_transcript_hash=interim,
        confirmation_tag=tag,
        pending_proposals=decode_all(stored[PENDING], lambda reader: reader.items(_read_pending)),
        own_updates=own_updates,
        past_psks=past_psks,
        reinit=reinit,
    )


def _opened_epoch(row: bytes) -> Reader:
    """The row of the epoch behind its form."""
    reader = Reader(row)
    # The first form had no number; its row began with the GroupContext, whose version begins with
    # a zero. Nothing else has changed since.
    if row[:1] == _FIRST_FORM:
        return reader
    if reader.u8() != FORM:
        raise PeerError("unknown_form", "the group was stored in a form that is not known here")
    return reader


def _shares_fixed_rows(old: GroupState, new: GroupState) -> bool:
    return (
        old.context is new.context
        and old.pending_proposals is new.pending_proposals
        and old.private_keys is new.private_keys
        and old.own_updates is new.own_updates
    )


def _fixed_rows(group: GroupState) -> dict[str, bytes]:
    epoch = u8(FORM) + group.context.encode() + u32(group.own_leaf) + u8(group.tree.root.level)
    epoch += optional(None if group.reinit is None else group.reinit.body())
    epoch += vector(group.interim_transcript_hash)
    epoch += vector(group.confirmation_tag) + group.secrets.encode()
    keys = items(u8(level) + vector(key) for level, key in sorted(group.private_keys.items()))
    updates = items(vector(public) + vector(key) for public, key in group.own_updates.items())
    pending = items(_encode_pending(one) for one in group.pending_proposals)
    past = items(u64(number) + vector(psk) for number, psk in group.past_psks)
    return {EPOCH: epoch, KEYS: keys + updates + past, PENDING: pending}


def _read_keys(reader: Reader) -> _Keys:
    private_keys = dict(reader.items(lambda inner: (inner.u8(), inner.vector())))
    own_updates = dict(reader.items(lambda inner: (inner.vector(), inner.vector())))
    return private_keys, own_updates, reader.items(lambda inner: (inner.u64(), inner.vector()))


def _encode_pending(one: PendingProposal) -> bytes:
    head = vector(one.reference) + one.sender.encode() + vector(one.authenticated_data)
    return head + encode_proposal(one.proposal)


def _read_pending(reader: Reader) -> PendingProposal:
    reference, sender, data = reader.vector(), read_sender(reader), reader.vector()
    return PendingProposal(reference, sender, read_proposal(reader), data)


def _prefixed(secret_rows: Mapping[str, bytes]) -> dict[str, bytes]:
    return {_RATCHETS + name: row for name, row in secret_rows.items()}


def _node_name(level: int, first: int) -> str:
    return f"{_NODE}{level}/{first}"


def _node_row(subtree: Subtree) -> Iterator[tuple[str, bytes]]:
    """The row of a node that is not blank."""
    if subtree.node is None:
        return
    encoded = subtree.node.encoded if isinstance(subtree, LeafSlot) else subtree.node.encode()
    yield _node_name(subtree.level, subtree.first), encoded


def _read_tree(suite: Suite, stored: Mapping[str, bytes], level: int) -> RatchetTree:
    """The tree of the rows; one without a member in its right half is not built at all. 12.1.3."""
    half = 1 << level >> 1
    leaves = (name.split("/")[2] for name in stored if name.startswith(f"{_NODE}0/"))
    last = max((int(leaf) for leaf in leaves if leaf.isdecimal()), default=0)
    if level > DEEPEST or last < half:
        raise PeerError("malformed", "rows of the tree are missing or damaged")
    return RatchetTree(suite, _read_subtree(suite, stored, level, 0))


def _read_subtree(suite: Suite, stored: Mapping[str, bytes], level: int, first: int) -> Subtree:
    row = stored.get(_node_name(level, first))
    if level == 0:
        leaf = None if row is None else decode_all(row, read_leaf_node)
        return LeafSlot(suite, first, leaf)
    node = None if row is None else decode_all(row, read_parent_node)
    left = _read_subtree(suite, stored, level - 1, first)
    right = _read_subtree(suite, stored, level - 1, first + (1 << (level - 1)))
    return Branch(suite, node, left, right)
