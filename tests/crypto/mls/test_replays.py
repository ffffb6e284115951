"""Messages that nobody sent, that were sent before, or that come back; also after a restore."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import pytest

from crypto.errors import PeerError
from crypto.mls.framing import (
    ContentType,
    FramedContentAuthData,
    PrivateMessage,
    Sender,
    SenderType,
    member,
)
from crypto.mls.group import Group, UnusablePath, changed_rows, from_rows, rows
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.private_message import open_sender_data
from crypto.mls.proposals import GroupContextExtensions, Remove
from crypto.mls.ratchet import LAST_GENERATION, MOST_FORWARD
from crypto.mls.suite import SUITE_1, Suite
from tests.crypto.mls.clients import RELAY, config, group_of, signing_key
from tests.crypto.mls.lying import public, sealed, signed
from tests.crypto.mls.refusing import refused, still_works

APPLICATION = ContentType.APPLICATION
BOB = member(1)


@pytest.fixture(scope="module")
def members() -> dict[str, Group]:
    return group_of("alice", "bob", "carol")


def _private(message: bytes) -> PrivateMessage:
    decoded = decode_message(message)
    assert isinstance(decoded, PrivateMessage)
    return decoded


def _generation(group: Group, message: bytes) -> int:
    secret = group.secrets.sender_data
    return open_sender_data(SUITE_1, _private(message), secret).generation


# What nobody said.


@pytest.mark.parametrize("size", [0, 1, 63, 64, 65])
def test_a24_what_a_member_did_not_sign_is_not_read(members: dict[str, Group], size: int) -> None:
    carol = members["carol"]
    message = signed(carol, APPLICATION, b"forged", signer=signing_key("carol"), sender=BOB)
    unsigned = sealed(carol, replace(message, auth=FramedContentAuthData(bytes(size))))
    assert refused(members, "alice", lambda group: group.unprotect(unsigned)) == "bad_signature"


@pytest.mark.parametrize("signer", ["carol", "alice", "mallory"])
def test_a24_nobody_speaks_for_anothers_leaf(members: dict[str, Group], signer: str) -> None:
    carol = members["carol"]
    message = signed(carol, APPLICATION, b"forged", signer=signing_key(signer), sender=BOB)
    forged = sealed(carol, message)
    assert refused(members, "alice", lambda group: group.unprotect(forged)) == "bad_signature"
    right = signed(carol, APPLICATION, b"said", signer=signing_key("bob"), sender=BOB)
    assert members["alice"].unprotect(sealed(carol, right))[1].data == b"said"


@pytest.mark.parametrize("leaf", [3, 4, 2**32 - 1])
def test_who_has_no_leaf_says_and_proposes_nothing(members: dict[str, Group], leaf: int) -> None:
    carol, nobody, key = members["carol"], member(leaf), signing_key("carol")
    said = sealed(carol, signed(carol, APPLICATION, b"hi", signer=key, sender=nobody))
    assert refused(members, "alice", lambda group: group.unprotect(said)) == "no_such_leaf"
    asked = public(carol, Remove(1), nobody, key)
    assert refused(members, "alice", lambda group: group.receive_proposal(asked)) == "no_such_leaf"


def test_nobody_from_outside_proposes_to_a_group_that_names_nobody(
    members: dict[str, Group],
) -> None:
    commit = (
        members["alice"].draft([GroupContextExtensions(())]).finish(signer=signing_key("alice"))
    )
    after = {"alice": commit.group}
    for name in ("bob", "carol"):
        staged = members[name].stage(commit.message).group
        assert staged is not None
        after[name] = staged
    asked = public(after["alice"], Remove(1), Sender(SenderType.EXTERNAL, 0), RELAY)
    code = refused(after, "bob", lambda group: group.receive_proposal(asked))
    assert code == "VAL-12.1.8.1-1"


# What was said before.


def _restored(group: Group) -> Group:
    return from_rows(dict(rows(group)))


def test_a09_a_message_is_read_once_also_after_a_restore(members: dict[str, Group]) -> None:
    bob, first = members["bob"].protect(b"1", signer=signing_key("bob"))
    bob, second = bob.protect(b"2", signer=signing_key("bob"))
    alice = members["alice"].unprotect(second)[0]  # the first is still on its way
    for reader in (alice, _restored(alice)):
        after = {**members, "alice": reader}
        assert refused(after, "alice", lambda group: group.unprotect(second)) == "key_consumed"
        late = reader.unprotect(first)[0]
        for again in (late, _restored(late)):
            for message in (first, second):
                with pytest.raises(PeerError) as caught:
                    again.unprotect(message)
                assert caught.value.code == "key_consumed"


def test_a09_a_proposal_is_taken_once_also_after_a_restore(members: dict[str, Group]) -> None:
    _, message = members["bob"].propose_update(config("bob"), signer=signing_key("bob"))
    alice = members["alice"].receive_proposal(message)
    for reader in (alice, _restored(alice)):
        with pytest.raises(PeerError) as caught:
            reader.receive_proposal(message)
        assert caught.value.code == "key_consumed"
        assert len(reader.pending_proposals) == 1


def test_a09_a_commit_counts_once_also_after_a_restore(members: dict[str, Group]) -> None:
    commit = members["bob"].draft().finish(signer=signing_key("bob"))
    after = {"bob": commit.group}
    for name in ("alice", "carol"):
        staged = members[name].stage(commit.message).group
        assert staged is not None
        after[name] = _restored(staged)
    assert refused(after, "alice", lambda group: group.stage(commit.message)) == "wrong_epoch"


def test_a09_what_came_back_to_its_sender_is_not_read(members: dict[str, Group]) -> None:
    alice, said = members["alice"].protect(b"mine", signer=signing_key("alice"))
    for own in (alice, _restored(alice)):
        reflected = {**members, "alice": own}
        assert refused(reflected, "alice", lambda group: group.unprotect(said)) == "key_consumed"
    proposing, asked = alice.propose_update(config("alice"), signer=signing_key("alice"))
    with pytest.raises(PeerError) as caught:
        proposing.receive_proposal(asked)
    assert caught.value.code == "key_consumed"
    commit = alice.draft().finish(signer=signing_key("alice"))
    with pytest.raises(UnusablePath) as own_commit:
        alice.stage(commit.message)
    assert own_commit.value.code == "own_commit"
    assert refused(members, "bob", lambda group: group.unprotect(asked)) == "not_application"


@pytest.mark.parametrize("epochs", [1, 2])
def test_a10_what_belongs_to_another_epoch_is_not_read(
    members: dict[str, Group], epochs: int
) -> None:
    bob, old = members["bob"].protect(b"old", signer=signing_key("bob"))
    _, asked = bob.propose_update(config("bob"), signer=signing_key("bob"))
    losing = bob.draft().finish(signer=signing_key("bob")).message
    after = dict(members)
    for _ in range(epochs):
        commit = after["alice"].draft().finish(signer=signing_key("alice"))
        for name in ("bob", "carol"):
            staged = after[name].stage(commit.message).group
            assert staged is not None
            after[name] = staged
        after["alice"] = commit.group
    _, new = after["bob"].protect(b"new", signer=signing_key("bob"))
    acts: list[Callable[[Group], object]] = [
        lambda group: group.unprotect(old),
        lambda group: group.receive_proposal(asked),
        lambda group: group.stage(losing),
    ]
    assert {refused(after, "alice", act) for act in acts} == {"wrong_epoch"}
    early = refused(members, "alice", lambda group: group.unprotect(new))
    assert early == "wrong_epoch"
    renamed = encode_message(replace(_private(old), epoch=after["alice"].epoch))
    code = refused(after, "alice", lambda group: group.unprotect(renamed))
    assert code == "decryption_failed"


def test_a11_what_belongs_to_another_group_is_not_read(members: dict[str, Group]) -> None:
    other = replace(members["bob"], context=replace(members["bob"].context, group_id=b"other"))
    _, said = other.protect(b"hi", signer=signing_key("bob"))
    _, asked = other.propose_update(config("bob"), signer=signing_key("bob"))
    commit = other.draft().finish(signer=signing_key("bob")).message
    acts: list[Callable[[Group], object]] = [
        lambda group: group.unprotect(said),
        lambda group: group.receive_proposal(asked),
        lambda group: group.stage(commit),
    ]
    assert {refused(members, "alice", act) for act in acts} == {"wrong_group"}
    renamed = encode_message(replace(_private(said), group_id=members["alice"].group_id))
    code = refused(members, "alice", lambda group: group.unprotect(renamed))
    assert code == "decryption_failed"


# Generations: what a sender uses twice, and what a receiver winds on.


def test_a54_no_generation_is_used_twice_after_a_restore(members: dict[str, Group]) -> None:
    stored = dict(rows(members["bob"]))
    group, generations = members["bob"], []
    for number in range(6):
        after, message = group.protect(b"x", signer=signing_key("bob"))
        put, gone = changed_rows(group, after)  # stored before the message leaves
        stored = {name: row for name, row in {**stored, **put}.items() if name not in gone}
        generations.append(_generation(after, message))
        group = from_rows(stored) if number % 2 else after
    assert generations == [0, 1, 2, 3, 4, 5]


def test_a54_a_state_that_was_rolled_back_gives_no_nonce_twice(members: dict[str, Group]) -> None:
    """The store lost what was sent: the reuse guard separates the nonces, readers take one."""
    before = members["bob"]
    _, first = before.protect(b"lost", signer=signing_key("bob"))
    _, second = _restored(before).protect(b"again", signer=signing_key("bob"))
    assert _generation(before, first) == _generation(before, second) == 0
    secret = before.secrets.sender_data
    guards = {open_sender_data(SUITE_1, _private(m), secret).reuse_guard for m in (first, second)}
    assert len(guards) == 2
    alice = members["alice"].unprotect(first)[0]
    after = {**members, "alice": alice, "bob": before.protect(b"", signer=signing_key("bob"))[0]}
    assert refused(after, "alice", lambda group: group.unprotect(second)) == "key_consumed"


@dataclass(frozen=True)
class Counting(Suite):
    """The suite, counting what is derived for message keys."""

    derived: list[str] = field(default_factory=list)

    def derive_tree_secret(self, secret: bytes, label: str, generation: int, length: int) -> bytes:
        self.derived.append(label)
        return super().derive_tree_secret(secret, label, generation, length)


def _counted(group: Group) -> tuple[Group, list[str]]:
    suite = Counting(*(getattr(SUITE_1, one.name) for one in fields(SUITE_1) if one.init))
    return replace(group, secret_tree=replace(group.secret_tree, suite=suite)), suite.derived


@pytest.mark.parametrize(
    "generation", [MOST_FORWARD + 1, 2**31, LAST_GENERATION - 1, LAST_GENERATION]
)
def test_a26_a_generation_too_far_ahead_derives_nothing(
    members: dict[str, Group], generation: int
) -> None:
    alice, derived = _counted(members["alice"])
    message = signed(members["bob"], APPLICATION, b"far", signer=signing_key("bob"))
    far = sealed(members["bob"], message, generation=generation)
    counted = {**members, "alice": alice}

    def act(group: Group) -> object:
        try:
            return group.unprotect(far)
        finally:
            assert derived == []

    assert refused(counted, "alice", act) == "generation_too_far"


def test_a26_the_furthest_generation_costs_a_bounded_number_of_derivations(
    members: dict[str, Group],
) -> None:
    alice, derived = _counted(members["alice"])
    message = signed(members["bob"], APPLICATION, b"far", signer=signing_key("bob"))
    far = sealed(members["bob"], message, generation=MOST_FORWARD)
    # Not the key of that generation: the cost is that of a forgery, which moves no ratchet.
    with pytest.raises(PeerError) as caught:
        alice.unprotect(far)
    assert caught.value.code == "decryption_failed"
    assert MOST_FORWARD <= len(derived) <= 3 * (MOST_FORWARD + 1)
    still_works({**members, "alice": alice}, "alice")


def test_a26_the_furthest_generation_that_is_genuine_is_read(members: dict[str, Group]) -> None:
    bob = members["bob"]
    for _ in range(MOST_FORWARD):
        bob = replace(bob, secret_tree=bob.secret_tree.next_key(1, APPLICATION)[0])  # type: ignore[arg-type]
    _, message = bob.protect(b"far", signer=signing_key("bob"))
    after, said = members["alice"].unprotect(message)
    assert (said.data, said.generation) == (b"far", MOST_FORWARD)
    still_works({**members, "alice": after}, "alice")
