"""Resumption keys: of past epochs, of other groups, of a member that comes back."""

import pytest

from crypto.errors import PeerError
from crypto.mls.group import (
    Group,
    InvalidCommit,
    create,
    external_draft,
    from_rows,
    open_welcome,
    rows,
)
from crypto.mls.group_state import MOST_PAST_PSKS
from crypto.mls.proposals import external_psk, resumption_psk
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    add,
    config,
    group_of,
    key_package,
    signing_key,
    tree_of,
)


def _after(members: dict[str, Group], commits: int) -> dict[str, Group]:
    for _ in range(commits):
        commit = members["alice"].draft().finish(signer=signing_key("alice"))
        bob = members["bob"].stage(commit.message).group
        assert bob is not None
        members = {"alice": commit.group, "bob": bob}
    return members


def test_past_epochs_count_as_far_back_as_they_are_kept() -> None:
    members = _after(group_of("alice", "bob"), MOST_PAST_PSKS + 1)
    alice, bob = (from_rows(rows(members[name])) for name in ("alice", "bob"))
    for back in (0, 1, MOST_PAST_PSKS):
        psk = resumption_psk(SUITE_1, alice.group_id, alice.epoch - back)
        commit = alice.draft([psk]).finish(signer=signing_key("alice"))
        staged = bob.stage(commit.message)
        assert staged.group is not None
        assert staged.group.epoch_authenticator == commit.group.epoch_authenticator
    too_old = resumption_psk(SUITE_1, alice.group_id, alice.epoch - MOST_PAST_PSKS - 1)
    with pytest.raises(PeerError) as refused:
        alice.draft([too_old])
    assert refused.value.code == "VAL-12.4.2-3"


def test_another_groups_key_ties_two_groups_together() -> None:
    members = group_of("alice", "bob")
    other = create(suite=SUITE_1, group_id=b"other", config=config("alice"))[0]
    own = key_package("bob")
    psks = {b"key": b"\x01" * 32}
    linked = resumption_psk(SUITE_1, members["alice"].group_id, members["alice"].epoch)
    draft = other.draft(
        [external_psk(SUITE_1, b"key"), linked, add(own)], psks=psks, earlier=[members["alice"]]
    )
    commit = draft.finish(signer=signing_key("alice"), tree_in_welcome=True)
    assert commit.welcome is not None
    with pytest.raises(PeerError) as refused:
        open_welcome(commit.welcome, {own.reference: own}, psks=psks)
    assert refused.value.code == "VAL-12.4.2-3"
    opened = open_welcome(commit.welcome, {own.reference: own}, psks=psks, earlier=[members["bob"]])
    bob = opened.join()
    assert bob.epoch_authenticator == commit.group.epoch_authenticator

    again = resumption_psk(SUITE_1, members["alice"].group_id, members["alice"].epoch)
    second = commit.group.draft([again], earlier=[members["alice"]]).finish(
        signer=signing_key("alice")
    )
    with pytest.raises(InvalidCommit) as unknown:
        bob.stage(second.message)
    assert unknown.value.code == "VAL-12.4.2-3"
    staged = bob.stage(second.message, earlier=[members["bob"]])
    assert staged.group is not None
    assert staged.group.epoch_authenticator == second.group.epoch_authenticator


def test_who_comes_back_shows_that_it_was_in() -> None:
    members = _after(group_of("alice", "bob"), 1)
    info = members["alice"].signed_group_info(signing_key("alice"))
    draft = external_draft(
        info,
        tree_of(members["alice"]),
        config=config("bob"),
        remove_leaf=1,
        resumed=members["bob"],
    )
    commit = draft.finish(signer=signing_key("bob"))
    staged = members["alice"].stage(commit.message)
    assert staged.group is not None
    assert staged.group.epoch_authenticator == commit.group.epoch_authenticator

    forged = external_draft(
        info,
        tree_of(members["alice"]),
        config=config("bob"),
        remove_leaf=1,
        resumed=_stranger(members["bob"]),
    ).finish(signer=signing_key("bob"))
    with pytest.raises(InvalidCommit) as refused:
        members["alice"].stage(forged.message)
    assert refused.value.code == "bad_confirmation_tag"


def _stranger(bob: Group) -> Group:
    """Somebody with bob's signature key who made up the state."""
    made_up = create(suite=SUITE_1, group_id=bob.group_id, config=config("bob"))[0]
    for _ in range(bob.epoch):
        made_up = made_up.draft().finish(signer=signing_key("bob")).group
    return made_up
