"""What a group's face promises, one promise at a time; test_state_machine.py mixes them."""

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls.codec import u8, u32
from crypto.mls.covering import MOST_TRIED
from crypto.mls.extensions import Extension
from crypto.mls.external_proposal import external_remove
from crypto.mls.framing import PrivateMessage
from crypto.mls.group import (
    InvalidCommit,
    StagedCommit,
    UnusablePath,
    create,
    external_draft,
    from_rows,
    open_welcome,
    rows,
)
from crypto.mls.messages import decode_message
from crypto.mls.private_message import open_sender_data
from crypto.mls.proposals import Remove, external_psk
from crypto.mls.storage_rows import FORM
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    RELAY,
    add,
    config,
    founded,
    group_of,
    key_package,
    signing_key,
    tree_of,
    welcomed,
)

PSK_ID, PSK = b"password 1", b"\x07" * 32


def test_a_group_of_one_works() -> None:
    group = founded()
    assert (group.epoch, group.confirmed_transcript_hash) == (0, b"")
    group = group.draft().finish(signer=signing_key("alice")).group
    assert [member.leaf_index for member in group.members()] == [0]
    group, message = group.protect(b"alone", signer=signing_key("alice"))
    assert from_rows(rows(group)).epoch_authenticator == group.epoch_authenticator
    with pytest.raises(PeerError):
        group.unprotect(message)  # its own key is consumed


def test_the_only_member_can_be_replaced_by_a_resync() -> None:
    alice = founded()
    info = alice.signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(alice), config=config("alice"), remove_leaf=0)
    commit = draft.finish(signer=signing_key("alice"))
    assert [member.leaf_index for member in commit.group.members()] == [0]
    assert alice.stage(commit.message).removed


def test_a_draft_tells_where_newcomers_land() -> None:
    alice = group_of("alice", "bob", "carol")["alice"]
    draft = alice.draft([Remove(1), add(key_package("dave")), add(key_package("erin"))])
    described = [(change.kind, change.leaf_index) for change in draft.changes]
    assert described == [("removed", 1), ("added", 1), ("added", 3)]
    assert draft.changes[0].member == alice.member(1)
    commit = draft.finish(signer=signing_key("alice"))
    assert commit.changes == draft.changes
    for change in draft.changes[1:]:
        assert commit.group.member(change.leaf_index) == change.member


def test_a_refused_commit_leaves_the_state_and_its_key_unused() -> None:
    members = group_of("alice", "bob")
    commit = members["alice"].draft().finish(signer=signing_key("alice"))
    again = commit.group_if_refused
    assert again is not None
    assert again.epoch == members["alice"].epoch
    second = again.draft().finish(signer=signing_key("alice"))
    assert members["bob"].stage(second.message).group is not None
    generations = []
    for message in (commit.message, second.message):
        sealed = decode_message(message)
        assert isinstance(sealed, PrivateMessage)
        secret = again.secrets.sender_data
        generations.append(open_sender_data(SUITE_1, sealed, secret).generation)
    assert generations == [0, 1]  # never two Commits under one key


def test_two_losing_commits_change_nothing() -> None:
    members = group_of("alice", "bob", "carol")
    alices = members["alice"].draft().finish(signer=signing_key("alice"))
    bobs = members["bob"].draft().finish(signer=signing_key("bob"))
    carol = members["carol"].stage(alices.message).group
    assert carol is not None
    with pytest.raises(InvalidCommit) as refused:
        carol.stage(bobs.message)
    assert refused.value.code == "wrong_epoch"
    assert alices.group.epoch_authenticator == carol.epoch_authenticator


def test_the_committers_new_signature_key_counts_from_the_next_epoch() -> None:
    members = group_of("alice", "bob")
    rotated = config("alice2")
    commit = members["alice"].draft(config=rotated).finish(signer=signing_key("alice"))
    staged = members["bob"].stage(commit.message)
    assert staged.old_member is not None
    assert staged.path_leaf is not None
    assert staged.old_member.signature_key == signing_key("alice").public
    assert staged.path_leaf.signature_key == rotated.signer.public
    alice, message = commit.group.protect(b"new", signer=rotated.signer)
    assert staged.group is not None
    assert staged.group.unprotect(message)[1].data == b"new"
    with pytest.raises(UsageError):
        alice.protect(b"old", signer=signing_key("alice"))


def test_a_resync_of_the_sender_shows_who_was_replaced() -> None:
    members = group_of("alice", "bob", "carol")
    info = members["alice"].signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(members["alice"]), config=config("bob"), remove_leaf=1)
    staged: StagedCommit = members["carol"].stage(draft.finish(signer=signing_key("bob")).message)
    assert staged.old_member == members["alice"].member(1)
    assert staged.path_leaf == draft.changes[1].member
    assert staged.sender.index == 1


def test_a16_nobody_sends_while_a_removal_is_pending() -> None:
    members = group_of("alice", "bob", "carol")
    message = external_remove(
        suite=SUITE_1,
        group_id=members["alice"].group_id,
        epoch=members["alice"].epoch,
        leaf_index=2,
        authenticated_data=b"",
        signer=RELAY,
    )
    alice = members["alice"].receive_proposal(message)
    assert alice.receive_proposal(message) is alice  # the same one counts once
    with pytest.raises(UsageError):
        alice.protect(b"too early", signer=signing_key("alice"))
    carol = members["carol"].receive_proposal(message)
    assert carol.draft().changes == ()  # she cannot commit her own removal
    after = alice.draft().finish(signer=signing_key("alice")).group
    assert [member.leaf_index for member in after.members()] == [0, 1]
    after.protect(b"now", signer=signing_key("alice"))


def test_a_bad_pending_proposal_does_not_keep_others_from_being_committed() -> None:
    members = group_of("alice", "bob", "carol")
    bob, message = members["bob"].propose(
        external_psk(SUITE_1, b"unknown to others"), signer=signing_key("bob")
    )
    alice = members["alice"].receive_proposal(message)
    _, update = bob.propose_update(config("bob"), signer=signing_key("bob"))
    alice = alice.receive_proposal(update)
    draft = alice.draft()
    assert [one.reference for one in draft.resolved] == [alice.pending_proposals[1].reference]
    assert alice.draft(include_pending=False).resolved == ()
    assert alice.without_pending().pending_proposals == ()


def test_a_wrong_room_password_is_refused_by_each_member() -> None:
    members = group_of("alice", "bob")
    alice = members["alice"]
    draft = external_draft(
        alice.signed_group_info(signing_key("alice")),
        tree_of(alice),
        config=config("mallory"),
        psk_ids=[PSK_ID],
        psks={PSK_ID: b"guess" * 6 + b"ed"},
    )
    commit = draft.finish(signer=signing_key("mallory"))
    for group in members.values():
        with pytest.raises(InvalidCommit) as refused:
            group.stage(commit.message, psks={PSK_ID: PSK})
        assert refused.value.code == "bad_confirmation_tag"


def test_an_own_commit_is_merged_not_staged() -> None:
    alice = group_of("alice", "bob")["alice"]
    commit = alice.draft().finish(signer=signing_key("alice"))
    with pytest.raises(UnusablePath) as refused:
        alice.stage(commit.message)
    assert refused.value.code == "own_commit"


def test_the_welcome_carries_what_only_newcomers_may_know() -> None:
    alice, own = founded(), key_package("bob")
    secret = Extension(0xF300, b"the room's password key")
    draft = alice.draft([add(own)])
    commit = draft.finish(signer=signing_key("alice"), welcome_extensions=[secret])
    assert commit.welcome is not None
    opened = open_welcome(commit.welcome, {own.reference: own})
    assert opened.group_info.extensions == (secret,)
    assert secret.data not in commit.welcome + commit.group_info + commit.message
    assert opened.reference == own.reference
    assert welcomed(commit, own).epoch_authenticator == commit.group.epoch_authenticator


def test_damaged_rows_are_found() -> None:
    stored = rows(group_of("alice", "bob")["alice"])
    for missing in ("epoch", "keys", "pending", "node/0/1"):
        with pytest.raises(PeerError) as found:
            from_rows({name: row for name, row in stored.items() if name != missing})
        assert found.value.code == "malformed"


def test_no_row_can_be_missing() -> None:
    members = group_of("alice", "bob", "carol", "dora", "erin")
    _, message = members["alice"].protect(b"hi", signer=signing_key("alice"))
    stored = rows(members["bob"].unprotect(message)[0])
    assert {"ratchets/n/5", "ratchets/n/11", "ratchets/h/0", "ratchets/a/0"} <= stored.keys()
    for missing in stored:
        with pytest.raises(PeerError) as found:
            from_rows({name: row for name, row in stored.items() if name != missing})
        assert found.value.code == "malformed"


def test_rows_of_different_groups_do_not_make_one() -> None:
    small, large = (rows(group_of(*n)["alice"]) for n in (["alice", "b"], ["alice", *"bcdef"]))
    mixed = {n: row for n, row in small.items() if not n.startswith("ratchets/")}
    mixed |= {n: row for n, row in large.items() if n.startswith("ratchets/")}
    with pytest.raises(PeerError) as found:
        from_rows(mixed)
    assert found.value.code == "malformed"


def test_a_damaged_depth_builds_no_giant_tree() -> None:
    group = group_of("alice", "bob")["alice"]
    stored = rows(group)
    at = len(u8(FORM) + group.context.encode() + u32(group.own_leaf))
    epoch = stored["epoch"]
    assert epoch[at] == group.tree.root.level
    with pytest.raises(PeerError) as found:
        from_rows(stored | {"epoch": epoch[:at] + b"\x20" + epoch[at + 1 :]})
    assert found.value.code == "malformed"


def test_a_repr_shows_no_secret() -> None:
    group = founded()
    shown = repr(group)
    assert repr(group.secrets.init) not in shown
    assert repr(group.private_keys[0]) not in shown
    own = key_package("bob")
    assert repr(own.init_private) not in repr(own)
    assert repr(own.encryption_private) not in repr(own)


def test_extensions_of_a_new_group_have_to_be_supported_by_its_founder() -> None:
    with pytest.raises(PeerError) as refused:
        create(
            suite=SUITE_1,
            group_id=b"g",
            config=config("alice"),
            extensions=[Extension(0xF999, b"")],
        )
    assert refused.value.code == "VAL-13.4-2"


def test_a_commit_covers_all_that_is_pending_however_much_it_is() -> None:
    alice = founded()
    packages = [key_package(f"m{number}") for number in range(MOST_TRIED + 1)]
    for own in packages:
        alice, _ = alice.propose(add(own), signer=signing_key("alice"))
    commit = alice.draft().finish(signer=signing_key("alice"))
    assert [change.kind for change in commit.changes] == ["added"] * len(packages)
