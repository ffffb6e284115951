"""One wrong Commit for each rule about lists of proposals."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from crypto.errors import PeerError
from crypto.mls.covering import checked
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import Extension
from crypto.mls.framing import Sender, SenderType, member
from crypto.mls.group import Group, InvalidCommit
from crypto.mls.group_state import PendingProposal
from crypto.mls.leaf_node import LeafNode, LeafNodeSource, Lifetime, sign_leaf
from crypto.mls.proposal_rules import ResolvedProposal, check_proposal
from crypto.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    UnknownProposal,
    Update,
)
from crypto.mls.psk import ExternalPskId, ResumptionPskId, ResumptionUsage
from crypto.mls.receiving import with_pending
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    add,
    by_value,
    forged,
    group_of,
    key_package,
    leaf_content,
    signing_key,
)
from tests.crypto.mls.doors import signed_key_package
from tests.crypto.mls.refusing import refusal

NONCE = bytes(32)
PSKS = {b"key": b"\x01" * 32}


def _members() -> dict[str, Group]:
    return group_of("alice", "bob", "carol")


def _code(group: Group, commit: OwnCommit[Group]) -> str:
    return refusal(group, lambda g: g.stage(commit.message, psks=PSKS), InvalidCommit)


def _update_of_alice() -> Update:
    content = leaf_content("alice", LeafNodeSource.UPDATE)
    return Update(
        sign_leaf(SUITE_1, content, signer=signing_key("alice"), group_id=b"g" * 32, leaf_index=0)
    )


def _same_client_twice() -> list[Proposal]:
    return [add(key_package("dave")), add(key_package("dave"))]


def _same_init_key_twice() -> list[Proposal]:
    one, other = (add(key_package(name)).key_package for name in ("dave", "erin"))
    body = other.encoded[: -len(other.signature) - 2]  # a signature of 64 bytes has 2 before it
    body = body.replace(other.init_key, one.init_key)
    signature = SUITE_1.sign_with_label(signing_key("erin"), "KeyPackageTBS", body)
    spoiled = type(other).decode(body + b"\x40\x40" + signature)
    return [Add(one), Add(spoiled)]


def _key_package_of_another_version() -> list[Proposal]:
    good = add(key_package("dave")).key_package
    body = b"\x00\x02" + good.encoded[2 : -len(good.signature) - 2]
    signature = SUITE_1.sign_with_label(signing_key("dave"), "KeyPackageTBS", body)
    return [Add(type(good).decode(body + b"\x40\x40" + signature))]


def _forged_key_package() -> list[Proposal]:
    content = leaf_content("dave", LeafNodeSource.KEY_PACKAGE)
    leaf = sign_leaf(SUITE_1, replace(content, lifetime=Lifetime(0, 9)), signer=signing_key("dave"))
    return [Add(signed_key_package(leaf, signing_key("mallory")))]


def _init_key_is_encryption_key() -> list[Proposal]:
    good = add(key_package("dave")).key_package
    body = good.encoded[: -len(good.signature) - 2]
    body = body.replace(good.init_key, good.leaf_node.encryption_key)
    signature = SUITE_1.sign_with_label(signing_key("dave"), "KeyPackageTBS", body)
    return [Add(type(good).decode(body + b"\x40\x40" + signature))]


def _psk(nonce: bytes = NONCE) -> PreSharedKey:
    return PreSharedKey(ExternalPskId(b"key", nonce))


def _resumption(usage: ResumptionUsage) -> PreSharedKey:
    return PreSharedKey(ResumptionPskId(usage, b"g" * 32, 1, nonce=NONCE))


def _reinit(version: int = 1) -> ReInit:
    return ReInit(b"new", version, 1, ())


WRONG_LISTS: list[tuple[str, Callable[[], Sequence[Proposal]]]] = [
    ("VAL-10.1-1", _key_package_of_another_version),
    ("VAL-10.1-2", _forged_key_package),
    ("VAL-10.1-3", _init_key_is_encryption_key),
    ("VAL-10-2", _same_init_key_twice),
    ("VAL-12.1.3-1", lambda: [Remove(3)]),
    ("VAL-12.1.3-1", lambda: [Remove(2**32 - 1)]),
    ("VAL-12.1.4-1", lambda: [_resumption(ResumptionUsage.REINIT)]),
    ("VAL-12.1.4-2", lambda: [_resumption(ResumptionUsage.BRANCH)]),
    ("VAL-12.1.4-3", lambda: [_psk(b"short")]),
    ("VAL-12.1.5-1", lambda: [_reinit(version=0)]),
    ("VAL-12.2-1", lambda: [_update_of_alice()]),
    ("VAL-12.2-2", lambda: [Remove(0)]),
    ("VAL-12.2-3", lambda: [Remove(1), Remove(1)]),
    ("VAL-12.2-4", _same_client_twice),
    ("VAL-7.3-8", lambda: [add(key_package("bob"))]),
    ("VAL-12.2-6", lambda: [_psk(), _psk()]),
    ("VAL-12.2-7", lambda: [GroupContextExtensions(()), GroupContextExtensions(())]),
    ("VAL-12.2-8", lambda: [_reinit(), Remove(1)]),
    ("VAL-12.2-9", lambda: [ExternalInit(bytes(32))]),
    ("VAL-12.2-10", lambda: [UnknownProposal(0xF001, b"?")]),
    ("VAL-13.4-2", lambda: [GroupContextExtensions((Extension(0xF002, b""),))]),
    ("malformed", lambda: [GroupContextExtensions((Extension(3, b"not lists"),))]),
    ("VAL-12.4.2-3", lambda: [PreSharedKey(ExternalPskId(b"nobody has it", NONCE))]),
]


@pytest.mark.parametrize(("rule", "proposals"), WRONG_LISTS, ids=[r for r, _ in WRONG_LISTS])
def test_no_draft_covers_a_wrong_list(
    rule: str, proposals: Callable[[], Sequence[Proposal]]
) -> None:
    with pytest.raises(PeerError) as refused:
        _members()["alice"].draft(proposals(), psks=PSKS)
    assert refused.value.code == rule
    alice = _members()["alice"]
    with pytest.raises(PeerError) as refused:
        checked(alice, by_value(alice, *proposals()), PSKS)
    assert refused.value.code == rule


# A forger cannot even apply a list that names a leaf twice, or one that is not there.
_NOT_APPLICABLE = {"VAL-12.1.3-1", "VAL-12.2-2", "VAL-12.2-3"}
FORGEABLE = [(rule, make) for rule, make in WRONG_LISTS if rule not in _NOT_APPLICABLE]


@pytest.mark.parametrize(("rule", "proposals"), FORGEABLE, ids=[rule for rule, _ in FORGEABLE])
def test_members_refuse_a_commit_of_a_wrong_list(
    rule: str, proposals: Callable[[], Sequence[Proposal]]
) -> None:
    members = _members()
    commit = forged(members["alice"], "alice", by_value(members["alice"], *proposals()))
    assert _code(members["bob"], commit) == rule


@pytest.mark.parametrize(
    ("rule", "sent"),
    [
        ("VAL-12.1.3-1", [Remove(3)]),
        ("VAL-12.2-2", [Remove(0)]),
        ("VAL-12.2-3", [Remove(1), Remove(1)]),
    ],
)
def test_members_refuse_a_commit_of_impossible_removals(rule: str, sent: list[Proposal]) -> None:
    members = _members()
    alice, bob = members["alice"], members["bob"]
    # The forger applies a harmless list and puts the impossible one on the wire by reference.
    resolved = [ResolvedProposal(Remove(2), member(0), bytes((n,))) for n, _ in enumerate(sent[:1])]
    for number, proposal in enumerate(sent):
        pending = PendingProposal(bytes((number,)), member(2), proposal, b"")
        bob = with_pending(bob, pending)
    if len(sent) == 2:
        resolved.append(ResolvedProposal(_psk(), member(0), b"\x01"))
    assert _code(bob, forged(alice, "alice", resolved)) == rule


def test_an_update_of_somebody_else_is_refused() -> None:
    members = _members()
    pending = PendingProposal(b"r", Sender(SenderType.EXTERNAL, 0), Update(_bobs_leaf()), b"")
    bob = with_pending(members["bob"], pending)
    resolved = [ResolvedProposal(Remove(2), member(0), b"r")]
    assert _code(bob, forged(members["alice"], "alice", resolved)) == "VAL-12.1.8-1"

    joiner = Sender(SenderType.NEW_MEMBER_COMMIT)
    with pytest.raises(PeerError) as refused:
        check_proposal(bob.tree, bob.context, Update(_bobs_leaf()), joiner)
    assert refused.value.code == "VAL-12.1.2-1"


def test_more_psks_than_a_commit_can_count_are_refused() -> None:
    alice = _members()["alice"]
    many = [_psk(number.to_bytes(32)) for number in range(0x10000)]
    with pytest.raises(PeerError) as refused:
        checked(alice, by_value(alice, *many), PSKS)
    assert refused.value.code == "VAL-8.4-1"


def _bobs_leaf() -> LeafNode:
    content = leaf_content("bob", LeafNodeSource.UPDATE)
    return sign_leaf(SUITE_1, content, signer=signing_key("bob"), group_id=b"g" * 32, leaf_index=1)
