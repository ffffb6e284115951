"""What a store gets: which rows a change touches, how much they weigh, and that they suffice."""

from crypto.mls.external_proposal import external_remove
from crypto.mls.group import changed_rows, from_rows, next_epoch_rows, rows
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import RELAY, group_of, signing_key


def test_what_came_while_a_commit_waited_does_not_go_on_into_its_epoch() -> None:
    members = group_of("alice", "bob", "carol")
    commit = members["alice"].draft().finish(signer=signing_key("alice"))
    waiting = commit.group_if_refused
    assert waiting is not None
    put, gone = changed_rows(waiting, commit.group)
    removal = external_remove(
        suite=SUITE_1,
        group_id=waiting.group_id,
        epoch=waiting.epoch,
        leaf_index=2,
        authenticated_data=b"",
        signer=RELAY,
    )
    _, message = members["bob"].protect(b"hello", signer=signing_key("bob"))
    waiting = waiting.unprotect(message)[0].receive_proposal(removal)
    stored = next_epoch_rows(rows(waiting), put, gone)
    assert stored == rows(commit.group)
    assert from_rows(stored).pending_proposals == ()
