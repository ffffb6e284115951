"""Proposals of types that only an application knows: carried, listed, and never applied."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from crypto.errors import PeerError
from crypto.mls.extensions import Extension, RequiredCapabilities
from crypto.mls.framing import Sender, SenderType
from crypto.mls.group import (
    Group,
    InvalidCommit,
    create,
    from_rows,
    make_key_package,
    rows,
)
from crypto.mls.key_package import LeafConfig
from crypto.mls.proposal_rules import check_proposal
from crypto.mls.proposals import Remove, UnknownProposal, decode_proposal, encode_proposal
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    add,
    by_value,
    config,
    forged,
    key_package,
    signing_key,
    welcomed,
)

TYPE = 0xF0F1
CUSTOM = UnknownProposal(TYPE, b"what the application wants")


def _able(name: str) -> LeafConfig:
    return replace(config(name), proposal_types=(TYPE,))


def _members(*able: str, unable: Sequence[str] = (), required: bool = False) -> dict[str, Group]:
    first, *others = able
    extensions: tuple[Extension, ...] = ()
    if required:
        extensions = (RequiredCapabilities(proposals=(TYPE,)).extension(),)
    founder = create(suite=SUITE_1, group_id=b"g", config=_able(first), extensions=extensions)[0]
    packages = {name: make_key_package(SUITE_1, _able(name)) for name in others}
    packages |= {name: key_package(name) for name in unable}
    commit = founder.draft([add(own) for own in packages.values()]).finish(
        signer=signing_key(first)
    )
    return {first: commit.group} | {name: welcomed(commit, own) for name, own in packages.items()}


@pytest.mark.parametrize("required", [False, True])
def test_a_commit_hands_a_custom_proposal_to_the_application(required: bool) -> None:
    members = _members("alice", "bob", required=required)
    commit = members["alice"].draft([CUSTOM]).finish(signer=signing_key("alice"))
    staged = members["bob"].stage(commit.message)
    assert [one.proposal for one in staged.proposals] == [CUSTOM]
    assert (staged.changes, staged.proposals[0].sender) == ((), Sender(SenderType.MEMBER, 0))
    assert staged.path_leaf is not None  # "By default, the path field [...] MUST be populated"
    assert staged.group is not None
    assert staged.group.epoch_authenticator == commit.group.epoch_authenticator


def test_a_custom_proposal_is_committed_by_reference() -> None:
    members = _members("alice", "bob")
    bob, message = members["bob"].propose(CUSTOM, signer=signing_key("bob"))
    alice = from_rows(rows(members["alice"].receive_proposal(message)))
    assert alice.pending_proposals[0].proposal == CUSTOM
    commit = alice.draft().finish(signer=signing_key("alice"))
    staged = bob.stage(commit.message)
    assert [(one.proposal, one.sender.index) for one in staged.proposals] == [(CUSTOM, 1)]


def test_a_type_that_somebody_does_not_support_is_not_committed() -> None:
    members = _members("alice", "bob", unable=["carol"])
    with pytest.raises(PeerError) as refused:
        members["alice"].draft([CUSTOM])
    assert refused.value.code == "VAL-12.2-10"
    commit = forged(members["alice"], "alice", by_value(members["alice"], CUSTOM))
    for name in ("bob", "carol"):
        with pytest.raises(InvalidCommit) as invalid:
            members[name].stage(commit.message)
        assert invalid.value.code == "VAL-12.2-10"


def test_who_is_removed_or_added_by_the_commit_need_not_support_it() -> None:
    members = _members("alice", "bob", unable=["carol"])
    dave = key_package("dave")
    draft = members["alice"].draft([CUSTOM, Remove(2), add(dave)])
    commit = draft.finish(signer=signing_key("alice"))
    assert members["carol"].stage(commit.message).removed
    staged = members["bob"].stage(commit.message)
    assert staged.group is not None
    joined = welcomed(commit, dave)
    assert joined.epoch_authenticator == staged.group.epoch_authenticator
    with pytest.raises(PeerError) as refused:
        staged.group.draft([CUSTOM])  # dave is a member now
    assert refused.value.code == "VAL-12.2-10"


def test_an_unsupported_one_that_waits_keeps_nothing_from_being_committed() -> None:
    members = _members("alice", "bob", unable=["carol"])
    _, message = members["bob"].propose(CUSTOM, signer=signing_key("bob"))
    alice = members["alice"].receive_proposal(message)
    assert alice.draft().resolved == ()


def test_a_commit_of_a_custom_proposal_needs_its_path() -> None:
    members = _members("alice", "bob")
    draft = members["alice"].draft([CUSTOM], path=False)
    assert draft.leaf is not None
    bare = forged(members["alice"], "alice", by_value(members["alice"], CUSTOM), with_path=False)
    with pytest.raises(InvalidCommit) as refused:
        members["bob"].stage(bare.message)
    assert refused.value.code == "VAL-12.4-1"


def test_no_external_sender_proposes_what_nobody_knows() -> None:
    alice = _members("alice")["alice"]
    sender = Sender(SenderType.EXTERNAL, 0)
    with pytest.raises(PeerError) as refused:
        check_proposal(alice.tree, alice.context, CUSTOM, sender)
    assert refused.value.code == "VAL-12.1.8-1"


def test_its_body_is_one_vector() -> None:
    encoded = encode_proposal(CUSTOM)
    assert encoded == TYPE.to_bytes(2) + bytes((len(CUSTOM.content),)) + CUSTOM.content
    assert decode_proposal(encoded) == CUSTOM
