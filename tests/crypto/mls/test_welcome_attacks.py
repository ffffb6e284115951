"""Welcomes of somebody who is in the group and lies, and KeyPackages that come back."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto.errors import PeerError
from crypto.mls.codec import decode_all, vector
from crypto.mls.extensions import Extension, encode_extensions
from crypto.mls.group import Group, OpenedWelcome, OwnCommit, OwnKeyPackage, open_welcome
from crypto.mls.group_context import read_group_context
from crypto.mls.key_package import KeyPackage, make_key_package
from crypto.mls.leaf_node import LeafNodeSource, Lifetime, read_leaf_node, sign_leaf
from crypto.mls.proposals import GroupContextExtensions, ReInit, decode_proposal, encode_proposal
from crypto.mls.psk import ExternalPskId
from crypto.mls.suite import SUITE_1
from crypto.mls.welcome import GroupInfo, decode_welcome, encode_welcome, read_group_info
from tests.crypto.mls.clients import (
    EXTENSION,
    add,
    by_value,
    config,
    forged,
    founded,
    group_of,
    key_package,
    leaf_content,
    signing_key,
    tree_of,
    welcomed,
)
from tests.crypto.mls.lying import resigned, rewelcomed
from tests.crypto.mls.refusing import refused_welcome


@pytest.fixture(scope="module")
def group() -> Group:
    return group_of("alice", "bob", "carol")["alice"]


def _added(group: Group, name: str = "dora") -> tuple[OwnCommit, OwnKeyPackage]:
    own = key_package(name)
    return group.draft([add(own)]).finish(signer=signing_key("alice")), own


def _changed(group: Group, change: Callable[[GroupInfo], GroupInfo], signer: str = "alice") -> str:
    """How a newcomer refuses a GroupInfo that was changed, and signed again by `signer`."""
    commit, own = _added(group)
    message = rewelcomed(commit, own, info=lambda info: resigned(change(info), signing_key(signer)))
    return refused_welcome(message, commit, own)


# Who signs.


@pytest.mark.parametrize("signer", ["bob", "dora", "mallory"])
def test_only_the_member_that_it_names_signs_a_group_info(group: Group, signer: str) -> None:
    assert _changed(group, lambda info: info, signer) == "bad_signature"


@pytest.mark.parametrize("leaf", [4, 7, 8, 2**32 - 1])
def test_who_has_no_leaf_signs_no_group_info(group: Group, leaf: int) -> None:
    assert _changed(group, lambda info: replace(info, signer=leaf)) == "VAL-12.4.3-1"


def test_another_members_name_under_a_group_info_is_refused(group: Group) -> None:
    assert _changed(group, lambda info: replace(info, signer=1)) == "bad_signature"


def test_a_newcomer_does_not_welcome_itself(group: Group) -> None:
    """Its own leaf as the signer: the common ancestor of both would be no node."""
    assert _changed(group, lambda info: replace(info, signer=3), "dora") == "VAL-12.4.3.1-7"


# What is signed.


def _with_context(**changes: object) -> Callable[[GroupInfo], GroupInfo]:
    def change(info: GroupInfo) -> GroupInfo:
        context = replace(info.group_context, **changes)  # type: ignore[arg-type]
        return replace(info, group_context=context)

    return change


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("VAL-12.4.3.1-2", {"suite": 2}),
        ("VAL-12.4.3.1-2", {"version": 2}),
        ("VAL-12.4.3.1-1", {"tree_hash": bytes(32)}),
        ("VAL-12.4.3.1-1", {"tree_hash": b""}),
        ("VAL-7.3-2", {"group_id": b"another"}),
        ("bad_confirmation_tag", {"epoch": 7}),
        ("bad_confirmation_tag", {"confirmed_transcript_hash": bytes(32)}),
        ("VAL-13.4-2", {"extensions": (Extension(0xF0F0, b""),)}),
        ("VAL-13.4-1", {"extensions": (Extension(EXTENSION, b""), Extension(EXTENSION, b""))}),
        ("malformed", {"extensions": (Extension(3, b"no lists"),)}),
    ],
)
def test_a_welcome_to_another_state_of_the_group_is_refused(
    group: Group, rule: str, changes: dict[str, object]
) -> None:
    assert _changed(group, _with_context(**changes)) == rule


def test_a_welcome_under_another_suite_than_its_key_package_is_refused(group: Group) -> None:
    commit, own = _added(group)
    assert commit.welcome is not None
    named = encode_welcome(replace(decode_welcome(commit.welcome), suite=0x7777))
    assert refused_welcome(named, commit, own) == "unsupported_suite"
    other = replace(own, encoded=own.encoded[:2] + b"\x00\x02" + own.encoded[4:])
    with pytest.raises(PeerError) as caught:
        open_welcome(commit.welcome, {own.reference: other})
    assert caught.value.code == "VAL-12.4.3.1-2"


def test_unknown_extensions_of_a_group_info_are_ignored(group: Group) -> None:
    grease = Extension(0x0A0A, b"anything")
    own = key_package("dora")
    commit = group.draft([add(own)]).finish(
        signer=signing_key("alice"), welcome_extensions=[grease], group_info_extensions=[grease]
    )
    assert welcomed(commit, own).epoch_authenticator == commit.group.epoch_authenticator


def test_a_newcomer_that_does_not_support_the_group_does_not_join() -> None:
    """Whoever adds it nevertheless: it checks itself what members check."""
    alice = founded("alice", [Extension(EXTENSION, b"")])
    own = make_key_package(SUITE_1, replace(config("bob"), extension_types=()))
    commit = forged(alice, "alice", by_value(alice, add(own)))
    with pytest.raises(PeerError) as caught:
        welcomed(commit, own)
    assert caught.value.code == "VAL-13.4-2"


# What is sealed, and to whom.


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_other_secrets_in_a_welcome_open_nothing(group: Group, size: int) -> None:
    commit, own = _added(group)
    path = rewelcomed(commit, own, secrets=lambda s: replace(s, path_secret=bytes(size)))
    assert refused_welcome(path, commit, own) == "VAL-12.4.3.1-6"
    joiner = rewelcomed(commit, own, secrets=lambda s: replace(s, joiner_secret=bytes(size)))
    assert refused_welcome(joiner, commit, own) == "decryption_failed"


def test_a_welcome_counts_no_more_psks_than_a_commit_could(group: Group) -> None:
    commit, own = _added(group)
    many = tuple(ExternalPskId(b"", n.to_bytes(32)) for n in range(0x10000))
    wrong = rewelcomed(commit, own, secrets=lambda secrets: replace(secrets, psks=many))
    assert refused_welcome(wrong, commit, own) == "VAL-8.4-1"


def test_the_entry_of_another_newcomer_opens_nothing(group: Group) -> None:
    own, other = key_package("dora"), key_package("erin")
    commit = group.draft([add(own), add(other)]).finish(signer=signing_key("alice"))
    assert commit.welcome is not None
    right = decode_welcome(commit.welcome)
    mine, theirs = right.secrets
    swapped = replace(mine, encrypted_group_secrets=theirs.encrypted_group_secrets)
    wrong = encode_welcome(replace(right, secrets=(swapped,)))
    assert refused_welcome(wrong, commit, own) == "decryption_failed"


def test_an_entry_sealed_with_another_group_info_opens_nothing(group: Group) -> None:
    commit, own = _added(group)
    other = group.draft([add(own)]).finish(signer=signing_key("alice"))
    assert commit.welcome is not None
    assert other.welcome is not None
    mixed = replace(decode_welcome(commit.welcome), secrets=decode_welcome(other.welcome).secrets)
    assert refused_welcome(encode_welcome(mixed), commit, own) == "decryption_failed"


def test_a12_a_key_package_that_was_used_and_deleted_opens_nothing(group: Group) -> None:
    commit, own = _added(group)
    kept = {own.reference: own}
    assert commit.welcome is not None
    opened: OpenedWelcome = open_welcome(commit.welcome, kept)
    opened.join(tree_of(commit.group))
    del kept[opened.reference]
    again = founded("mallory").draft([add(own)]).finish(signer=signing_key("mallory"))
    for message in (commit.welcome, again.welcome):
        assert message is not None
        with pytest.raises(PeerError) as caught:
            open_welcome(message, kept)
        assert caught.value.code == "not_for_us"


# Lists of extensions, wherever one stands (13.4).

TWICE = (Extension(EXTENSION, b"1"), Extension(EXTENSION, b"2"))


def _leaf_twice() -> bytes:
    content = replace(leaf_content("dora", LeafNodeSource.UPDATE), extensions=TWICE)
    return sign_leaf(SUITE_1, content, signer=signing_key("dora")).encoded


def _key_package_twice() -> bytes:
    content = replace(leaf_content("dora", LeafNodeSource.KEY_PACKAGE), lifetime=Lifetime(0, 2**40))
    leaf = sign_leaf(SUITE_1, content, signer=signing_key("dora"))
    init_key = SUITE_1.generate_key_pair()[1]
    return (
        b"\x00\x01\x00\x01" + vector(init_key) + leaf.encoded + encode_extensions(TWICE) + b"\x00"
    )


def _group_info_twice() -> bytes:
    info = GroupInfo(founded().context, TWICE, bytes(32), signer=0, signature=bytes(64))
    return info.encode()


@pytest.mark.parametrize(
    ("read", "make"),
    [
        (lambda data: decode_all(data, read_leaf_node), _leaf_twice),
        (KeyPackage.decode, _key_package_twice),
        (lambda data: decode_all(data, read_group_info), _group_info_twice),
        (
            lambda data: decode_all(data, read_group_context),
            lambda: replace(founded().context, extensions=TWICE).encode(),
        ),
        (decode_proposal, lambda: encode_proposal(GroupContextExtensions(TWICE))),
        (decode_proposal, lambda: encode_proposal(ReInit(b"new", 1, 1, TWICE))),
    ],
    ids=["leaf", "key package", "group info", "group context", "replacing", "founding anew"],
)
def test_an_extension_type_stands_once_in_each_list(
    read: Callable[[bytes], object], make: Callable[[], bytes]
) -> None:
    with pytest.raises(PeerError) as caught:
        read(make())
    assert caught.value.code == "VAL-13.4-1"
