"""What a stolen store gives away: nothing of before, and nothing after its owner's keys are new.

The thief does all that the stored secrets allow, whether our own code would do it or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from crypto.errors import PeerError
from crypto.mls.codec import decode_all
from crypto.mls.commit import HpkeCiphertext, UpdatePath, decode_commit
from crypto.mls.framing import ContentType, PrivateMessage
from crypto.mls.group import Group, OwnCommit, from_rows, rows
from crypto.mls.messages import decode_message
from crypto.mls.private_message import SenderData, open_content, open_sender_data
from crypto.mls.proposals import Remove
from crypto.mls.ratchet import MessageKey
from crypto.mls.receiving import open_handshake
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_math import LeafIndex
from tests.crypto.mls.clients import config, group_of, signing_key

GENERATIONS = 8
NAMES = ("alice", "bob", "carol", "dora", "erin")


def _keys(group: Group) -> Iterator[MessageKey]:
    """Every key of a message that the state still leads to."""
    tree = group.secret_tree
    for leaf in range(tree.leaf_count):
        for kind in ContentType:
            for generation in range(GENERATIONS):
                try:
                    yield tree.key_for(LeafIndex(leaf), kind, generation)[1]
                except PeerError:
                    continue


def _private(message: bytes) -> PrivateMessage:
    decoded = decode_message(message)
    assert isinstance(decoded, PrivateMessage)
    return decoded


def _sender_data(message: bytes, reader: Group) -> SenderData:
    return open_sender_data(SUITE_1, _private(message), reader.secrets.sender_data)


def _opens(stored: Mapping[str, bytes], message: bytes, sender_data: SenderData) -> bool:
    """Whether some key of a stored state opens a message; who sent it is given to the thief."""
    for key in _keys(from_rows(stored)):
        try:
            open_content(SUITE_1, _private(message), key=key, sender_data=sender_data)
        except PeerError:
            continue
        return True
    return False


def _said(members: dict[str, Group], name: str, data: bytes) -> bytes:
    """A message of a member, who goes on without its key."""
    members[name], message = members[name].protect(data, signer=signing_key(name))
    return message


@dataclass(frozen=True)
class Heard:
    """A Commit, and what its path would be opened with if one had a right key."""

    made: OwnCommit
    path: UpdatePath
    context: bytes


def _commit(members: dict[str, Group], name: str, *proposals: Remove) -> Heard:
    """A member's Commit with a path, which all others that stay follow."""
    old, witness = members[name], next(other for other in members if other != name)
    made = old.draft(proposals).finish(signer=signing_key(name))
    opened = open_handshake(members[witness], made.message, ContentType.COMMIT)
    path = decode_commit(opened.content.content).path
    assert path is not None
    for other in members.keys() - {name}:
        staged = members[other].stage(made.message)
        if staged.group is None:
            del members[other]
        else:
            members[other] = staged.group
    members[name] = made.group
    # The provisional GroupContext of section 12.4.1: all new but for the transcript hash.
    confirmed = old.context.confirmed_transcript_hash
    provisional = replace(made.group.context, confirmed_transcript_hash=confirmed)
    return Heard(made, path, provisional.encode())


# Forward secrecy.


def test_a_store_opens_no_message_that_was_read() -> None:
    members = group_of(*NAMES)
    messages = [_said(members, "alice", bytes((number,))) for number in range(5)]
    senders = [_sender_data(message, members["bob"]) for message in messages]
    bob, order = members["bob"], (3, 0, 4)
    for place in order:
        before = rows(bob)
        bob = bob.unprotect(messages[place])[0]
        assert _opens(before, messages[place], senders[place])
        assert not _opens(rows(bob), messages[place], senders[place])
    unread = {place for place in range(5) if _opens(rows(bob), messages[place], senders[place])}
    assert unread == {1, 2}


def test_a_senders_store_opens_nothing_that_it_has_sent() -> None:
    members = group_of(*NAMES)
    before = rows(members["alice"])
    message = _said(members, "alice", b"hello")
    sender_data = _sender_data(message, members["bob"])
    assert _opens(before, message, sender_data)
    assert not _opens(rows(members["alice"]), message, sender_data)


def test_a_store_opens_no_message_of_an_earlier_epoch_read_or_not() -> None:
    members = group_of(*NAMES)
    read, unread = _said(members, "alice", b"1"), _said(members, "carol", b"2")
    senders = {message: _sender_data(message, members["bob"]) for message in (read, unread)}
    members["bob"] = members["bob"].unprotect(read)[0]
    assert _opens(rows(members["bob"]), unread, senders[unread])
    _commit(members, "dora")
    for name in NAMES:
        for message in (read, unread):
            assert not _opens(rows(members[name]), message, senders[message])


def _secrets(stored: Mapping[str, bytes]) -> set[bytes]:
    """Everything of an epoch that keys of messages come from, as it stands in the rows."""
    group = from_rows(stored)
    names = set(group.secrets.__slots__) - {"resumption_psk", "epoch_authenticator"}
    found = {getattr(group.secrets, name) for name in names}
    for name, row in stored.items():
        if name.startswith("ratchets/n/"):
            found.add(row)
        elif name.startswith("ratchets/") and name.count("/") == 2:
            found.add(row[5:])
        elif name.startswith("ratchets/") and name.count("/") == 3:
            found.update(decode_all(row, lambda reader: (reader.vector(), reader.vector())))
    return found


def test_no_secret_of_an_epoch_stands_in_the_rows_of_the_next() -> None:
    members = group_of(*NAMES)
    messages = [_said(members, "alice", bytes((number,))) for number in range(3)]
    members["bob"] = members["bob"].unprotect(messages[2])[0]
    old = {name: rows(members[name]) for name in NAMES}
    _commit(members, "carol")
    for name in NAMES:
        before, after = b"".join(old[name].values()), b"".join(rows(members[name]).values())
        secrets = _secrets(old[name])
        assert len(secrets) > 6
        assert all(secret in before and secret not in after for secret in secrets)
    old_keys = old["carol"]["keys"]
    levels = from_rows(old["carol"]).private_keys.values()
    assert all(key in old_keys and key not in rows(members["carol"])["keys"] for key in levels)


# Post-compromise security.


class Thief:
    """Has a copy of a member's store, listens to everything, and goes on from there.

    It only listens: with the member's signature key it could speak and join anew, which shows.
    """

    def __init__(self, stored: Mapping[str, bytes]) -> None:
        self.group = from_rows(stored)

    def reads(self, message: bytes) -> bool:
        try:
            self.group = self.group.unprotect(message)[0]
        except PeerError:
            return False
        return True

    def follows(self, heard: Heard) -> bool:
        """Take the next state, if the thief can."""
        opens = self.opens_path(heard)
        try:
            staged = self.group.stage(heard.made.message)
        except PeerError:
            assert not opens
            return False
        assert opens
        if staged.group is None:
            return False
        self.group = staged.group
        return True

    def opens_path(self, heard: Heard) -> bool:
        """Try each private key on each secret of the path, whoever it is meant for."""
        group = self.group
        keys = (*group.private_keys.values(), *group.own_updates.values())
        sealed = [one for node in heard.path.nodes for one in node.encrypted_path_secrets]
        return any(_decrypts(key, one, heard.context) for key in keys for one in sealed)


def _decrypts(private_key: bytes, sealed: HpkeCiphertext, context: bytes) -> bool:
    try:
        SUITE_1.decrypt_with_label(
            private_key,
            "UpdatePathNode",
            context=context,
            kem_output=sealed.kem_output,
            ciphertext=sealed.ciphertext,
        )
    except PeerError:
        return False
    return True


def _hears(thief: Thief, members: dict[str, Group]) -> bool:
    """Whether the thief reads what others say now: everything, or nothing with any key it has."""
    heard = set()
    for name in ("alice", "carol"):
        message = _said(members, name, b"hello")
        sender_data = _sender_data(message, members["dora"])
        reads = thief.reads(message)
        assert reads or not _opens(rows(thief.group), message, sender_data)
        heard.add(reads)
    assert len(heard) == 1
    return heard.pop()


def test_a_thief_follows_until_its_victim_commits_and_never_after() -> None:
    members = group_of(*NAMES)
    thief = Thief(rows(members["bob"]))
    assert _hears(thief, members)
    for name in ("alice", "dora"):
        assert thief.follows(_commit(members, name))
        assert _hears(thief, members)
    assert not thief.follows(_commit(members, "bob"))
    assert not _hears(thief, members)
    for name in ("alice", "carol", "bob", "erin"):
        assert not thief.follows(_commit(members, name))
        assert not _hears(thief, members)


def test_a_thief_is_locked_out_when_its_victim_is_updated_by_somebody_elses_commit() -> None:
    members = group_of(*NAMES)
    thief = Thief(rows(members["bob"]))
    _propose_update(members, "bob", thief)
    assert not thief.follows(_commit(members, "alice"))
    assert not _hears(thief, members)
    assert not thief.follows(_commit(members, "dora"))
    assert not _hears(thief, members)


def test_a_thief_who_comes_while_the_new_key_waits_in_the_store_has_it_too() -> None:
    members = group_of(*NAMES)
    _propose_update(members, "bob")
    thief = Thief(rows(members["bob"]))
    assert thief.follows(_commit(members, "alice"))
    assert _hears(thief, members)
    assert not thief.follows(_commit(members, "bob"))
    assert not _hears(thief, members)


def test_who_was_removed_can_open_nothing_of_the_commit_that_removes_it() -> None:
    members = group_of(*NAMES)
    thief = Thief(rows(members["bob"]))
    heard = _commit(members, "alice", Remove(members["bob"].own_leaf))
    assert not thief.opens_path(heard)
    for name in ("alice", "carol", "dora"):
        assert not thief.opens_path(_commit(members, name))
        assert not _hears(thief, members)


def _propose_update(members: dict[str, Group], name: str, thief: Thief | None = None) -> None:
    """A member's Update reaches everybody, the thief included."""
    before = members[name]
    members[name], message = before.propose_update(config(name), signer=signing_key(name))
    for other in members.keys() - {name}:
        members[other] = members[other].receive_proposal(message)
    if thief is not None:
        thief.group = thief.group.receive_proposal(message)
