"""Groups founded anew and branched off: the whole way once, then each rule of them broken."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.credential import Credential
from crypto.mls.drafting import draft
from crypto.mls.extensions import Extension
from crypto.mls.founding import found
from crypto.mls.group import (
    Group,
    InvalidCommit,
    Member,
    OwnCommit,
    OwnKeyPackage,
    branch,
    from_rows,
    make_key_package,
    open_welcome,
    reinitialize,
    rows,
)
from crypto.mls.key_package import KeyPackage, LeafConfig
from crypto.mls.proposals import Proposal, ReInit, Remove, resumption_psk
from crypto.mls.psk import ResumptionUsage
from crypto.mls.suite import SUITE_1, SUITES, Suite
from tests.crypto.mls.clients import (
    EXTENSION,
    add,
    config,
    group_of,
    key_package,
    signing_key,
)

REINIT, BRANCH = ResumptionUsage.REINIT, ResumptionUsage.BRANCH
NEW_ID = b"n" * 32
WANTED = ReInit(NEW_ID, 1, 1, (Extension(EXTENSION, b"new"),))


def _closed(wanted: ReInit = WANTED) -> dict[str, Group]:
    """Alice, Bob and Carol after a Commit that closed their group."""
    members = group_of("alice", "bob", "carol")
    commit = members["alice"].draft([wanted]).finish(signer=signing_key("alice"))
    staged = {name: members[name].stage(commit.message).group for name in ("bob", "carol")}
    return {"alice": commit.group} | {name: g for name, g in staged.items() if g is not None}


def _packages(*names: str) -> dict[str, OwnKeyPackage]:
    return {name: key_package(name) for name in names}


def _decoded(own: Mapping[str, OwnKeyPackage]) -> list[KeyPackage]:
    return [KeyPackage.decode(one.encoded) for one in own.values()]


def _join(commit: OwnCommit, own: OwnKeyPackage, *earlier: Group) -> Group:
    assert commit.welcome is not None
    return open_welcome(commit.welcome, {own.reference: own}, earlier=earlier).join()


def _refused(commit: OwnCommit, own: OwnKeyPackage, *earlier: Group) -> str:
    with pytest.raises(PeerError) as refused:
        _join(commit, own, *earlier)
    return refused.value.code


def test_a_group_is_founded_anew_with_all_its_members() -> None:
    old = _closed()
    bob = from_rows(rows(old["bob"]))  # the rows keep how the new group is to be
    assert (bob.is_closed, bob.reinit) == (True, WANTED)
    # "these three steps may be done by the same group member or different members" (11.2)
    own = _packages("alice", "carol")
    made = reinitialize(bob, _decoded(own), config=config("bob"))
    assert [change.kind for change in made.changes] == ["added", "added"]
    commit = made.finish(signer=signing_key("bob"), tree_in_welcome=True)
    for name, package in own.items():
        joined = _join(commit, package, old[name])
        assert joined.epoch_authenticator == commit.group.epoch_authenticator
        assert (joined.group_id, joined.epoch) == (NEW_ID, 1)
        assert joined.extensions == WANTED.extensions
        assert not joined.is_closed
    new = commit.group.draft().finish(signer=signing_key("bob"))
    assert joined.stage(new.message).group is not None


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_a_group_moves_to_another_suite(suite: Suite) -> None:
    old = _closed(ReInit(NEW_ID, 1, suite.number, ()))
    configs = {
        name: LeafConfig(suite.generate_signer(), Credential.basic(name.encode())) for name in old
    }
    own = {name: make_key_package(suite, configs[name]) for name in ("bob", "carol")}
    made = reinitialize(old["alice"], _decoded(own), config=configs["alice"])
    commit = made.finish(signer=configs["alice"].signer, tree_in_welcome=True)
    bob, carol = (_join(commit, package, old[name]) for name, package in own.items())
    assert bob.suite is suite
    bob, message = bob.protect(b"over here", signer=configs["bob"].signer)
    assert carol.unprotect(message)[1].data == b"over here"
    assert from_rows(rows(carol)).epoch_authenticator == commit.group.epoch_authenticator


def test_a_group_of_one_is_founded_anew_without_a_welcome() -> None:
    alice = group_of("alice")["alice"].draft([WANTED]).finish(signer=signing_key("alice")).group
    commit = reinitialize(alice, [], config=config("alice")).finish(signer=signing_key("alice"))
    assert (commit.group.epoch, commit.welcome) == (1, None)


def test_a_closed_group_is_used_no_more() -> None:
    old = _closed()
    alice, signer = old["alice"], signing_key("alice")
    with pytest.raises(UsageError):
        alice.protect(b"hi", signer=signer)
    with pytest.raises(UsageError):
        alice.propose(Remove(1), signer=signer)
    with pytest.raises(UsageError):
        alice.draft()
    with pytest.raises(UsageError):
        alice.signed_group_info(signer)
    reopened = replace(alice, reinit=None).draft().finish(signer=signer)
    with pytest.raises(InvalidCommit) as refused:
        old["bob"].stage(reopened.message)
    assert refused.value.code == "VAL-12.4.2-4"


def test_only_a_closed_group_is_founded_anew() -> None:
    with pytest.raises(UsageError):
        reinitialize(group_of("alice")["alice"], [], config=config("alice"))


def test_the_new_group_has_the_same_members() -> None:
    bob = _closed()["bob"]
    for names in (["alice"], ["alice", "carol", "mallory"], ["alice", "mallory"]):
        with pytest.raises(UsageError):
            reinitialize(bob, _decoded(_packages(*names)), config=config("bob"))


def test_what_is_not_built_cannot_be_founded() -> None:
    for wanted, code in (
        (replace(WANTED, version=2), "unsupported_version"),
        (replace(WANTED, suite_number=0xF000), "unsupported_suite"),
        (replace(WANTED, extensions=(Extension(0xF999, b""),)), "VAL-13.4-2"),
    ):
        alice = group_of("alice")["alice"].draft([wanted]).finish(signer=signing_key("alice"))
        with pytest.raises(PeerError) as refused:
            reinitialize(alice.group, [], config=config("alice"))
        assert refused.value.code == code


def test_other_proposals_come_before_a_reinit() -> None:
    members = group_of("alice", "bob")
    bob, reinit = members["bob"].propose(WANTED, signer=signing_key("bob"))
    _, other = bob.propose(add(key_package("carol")), signer=signing_key("bob"))
    for messages in ([reinit, other], [other, reinit]):
        alice = members["alice"]
        for message in messages:
            alice = alice.receive_proposal(message)
        assert [change.kind for change in alice.draft().changes] == ["added"]
    only = members["alice"].receive_proposal(reinit).draft().finish(signer=signing_key("alice"))
    assert only.group.reinit == WANTED


def test_a_branch_has_some_of_the_members() -> None:
    members = group_of("alice", "bob", "carol")
    own = _packages("carol")
    made = branch(members["alice"], _decoded(own), group_id=NEW_ID, config=config("alice"))
    commit = made.finish(signer=signing_key("alice"), tree_in_welcome=True)
    # Carol may have gone on meanwhile: the epoch that is named is one shortly before hers.
    later = members["bob"].draft().finish(signer=signing_key("bob")).message
    carol = members["carol"].stage(later).group
    assert carol is not None
    for state in (members["carol"], carol):
        joined = _join(commit, own["carol"], state)
        assert joined.epoch_authenticator == commit.group.epoch_authenticator
    assert (joined.epoch, joined.group_id) == (1, NEW_ID)
    assert not members["alice"].is_closed


def test_a_branch_takes_no_strangers() -> None:
    alice = group_of("alice", "bob")["alice"]
    with pytest.raises(UsageError):
        branch(alice, _decoded(_packages("mallory")), group_id=NEW_ID, config=config("alice"))


def test_a_branch_has_its_own_id() -> None:
    alice = group_of("alice")["alice"]
    with pytest.raises(UsageError):
        branch(alice, [], group_id=alice.group_id, config=config("alice"))


def test_the_application_says_who_is_the_same() -> None:
    members = group_of("alice", "bob")
    renewed = make_key_package(SUITE_1, replace(config("bob"), credential=Credential.basic(b"Bob")))

    def lower(member: Member) -> bytes:
        return member.credential.identity.lower()

    packages = [KeyPackage.decode(renewed.encoded)]
    commit = branch(
        members["alice"], packages, group_id=NEW_ID, config=config("alice"), identity=lower
    ).finish(signer=signing_key("alice"), tree_in_welcome=True)
    assert _refused(commit, renewed, members["bob"]) == "VAL-12.4.3.1-15"
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {renewed.reference: renewed}, earlier=[members["bob"]])
    assert opened.join(identity=lower).epoch == 1


# One wrong new group for each rule: alice founds what bob must not join.


def _begun(
    alice: Group,
    usage: ResumptionUsage,
    own: Sequence[OwnKeyPackage],
    *,
    wanted: ReInit = WANTED,
    links: int = 1,
    epoch: int | None = None,
) -> OwnCommit:
    """The first Commit of a group that claims to follow from alice's, whatever it is."""
    number = alice.epoch if epoch is None else epoch
    alone = found(
        Group, SUITE_1, wanted.group_id, config=config("alice"), extensions=wanted.extensions
    )
    return _linked(alone, alice, usage, own, links=links, epoch=number)


def _linked(
    group: Group,
    alice: Group,
    usage: ResumptionUsage,
    own: Sequence[OwnKeyPackage],
    *,
    links: int,
    epoch: int,
) -> OwnCommit:
    proposals: list[Proposal] = [
        resumption_psk(SUITE_1, alice.group_id, epoch, usage=usage) for _ in range(links)
    ]
    drafted = draft(
        group,
        [*proposals, *(add(one) for one in own)],
        psks={},
        include_pending=False,
        path=True,
        config=None,
        earlier=(alice,),
        usage=usage,
        random=os.urandom,
    )
    return drafted.finish(signer=signing_key("alice"), tree_in_welcome=True)


def test_who_was_not_in_the_earlier_group_cannot_follow() -> None:
    old, own = _closed(), _packages("bob", "carol")
    for usage in (REINIT, BRANCH):
        commit = _begun(old["alice"], usage, list(own.values()))
        assert _refused(commit, own["bob"]) == "VAL-12.4.2-3"
        stranger = group_of("bob")["bob"]
        assert _refused(commit, own["bob"], stranger) == "VAL-12.4.2-3"


def test_a_group_follows_from_one_other_only() -> None:
    old, own = _closed(), _packages("bob", "carol")
    commit = _begun(old["alice"], REINIT, list(own.values()), links=2)
    assert _refused(commit, own["bob"], old["bob"]) == "VAL-12.4.3.1-10"


@pytest.mark.parametrize("usage", [REINIT, BRANCH])
def test_a_linked_group_is_joined_in_its_first_epoch(usage: ResumptionUsage) -> None:
    old, own = _closed(), _packages("bob", "carol")
    alone = found(Group, SUITE_1, NEW_ID, config=config("alice"), extensions=WANTED.extensions)
    second = alone.draft().finish(signer=signing_key("alice")).group
    packages, epoch = list(own.values()), old["alice"].epoch
    commit = _linked(second, old["alice"], usage, packages, links=1, epoch=epoch)
    assert _refused(commit, own["bob"], old["bob"]) == "VAL-12.4.3.1-11"


def test_a_new_group_is_the_one_that_was_agreed_on() -> None:
    old, own = _closed(), _packages("bob", "carol")
    packages = list(own.values())
    for other in (replace(WANTED, group_id=b"other"), replace(WANTED, extensions=())):
        commit = _begun(old["alice"], REINIT, packages, wanted=other)
        assert _refused(commit, own["bob"], old["bob"]) == "VAL-12.4.3.1-12"
    for wanted in (replace(WANTED, version=2), replace(WANTED, suite_number=2)):
        bob = replace(old["bob"], reinit=wanted)
        commit = _begun(old["alice"], REINIT, packages)
        assert _refused(commit, own["bob"], bob) == "VAL-12.4.3.1-12"


def test_only_the_last_epoch_of_a_closed_group_is_followed() -> None:
    old, own = _closed(), _packages("bob", "carol")
    # One before the Commit that closed it: carol's and bob's states have that key still.
    before = old["alice"].epoch - 1
    commit = _begun(old["alice"], REINIT, list(own.values()), epoch=before)
    assert _refused(commit, own["bob"], old["bob"]) == "VAL-12.4.3.1-12"
    open_group = group_of("alice", "bob")
    commit = _begun(open_group["alice"], REINIT, [own["bob"]])
    assert _refused(commit, own["bob"], open_group["bob"]) == "VAL-12.4.3.1-12"


def test_a_new_group_leaves_nobody_out() -> None:
    old, own = _closed(), _packages("bob")
    commit = _begun(old["alice"], REINIT, list(own.values()))
    assert _refused(commit, own["bob"], old["bob"]) == "VAL-12.4.3.1-13"


def test_a_branch_keeps_version_and_suite() -> None:
    members, own = group_of("alice", "bob"), key_package("bob")
    commit = _begun(members["alice"], BRANCH, [own])
    for changes in ({"suite": 2}, {"version": 2}):
        context = replace(members["bob"].context, **changes)
        bob = replace(members["bob"], context=context)
        assert _refused(commit, own, bob) == "VAL-12.4.3.1-14"


def test_a_branch_with_a_stranger_is_not_joined() -> None:
    members, own = group_of("alice", "bob"), _packages("bob", "mallory")
    commit = _begun(members["alice"], BRANCH, list(own.values()))
    assert _refused(commit, own["bob"], members["bob"]) == "VAL-12.4.3.1-15"


@pytest.mark.parametrize("usage", [REINIT, BRANCH])
def test_a_group_that_has_members_takes_no_such_key(usage: ResumptionUsage) -> None:
    members = group_of("alice", "bob")
    alice = members["alice"]
    commit = _linked(alice, alice, usage, [], links=1, epoch=alice.epoch)
    with pytest.raises(InvalidCommit) as refused:
        members["bob"].stage(commit.message)
    assert refused.value.code == {REINIT: "VAL-12.1.4-1", BRANCH: "VAL-12.1.4-2"}[usage]
