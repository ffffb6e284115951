"""What RFC 9420 asks of whoever sends: what we make keeps to it, whether or not others check it."""

from itertools import pairwise

import pytest

from crypto.errors import UsageError
from crypto.mls.codec import decode_all
from crypto.mls.commit import ProposalRef, decode_commit
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import DEFAULT_EXTENSION_TYPES
from crypto.mls.framing import ContentType, PrivateMessage, PublicMessage
from crypto.mls.group import Group, external_draft, rows, tree_objects
from crypto.mls.key_package import KeyPackage
from crypto.mls.leaf_node import LeafNodeSource
from crypto.mls.messages import decode_message
from crypto.mls.private_message import open_content, open_sender_data
from crypto.mls.proposals import PreSharedKey, ProposalType, ReInit, Remove, Update, external_psk
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_node import Branch, changed_subtrees
from crypto.mls.tree_parsing import _read_optional_node
from crypto.mls.welcome import decode_welcome, read_group_secrets
from tests.crypto.mls.clients import (
    add,
    config,
    founded,
    group_of,
    key_package,
    signing_key,
    tree_of,
)

PSKS = {name: name * 32 for name in (b"1", b"2", b"3")}


@pytest.fixture(scope="module")
def alice() -> Group:
    return group_of("alice", "bob", "carol")["alice"]


def _opened(group: Group, message: bytes) -> bytes:
    """The Commit that a member of that epoch sent."""
    sent = decode_message(message)
    assert isinstance(sent, PrivateMessage)
    data = open_sender_data(SUITE_1, sent, group.secrets.sender_data)
    _, key = group.secret_tree.key_for(data.leaf_index, ContentType.COMMIT, data.generation)
    return open_content(SUITE_1, sent, key=key, sender_data=data).content.content


def test_capabilities_list_no_default_types(alice: Group) -> None:
    """7.2: they "MUST NOT be listed"; and whatever a leaf uses is listed."""
    package = KeyPackage.decode(key_package("dora").encoded).leaf_node
    for leaf in (package, *(leaf for _, leaf in alice.tree.leaves())):
        able = leaf.capabilities
        assert not DEFAULT_EXTENSION_TYPES & set(able.extensions)
        assert not {int(kind) for kind in ProposalType} & set(able.proposals)
        assert {1} <= set(able.versions)
        assert {1} <= set(able.cipher_suites)
        assert leaf.credential.type in able.credentials


def test_each_leaf_says_how_it_came_to_be_and_brings_a_fresh_key(alice: Group) -> None:
    """7.3, 7.5: the source, and never the encryption key of the leaf that it replaces."""
    package = KeyPackage.decode(key_package("dora").encoded)
    assert package.leaf_node.content.source is LeafNodeSource.KEY_PACKAGE
    proposing, _ = alice.propose_update(config("alice"), signer=signing_key("alice"))
    update = proposing.pending_proposals[0].proposal
    assert isinstance(update, Update)
    assert update.leaf_node.content.source is LeafNodeSource.UPDATE
    commit = alice.draft().finish(signer=signing_key("alice"))
    path = decode_commit(_opened(alice, commit.message)).path
    assert path is not None
    assert path.leaf_node.content.source is LeafNodeSource.COMMIT
    old = alice.tree.leaf(0)
    assert old is not None
    keys = [old.encryption_key, update.leaf_node.encryption_key, path.leaf_node.encryption_key]
    keys += [node.encryption_key for node in path.nodes]
    assert len(set(keys)) == len(keys)


def test_after_a_commit_no_replaced_key_is_kept() -> None:
    """7.5, 9.2: outdated key pairs, the init secret and the ratchets of the epoch before."""
    members = group_of("alice", "bob", "carol")
    commit = members["alice"].draft().finish(signer=signing_key("alice"))
    bob = members["bob"].stage(commit.message).group
    assert bob is not None
    for old, new in ((members["alice"], commit.group), (members["bob"], bob)):
        secrets = [old.private_keys[level] for level in old.private_keys if level]
        secrets += [old.secrets.init, old.secrets.sender_data, old.secrets.exporter]
        secrets += [value for name, value in rows(old).items() if name.startswith("ratchets/n/")]
        kept = b"".join(rows(new).values())
        assert [secret for secret in secrets if secret in kept] == []


def test_unmerged_leaves_are_sorted_and_stand_at_each_parent_above() -> None:
    """7.1, 12.1.1: whatever order newcomers land in."""
    alice = group_of(*(f"m{number}" for number in range(8)))["m0"]
    signer = signing_key("m0")
    alice = alice.draft([Remove(5), Remove(2), Remove(7)]).finish(signer=signer).group
    for names in (["a", "b"], ["c"]):
        new = [add(key_package(name)) for name in names]
        alice = alice.draft(new, path=False).finish(signer=signer).group
    seen: set[int] = set()
    for subtree in changed_subtrees(alice.tree.root, None):
        if isinstance(subtree, Branch) and subtree.node is not None:
            leaves = subtree.node.unmerged_leaves
            assert all(one < other for one, other in pairwise(leaves))
            seen.update(leaves)
    assert seen == {2, 5, 7}


def test_a_tree_ends_with_its_last_member(alice: Group) -> None:
    """12.4.3.3: "the sender MUST NOT include blank nodes after the last non-blank node"."""
    for removed in ([], [Remove(2)], [Remove(1)]):
        group = alice.draft(removed).finish(signer=signing_key("alice")).group
        encoded = group.tree.encode()
        nodes = decode_all(encoded, lambda reader: reader.items(_read_optional_node))
        assert len(nodes) == 2 * max(index for index, _ in group.tree.leaves()) + 1
        assert nodes[-1] is not None
        assert RatchetTree.decode(SUITE_1, encoded).hash() == group.tree_hash
        assert len(tree_objects(group)) == 2 * group.tree.capacity - 1


def test_each_use_of_a_psk_has_a_fresh_nonce_of_the_hashs_length() -> None:
    """8.4, 12.1.4."""
    nonces = [external_psk(SUITE_1, b"1").psk.nonce for _ in range(8)]
    assert {len(nonce) for nonce in nonces} == {SUITE_1.hash_length}
    assert len(set(nonces)) == len(nonces)


def test_a_welcome_names_the_psks_of_the_commit_in_its_order(alice: Group) -> None:
    """8.4, 12.4.1."""
    own = key_package("dora")
    asked = [external_psk(SUITE_1, name) for name in (b"3", b"1", b"2")]
    commit = alice.draft([asked[0], add(own), *asked[1:]], psks=PSKS)
    made = commit.finish(signer=signing_key("alice"))
    sent = decode_commit(_opened(alice, made.message)).proposals
    assert [one for one in sent if isinstance(one, PreSharedKey)] == asked
    assert made.welcome is not None
    welcome = decode_welcome(made.welcome)
    sealed = welcome.secrets[0].encrypted_group_secrets
    secrets = SUITE_1.decrypt_with_label(
        own.init_private,
        "Welcome",
        context=welcome.encrypted_group_info,
        kem_output=sealed.kem_output,
        ciphertext=sealed.ciphertext,
    )
    psks = decode_all(secrets, read_group_secrets).psks
    assert psks == tuple(one.psk for one in asked)


def test_a_welcome_covers_everybody_who_is_added(alice: Group) -> None:
    """12.4.1: "MUST cover every new member added in the Commit"."""
    packages = [key_package(name) for name in ("dora", "erin", "frank")]
    commit = alice.draft([add(own) for own in packages]).finish(signer=signing_key("alice"))
    assert commit.welcome is not None
    named = {entry.new_member for entry in decode_welcome(commit.welcome).secrets}
    assert named == {own.reference for own in packages}
    assert alice.draft().finish(signer=signing_key("alice")).welcome is None


def test_no_two_key_packages_of_a_client_share_a_key() -> None:
    """10: the init key "MUST be unique among the set of KeyPackages created by this client"."""
    packages = [KeyPackage.decode(key_package("dora").encoded) for _ in range(8)]
    keys = [one.init_key for one in packages] + [one.leaf_node.encryption_key for one in packages]
    assert len(set(keys)) == len(keys)


def test_a_group_begins_as_section_11_says() -> None:
    one, other = founded(), founded()
    assert (one.epoch, one.confirmed_transcript_hash, one.tree.members) == (0, b"", 1)
    assert one.tree_hash == one.tree.hash()
    assert one.secrets.init != other.secrets.init  # from a fresh epoch secret


def test_making_a_commit_changes_nothing(alice: Group) -> None:
    """14: "The generation of Commit messages MUST NOT modify a client's state"."""
    before = rows(alice)
    commits: list[OwnCommit] = [
        alice.draft(proposals).finish(signer=signing_key("alice"))
        for proposals in ([], [Remove(1)], [add(key_package("dora"))])
    ]
    assert rows(alice) == before
    assert len({commit.message for commit in commits}) == 3


def test_a_path_is_there_whenever_it_has_to_be(alice: Group) -> None:
    """12.4: also when nobody asks for one; and it may be left out only for some proposals."""
    for proposals, needed in (
        ([], True),
        ([Remove(1)], True),
        ([add(key_package("dora")), Remove(1)], True),
        ([add(key_package("dora"))], False),
        ([ReInit(b"new", 1, 1, ())], False),
    ):
        commit = alice.draft(proposals, path=False).finish(signer=signing_key("alice"))
        path = decode_commit(_opened(alice, commit.message)).path
        assert (path is not None) is needed


def test_a_commit_from_outside_is_as_section_12_4_3_2_says(alice: Group) -> None:
    info = alice.signed_group_info(signing_key("alice"))
    draft = external_draft(info, tree_of(alice), config=config("bob"), remove_leaf=1)
    sent = decode_message(draft.finish(signer=signing_key("bob")).message)
    assert isinstance(sent, PublicMessage)
    commit = decode_commit(sent.content.content)
    assert commit.path is not None
    assert not any(isinstance(one, ProposalRef) for one in commit.proposals)
    assert sent.membership_tag is None


def test_a_member_sends_handshakes_encrypted(alice: Group) -> None:
    """6: they SHOULD be; here they are unless somebody asks otherwise."""
    _, asked = alice.propose_update(config("alice"), signer=signing_key("alice"))
    commit = alice.draft().finish(signer=signing_key("alice")).message
    assert all(isinstance(decode_message(one), PrivateMessage) for one in (asked, commit))


def test_nobody_says_anything_while_proposals_wait(alice: Group) -> None:
    """12.4: "MUST send a Commit message before sending application data"."""
    waiting, _ = alice.propose_update(config("alice"), signer=signing_key("alice"))
    with pytest.raises(UsageError):
        waiting.protect(b"too early", signer=signing_key("alice"))
