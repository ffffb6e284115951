"""Proposals from outside: each kind of sender, each type that it may send, and none besides."""

from collections.abc import Callable

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import external_proposal, new_member_proposal
from crypto.mls.framing import PublicMessage, Sender, SenderType
from crypto.mls.group import Group, WireFormat
from crypto.mls.key_package import KeyPackage
from crypto.mls.messages import decode_message
from crypto.mls.proposals import (
    ExternalInit,
    GroupContextExtensions,
    Proposal,
    ReInit,
    Remove,
    UnknownProposal,
    external_psk,
)
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    EXTENSION,
    RELAY,
    add,
    group_of,
    key_package,
    relay_extension,
    signing_key,
    welcomed,
)

PSKS = {b"key": b"\x01" * 32}


def _proposed(group: Group, proposal: Proposal) -> bytes:
    return external_proposal(
        proposal,
        suite=SUITE_1,
        group_id=group.group_id,
        epoch=group.epoch,
        authenticated_data=b"why",
        signer=RELAY,
    )


def _asking(group: Group, name: str) -> bytes:
    return new_member_proposal(
        KeyPackage.decode(key_package(name).encoded),
        suite=SUITE_1,
        group_id=group.group_id,
        epoch=group.epoch,
        authenticated_data=b"please",
        signer=signing_key(name),
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: add(key_package("carol")),
        lambda: Remove(1),
        lambda: external_psk(SUITE_1, b"key"),
        lambda: ReInit(b"new", 1, 1, ()),
        lambda: GroupContextExtensions((relay_extension(), Extension(EXTENSION, b"new"))),
    ],
)
def test_an_external_sender_proposes_each_type_that_it_may(make: Callable[[], Proposal]) -> None:
    members, proposal = group_of("alice", "bob"), make()
    message = _proposed(members["alice"], proposal)
    alice, bob = (members[name].receive_proposal(message) for name in ("alice", "bob"))
    assert alice.pending_proposals[0].sender == Sender(SenderType.EXTERNAL, 0)
    commit = alice.draft(psks=PSKS).finish(signer=signing_key("alice"))
    staged = bob.stage(commit.message, psks=PSKS)
    assert [one.proposal for one in staged.proposals] == [proposal]
    assert staged.proposals[0].authenticated_data == b"why"


@pytest.mark.parametrize(
    "proposal", [ExternalInit(bytes(32)), UnknownProposal(0xF001, b"")], ids=["init", "unknown"]
)
def test_it_makes_no_other(proposal: Proposal) -> None:
    with pytest.raises(UsageError):
        _proposed(group_of("alice")["alice"], proposal)


def test_a_newcomer_asks_to_be_added_and_is() -> None:
    members = group_of("alice", "bob")
    own = key_package("carol")
    message = new_member_proposal(
        KeyPackage.decode(own.encoded),
        suite=SUITE_1,
        group_id=members["alice"].group_id,
        epoch=members["alice"].epoch,
        authenticated_data=b"please",
        signer=signing_key("carol"),
    )
    sent = decode_message(message)
    assert isinstance(sent, PublicMessage)
    assert sent.content.sender == Sender(SenderType.NEW_MEMBER_PROPOSAL)
    alice, bob = (members[name].receive_proposal(message) for name in ("alice", "bob"))
    assert alice.pending_proposals[0].sender == Sender(SenderType.NEW_MEMBER_PROPOSAL)
    commit = alice.draft().finish(signer=signing_key("alice"))
    staged = bob.stage(commit.message)
    assert staged.group is not None
    assert [change.kind for change in staged.changes] == ["added"]
    assert welcomed(commit, own).epoch_authenticator == staged.group.epoch_authenticator


def test_a_newcomer_proposes_itself_only_and_signs_for_itself() -> None:
    alice = group_of("alice", "bob")["alice"]
    with pytest.raises(UsageError):
        new_member_proposal(
            KeyPackage.decode(key_package("carol").encoded),
            suite=SUITE_1,
            group_id=alice.group_id,
            epoch=alice.epoch,
            authenticated_data=b"",
            signer=signing_key("mallory"),
        )
    message = _asking(alice, "carol")
    for place in (len(message) - 1, len(message) // 2):
        forged = message[:place] + bytes((message[place] ^ 1,)) + message[place + 1 :]
        with pytest.raises(PeerError):
            alice.receive_proposal(forged)
    with pytest.raises(PeerError) as refused:
        alice.draft().finish(signer=signing_key("alice")).group.receive_proposal(message)
    assert refused.value.code == "wrong_epoch"


def test_who_does_not_want_a_newcomer_goes_on_without_the_proposal() -> None:
    alice = group_of("alice", "bob")["alice"]
    asked = alice.receive_proposal(_asking(alice, "mallory"))
    with pytest.raises(UsageError):
        asked.protect(b"hi", signer=signing_key("alice"))
    alice.protect(b"hi", signer=signing_key("alice"))
    assert asked.draft(include_pending=False).changes == ()


def test_all_of_them_travel_in_the_open() -> None:
    alice = group_of("alice")["alice"]
    for message in (_asking(alice, "bob"), _proposed(alice, Remove(0))):
        assert message[2:4] == WireFormat.PUBLIC_MESSAGE.to_bytes(2)
