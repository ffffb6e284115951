"""TreeKEM where a receiver's own keys do not fit; the rest is in the official vectors."""

import pytest

from crypto.errors import PeerError
from crypto.mls.leaf_node import LeafNode, sign_leaf
from crypto.mls.suite import SUITE_1
from crypto.mls.treekem import create_path, decrypt_path, encrypt_path
from tests.crypto.mls.clients import group_of, leaf_content, signing_key


def test_a_member_without_any_key_of_the_resolution_finds_nothing() -> None:
    members = group_of("alice", "bob", "carol")
    tree = members["alice"].tree

    def make_leaf(parent_hash: bytes) -> LeafNode:
        return sign_leaf(SUITE_1, leaf_content("alice"), signer=signing_key("alice"))

    new = create_path(tree, 0, leaf_private=bytes(32), make_leaf=make_leaf)
    path = encrypt_path(new, context=b"context")
    with pytest.raises(PeerError) as refused:
        decrypt_path(new.tree, path, sender=0, receiver=2, private_keys={}, context=b"context")
    assert refused.value.code == "VAL-7.5-2"
    with pytest.raises(PeerError) as refused:
        decrypt_path(
            new.tree,
            path,
            sender=0,
            receiver=2,
            private_keys=members["carol"].private_keys,
            context=b"another context",
        )
    assert refused.value.code == "decryption_failed"
