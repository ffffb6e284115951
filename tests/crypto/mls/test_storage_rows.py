"""What a store gets: which rows a change touches, how much they weigh, and that they suffice."""

from functools import cache
from itertools import pairwise

import pytest

from crypto.errors import PeerError
from crypto.mls.external_proposal import external_remove
from crypto.mls.group import Group, changed_rows, from_rows, next_epoch_rows, open_welcome, rows
from crypto.mls.proposals import Remove
from crypto.mls.storage_rows import FORM
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    RELAY,
    add,
    founded,
    group_of,
    key_package,
    signing_key,
    tree_of,
)

SIZES = (16, 256, 1024)
# A node's row is a key and a hash with their lengths; above the leaf a member has a private key.
_NODE_BYTES = 33 + 33 + 1
_KEY_BYTES = 1 + 33


@cache
def _ends(size: int) -> tuple[Group, Group]:
    """The first and the last member of a group of this size, after the first one's path."""
    packages = [key_package(f"m{number}") for number in range(1, size)]
    signer, last = signing_key("m0"), packages[-1]
    adds = founded("m0").draft([add(own) for own in packages], path=False).finish(signer=signer)
    assert adds.welcome is not None
    joined = open_welcome(adds.welcome, {last.reference: last}).join(tree_of(adds.group))
    path = adds.group.draft().finish(signer=signer)
    followed = joined.stage(path.message).group
    assert followed is not None
    return path.group, followed


def _weight(old: Group, new: Group) -> tuple[int, int]:
    """How many rows are written, and how many bytes they hold."""
    put, _ = changed_rows(old, new)
    return len(put), sum(map(len, put.values()))


def _levels(size: int) -> int:
    return size.bit_length() - 1


def test_a_message_changes_the_same_row_in_a_group_of_any_size() -> None:
    weights = set()
    for size in SIZES:
        sender, reader = _ends(size)
        before, first = sender.protect(b"1", signer=signing_key("m0"))
        sent, second = before.protect(b"2", signer=signing_key("m0"))
        read = reader.unprotect(first)[0]
        weights |= {_weight(before, sent), _weight(read, read.unprotect(second)[0])}
        assert changed_rows(before, sent)[1] == set()
    assert len(weights) == 1
    assert weights.pop()[0] == 1


def test_a_late_message_takes_its_key_from_the_store_and_writes_little() -> None:
    sender, reader = _ends(16)
    messages = []
    for text in (b"1", b"2", b"3"):
        sender, message = sender.protect(text, signer=signing_key("m0"))
        messages.append(message)
    early = reader.unprotect(messages[2])[0]
    late = early.unprotect(messages[0])[0]
    put, gone = changed_rows(early, late)
    assert (put, gone) == ({}, {"ratchets/a/0/0"})


@pytest.mark.parametrize("size", SIZES)
def test_a_senders_first_message_changes_a_row_for_each_level(size: int) -> None:
    sender, reader = _ends(size)
    sent, message = sender.protect(b"1", signer=signing_key("m0"))
    for old, new in ((sender, sent), (reader, reader.unprotect(message)[0])):
        assert _weight(old, new)[0] == _levels(size) + 2
        assert changed_rows(old, new)[1] == {f"ratchets/n/{size - 1}"}


@pytest.mark.parametrize("size", SIZES)
def test_a_commit_changes_a_row_for_each_level_and_the_epochs(size: int) -> None:
    first, last = _ends(size)
    made = first.draft().finish(signer=signing_key("m0"))
    followed = last.stage(made.message).group
    assert made.group_if_refused is not None
    assert followed is not None
    path = {f"node/{level}/0" for level in range(_levels(size) + 1)}
    for old, new in ((made.group_if_refused, made.group), (last, followed)):
        put, gone = changed_rows(old, new)
        assert put.keys() == path | {"epoch", "keys", f"ratchets/n/{size - 1}"}
        assert all(name.startswith("ratchets/") for name in gone)
        assert len(gone) <= _levels(size) + 2


def test_what_a_commit_writes_grows_by_a_node_and_a_key_for_each_level() -> None:
    weights = {}
    for size in SIZES:
        first, _ = _ends(size)
        made = first.draft().finish(signer=signing_key("m0"))
        weights[size] = _weight(first, made.group)[1]
    for small, large in pairwise(SIZES):
        more = _levels(large) - _levels(small)
        assert weights[large] - weights[small] <= more * (_NODE_BYTES + _KEY_BYTES)


@pytest.mark.parametrize("size", SIZES)
def test_who_comes_and_who_goes_adds_its_own_path_and_no_more(size: int) -> None:
    first, _ = _ends(size)
    wanted = [Remove(size // 2), add(key_package("new"))]
    for proposals in (wanted[:1], wanted):
        made = first.draft(proposals).finish(signer=signing_key("m0"))
        put, gone = changed_rows(first, made.group)
        assert len(put) <= 2 * _levels(size) + 5
        assert len(gone) <= 2 * _levels(size) + 5


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


def test_rows_say_their_form_and_the_first_form_is_still_read() -> None:
    group = group_of("alice", "bob")["bob"]
    stored = rows(group)
    assert stored["epoch"][0] == FORM
    older = {**stored, "epoch": stored["epoch"][1:]}
    assert rows(from_rows(older)) == stored


@pytest.mark.parametrize("form", [1, 3, 255])
def test_rows_of_a_later_form_are_refused(form: int) -> None:
    stored = rows(group_of("alice", "bob")["bob"])
    later = {**stored, "epoch": bytes((form,)) + stored["epoch"][1:]}
    with pytest.raises(PeerError) as refused:
        from_rows(later)
    assert refused.value.code == "unknown_form"
