"""What arrives within an epoch: only what its sender may say, in this group and epoch."""

from dataclasses import replace

import pytest

from crypto.ed25519 import SigningKey
from crypto.errors import PeerError, UsageError
from crypto.mls import framing, public_message
from crypto.mls.external_proposal import external_remove
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    PrivateMessage,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.group import Group
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.proposals import ExternalInit, Proposal, Remove, encode_proposal
from crypto.mls.receiving import MOST_PENDING
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import RELAY, add, group_of, key_package, signing_key


def _from(sender: Sender, proposal: Proposal, group: Group, signer: SigningKey) -> bytes:
    content = FramedContent(
        group.group_id,
        group.epoch,
        sender,
        b"",
        ContentType.PROPOSAL,
        encode_proposal(proposal),
    )
    form = WireFormat.PUBLIC_MESSAGE
    signature = framing.sign(
        SUITE_1, content, wire_format=form, context=group.context.encode(), signer=signer
    )
    signed = AuthenticatedContent(form, content, FramedContentAuthData(signature))
    protected = public_message.protect(
        SUITE_1,
        signed,
        membership_key=group.secrets.membership_key,
        context=group.context.encode(),
    )
    return framing.wrap(form, protected.encode())


def _refused(group: Group, message: bytes) -> str:
    with pytest.raises(PeerError) as refused:
        group.receive_proposal(message)
    return refused.value.code


def _remove(group: Group, leaf: int = 1, **changes: object) -> bytes:
    fields = {
        "suite": SUITE_1,
        "group_id": group.group_id,
        "epoch": group.epoch,
        "leaf_index": leaf,
        "authenticated_data": b"order",
        "signer": RELAY,
    }
    return external_remove(**(fields | changes))  # type: ignore[arg-type]


def test_a_members_public_proposal_is_taken() -> None:
    members = group_of("alice", "bob")
    sender = Sender(SenderType.MEMBER, 1)
    message = _from(sender, add(key_package("carol")), members["bob"], signing_key("bob"))
    pending = members["alice"].receive_proposal(message).pending_proposals
    assert [one.sender for one in pending] == [sender]
    blank = _from(Sender(SenderType.MEMBER, 5), Remove(0), members["bob"], signing_key("bob"))
    assert _refused(members["alice"], blank) == "no_such_leaf"


def test_external_proposals_come_from_who_is_named_in_the_group() -> None:
    group = group_of("alice", "bob")["alice"]
    pending = group.receive_proposal(_remove(group)).pending_proposals[0]
    assert pending.sender == Sender(SenderType.EXTERNAL, 0)
    assert (pending.proposal, pending.authenticated_data) == (Remove(1), b"order")
    assert _refused(group, _remove(group, sender_index=1)) == "VAL-12.1.8.1-1"
    assert _refused(group, _remove(group, signer=signing_key("mallory"))) == "bad_signature"
    assert _refused(group, _remove(group, leaf=9)) == "VAL-12.1.3-1"
    assert _refused(group, _remove(group, epoch=group.epoch + 1)) == "wrong_epoch"
    assert _refused(group, _remove(group, group_id=b"other")) == "wrong_group"


def test_outsiders_propose_only_what_they_may() -> None:
    group = group_of("alice", "bob")["alice"]
    external = Sender(SenderType.EXTERNAL, 0)
    init = _from(external, ExternalInit(bytes(32)), group, RELAY)
    assert _refused(group, init) == "VAL-12.1.8-1"
    joiner = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    dave = _from(joiner, Remove(1), group, signing_key("dave"))
    assert _refused(group, dave) == "VAL-6.1-2"


def test_a_joiner_sends_nothing_but_a_commit() -> None:
    group = group_of("alice", "bob")["alice"]
    content = FramedContent(
        group.group_id,
        group.epoch,
        Sender(SenderType.NEW_MEMBER_COMMIT),
        b"",
        ContentType.PROPOSAL,
        encode_proposal(Remove(1)),
    )
    message = framing.PublicMessage(content, FramedContentAuthData(bytes(64)))
    assert _refused(group, encode_message(message)) == "VAL-6.1-1"


def test_each_door_takes_its_own_content_only() -> None:
    members = group_of("alice", "bob")
    _, said = members["bob"].protect(b"hi", signer=signing_key("bob"))
    commit = members["bob"].draft().finish(signer=signing_key("bob")).message
    alice = members["alice"]
    assert _refused(alice, said) == "unexpected_content"
    assert _refused(alice, commit) == "unexpected_content"
    for message, code in ((commit, "not_application"), (_remove(alice), "VAL-6-2")):
        with pytest.raises(PeerError) as refused:
            alice.unprotect(message)
        assert refused.value.code == code
    with pytest.raises(PeerError) as refused:
        alice.stage(said)
    assert refused.value.code == "unexpected_content"
    assert _refused(alice, alice.signed_group_info(signing_key("alice"))) == "unexpected_content"


def test_a_message_is_read_once_and_a_forged_one_moves_nothing() -> None:
    members = group_of("alice", "bob")
    _, message = members["bob"].protect(b"hi", signer=signing_key("bob"), authenticated_data=b"a")
    sealed = decode_message(message)
    assert isinstance(sealed, PrivateMessage)
    forged = encode_message(replace(sealed, authenticated_data=b"b"))
    alice = members["alice"]
    with pytest.raises(PeerError):
        alice.unprotect(forged)
    after, said = alice.unprotect(message)
    assert (said.data, said.authenticated_data, said.generation) == (b"hi", b"a", 0)
    with pytest.raises(PeerError) as refused:
        after.unprotect(message)
    assert refused.value.code == "key_consumed"


def test_only_the_members_own_key_signs_for_it() -> None:
    alice = group_of("alice", "bob")["alice"]
    with pytest.raises(UsageError):
        alice.protect(b"", signer=signing_key("bob"))
    with pytest.raises(UsageError):
        alice.draft().finish(signer=signing_key("bob"))
    with pytest.raises(UsageError):
        alice.signed_group_info(signing_key("bob"))


def test_pending_proposals_are_bounded() -> None:
    alice = group_of("alice", "bob")["alice"]
    for number in range(MOST_PENDING):
        alice = alice.receive_proposal(_remove(alice, authenticated_data=number.to_bytes(4)))
    assert _refused(alice, _remove(alice, authenticated_data=b"more")) == "too_many_proposals"
    draft = alice.draft()
    assert len(draft.resolved) == 1  # one Remove of a leaf is enough
