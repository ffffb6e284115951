"""Joining with the tree inside the Welcome or the GroupInfo, and what a newcomer must notice."""

from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.extensions import Extension, ExtensionType, find_extension
from crypto.mls.group import (
    decode_group_info,
    external_draft,
    make_key_package,
    open_welcome,
)
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.welcome import encode_group_info
from tests.crypto.mls.clients import (
    add,
    config,
    founded,
    group_of,
    key_package,
    signing_key,
    tree_of,
)


@pytest.mark.parametrize("path", [False, True])
def test_a_welcome_brings_the_tree_along(path: bool) -> None:
    alice, own = group_of("alice", "bob", "carol")["alice"], key_package("dave")
    commit = alice.draft([add(own)], path=path).finish(
        signer=signing_key("alice"), tree_in_welcome=True
    )
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {own.reference: own})
    assert opened.join().epoch_authenticator == commit.group.epoch_authenticator
    assert opened.join(tree_of(commit.group)).tree_hash == commit.group.tree_hash
    assert _carried(commit.group_info) is None


def test_a_group_info_brings_the_tree_along() -> None:
    alice = group_of("alice", "bob", "carol")["alice"]
    published = alice.signed_group_info(signing_key("alice"), with_tree=True)
    commit = external_draft(published, config=config("dave")).finish(
        signer=signing_key("dave"), tree_in_group_info=True
    )
    staged = alice.stage(commit.message)
    assert staged.group is not None
    assert staged.group.epoch_authenticator == commit.group.epoch_authenticator
    joined = external_draft(commit.group_info, config=config("erin"))
    assert staged.group.stage(joined.finish(signer=signing_key("erin")).message).group is not None


def _carried(group_info: bytes) -> RatchetTree | None:
    data = find_extension(decode_group_info(group_info).extensions, ExtensionType.RATCHET_TREE)
    return None if data is None else RatchetTree.decode(SUITE_1, data)


def test_a_carried_tree_is_checked_like_any_other() -> None:
    alice, other = group_of("alice", "bob")["alice"], group_of("alice", "bob")["alice"]
    extension = Extension(ExtensionType.RATCHET_TREE, other.tree.encode())
    info = alice.signed_group_info(signing_key("alice"), [extension])
    with pytest.raises(PeerError) as refused:
        external_draft(info, config=config("dave"))
    assert refused.value.code == "VAL-12.4.3.1-1"
    draft = external_draft(info, tree_of(alice), config=config("dave"))  # the given one counts
    assert alice.stage(draft.finish(signer=signing_key("dave")).message).group is not None


def test_a_group_info_without_a_tree_or_of_an_unknown_suite_is_refused() -> None:
    alice = founded()
    info = alice.signed_group_info(signing_key("alice"))
    with pytest.raises(PeerError) as refused:
        external_draft(info, config=config("dave"))
    assert refused.value.code == "missing_tree"
    decoded = decode_group_info(info)
    other = replace(decoded, group_context=replace(decoded.group_context, suite=0xF00F))
    with pytest.raises(PeerError) as refused:
        external_draft(encode_group_info(other), config=config("dave"))
    assert refused.value.code == "unsupported_suite"


def test_one_type_never_goes_out_twice() -> None:
    alice = founded()
    twice = Extension(ExtensionType.RATCHET_TREE, alice.tree.encode())
    with pytest.raises(UsageError):
        alice.signed_group_info(signing_key("alice"), [twice], with_tree=True)
    with pytest.raises(UsageError):
        alice.draft().finish(
            signer=signing_key("alice"),
            group_info_extensions=[Extension(0xF300, b""), Extension(0xF300, b"")],
        )


def test_a_newcomer_is_in_no_group_of_that_id() -> None:
    alice, own = founded(), key_package("bob")
    commit = alice.draft([add(own)]).finish(signer=signing_key("alice"), tree_in_welcome=True)
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {own.reference: own})
    with pytest.raises(PeerError) as refused:
        opened.join(own_groups={alice.group_id})
    assert refused.value.code == "VAL-12.4.3.1-16"
    assert opened.join(own_groups={b"another"}).group_id == alice.group_id


def test_a_key_package_is_spent_unless_it_is_the_last_resort() -> None:
    for last_resort in (False, True):
        alice = founded()
        own = make_key_package(SUITE_1, config("bob"), last_resort=last_resort)
        commit = alice.draft([add(own)]).finish(signer=signing_key("alice"))
        assert commit.welcome is not None
        assert open_welcome(commit.welcome, {own.reference: own}).is_spent is not last_resort
