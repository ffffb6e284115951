"""Handshakes in the open: who sends one chooses so, everybody reads both, nobody mixes them up."""

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import sending
from crypto.mls.framing import ContentType, PublicMessage
from crypto.mls.group import Group, WireFormat
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.proposals import Remove
from tests.crypto.mls.clients import add, config, group_of, key_package, signing_key, welcomed

PUBLIC = WireFormat.PUBLIC_MESSAGE


def _public(message: bytes) -> PublicMessage:
    decoded = decode_message(message)
    assert isinstance(decoded, PublicMessage)
    return decoded


def test_proposals_and_commits_go_in_the_open_when_asked_to() -> None:
    members = group_of("alice", "bob", "carol")
    bob, removal = members["bob"].propose(Remove(2), signer=signing_key("bob"), wire_format=PUBLIC)
    bob, update = bob.propose_update(
        config("bob"), signer=signing_key("bob"), wire_format=PUBLIC, authenticated_data=b"data"
    )
    assert bob.secret_tree is members["bob"].secret_tree  # no key was used
    alice = members["alice"].receive_proposal(removal).receive_proposal(update)
    assert _public(update).content.authenticated_data == b"data"
    own = key_package("dave")
    commit = alice.draft([add(own)]).finish(signer=signing_key("alice"), wire_format=PUBLIC)
    assert _public(commit.message).content.sender.index == 0
    staged = bob.stage(commit.message)
    assert staged.wire_format is PUBLIC
    assert staged.group is not None
    assert {one.reference for one in alice.pending_proposals} <= {
        one.reference for one in staged.proposals
    }
    for group in (welcomed(commit, own), commit.group):
        assert group.epoch_authenticator == staged.group.epoch_authenticator


def test_they_are_encrypted_by_default() -> None:
    members = group_of("alice", "bob")
    _, proposal = members["bob"].propose(Remove(0), signer=signing_key("bob"))
    commit = members["bob"].draft().finish(signer=signing_key("bob"))
    assert {message[2:4] for message in (proposal, commit.message)} == {b"\x00\x02"}
    assert members["alice"].stage(commit.message).wire_format is WireFormat.PRIVATE_MESSAGE


def test_a_refused_public_commit_took_no_key() -> None:
    alice = group_of("alice", "bob")["alice"]
    commit = alice.draft().finish(signer=signing_key("alice"), wire_format=PUBLIC)
    assert commit.group_if_refused is alice


def test_outsiders_cannot_make_a_members_public_message() -> None:
    members = group_of("alice", "bob")
    commit = members["bob"].draft().finish(signer=signing_key("bob"), wire_format=PUBLIC)
    message = _public(commit.message)
    forged = PublicMessage(message.content, message.auth, bytes(32))
    with pytest.raises(PeerError) as refused:
        members["alice"].stage(encode_message(forged))
    assert refused.value.code == "bad_membership_tag"


def _application(group: Group) -> None:
    signed = sending._signed(
        group,
        ContentType.APPLICATION,
        b"secret",
        wire_format=PUBLIC,
        authenticated_data=b"",
        signer=signing_key("alice"),
    )
    sending.outgoing(group, signed, random=bytes)


def test_no_other_format_and_no_application_data_in_the_open() -> None:
    alice = group_of("alice", "bob")["alice"]
    with pytest.raises(UsageError):
        _application(alice)
    with pytest.raises(UsageError):
        alice.draft().finish(signer=signing_key("alice"), wire_format=WireFormat.WELCOME)
    with pytest.raises(UsageError):
        alice.propose(Remove(1), signer=signing_key("alice"), wire_format=WireFormat.GROUP_INFO)
