"""Joining: each rule of section 12.4.3 for Welcomes, GroupInfos and trees, broken once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto.errors import PeerError
from crypto.mls import joining
from crypto.mls.codec import decode_all
from crypto.mls.commit import HpkeCiphertext
from crypto.mls.extensions import Extension, ExtensionType
from crypto.mls.group import Group, OwnCommit, external_draft, make_key_package, open_welcome
from crypto.mls.key_package import OwnKeyPackage
from crypto.mls.psk import ExternalPskId, PskId, ResumptionPskId, ResumptionUsage
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_node import Branch, LeafSlot, ParentNode, Subtree, blank_subtree
from crypto.mls.welcome import (
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
    decode_group_info,
    decode_welcome,
    encode_group_info,
    encode_welcome,
    read_group_secrets,
    sign_group_info,
)
from tests.crypto.mls.clients import (
    add,
    config,
    founded,
    group_of,
    key_package,
    signing_key,
    tree_of,
)


def _welcome() -> tuple[OwnCommit, OwnKeyPackage]:
    alice = group_of("alice", "bob")["alice"]
    own = key_package("carol")
    return alice.draft([add(own)]).finish(signer=signing_key("alice")), own


def _code(message: bytes | None, own: OwnKeyPackage, tree: RatchetTree | None) -> str:
    assert message is not None
    with pytest.raises(PeerError) as refused:
        open_welcome(message, {own.reference: own}).join(tree)
    return refused.value.code


# Welcomes.


def _resealed(
    commit: OwnCommit,
    own: OwnKeyPackage,
    change: Callable[[GroupSecrets], GroupSecrets],
) -> bytes:
    """The Welcome with other GroupSecrets for its newcomer."""
    assert commit.welcome is not None
    welcome = decode_welcome(commit.welcome)
    sealed = welcome.secrets[0].encrypted_group_secrets
    context = welcome.encrypted_group_info
    opened = SUITE_1.decrypt_with_label(
        own.init_private,
        "Welcome",
        context=context,
        kem_output=sealed.kem_output,
        ciphertext=sealed.ciphertext,
    )
    changed = change(decode_all(opened, read_group_secrets)).encode()
    again = SUITE_1.encrypt_with_label(
        SUITE_1.encryption_key_of(own.init_private), "Welcome", context=context, plaintext=changed
    )
    entry = EncryptedGroupSecrets(own.reference, HpkeCiphertext(*again))
    return encode_welcome(replace(welcome, secrets=(entry,)))


def test_a_welcome_for_somebody_else_is_refused() -> None:
    commit, _ = _welcome()
    assert _code(commit.welcome, key_package("dave"), None) == "not_for_us"


def test_a_welcome_needs_the_tree() -> None:
    commit, own = _welcome()
    assert _code(commit.welcome, own, None) == "missing_tree"


def test_a_welcome_may_carry_the_tree() -> None:
    alice, own = founded(), key_package("bob")
    draft = alice.draft([add(own)], path=False)
    # Without a path the tree after the Commit is known before it is signed.
    tree = draft.applied.tree.encode()
    extension = Extension(ExtensionType.RATCHET_TREE, tree)
    commit = draft.finish(signer=signing_key("alice"), welcome_extensions=[extension])
    assert commit.welcome is not None
    joined = open_welcome(commit.welcome, {own.reference: own}).join()
    assert joined.epoch_authenticator == commit.group.epoch_authenticator


def test_a_welcome_of_another_suite_is_refused() -> None:
    commit, own = _welcome()
    assert commit.welcome is not None
    welcome = decode_welcome(commit.welcome)
    other = encode_welcome(replace(welcome, suite=0x7777))
    assert _code(other, own, None) == "unsupported_suite"
    encoded = own.encoded[:2] + b"\x00\x02" + own.encoded[4:]
    assert _code(commit.welcome, replace(own, encoded=encoded), None) == "VAL-12.4.3.1-2"


def test_another_tree_is_refused() -> None:
    commit, own = _welcome()
    other = group_of("alice", "bob")["alice"]
    assert _code(commit.welcome, own, tree_of(other)) == "VAL-12.4.3.1-1"


def test_a_wrong_path_secret_is_refused() -> None:
    commit, own = _welcome()
    message = _resealed(commit, own, lambda secrets: replace(secrets, path_secret=bytes(32)))
    assert _code(message, own, tree_of(commit.group)) == "VAL-12.4.3.1-6"


def test_a_withheld_path_secret_is_refused() -> None:
    commit, own = _welcome()
    message = _resealed(commit, own, lambda secrets: replace(secrets, path_secret=None))
    assert _code(message, own, tree_of(commit.group)) == "VAL-12.4.3.1-9"


def test_a_key_package_that_is_not_in_the_tree_is_refused() -> None:
    commit, own = _welcome()
    other = make_key_package(SUITE_1, config("carol"))
    lost = replace(own, encoded=other.encoded)
    assert _code(commit.welcome, lost, tree_of(commit.group)) == "VAL-12.4.3.1-7"


def test_a_psk_that_is_missing_or_malformed_is_refused() -> None:
    commit, own = _welcome()
    wrong: list[tuple[PskId, str]] = [
        (ExternalPskId(b"unknown", bytes(32)), "VAL-12.4.2-3"),
        (ExternalPskId(b"unknown", b"short"), "VAL-12.1.4-3"),
        (ResumptionPskId(ResumptionUsage.REINIT, b"g", 1, nonce=bytes(32)), "VAL-12.4.2-3"),
        (ResumptionPskId(ResumptionUsage.BRANCH, b"g", 1, nonce=bytes(32)), "VAL-12.4.2-3"),
    ]
    for psk, rule in wrong:

        def change(secrets: GroupSecrets, psk: PskId = psk) -> GroupSecrets:
            return replace(secrets, psks=(psk,))

        assert _code(_resealed(commit, own, change), own, None) == rule


def test_another_joiner_secret_opens_nothing() -> None:
    commit, own = _welcome()
    message = _resealed(commit, own, lambda secrets: replace(secrets, joiner_secret=bytes(32)))
    assert _code(message, own, None) == "decryption_failed"


def test_a32_low_order_points_in_a_welcome_are_refused() -> None:
    commit, own = _welcome()
    assert commit.welcome is not None
    welcome = decode_welcome(commit.welcome)
    entry = welcome.secrets[0]
    sealed = replace(entry.encrypted_group_secrets, kem_output=bytes(32))
    spoilt = Welcome(
        1, (replace(entry, encrypted_group_secrets=sealed),), welcome.encrypted_group_info
    )
    assert _code(encode_welcome(spoilt), own, None) == "bad_public_key"


# GroupInfos.


def _resigned(group: Group, **changes: object) -> GroupInfo:
    """Alice's GroupInfo with other contents, signed again."""
    info = decode_group_info(group.signed_group_info(signing_key("alice")))
    changed = replace(info, **changes)  # type: ignore[arg-type]
    return sign_group_info(
        SUITE_1,
        changed.group_context,
        changed.extensions,
        confirmation_tag=changed.confirmation_tag,
        leaf_index=changed.signer,
        signer=signing_key("alice"),
    )


def _refused(info: GroupInfo, tree: RatchetTree) -> str:
    with pytest.raises(PeerError) as refused:
        external_draft(encode_group_info(info), tree, config=config("dave"))
    return refused.value.code


def test_a_group_info_that_nobody_signed_is_refused() -> None:
    alice = group_of("alice", "bob")["alice"]
    info = decode_group_info(alice.signed_group_info(signing_key("alice")))
    tree = tree_of(alice)
    assert _refused(replace(info, confirmation_tag=bytes(32)), tree) == "bad_signature"
    assert _refused(_resigned(alice, signer=1), tree) == "bad_signature"
    assert _refused(_resigned(alice, signer=7), tree) == "VAL-12.4.3-1"


def test_a_group_info_without_an_external_key_is_refused() -> None:
    alice = founded()
    assert _refused(_resigned(alice, extensions=()), tree_of(alice)) == "VAL-12.4.3.2-3"


def test_a_group_info_of_another_version_is_refused() -> None:
    alice = founded()
    context = replace(alice.context, version=2)
    assert _refused(_resigned(alice, group_context=context), tree_of(alice)) == "VAL-12.4.3.1-2"


def test_a_group_in_its_last_epoch_cannot_be_joined() -> None:
    alice = founded()
    context = replace(alice.context, epoch=2**64 - 1)
    info = encode_group_info(_resigned(alice, group_context=context))
    draft = external_draft(info, tree_of(alice), config=config("dave"))
    with pytest.raises(PeerError) as refused:
        draft.finish(signer=signing_key("dave"))
    assert refused.value.code == "epochs_exhausted"


def test_an_extension_that_stands_twice_is_refused() -> None:
    alice = founded()
    twice = (Extension(0xF300, b"1"), Extension(0xF300, b"2"))
    with pytest.raises(PeerError) as refused:
        decode_group_info(encode_group_info(_resigned(alice, extensions=twice)))
    assert refused.value.code == "VAL-13.4-1"


# Trees: alice signs a GroupInfo for a tree that breaks one rule.


def _refused_tree(group: Group, root: Subtree) -> str:
    tree = RatchetTree(SUITE_1, root)
    context = replace(group.context, tree_hash=tree.hash())
    return _refused(_resigned(group, group_context=context), tree)


def _full_group() -> Group:
    """Four members whose path nodes are all set."""
    groups = group_of("alice", "bob", "carol", "dora")
    return groups["alice"]


def _branch(subtree: Subtree) -> Branch:
    assert isinstance(subtree, Branch)
    return subtree


def _with_node(branch: Branch, node: ParentNode | None) -> Branch:
    return Branch(SUITE_1, node, branch.left, branch.right)


def _node(branch: Branch) -> ParentNode:
    assert branch.node is not None
    return branch.node


def test_a_tree_that_is_not_truncated_is_refused() -> None:
    alice = group_of("alice", "bob")["alice"]
    grown = Branch(SUITE_1, None, alice.tree.root, blank_subtree(SUITE_1, 1, 2))
    assert _refused_tree(alice, grown) == "VAL-12.1.3-2"


def test_an_unmerged_leaf_that_is_blank_or_elsewhere_is_refused() -> None:
    alice = group_of("alice", "bob", "carol")["alice"]
    root = _branch(alice.tree.root)
    for leaf in (3, 4, 2**32 - 1):
        unmerged = replace(_node(root), unmerged_leaves=(leaf,))
        assert _refused_tree(alice, _with_node(root, unmerged)) == "VAL-12.4.3.1-3"


def test_a_leaf_that_only_some_parents_call_unmerged_is_refused() -> None:
    alice = _full_group()
    root = _branch(alice.tree.root)
    # Leaf 1 is unmerged at the root and merged below: nobody could have given it one key alone.
    unmerged = replace(_node(root), unmerged_leaves=(1,))
    assert root.left.node is not None
    assert _refused_tree(alice, _with_node(root, unmerged)) == "VAL-12.4.3.1-4"


def test_a_parent_key_that_stands_twice_is_refused() -> None:
    alice = _full_group()
    root = _branch(alice.tree.root)
    key = _node(_branch(root.left)).encryption_key
    twice = replace(_node(root), encryption_key=key)
    assert _refused_tree(alice, _with_node(root, twice)) == "VAL-12.4.3.1-5"


def test_a_parent_key_of_low_order_is_refused() -> None:
    alice = _full_group()
    root = _branch(alice.tree.root)
    low = replace(_node(root), encryption_key=bytes(32))
    assert _refused_tree(alice, _with_node(root, low)) == "VAL-5.1.1-1"


@pytest.mark.parametrize("unmerged", [(), (2,), (3,), (2, 3)])
def test_a_parent_that_no_leaf_vouches_for_is_refused(unmerged: tuple[int, ...]) -> None:
    alice = _full_group()
    root = _branch(alice.tree.root)
    chosen = ParentNode(SUITE_1.generate_key_pair()[1], b"", unmerged)
    right = _with_node(_branch(root.right), chosen)
    mixed = Branch(SUITE_1, None, root.left, right)
    assert _refused_tree(alice, mixed) == "VAL-7.9.2-1"
    swapped = replace(_node(root), encryption_key=chosen.encryption_key)
    assert _refused_tree(alice, _with_node(root, swapped)) == "VAL-7.9.2-1"


def test_unmerged_leaves_have_to_ascend() -> None:
    alice = _full_group()
    root = _branch(alice.tree.root)
    falling = ParentNode(_node(root).encryption_key, b"", (3, 2))
    tree = RatchetTree(SUITE_1, _with_node(root, falling))
    with pytest.raises(PeerError) as refused:
        RatchetTree.decode(SUITE_1, tree.encode())
    assert refused.value.code == "VAL-7.1-1"


def test_a_blank_tree_is_refused() -> None:
    alice = founded()
    assert _refused_tree(alice, LeafSlot(SUITE_1, 0, None)) == "VAL-12.4.3-1"
    with pytest.raises(PeerError) as refused:
        joining.check_tree(
            RatchetTree(SUITE_1, blank_subtree(SUITE_1, 0, 0)), group_id=b"", extensions=()
        )
    assert refused.value.code == "VAL-12.1.3-2"
