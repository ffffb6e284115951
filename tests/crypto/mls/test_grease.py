"""GREASE: whoever ignores what it does not know lives with it, and nobody sends it elsewhere."""

from dataclasses import replace

import pytest

from crypto.errors import UsageError
from crypto.mls.credential import Credential
from crypto.mls.extensions import Extension, find_extension
from crypto.mls.grease import GREASE_VALUES, pick
from crypto.mls.group import create, external_draft, make_key_package
from crypto.mls.key_package import KeyPackage
from crypto.mls.proposals import Add, GroupContextExtensions, UnknownProposal
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    add,
    config,
    founded,
    group_of,
    signing_key,
    tree_of,
    welcomed,
)

GREASE = GREASE_VALUES[3]


def test_the_values_are_those_of_the_registry() -> None:
    assert (GREASE_VALUES[0], GREASE_VALUES[-1], len(GREASE_VALUES)) == (0x0A0A, 0xEAEA, 15)
    assert all(value >> 8 == value & 0xFF for value in GREASE_VALUES)
    assert {pick(number.to_bytes) for number in range(15)} == set(GREASE_VALUES)


def test_a_greased_leaf_claims_nonsense_in_each_list() -> None:
    greased = config("alice").greased()
    capabilities = greased.capabilities(SUITE_1)
    lists = (
        capabilities.cipher_suites,
        capabilities.extensions,
        capabilities.proposals,
        capabilities.credentials,
    )
    assert all(set(numbers) & set(GREASE_VALUES) for numbers in lists)
    assert greased.extensions[0].type in GREASE_VALUES
    assert greased.extensions[0].type in capabilities.extensions


def test_members_and_newcomers_ignore_it() -> None:
    alice = founded()
    bobs = replace(
        config("bob").greased(), extension_types=(*config("bob").extension_types, GREASE)
    )
    own = make_key_package(SUITE_1, bobs, extensions=[Extension(GREASE, b"anything")])
    commit = alice.draft([add(own)]).finish(
        signer=signing_key("alice"),
        welcome_extensions=[Extension(GREASE, b"?")],
        group_info_extensions=[Extension(GREASE, b"")],
    )
    bob = welcomed(commit, own)
    leaf = bob.tree.leaf(1)
    assert leaf is not None
    assert leaf.content.extensions == bobs.extensions
    draft = external_draft(
        commit.group_info, tree_of(commit.group), config=config("carol").greased()
    )
    joined = draft.finish(signer=signing_key("carol"))
    staged = bob.stage(joined.message)
    assert staged.group is not None
    assert staged.group.epoch_authenticator == joined.group.epoch_authenticator
    again = staged.group.draft(config=bobs).finish(signer=signing_key("bob"))
    assert joined.group.stage(again.message).group is not None


def test_it_is_never_sent_where_it_would_be_refused() -> None:
    alice = group_of("alice", "bob")["alice"]
    for proposal in (
        UnknownProposal(GREASE, b""),
        GroupContextExtensions((Extension(GREASE, b""),)),
    ):
        with pytest.raises(UsageError):
            alice.propose(proposal, signer=signing_key("alice"))
        with pytest.raises(UsageError):
            alice.draft([proposal])
    with pytest.raises(UsageError):
        create(
            suite=SUITE_1,
            group_id=b"g",
            config=replace(config("alice"), extension_types=(GREASE,)),
            extensions=[Extension(GREASE, b"")],
        )
    with pytest.raises(UsageError):
        make_key_package(SUITE_1, replace(config("bob"), credential=Credential(GREASE, b"")))


def test_a_key_packages_grease_is_kept() -> None:
    greased = replace(config("bob"), extension_types=(GREASE,))
    own = make_key_package(SUITE_1, greased, extensions=[Extension(GREASE, b"kept")])
    decoded = KeyPackage.decode(own.encoded)
    decoded.verify(SUITE_1)
    assert find_extension(decoded.extensions, GREASE) == b"kept"
    assert Add(decoded).body() == own.encoded
