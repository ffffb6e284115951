"""One wrong Commit for each rule about paths, PSKs and Commits as a whole."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto.errors import UsageError
from crypto.mls.commit import HpkeCiphertext, UpdatePath, UpdatePathNode
from crypto.mls.drafting import OwnCommit
from crypto.mls.framing import member
from crypto.mls.group import Group, InvalidCommit, UnusablePath
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import (
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
)
from crypto.mls.psk import ExternalPskId, ResumptionPskId, ResumptionUsage
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    by_value,
    forged,
    group_of,
    signing_key,
)
from tests.crypto.mls.refusing import refusal

NONCE = bytes(32)
PSKS = {b"key": b"\x01" * 32}


def _members() -> dict[str, Group]:
    return group_of("alice", "bob", "carol")


def _code(group: Group, commit: OwnCommit[Group]) -> str:
    return refusal(group, lambda g: g.stage(commit.message, psks=PSKS), InvalidCommit)


def _psk(nonce: bytes = NONCE) -> PreSharedKey:
    return PreSharedKey(ExternalPskId(b"key", nonce))


def _reinit(version: int = 1) -> ReInit:
    return ReInit(b"new", version, 1, ())


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
    more = replace(first, encrypted_path_secrets=tuple(first.encrypted_path_secrets) * 2)
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


def test_after_reinit_no_commit_opens_the_group_again() -> None:
    members = group_of("alice", "bob")
    commit = members["alice"].draft([_reinit()]).finish(signer=signing_key("alice"))
    bob = members["bob"].stage(commit.message).group
    assert bob is not None
    again = forged(commit.group, "alice")
    assert _code(bob, again) == "VAL-12.4.2-4"


def test_a32_a_low_order_point_for_one_member_is_unusable_for_it_alone() -> None:
    members = _members()

    def spoil(path: UpdatePath) -> UpdatePath:
        low = tuple(replace(s, kem_output=bytes(32)) for s in path.nodes[0].encrypted_path_secrets)
        spoilt = replace(path.nodes[0], encrypted_path_secrets=low)
        return replace(path, nodes=(spoilt, *path.nodes[1:]))

    commit = forged(members["alice"], "alice", spoil=spoil)
    with pytest.raises(UnusablePath) as refused:
        members["bob"].stage(commit.message)
    assert refused.value.code == "bad_public_key"
    assert members["carol"].stage(commit.message).group is not None
