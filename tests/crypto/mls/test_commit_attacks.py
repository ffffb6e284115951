"""Commits of insiders and of who joins from outside: each refusal leaves a state that goes on."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto.errors import PeerError
from crypto.mls import framing, public_message
from crypto.mls.commit import Commit, UpdatePath
from crypto.mls.credential import Credential
from crypto.mls.drafting import Base
from crypto.mls.extensions import Extension, RequiredCapabilities
from crypto.mls.framing import ContentType, PublicMessage, Sender, SenderType, WireFormat, member
from crypto.mls.group import Group, UnusablePath, external_draft
from crypto.mls.group_state import PendingProposal
from crypto.mls.leaf_node import LeafNodeSource, Lifetime, sign_leaf
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.proposal_rules import ResolvedProposal
from crypto.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from crypto.mls.psk import ExternalPskId
from crypto.mls.receiving import with_pending
from crypto.mls.suite import SUITE_1
from tests.crypto.mls.clients import (
    EXTENSION,
    REQUIRED,
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
from tests.crypto.mls.doors import Members, signed_key_package
from tests.crypto.mls.lying import group_info_of, public, signed
from tests.crypto.mls.refusing import refused, still_works

PSK = {b"key": b"\x01" * 32}
OTHER = 0xF0F0  # an extension that a newcomer supports and no member


@pytest.fixture(scope="module")
def members() -> Members:
    return group_of("alice", "bob", "carol", "dora", "erin")


def _all_refuse(members: Members, message: bytes, committer: str = "alice") -> set[str]:
    others = members.keys() - {committer}
    return {refused(members, name, lambda group: group.stage(message)) for name in others}


# The shape of a path.

Nodes = Callable[[UpdatePath], UpdatePath]


def _ciphertexts(place: int, count: Callable[[int], int]) -> Nodes:
    def spoil(path: UpdatePath) -> UpdatePath:
        nodes, node = list(path.nodes), path.nodes[place]
        wanted = count(len(node.encrypted_path_secrets))
        nodes[place] = replace(
            node, encrypted_path_secrets=(tuple(node.encrypted_path_secrets) * 3)[:wanted]
        )
        return replace(path, nodes=tuple(nodes))

    return spoil


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("count", [lambda n: 0, lambda n: n - 1, lambda n: n + 1, lambda n: 3 * n])
def test_a25_a_path_secret_is_sealed_once_to_each_node_beside_the_path(
    members: Members, place: int, count: Callable[[int], int]
) -> None:
    commit = forged(members["alice"], "alice", spoil=_ciphertexts(place, count))
    assert _all_refuse(members, commit.message) == {"VAL-7.6-2"}


def test_a25_a_path_secret_is_not_sealed_to_who_is_added_with_it(members: Members) -> None:
    alice = members["alice"]
    new = by_value(alice, add(key_package("frank")))  # he lands beside erin
    commit = forged(alice, "alice", new, spoil=_ciphertexts(2, lambda n: n + 1))
    assert _all_refuse(members, commit.message) == {"VAL-7.6-2"}
    right = forged(alice, "alice", new)
    assert members["erin"].stage(right.message).group is not None


@pytest.mark.parametrize("count", [0, 1, 2, 4, 6])
def test_a25_a_path_has_a_node_for_each_step(members: Members, count: int) -> None:
    def spoil(path: UpdatePath) -> UpdatePath:
        return replace(path, nodes=(path.nodes * 2)[:count])

    commit = forged(members["alice"], "alice", spoil=spoil)
    assert _all_refuse(members, commit.message) == {"VAL-7.6-1"}


# Proposals by reference.


def _pending(members: Members, proposal: Proposal, sender: int, reference: bytes) -> Members:
    one = PendingProposal(reference, member(sender), proposal, b"")
    return {name: with_pending(group, one) for name, group in members.items()}


def test_a_commit_refers_to_what_came_in_its_own_epoch(members: Members) -> None:
    bob, asked = members["bob"].propose_update(config("bob"), signer=signing_key("bob"))
    reference = bob.pending_proposals[0].reference
    knowing = {name: members[name].receive_proposal(asked) for name in ("carol", "dora", "erin")}
    knowing["bob"] = bob
    commit = members["alice"].draft().finish(signer=signing_key("alice"))
    after = {"alice": commit.group}
    for name, group in knowing.items():
        staged = group.stage(commit.message).group
        assert staged is not None
        after[name] = staged
    stale = ResolvedProposal(Remove(2), member(1), reference)
    late = forged(after["alice"], "alice", [stale])
    assert _all_refuse(after, late.message) == {"VAL-12.4-2"}


@pytest.mark.parametrize("reference", [b"", b"never", bytes(32)])
def test_a_commit_refers_to_what_came(members: Members, reference: bytes) -> None:
    commit = forged(members["alice"], "alice", [ResolvedProposal(Remove(2), member(1), reference)])
    assert _all_refuse(members, commit.message) == {"VAL-12.4-2"}


def _twice() -> list[tuple[str, Proposal]]:
    psk = PreSharedKey(ExternalPskId(b"key", bytes(32)))
    return [
        ("VAL-12.2-4", add(key_package("frank"))),
        ("VAL-12.2-6", psk),
        ("VAL-12.2-7", GroupContextExtensions(())),
        ("VAL-12.2-8", ReInit(b"new", 1, 1, ())),
    ]


@pytest.mark.parametrize(("rule", "proposal"), _twice(), ids=[rule for rule, _ in _twice()])
def test_one_proposal_is_not_referred_to_twice(
    members: Members, rule: str, proposal: Proposal
) -> None:
    known = _pending(members, proposal, 1, b"r")
    twice = [ResolvedProposal(proposal, member(1), b"r")] * 2
    commit = forged(members["alice"], "alice", twice)
    code = refused(known, "carol", lambda group: group.stage(commit.message, psks=PSK))
    assert code == rule


def test_an_update_and_a_remove_of_one_leaf_are_refused(members: Members) -> None:
    content = leaf_content("bob", LeafNodeSource.UPDATE)
    leaf = sign_leaf(SUITE_1, content, signer=signing_key("bob"), group_id=b"g" * 32, leaf_index=1)
    known = _pending(members, Update(leaf), 1, b"u")
    known = _pending(known, Remove(1), 2, b"r")
    covered = [
        ResolvedProposal(Update(leaf), member(1), b"u"),
        ResolvedProposal(Remove(1), member(2), b"r"),
    ]
    commit = forged(members["alice"], "alice", covered)
    code = refused(known, "carol", lambda group: group.stage(commit.message))
    assert code == "VAL-12.2-3"


def test_what_refers_to_the_committers_own_update_or_removal_is_refused(members: Members) -> None:
    content = leaf_content("alice", LeafNodeSource.UPDATE)
    leaf = sign_leaf(SUITE_1, content, signer=signing_key("alice"), group_id=b"g" * 32)
    known = _pending(members, Update(leaf), 0, b"u")
    commit = forged(members["alice"], "alice", [ResolvedProposal(Update(leaf), member(0), b"u")])
    code = refused(known, "carol", lambda group: group.stage(commit.message))
    assert code == "VAL-12.2-1"
    known = _pending(members, Remove(0), 2, b"r")
    harmless = ResolvedProposal(Remove(4), member(2), b"r")  # the forger cannot blank itself
    commit = forged(members["alice"], "alice", [harmless])
    code = refused(known, "carol", lambda group: group.stage(commit.message))
    assert code == "VAL-12.2-2"


def test_who_is_new_proposes_nothing_but_its_own_add(members: Members) -> None:
    """As it arrives, and again where a Commit refers to it."""
    alice, newcomer = members["alice"], Sender(SenderType.NEW_MEMBER_PROPOSAL)
    for proposal in (Remove(1), GroupContextExtensions(()), ReInit(b"new", 1, 1, ())):
        asked = public(alice, proposal, newcomer, signing_key("frank"))
        code = refused(members, "bob", lambda group, m=asked: group.receive_proposal(m))
        assert code == "VAL-6.1-2"
        one = PendingProposal(b"r", newcomer, proposal, b"")
        known = {name: with_pending(group, one) for name, group in members.items()}
        harmless = ResolvedProposal(add(key_package("frank")), newcomer, b"r")
        commit = forged(alice, "alice", [harmless])
        code = refused(known, "bob", lambda group, c=commit: group.stage(c.message))
        assert code == "VAL-6.1-2"


# Extensions of the group.


def _requiring(*types: int) -> GroupContextExtensions:
    return GroupContextExtensions((RequiredCapabilities(extensions=types).extension(),))


def _able(name: str, *types: int) -> Add:
    content = leaf_content(name, LeafNodeSource.KEY_PACKAGE)
    capabilities = replace(content.capabilities, extensions=types)
    content = replace(content, capabilities=capabilities, lifetime=Lifetime(0, 2**40))
    leaf = sign_leaf(SUITE_1, content, signer=signing_key(name))
    return Add(signed_key_package(leaf, signing_key(name)))


def _refused_list(members: Members, *proposals: Proposal) -> set[str]:
    alice = members["alice"]
    with pytest.raises(PeerError) as caught:
        alice.draft(proposals)
    commit = forged(alice, "alice", by_value(alice, *proposals))
    return _all_refuse(members, commit.message) | {caught.value.code}


def test_no_member_is_required_to_support_what_it_does_not(members: Members) -> None:
    assert _refused_list(members, _requiring(OTHER)) == {"VAL-7.3-3"}
    proposals = RequiredCapabilities(proposals=(OTHER,)).extension()
    assert _refused_list(members, GroupContextExtensions((proposals,))) == {"VAL-7.3-3"}
    credentials = RequiredCapabilities(credentials=(3,)).extension()
    assert _refused_list(members, GroupContextExtensions((credentials,))) == {"VAL-7.3-3"}
    unknown = GroupContextExtensions((Extension(OTHER, b""),))
    assert _refused_list(members, unknown) == {"VAL-13.4-2"}


def test_new_extensions_count_for_who_is_added_in_the_same_commit(members: Members) -> None:
    lacking = _able("frank", EXTENSION)
    assert _refused_list(members, _requiring(REQUIRED), lacking) == {"VAL-7.3-3"}
    assert _refused_list(members, lacking, _requiring(REQUIRED)) == {"VAL-7.3-3"}
    used = GroupContextExtensions((Extension(REQUIRED, b""),))
    assert _refused_list(members, used, lacking) == {"VAL-13.4-2"}
    able = _able("frank", EXTENSION, REQUIRED)
    commit = members["alice"].draft([able, _requiring(REQUIRED)])
    message = commit.finish(signer=signing_key("alice")).message
    assert members["bob"].stage(message).group is not None


def test_new_extensions_do_not_count_for_who_is_removed_in_the_same_commit(
    members: Members,
) -> None:
    lacking = members["alice"].draft([_able("frank", EXTENSION)])
    commit = lacking.finish(signer=signing_key("alice"))
    bob = members["bob"].stage(commit.message).group
    assert bob is not None
    with pytest.raises(PeerError) as caught:
        commit.group.draft([_requiring(REQUIRED)])
    assert caught.value.code == "VAL-7.3-3"
    frank = next(change.leaf_index for change in commit.changes)
    after = commit.group.draft([_requiring(REQUIRED), Remove(frank)])
    assert bob.stage(after.finish(signer=signing_key("alice")).message).group is not None


# Who joins from outside.


def _outside(group: Group, name: str) -> tuple[Base[Group], ExternalInit]:
    info = group.signed_group_info(signing_key(name))
    draft = external_draft(info, tree_of(group), config=config("frank"))
    init = draft.resolved[0].proposal
    assert isinstance(init, ExternalInit)
    return draft.base, init


def test_a14_a_group_info_of_an_older_epoch_lets_nobody_in(members: Members) -> None:
    alice = members["alice"]
    old, tree = alice.signed_group_info(signing_key("alice")), tree_of(alice)
    commit = alice.draft([Remove(4)]).finish(signer=signing_key("alice"))
    after = {"alice": commit.group}
    for name in ("bob", "carol", "dora"):
        staged = members[name].stage(commit.message).group
        assert staged is not None
        after[name] = staged
    back = external_draft(old, tree, config=config("erin"), remove_leaf=4)
    message = back.finish(signer=signing_key("erin")).message
    for name in after:
        code = refused(after, name, lambda group: group.stage(message))
        assert code == "wrong_epoch"


def test_a14_an_older_tree_under_the_present_epoch_lets_nobody_in(members: Members) -> None:
    """Whoever was removed signs, while still a member, a GroupInfo for the epoch after it."""
    erin = members["erin"]
    commit = members["alice"].draft([Remove(4)]).finish(signer=signing_key("alice"))
    bob = members["bob"].stage(commit.message).group
    assert bob is not None
    context = replace(erin.context, epoch=erin.epoch + 1)
    info = group_info_of(erin, "erin", group_context=context)
    back = external_draft(info, tree_of(erin), config=config("erin"), remove_leaf=4)
    message = back.finish(signer=signing_key("erin")).message
    after = {"alice": commit.group, "bob": bob}
    assert refused(after, "bob", lambda group: group.stage(message)) == "bad_signature"


def test_who_joins_signs_with_the_key_of_the_path(members: Members) -> None:
    base, init = _outside(members["alice"], "alice")
    message = decode_message(forged_from_outside(base, "frank", [init]).message)
    assert isinstance(message, PublicMessage)
    for name in ("alice", "mallory"):
        signature = framing.sign(
            SUITE_1,
            message.content,
            wire_format=WireFormat.PUBLIC_MESSAGE,
            context=members["alice"].context.encode(),
            signer=signing_key(name),
        )
        wrong = encode_message(replace(message, auth=replace(message.auth, signature=signature)))
        code = refused(members, "bob", lambda group, m=wrong: group.stage(m))
        assert code == "bad_signature"


def test_an_external_init_of_a_member_or_in_a_members_name_is_refused(members: Members) -> None:
    _, init = _outside(members["alice"], "alice")
    commit = forged(members["alice"], "alice", by_value(members["alice"], init))
    assert _all_refuse(members, commit.message) == {"VAL-12.2-9"}
    base, init = _outside(members["alice"], "alice")
    joining = decode_message(forged_from_outside(base, "frank", [init]).message)
    assert isinstance(joining, PublicMessage)
    as_member = replace(
        joining, content=replace(joining.content, sender=member(0)), membership_tag=bytes(32)
    )
    code = refused(members, "bob", lambda group: group.stage(encode_message(as_member)))
    assert code == "bad_membership_tag"


@pytest.mark.parametrize(
    "sender", [Sender(SenderType.EXTERNAL, 0), Sender(SenderType.NEW_MEMBER_PROPOSAL)]
)
def test_nobody_else_commits(members: Members, sender: Sender) -> None:
    body = Commit((Remove(1),), None).encode()
    signer = signing_key("relay")
    message = signed(
        members["alice"],
        ContentType.COMMIT,
        body,
        signer=signer,
        form=WireFormat.PUBLIC_MESSAGE,
        sender=sender,
    )
    auth = replace(message.auth, confirmation_tag=bytes(32))
    public = encode_message(PublicMessage(message.content, auth))
    code = refused(members, "bob", lambda group: group.stage(public))
    assert code == "VAL-6.1-1"
    with pytest.raises(PeerError) as caught:
        public_message.unprotect(
            SUITE_1,
            PublicMessage(message.content, auth),
            public_key=signer.public,
            membership_key=bytes(32),
            context=members["alice"].context.encode(),
        )
    assert caught.value.code == "VAL-6.1-1"


# What the library tells, for the application to judge.


def test_a28_a_commit_shows_the_old_and_the_new_credential(members: Members) -> None:
    changed = replace(config("alice"), credential=Credential.basic(b"somebody else"))
    commit = members["alice"].draft(config=changed).finish(signer=signing_key("alice"))
    staged = members["bob"].stage(commit.message)
    assert staged.old_member is not None
    assert staged.path_leaf is not None
    assert staged.old_member.credential == Credential.basic(b"alice")
    assert staged.path_leaf.credential == Credential.basic(b"somebody else")
    assert staged.sender == member(0)
    still_works(members, "bob")  # who does not like it goes on without it


def test_a28_an_update_shows_the_old_and_the_new_credential(members: Members) -> None:
    changed = replace(config("bob"), credential=Credential.basic(b"somebody else"))
    _, asked = members["bob"].propose_update(changed, signer=signing_key("bob"))
    alice, carol = (members[name].receive_proposal(asked) for name in ("alice", "carol"))
    commit = alice.draft().finish(signer=signing_key("alice"))
    staged = carol.stage(commit.message)
    (one,) = staged.proposals
    old = carol.member(one.sender.index)
    assert old is not None
    assert isinstance(one.proposal, Update)
    assert (one.sender, old.credential) == (member(1), Credential.basic(b"bob"))
    assert one.proposal.leaf_node.credential == Credential.basic(b"somebody else")


def test_a29_a_resync_of_another_shows_whom_it_removes(members: Members) -> None:
    alice = members["alice"]
    info = alice.signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(alice), config=config("mallory"), remove_leaf=2)
    staged = members["bob"].stage(draft.finish(signer=signing_key("mallory")).message)
    assert staged.old_member is not None
    assert staged.path_leaf is not None
    assert staged.old_member == alice.member(2)
    assert staged.path_leaf.credential == Credential.basic(b"mallory")
    assert [(change.kind, change.leaf_index) for change in staged.changes] == [
        ("removed", 2),
        ("added", 2),
    ]
    assert members["carol"].stage(draft.finish(signer=signing_key("mallory")).message).removed
    still_works(members, "bob")


def test_a25_who_cannot_follow_a_commit_goes_on_from_the_old_state(members: Members) -> None:
    commit = forged(members["alice"], "alice", seals_other_secrets=True)
    for name in members.keys() - {"alice"}:
        with pytest.raises(UnusablePath) as caught:
            members[name].stage(commit.message)
        assert caught.value.code == "VAL-7.5-1"
        still_works(members, name)
