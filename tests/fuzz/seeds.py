"""Valid encodings for the decoders to start from, made by our own code from the world's seed.

Never read from a file, so they follow the code when a form changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from crypto import der
from crypto.identity import certify_device
from crypto.mls import framing, secret_tree
from crypto.mls.codec import items, optional, vector
from crypto.mls.commit import Commit, HpkeCiphertext, ProposalRef, UpdatePath, UpdatePathNode
from crypto.mls.credential import Credential
from crypto.mls.extensions import (
    Extension,
    ExternalSender,
    RequiredCapabilities,
    encode_extensions,
    external_pub_extension,
    external_senders_extension,
)
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
)
from crypto.mls.group import Group
from crypto.mls.key_package import KeyPackage
from crypto.mls.key_schedule import EpochSecrets
from crypto.mls.proposals import (
    Add,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    ReInit,
    Remove,
    UnknownProposal,
    Update,
    encode_proposal,
)
from crypto.mls.psk import ExternalPskId, ResumptionPskId, ResumptionUsage
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1, SUITES
from crypto.mls.tree_math import LeafIndex
from crypto.mls.tree_node import Branch, ParentNode, Subtree
from crypto.mls.welcome import GroupSecrets
from tests.crypto.mls.clients import RELAY, signing_key
from tests.fuzz.decoders import DER_TAGS, root_certificate, root_key, suite_keys
from tests.fuzz.world import seeded, world
from wire.codec import encode as encode_frame
from wire.entry import EntryData, RemovalData, encode_data
from wire.policy import LOBBY_POLICY, encode_policy
from wire.requests import Hello


def seeds() -> dict[str, tuple[bytes, ...]]:
    """For each decoder by name, what it accepts."""
    alice, rng = world().members["alice"], seeded(2)
    signer = signing_key("alice")
    grace, leaf = world().newcomers["grace"], alice.tree.leaf(1)
    package = KeyPackage.decode(grace.encoded)
    commit = alice.draft([Add(package)], random=rng).finish(signer=signer, random=rng)
    _, said = alice.protect(b"hello", signer=signer, padding=8, random=rng)
    assert commit.welcome is not None
    assert leaf is not None
    sealed = HpkeCiphertext(b"kem", b"ciphertext")
    path = UpdatePath(leaf, (UpdatePathNode(b"k" * 32, (sealed, sealed)),))
    psk = ExternalPskId(b"password 1", bytes(32))
    resumption = ResumptionPskId(ResumptionUsage.APPLICATION, b"g" * 32, 3, bytes(32))
    proposals = (
        Add(package),
        Update(leaf),
        Remove(3),
        PreSharedKey(psk),
        ReInit(b"new", 1, 1, (Extension(7, b"x"),)),
        ExternalInit(b"kem output"),
        GroupContextExtensions(alice.extensions),
        UnknownProposal(0xF00D, b"unknown"),
    )
    removal = Commit((Remove(3), ProposalRef(b"r" * 32)), path)
    contents = _contents(removal.encode())
    senders = ExternalSender(RELAY.public, Credential.basic(b"relay"))
    device = certify_device(root_key(), root_certificate(), device_key=signer.public)
    chain = Credential.x509((device, root_certificate()))
    key_pair = SUITE_1.generate_key_pair(random=rng)[1]
    removed = RemovalData("alice", bytes(16), bytes(32))
    return {
        "message": (said,),
        "key package": (grace.encoded,),
        "leaf node": tuple(leaf.encoded for _, leaf in alice.tree.leaves())[:2],
        "proposal": tuple(encode_proposal(proposal) for proposal in proposals[1:]),
        "commit": (removal.encode(),),
        "update path": (path.encode(),),
        "welcome": (commit.welcome,),
        "group info": (commit.group_info,),
        "group secrets": (GroupSecrets(bytes(32), bytes(32), (psk, resumption)).encode(),),
        "group context": (alice.context.encode(),),
        "tree": (alice.tree.encode(),),
        "tree object": (next(_leaf_objects(alice.tree)),),
        "linked tree objects": (_linked(alice.tree.root),),
        "psk id": (psk.encode(), resumption.encode()),
        "extensions": (encode_extensions(alice.extensions),),
        "required capabilities": (RequiredCapabilities((1, 2), (3,), (1,)).extension().data,),
        "external senders": (external_senders_extension([senders]).data,),
        "external pub": (external_pub_extension(key_pair).data,),
        "credential": (Credential.basic(b"alice").encode(),),
        "sender": (framing.member(3).encode(), Sender(SenderType.NEW_MEMBER_COMMIT).encode()),
        "framed content": tuple(one.content.encode() for one in contents[:1]),
        "authenticated content": tuple(one.encode() for one in contents[1:2]),
        "public message": tuple(
            PublicMessage(one.content, one.auth, b"t" * 32).encode() for one in contents[1:]
        ),
        "private message": (said[4:],),
        "parent node": (ParentNode(b"k" * 32, b"h" * 32, (1, 3)).encode(),),
        "own key package": (grace.to_bytes(),),
        "epoch secrets": (EpochSecrets(*[bytes(32)] * 8).encode(),),
        "secret tree rows": (_rows(secret_tree.rows(_spoken(alice).secret_tree)),),
        "group rows": (b"\x00",),
        "signature key": (signer.public,),
        "encryption key": (key_pair,),
        "root certificate": (root_certificate(),),
        "device certificate": (device,),
        "certificate chain": (chain.encode(),),
        "der": (b"".join(der.encode(tag) for tag in DER_TAGS),),
        "request frame": (encode_frame(Hello(1, bytes(32))),),
        "entry data": (encode_data(EntryData(3, bytes(16))),),
        "removal data": (encode_data(removed),),
        "policy": (encode_policy(LOBBY_POLICY),),
        "server": (b"chat.example.org:5000",),
        "name": (b"Alice",),
        "email": (b"alice@example.org",),
        "primitive of a suite": tuple(_primitives()),
    }


def _primitives() -> Iterator[bytes]:
    """For each suite a signature key, a signature, an encryption key, and two ciphertexts."""
    for place, suite in enumerate(SUITES.values()):
        signer, _, public = suite_keys(suite.number)
        signature = suite.sign_with_label(signer, "label", b"content")
        kem_output, ciphertext = suite.encrypt_with_label(
            public, "label", context=b"", plaintext=b"secret", random=seeded(6)
        )
        key, nonce = bytes(suite.key_length), bytes(suite.nonce_length)
        opened = suite.seal(key, nonce, aad=b"", data=b"secret")
        length = len(kem_output).to_bytes(2)
        contents = (signer.public, signature, public, length + kem_output + ciphertext, opened)
        yield from (bytes((place, case)) + data for case, data in enumerate(contents))


def _contents(commit: bytes) -> list[AuthenticatedContent]:
    remove = encode_proposal(Remove(3))
    bodies = (
        (ContentType.APPLICATION, b"hello", None),
        (ContentType.PROPOSAL, remove, None),
        (ContentType.COMMIT, commit, b"c" * 32),
    )
    return [
        AuthenticatedContent(
            WireFormat.PUBLIC_MESSAGE,
            FramedContent(b"g", 5, framing.member(3), b"data", kind, body),
            FramedContentAuthData(b"s" * 64, tag),
        )
        for kind, body, tag in bodies
    ]


def _leaf_objects(tree: RatchetTree) -> Iterator[bytes]:
    return (data for data in tree.objects() if data[:1] == b"\x01")


def _linked(root: Subtree) -> bytes:
    """The objects of the lowest parent on the left, in the form of `linked tree objects`."""
    while isinstance(root, Branch) and root.level > 1:
        root = root.left
    assert isinstance(root, Branch)
    node = None if root.node is None else root.node.encode()
    parent = b"\x02\x00\x01" + optional(node)
    return items(map(vector, (root.left.object(), root.right.object(), parent)))


def _spoken(group: Group) -> Group:
    """The group after messages, one of which came early."""
    tree = group.secret_tree
    for generation in (2, 0):
        tree, _ = tree.key_for(LeafIndex(1), ContentType.APPLICATION, generation)
    return replace(group, secret_tree=tree)


def _rows(stored: Mapping[str, bytes]) -> bytes:
    return items(vector(name.encode()) + vector(row) for name, row in stored.items())
