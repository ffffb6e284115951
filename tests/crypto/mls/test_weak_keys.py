"""Keys that protect nothing, or that have two forms, at each place where a key comes in."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crypto.errors import PeerError
from crypto.mls.commit import UpdatePath
from crypto.mls.credential import Credential
from crypto.mls.drafting import OwnCommit
from crypto.mls.extensions import (
    ExternalSender,
    external_pub_extension,
    external_senders_extension,
)
from crypto.mls.group import Group, UnusablePath, create, external_draft
from crypto.mls.joining import Base
from crypto.mls.key_package import KeyPackage, validate
from crypto.mls.leaf_node import LeafContent
from crypto.mls.proposals import Add, ExternalInit, GroupContextExtensions
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_node import Branch, ParentNode
from crypto.mls.welcome import decode_welcome, encode_welcome
from tests.crypto.mls.clients import (
    LyingSigner,
    add,
    by_value,
    config,
    forged,
    forged_from_outside,
    group_of,
    key_package,
    signing_key,
    tree_of,
)
from tests.crypto.mls.doors import DOORS, Door, Members, Wrong, outside_door, tree_door
from tests.crypto.mls.lying import group_info_of, tree_info_of
from tests.crypto.mls.refusing import refused, refused_welcome, still_works
from tests.crypto.test_ed25519 import SMALL_ORDER
from tests.crypto.test_x25519 import LOW_ORDER, P

# The last one: no point of small order, but a second form of y = 3.
SIGNATURE_KEYS = [*map(bytes.fromhex, SMALL_ORDER.values()), (P + 3).to_bytes(32, "little")]
# Points of low order in every form, and a second form of u = 9 and of u = 3.
ENCRYPTION_KEYS = [
    *LOW_ORDER,
    (9 | 1 << 255).to_bytes(32, "little"),
    (P + 3).to_bytes(32, "little"),
    b"",
    bytes(31),
    bytes(33),
]


@pytest.fixture(scope="module")
def members() -> Members:
    return group_of("alice", "bob", "carol", "dora")


# Leaves, at each of their doors.


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a31_a_leaf_with_a_weak_signature_key_is_refused(members: Members, door: Door) -> None:
    for key in SIGNATURE_KEYS:

        def change(content: LeafContent, _: Members, key: bytes = key) -> LeafContent:
            return replace(content, signature_key=key)

        weak = Wrong(
            "VAL-5.1.1-1", change, lambda c: LyingSigner(c.signature_key, signing_key("mallory"))
        )
        # Around these two stands a message that is signed with the same weak key.
        is_signed = door in (outside_door, tree_door)
        assert door(weak, members) == ("bad_public_key" if is_signed else "VAL-5.1.1-1")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a32_a_leaf_with_a_weak_encryption_key_is_refused(members: Members, door: Door) -> None:
    for key in ENCRYPTION_KEYS:

        def change(content: LeafContent, _: Members, key: bytes = key) -> LeafContent:
            return replace(content, encryption_key=key)

        assert door(Wrong("VAL-5.1.1-1", change), members) == "VAL-5.1.1-1"


# KeyPackages: the init key.


def _with_init_key(key: bytes) -> KeyPackage:
    good = KeyPackage.decode(key_package("erin").encoded)
    head, rest = good.encoded[:4], good.encoded[4 + 1 + len(good.init_key) :]
    body = head + bytes((len(key),)) + key + rest[: -len(good.signature) - 2]
    signature = SUITE_1.sign_with_label(signing_key("erin"), "KeyPackageTBS", body)
    return KeyPackage.decode(body + b"\x40\x40" + signature)


def test_a32_a_key_package_with_a_weak_init_key_is_refused(members: Members) -> None:
    alice, right = members["alice"], _with_init_key(SUITE_1.generate_key_pair()[1])
    validate(right, now_s=1, max_lifetime_s=2**64)
    for key in ENCRYPTION_KEYS:
        weak = _with_init_key(key)
        for act in (
            lambda weak=weak: validate(weak, now_s=1, max_lifetime_s=2**64),
            lambda weak=weak: alice.draft([Add(weak)]),
        ):
            with pytest.raises(PeerError) as caught:
                act()
            assert caught.value.code == "VAL-10-4"
    # Who seals the Welcome to such a key has to do it by other means: the Commit alone is forged.
    spoilt = _weak_add(alice, _with_init_key(ENCRYPTION_KEYS[0]))
    assert refused(members, "bob", lambda group: group.stage(spoilt.message)) == "VAL-10-4"


def _weak_add(group: Group, weak: KeyPackage) -> OwnCommit:
    """A Commit that adds it, whose Welcome goes to another init key."""

    class Sealed(KeyPackage):
        __slots__ = ()

    values = {name: getattr(weak, name) for name in KeyPackage.__slots__}
    values["init_key"] = SUITE_1.generate_key_pair()[1]
    return forged(group, "alice", by_value(group, Add(Sealed(**values))))


# Paths, parents and external senders.


@pytest.mark.parametrize("place", [0, -1], ids=["lowest", "root"])
def test_a32_a_path_with_a_weak_key_is_refused(members: Members, place: int) -> None:
    for key in ENCRYPTION_KEYS:

        def spoil(path: UpdatePath, key: bytes = key) -> UpdatePath:
            nodes = list(path.nodes)
            nodes[place] = replace(nodes[place], encryption_key=key)
            return replace(path, nodes=tuple(nodes))

        commit = forged(members["alice"], "alice", spoil=spoil)
        for name in ("bob", "carol"):
            code = refused(members, name, lambda group, c=commit: group.stage(c.message))
            assert code == "VAL-5.1.1-1"


def test_a32_a_tree_with_a_weak_key_of_a_parent_is_refused(members: Members) -> None:
    alice = members["alice"]
    root = alice.tree.root
    assert isinstance(root, Branch)
    for key in ENCRYPTION_KEYS:
        weak = ParentNode(key) if root.node is None else replace(root.node, encryption_key=key)
        tree = RatchetTree(SUITE_1, Branch(SUITE_1, weak, root.left, root.right))
        with pytest.raises(PeerError) as caught:
            external_draft(tree_info_of(alice, "alice", tree), tree, config=config("dave"))
        assert caught.value.code == "VAL-5.1.1-1"


def test_a31_an_external_sender_with_a_weak_key_is_refused(members: Members) -> None:
    alice = members["alice"]
    for key in SIGNATURE_KEYS:
        weak = external_senders_extension([ExternalSender(key, Credential.basic(b"relay"))])
        context = replace(alice.context, extensions=(weak,))
        commit = forged(alice, "alice", by_value(alice, GroupContextExtensions((weak,))))
        info = group_info_of(alice, "alice", group_context=context)
        acts: list[Callable[[Group], object]] = [
            lambda group, c=commit: group.stage(c.message),
            lambda group, w=weak: group.draft([GroupContextExtensions((w,))]),
            lambda group, i=info: external_draft(i, tree_of(group), config=config("dave")),
            lambda group, w=weak: create(
                suite=SUITE_1, group_id=b"g", config=config("dave"), extensions=[w]
            ),
        ]
        assert {refused(members, "bob", act) for act in acts} == {"bad_public_key"}


# Joining from outside, and what is sealed with a KEM.


def test_a32_nobody_joins_through_a_weak_external_key(members: Members) -> None:
    alice = members["alice"]
    for key in ENCRYPTION_KEYS:
        info = group_info_of(alice, "alice", extensions=(external_pub_extension(key),))
        with pytest.raises(PeerError) as caught:
            external_draft(info, tree_of(alice), config=config("dave"))
        assert caught.value.code == "bad_public_key"


def _outside(members: Members) -> Base[Group]:
    alice = members["alice"]
    info = alice.signed_group_info(signing_key("alice"))
    return external_draft(info, tree_of(alice), config=config("dave")).base


def test_a32_a_commit_from_outside_with_a_weak_kem_output_is_refused(members: Members) -> None:
    base = _outside(members)
    for key in ENCRYPTION_KEYS:
        commit = forged_from_outside(base, "dave", [ExternalInit(key)])
        for name in ("alice", "dora"):
            code = refused(members, name, lambda group, c=commit: group.stage(c.message))
            assert code == "bad_public_key"


def test_a32_a_path_secret_with_a_weak_kem_output_is_unusable(members: Members) -> None:
    for key in ENCRYPTION_KEYS:

        def spoil(path: UpdatePath, key: bytes = key) -> UpdatePath:
            weak = tuple(replace(s, kem_output=key) for s in path.nodes[0].encrypted_path_secrets)
            spoilt = replace(path.nodes[0], encrypted_path_secrets=weak)
            return replace(path, nodes=(spoilt, *path.nodes[1:]))

        commit = forged(members["alice"], "alice", spoil=spoil)
        with pytest.raises(UnusablePath) as caught:
            members["bob"].stage(commit.message)
        assert caught.value.code == "bad_public_key"
        assert members["carol"].stage(commit.message).group is not None
    still_works(members, "bob")


def test_a32_a_welcome_with_a_weak_kem_output_is_refused(members: Members) -> None:
    own = key_package("erin")
    commit = members["alice"].draft([add(own)]).finish(signer=signing_key("alice"))
    assert commit.welcome is not None
    right = decode_welcome(commit.welcome)
    entry = right.secrets[0]
    for key in ENCRYPTION_KEYS:
        weak = replace(entry.encrypted_group_secrets, kem_output=key)
        wrong = replace(right, secrets=(replace(entry, encrypted_group_secrets=weak),))
        assert refused_welcome(encode_welcome(wrong), commit, own) == "bad_public_key"
