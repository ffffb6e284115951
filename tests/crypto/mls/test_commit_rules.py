"""One wrong Commit for each rule about proposal lists, paths and Commits as a whole."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import joining
from crypto.mls.commit import Commit, HpkeCiphertext, UpdatePath, UpdatePathNode
from crypto.mls.covering import checked
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import Extension
from crypto.mls.framing import PrivateMessage, Sender, SenderType, member
from crypto.mls.group import Group, InvalidCommit, UnusablePath
from crypto.mls.group_state import PendingProposal
from crypto.mls.leaf_node import LeafNode, LeafNodeSource, Lifetime, sign_leaf
from crypto.mls.messages import decode_message, encode_message
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
    EXTENSION,
    add,
    by_value,
    config,
    forged,
    forged_from_outside,
    group_of,
    key_package,
    leaf_content,
    signing_key,
    tree_of,
)
from tests.crypto.mls.test_leaf_doors import signed_key_package

NONCE = bytes(32)
PSKS = {b"key": b"\x01" * 32}


def _members() -> dict[str, Group]:
    return group_of("alice", "bob", "carol")


def _code(group: Group, commit: OwnCommit[Group]) -> str:
    with pytest.raises(InvalidCommit) as refused:
        group.stage(commit.message, psks=PSKS)
    return refused.value.code


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


def _bobs_leaf() -> LeafNode:
    content = leaf_content("bob", LeafNodeSource.UPDATE)
    return sign_leaf(SUITE_1, content, signer=signing_key("bob"), group_id=b"g" * 32, leaf_index=1)


# Paths.


def test_a_commit_that_needs_a_path_and_has_none_is_refused() -> None:
    members = _members()
    alice = members["alice"]
    for proposals in ([], [Remove(2)], [GroupContextExtensions(())]):
        commit = forged(alice, "alice", by_value(alice, *proposals), with_path=False)
        assert _code(members["bob"], commit) == "VAL-12.4-1"


def test_a_commit_of_an_unknown_proposal_is_refused() -> None:
    members = _members()
    resolved = [ResolvedProposal(Remove(2), member(1), b"never sent")]
    assert _code(members["bob"], forged(members["alice"], "alice", resolved)) == "VAL-12.4-2"


def _without_node(path: UpdatePath) -> UpdatePath:
    return replace(path, nodes=path.nodes[:-1])


def _with_more_ciphertexts(path: UpdatePath) -> UpdatePath:
    first = path.nodes[0]
    more = replace(first, encrypted_path_secrets=first.encrypted_path_secrets * 2)
    return replace(path, nodes=(more, *path.nodes[1:]))


def _with_low_order_key(path: UpdatePath) -> UpdatePath:
    return replace(path, nodes=(replace(path.nodes[0], encryption_key=bytes(32)), *path.nodes[1:]))


def _with_another_key(path: UpdatePath) -> UpdatePath:
    other = replace(path.nodes[0], encryption_key=SUITE_1.generate_key_pair()[1])
    return replace(path, nodes=(other, *path.nodes[1:]))


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("VAL-7.6-1", _without_node),
        ("VAL-7.6-2", _with_more_ciphertexts),
        ("VAL-5.1.1-1", _with_low_order_key),
        ("VAL-7.9.2-2", _with_another_key),
    ],
)
def test_a25_a_spoilt_path_is_refused_by_everybody(
    rule: str, spoil: Callable[[UpdatePath], UpdatePath]
) -> None:
    members = _members()
    commit = forged(members["alice"], "alice", spoil=spoil)
    assert {_code(members[name], commit) for name in ("bob", "carol")} == {rule}


def test_a_path_with_a_key_of_the_tree_is_refused() -> None:
    members = _members()
    key = members["bob"].tree.root.key
    assert key is not None

    def reuse(path: UpdatePath) -> UpdatePath:
        last = replace(path.nodes[-1], encryption_key=key)
        return replace(path, nodes=(*path.nodes[:-1], last))

    commit = forged(members["alice"], "alice", spoil=reuse)
    assert _code(members["bob"], commit) == "VAL-12.4.2-2"


def _spoilt_for(place: int, node: UpdatePathNode) -> UpdatePathNode:
    secrets = list(node.encrypted_path_secrets)
    spoilt = secrets[place].ciphertext[:-1] + bytes((secrets[place].ciphertext[-1] ^ 1,))
    secrets[place] = HpkeCiphertext(secrets[place].kem_output, spoilt)
    return replace(node, encrypted_path_secrets=tuple(secrets))


@pytest.mark.parametrize("size", [2, 3, 4, 8, 11])
def test_a25_each_receiver_of_a_spoilt_secret_finds_its_path_unusable(size: int) -> None:
    names = [f"m{number}" for number in range(size)]
    members = group_of(*names)
    nodes = len(members["m0"].tree.filtered_path(0))
    for broken in range(nodes):

        def spoil(path: UpdatePath, broken: int = broken) -> UpdatePath:
            kept = list(path.nodes)
            kept[broken] = _spoilt_for(0, kept[broken])
            return replace(path, nodes=tuple(kept))

        commit = forged(members["m0"], "m0", spoil=spoil)
        outcomes = [_outcome(members[name], commit) for name in names[1:]]
        # The transcript holds what was sent, so nobody else is misled about the new state.
        assert outcomes.count("unusable") >= 1
        assert set(outcomes) <= {"unusable", "accepted"}


def _outcome(group: Group, commit: OwnCommit[Group]) -> str:
    try:
        staged = group.stage(commit.message)
    except UnusablePath:
        return "unusable"
    assert staged.group is not None
    assert staged.group.epoch_authenticator == commit.group.epoch_authenticator
    return "accepted"


def test_a_path_secret_that_gives_other_keys_is_unusable() -> None:
    members = group_of("alice", "bob")
    commit = forged(members["alice"], "alice", seals_other_secrets=True)
    with pytest.raises(UnusablePath) as refused:
        members["bob"].stage(commit.message)
    assert refused.value.code == "VAL-7.5-1"


def test_a_wrong_confirmation_tag_after_a_good_path_is_refused() -> None:
    members = _members()
    commit = forged(members["alice"], "alice", psk_secret=b"\x09" * 32)
    assert {_code(members[name], commit) for name in ("bob", "carol")} == {"bad_confirmation_tag"}


def test_a_commit_with_a_psk_counts_it_once_for_everybody() -> None:
    members = _members()
    commit = members["alice"].draft([_psk()], psks=PSKS).finish(signer=signing_key("alice"))
    staged = members["bob"].stage(commit.message, psks=PSKS)
    assert staged.group is not None
    assert staged.group.epoch_authenticator == commit.group.epoch_authenticator
    with pytest.raises(InvalidCommit) as refused:
        members["bob"].stage(commit.message)
    assert refused.value.code == "VAL-12.4.2-3"


def test_resumption_keys_of_past_epochs_can_be_used() -> None:
    members = group_of("alice", "bob")
    alice, bob = members["alice"], members["bob"]
    used = PreSharedKey(
        ResumptionPskId(ResumptionUsage.APPLICATION, b"g" * 32, alice.epoch, nonce=NONCE)
    )
    for _ in range(3):
        commit = alice.draft([used]).finish(signer=signing_key("alice"))
        staged = bob.stage(commit.message)
        assert staged.group is not None
        alice, bob = commit.group, staged.group
        assert alice.epoch_authenticator == bob.epoch_authenticator


def test_after_reinit_nobody_sends() -> None:
    members = group_of("alice", "bob")
    commit = members["alice"].draft([_reinit()]).finish(signer=signing_key("alice"))
    bob = members["bob"].stage(commit.message).group
    assert bob is not None
    for group, name in ((commit.group, "alice"), (bob, "bob")):
        with pytest.raises(UsageError):
            group.protect(b"", signer=signing_key(name))
        with pytest.raises(UsageError):
            group.draft()


# Commits from outside.


def _outside(members: dict[str, Group]) -> tuple[joining.Base[Group], ExternalInit]:
    alice = members["alice"]
    info = alice.signed_group_info(signing_key("alice"))
    draft = joining.external_draft(Group, info, tree_of(alice), config=config("dave"), psks={})
    init = draft.resolved[0].proposal
    assert isinstance(init, ExternalInit)
    return draft.base, init


@pytest.mark.parametrize(
    ("rule", "make"),
    [
        ("VAL-12.2-11", lambda init: []),
        ("VAL-12.2-11", lambda init: [init, init]),
        ("VAL-12.2-12", lambda init: [init, Remove(1), Remove(2)]),
        ("VAL-12.2-13", lambda init: [init, add(key_package("erin"))]),
        ("VAL-12.2-13", lambda init: [init, GroupContextExtensions(())]),
        ("VAL-12.2-6", lambda init: [init, _psk(), _psk()]),
        ("bad_public_key", lambda init: [ExternalInit(bytes(32))]),
        ("bad_confirmation_tag", lambda init: [ExternalInit(SUITE_1.generate_key_pair()[1])]),
    ],
)
def test_members_refuse_a_wrong_commit_from_outside(
    rule: str, make: Callable[[ExternalInit], Sequence[Proposal]]
) -> None:
    members = _members()
    base, init = _outside(members)
    assert _code(members["bob"], forged_from_outside(base, "dave", make(init))) == rule


def test_a_commit_from_outside_refers_to_no_proposal() -> None:
    members = _members()
    base, init = _outside(members)
    bob = with_pending(members["bob"], PendingProposal(b"r", member(2), Remove(1), b""))
    reference = ResolvedProposal(Remove(1), member(2), b"r")
    commit = forged_from_outside(base, "dave", [init], references=[reference])
    assert _code(bob, commit) == "VAL-12.4.3.2-1"


def test_a_commit_from_outside_has_a_path() -> None:
    members = _members()
    base, init = _outside(members)
    message = decode_message(forged_from_outside(base, "dave", [init]).message)
    assert not isinstance(message, PrivateMessage)
    content = message.content
    bare = replace(content, content=Commit((init,), None).encode())
    with pytest.raises(InvalidCommit) as refused:
        members["bob"].stage(encode_message(replace(message, content=bare)))
    assert refused.value.code == "VAL-12.4.3.2-2"


def test_a29_a_resync_keeps_no_key_of_the_leaf_that_it_removes() -> None:
    members = _members()
    base, init = _outside(members)
    old = members["alice"].tree.leaf(1)
    assert old is not None
    content = replace(leaf_content("bob"), encryption_key=old.encryption_key)
    commit = forged_from_outside(base, "bob", [init, Remove(1)], content=content)
    assert _code(members["carol"], commit) == "VAL-7.3-10"


def test_joining_twice_with_one_signature_key_is_refused() -> None:
    members = _members()
    alice = members["alice"]
    with pytest.raises(PeerError) as refused:
        joining.external_draft(
            Group,
            alice.signed_group_info(signing_key("alice")),
            tree_of(alice),
            config=config("bob"),
            psks={},
        )
    assert refused.value.code == "VAL-7.3-8"


def test_an_extension_that_all_support_can_be_replaced() -> None:
    members = _members()
    proposal = GroupContextExtensions((Extension(EXTENSION, b"new"),))
    commit = members["alice"].draft([proposal]).finish(signer=signing_key("alice"))
    staged = members["bob"].stage(commit.message)
    assert staged.group is not None
    assert staged.group.extension(EXTENSION) == b"new"
