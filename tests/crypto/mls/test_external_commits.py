"""One wrong external Commit for each rule about them."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from crypto.errors import PeerError, UsageError
from crypto.mls import joining
from crypto.mls.commit import Commit
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import Extension
from crypto.mls.framing import PrivateMessage, member
from crypto.mls.group import Group, InvalidCommit
from crypto.mls.group_state import PendingProposal
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import (
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    Remove,
)
from crypto.mls.psk import ExternalPskId
from crypto.mls.receiving import with_pending
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    EXTENSION,
    add,
    config,
    forged_from_outside,
    group_of,
    key_package,
    leaf_content,
    signing_key,
    tree_of,
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


def test_who_is_removed_refuses_what_the_others_refuse() -> None:
    members = _members()
    base, _ = _outside(members)
    commit = forged_from_outside(base, "dave", [ExternalInit(bytes(32)), Remove(1)])
    assert _code(members["carol"], commit) == "bad_public_key"
    assert _code(members["bob"], commit) == "bad_public_key"


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


def test_a_joiner_that_does_not_support_the_group_stays_outside() -> None:
    alice = group_of("alice", extensions=[Extension(EXTENSION, b"")])["alice"]
    info = alice.signed_group_info(signing_key("alice"))
    unfit = replace(config("dave"), extension_types=())
    with pytest.raises(PeerError) as refused:
        joining.external_draft(Group, info, tree_of(alice), config=unfit, psks={})
    assert refused.value.code == "VAL-13.4-2"


def test_a_joiner_signs_with_its_new_key() -> None:
    alice = group_of("alice")["alice"]
    info = alice.signed_group_info(signing_key("alice"))
    draft = joining.external_draft(Group, info, tree_of(alice), config=config("dave"), psks={})
    with pytest.raises(UsageError):
        draft.finish(signer=signing_key("alice"))
