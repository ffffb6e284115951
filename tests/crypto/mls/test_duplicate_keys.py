"""Keys that stand twice: among newcomers, members, parents, and within one Commit."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from crypto.errors import PeerError
from crypto.mls.commit import UpdatePath
from crypto.mls.drafting import Base, Finishing
from crypto.mls.framing import member
from crypto.mls.group import Group
from crypto.mls.group_state import PendingProposal
from crypto.mls.key_package import KeyPackage
from crypto.mls.leaf_node import LeafNode, LeafNodeSource, Lifetime, sign_leaf
from crypto.mls.parent_hash import path_nodes
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import Add, Proposal, Remove, Update
from crypto.mls.receiving import with_pending
from crypto.mls.suite import SUITE_1
from crypto.mls.treekem import NewPath
from tests.crypto.mls.clients import (
    Blind,
    add,
    by_value,
    forged,
    group_of,
    key_package,
    leaf_content,
    signing_key,
)
from tests.crypto.mls.doors import Members, signed_key_package
from tests.crypto.mls.refusing import refused

NAMES = ("alice", "bob", "carol", "dora", "erin", "frank", "grace", "henry")


@pytest.fixture(scope="module")
def members() -> Members:
    """Eight members after a Commit of henry's, so that parents on the right have keys."""
    groups = group_of(*NAMES)
    commit = groups["henry"].draft().finish(signer=signing_key("henry"))
    after = {"henry": commit.group}
    for name in NAMES[:-1]:
        staged = groups[name].stage(commit.message).group
        assert staged is not None
        after[name] = staged
    return {name: after[name] for name in NAMES}


def _leaf(group: Group, index: int) -> LeafNode:
    leaf = group.tree.leaf(index)
    assert leaf is not None
    return leaf


def _package(name: str, **changes: object) -> Add:
    content = replace(leaf_content(name, LeafNodeSource.KEY_PACKAGE), lifetime=Lifetime(0, 2**40))
    content = replace(content, **changes)  # type: ignore[arg-type]
    signer = signing_key(name)
    return Add(signed_key_package(sign_leaf(SUITE_1, content, signer=signer), signer))


def _codes(members: Members, *proposals: Proposal) -> set[str]:
    """How a draft of alice, and bob and grace when she commits nevertheless, refuse them."""
    alice = members["alice"]
    with pytest.raises(PeerError) as caught:
        alice.draft(proposals)
    commit = forged(alice, "alice", by_value(alice, *proposals))
    codes = {refused(members, name, lambda g: g.stage(commit.message)) for name in ("bob", "grace")}
    return codes | {caught.value.code}


# Signature keys.


def test_a27_a_signature_key_of_a_member_is_not_added_again(members: Members) -> None:
    for name in ("alice", "bob", "henry"):
        assert _codes(members, add(key_package(name))) == {"VAL-7.3-8"}


def test_a27_a_client_is_not_added_twice_at_once(members: Members) -> None:
    twice = (add(key_package("ivan")), add(key_package("ivan")))
    assert _codes(members, *twice) == {"VAL-12.2-4"}
    one = add(key_package("ivan"))
    assert _codes(members, one, one) == {"VAL-12.2-4"}


def test_a27_who_is_removed_can_be_added_again_at_once(members: Members) -> None:
    draft = members["alice"].draft([Remove(1), add(key_package("bob"))])
    commit = draft.finish(signer=signing_key("alice"))
    assert members["grace"].stage(commit.message).group is not None


def _committed_update(members: Members, name: str, **changes: object) -> str:
    """How carol refuses alice's Commit of a wrong Update of bob's, signed by `name`."""
    content = replace(leaf_content("bob", LeafNodeSource.UPDATE), **changes)  # type: ignore[arg-type]
    leaf = sign_leaf(SUITE_1, content, signer=signing_key(name), group_id=b"g" * 32, leaf_index=1)
    pending = PendingProposal(b"reference", member(1), Update(leaf), b"")
    carol = with_pending(members["carol"], pending)
    resolved = ResolvedProposal(Update(leaf), member(1), b"reference")
    commit = forged(members["alice"], "alice", [resolved])
    return refused({**members, "carol": carol}, "carol", lambda g: g.stage(commit.message))


def test_a27_an_update_takes_no_signature_key_of_another(members: Members) -> None:
    for name in ("alice", "henry"):
        key = signing_key(name).public
        assert _committed_update(members, name, signature_key=key) == "VAL-7.3-8"


def test_a27_a_path_takes_no_signature_key_of_another(members: Members) -> None:
    for name in ("carol", "henry"):
        content = replace(leaf_content("bob"), signature_key=signing_key(name).public)
        commit = forged(members["bob"], "bob", content=content, leaf_signer=signing_key(name))
        code = refused(members, "alice", lambda g, c=commit: g.stage(c.message))
        assert code == "VAL-7.3-8"


# Encryption keys.


@pytest.mark.parametrize("place", [1, 5, 7])
def test_a27_an_encryption_key_of_a_member_is_not_added(members: Members, place: int) -> None:
    key = _leaf(members["alice"], place).encryption_key
    assert _codes(members, _package("ivan", encryption_key=key)) == {"VAL-7.3-9"}


@pytest.mark.parametrize("level", [1, 2])
def test_a27_the_key_of_a_parent_is_not_added(members: Members, level: int) -> None:
    key = members["henry"].tree.keys_above(7)[level]
    codes = _codes(members, _package("ivan", encryption_key=key))
    assert codes <= {"VAL-7.3-9", "VAL-12.4.3.1-5"}


def test_a27_two_newcomers_have_two_encryption_keys(members: Members) -> None:
    one = _package("ivan")
    key = one.key_package.leaf_node.encryption_key
    assert _codes(members, one, _package("judy", encryption_key=key)) == {"VAL-7.3-9"}


def test_a27_an_update_takes_no_encryption_key_of_another(members: Members) -> None:
    for place in (0, 4, 7):
        key = _leaf(members["alice"], place).encryption_key
        assert _committed_update(members, "bob", encryption_key=key) == "VAL-7.3-9"
    key = members["henry"].tree.keys_above(7)[1]
    code = _committed_update(members, "bob", encryption_key=key)
    assert code in {"VAL-7.3-9", "VAL-12.4.3.1-5"}


# Init keys.


def _with_init_key(name: str, init_key: bytes) -> Add:
    good = add(key_package(name)).key_package
    body = good.encoded[: -len(good.signature) - 2].replace(good.init_key, init_key)
    signature = SUITE_1.sign_with_label(signing_key(name), "KeyPackageTBS", body)
    return Add(KeyPackage.decode(body + b"\x40\x40" + signature))


def test_a27_two_newcomers_have_two_init_keys(members: Members) -> None:
    one = add(key_package("ivan"))
    assert _codes(members, one, _with_init_key("judy", one.key_package.init_key)) == {"VAL-10-2"}


def test_a27_an_init_key_is_no_encryption_key(members: Members) -> None:
    package = add(key_package("ivan")).key_package
    key = package.leaf_node.encryption_key
    body = package.encoded[: -len(package.signature) - 2].replace(package.init_key, key)
    signature = SUITE_1.sign_with_label(signing_key("ivan"), "KeyPackageTBS", body)
    same = Add(KeyPackage.decode(body + b"\x40\x40" + signature))
    assert _codes(members, same) == {"VAL-10.1-3"}


# The keys of a path.


def _spoilt(members: Members, spoil: Callable[[UpdatePath], UpdatePath], *added: Add) -> set[str]:
    alice = members["alice"]
    commit = forged(alice, "alice", by_value(alice, *added), spoil=spoil)
    return {refused(members, name, lambda g: g.stage(commit.message)) for name in ("bob", "grace")}


def _with_key(place: int, key: bytes) -> Callable[[UpdatePath], UpdatePath]:
    def spoil(path: UpdatePath) -> UpdatePath:
        nodes = list(path.nodes)
        nodes[place] = replace(nodes[place], encryption_key=key)
        return replace(path, nodes=tuple(nodes))

    return spoil


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a27_no_key_of_a_path_is_in_the_tree(members: Members, place: int) -> None:
    alice = members["alice"]
    taken = [_leaf(alice, index).encryption_key for index in (0, 1, 7)]  # her own old one as well
    taken += members["henry"].tree.keys_above(7).values()
    for key in taken:
        assert _spoilt(members, _with_key(place, key)) == {"VAL-12.4.2-2"}


def test_a27_no_key_of_a_path_is_a_newcomers(members: Members) -> None:
    one = add(key_package("ivan"))
    key = one.key_package.leaf_node.encryption_key
    assert _spoilt(members, _with_key(1, key), one) == {"VAL-12.4.2-2"}


@dataclass(frozen=True)
class Repeating(Finishing[Group]):
    """Puts one key into two nodes of the path, with all hashes and signatures right."""

    repeats_leaf: bool = False

    def _new_path(self) -> NewPath | None:
        path, draft = super()._new_path(), self.draft
        assert path is not None
        assert draft.leaf is not None
        repeated = path.leaf.encryption_key if self.repeats_leaf else path.path.public_keys[1]
        keys = (*path.path.public_keys[:2], repeated)
        nodes, leaf_hash = path_nodes(SUITE_1, path.steps, keys)
        leaf = sign_leaf(
            SUITE_1,
            replace(draft.leaf.content, parent_hash=leaf_hash),
            signer=self.signer,
            group_id=b"g" * 32,
            leaf_index=draft.own_leaf,
        )
        tree = path.tree.with_path(draft.own_leaf, leaf, nodes)
        public = replace(path.path, public_keys=keys)
        return replace(path, leaf=leaf, tree=tree, path=public)


@pytest.mark.parametrize("repeats_leaf", [False, True], ids=["of a parent", "of the leaf"])
def test_a27_no_key_stands_twice_in_a_path(members: Members, repeats_leaf: bool) -> None:
    alice = members["alice"]
    base = replace(Base.of(alice), census=Blind())
    draft = replace(alice.draft(), base=base)
    finishing = Repeating(draft, signing_key("alice"), os.urandom, repeats_leaf)
    commit = finishing.own_commit(b"", (), ())
    for name in ("bob", "grace"):
        code = refused(members, name, lambda g: g.stage(commit.message))
        assert code in {"VAL-12.4.3.1-5", "VAL-7.3-9"}  # whichever of both nodes is met second


def test_a27_the_leaf_of_a_path_has_a_key_of_its_own(members: Members) -> None:
    for key in (
        _leaf(members["bob"], 3).encryption_key,
        members["henry"].tree.keys_above(7)[1],
    ):
        content = replace(leaf_content("bob"), encryption_key=key)
        commit = forged(members["bob"], "bob", content=content)
        code = refused(members, "alice", lambda g, c=commit: g.stage(c.message))
        assert code == "VAL-12.4.2-2"
