"""Every decoder of bytes from outside: it gives a value that encodes to the same bytes, or refuses.

The first byte chooses the decoder, the rest is what it gets. New ones go to the end of the table,
or the corpus would mean something else.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crypto import der
from crypto.certificates import check_device, check_root, device_key_of
from crypto.errors import PeerError
from crypto.identity import RootKey, certify_root, device_id, verify_chain
from crypto.mls import secret_tree
from crypto.mls.codec import Reader, decode_all, vector
from crypto.mls.commit import Commit, decode_commit, read_update_path
from crypto.mls.credential import read_credential
from crypto.mls.extensions import (
    Extension,
    ExtensionType,
    RequiredCapabilities,
    encode_extensions,
    external_pub,
    external_pub_extension,
    external_senders,
    external_senders_extension,
    read_extensions,
    required_capabilities,
)
from crypto.mls.framing import (
    read_authenticated_content,
    read_framed_content,
    read_private_message,
    read_public_message,
    read_sender,
)
from crypto.mls.group import from_rows, rows
from crypto.mls.group_context import read_group_context
from crypto.mls.key_package import KeyPackage, OwnKeyPackage
from crypto.mls.key_schedule import read_epoch_secrets
from crypto.mls.leaf_node import LeafNode, read_leaf_node
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.proposals import decode_proposal, encode_proposal
from crypto.mls.psk import read_psk_id
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1, SUITES, Signer
from crypto.mls.tree_node import read_parent_node
from crypto.mls.tree_object import missing_objects, object_children
from crypto.mls.welcome import (
    decode_group_info,
    decode_welcome,
    encode_group_info,
    encode_welcome,
    read_group_secrets,
)
from tests.fuzz.choices import Choices, edited, encoded_anew
from tests.fuzz.world import seeded, world
from wire.codec import decode_from_relay, decode_request
from wire.codec import encode as encode_frame
from wire.emails import canonical_email
from wire.entry import decode_entry_data, decode_removal_data, encode_data
from wire.errors import WireError
from wire.link import parse_fingerprint, parse_server
from wire.names import canonical_name
from wire.policy import decode_policy, encode_policy

Decoder = Callable[[bytes], None]


def _exact(decode: Callable[[bytes], Any], encode: Callable[[Any], bytes]) -> Decoder:
    """A struct has one encoding: what was decoded encodes to the bytes that came."""

    def run(data: bytes) -> None:
        value = decode(data)
        assert encode(value) == data, "it encodes to other bytes than it came in"
        repr(value)

    return run


def _struct(read: Callable[[Reader], Any]) -> Decoder:
    return _exact(lambda data: decode_all(data, read), lambda value: value.encode())


def _leaf_bytes(leaf: LeafNode) -> bytes:
    assert encoded_anew(leaf) == leaf, "the fields are not what was signed"
    return leaf.encoded


def _package_bytes(package: KeyPackage) -> bytes:
    assert encoded_anew(package) == package, "the fields are not what was signed"
    _leaf_bytes(package.leaf_node)
    return package.encoded


def _extension_of(
    type: ExtensionType,
    read: Callable[[list[Extension]], Any],
    write: Callable[[Any], Extension],
) -> Decoder:
    return _exact(lambda data: read([Extension(type, data)]), lambda value: write(value).data)


def _tree_object(data: bytes) -> None:
    name = SUITE_1.hash(data)
    children = object_children(data)
    assert missing_objects(name, {name: data}) == set(children)
    RatchetTree.from_objects(SUITE_1, name, {name: data})


def _linked_objects(data: bytes) -> None:
    """Parents whose children are objects that came before them; the last one is the root."""
    objects: list[bytes] = []
    for one in decode_all(data, lambda reader: reader.items(Reader.vector)):
        if one[:1] != b"\x02" or len(one) < 3 or not objects:
            objects.append(one)
            continue
        children = (objects[place % len(objects)] for place in one[1:3])
        objects.append(b"\x02" + one[3:] + b"".join(vector(SUITE_1.hash(o)) for o in children))
    named = {SUITE_1.hash(one): one for one in objects}
    root = SUITE_1.hash(objects[-1]) if objects else b""
    missing_objects(root, named)
    tree = RatchetTree.from_objects(SUITE_1, root, named)
    assert tree.hash() == root, "the tree has another hash than its objects"
    assert set(tree.objects()) <= set(objects)
    tree.encode()


def _rows_of(data: bytes) -> dict[str, bytes]:
    pairs = decode_all(
        data, lambda reader: reader.items(lambda inner: (inner.vector(), inner.vector()))
    )
    return {name.decode("latin-1"): row for name, row in pairs}


def _secret_tree_rows(data: bytes) -> None:
    tree = secret_tree.from_rows(SUITE_1, _rows_of(data))
    assert secret_tree.rows(secret_tree.from_rows(SUITE_1, secret_tree.rows(tree))) == (
        secret_tree.rows(tree)
    )


def _group_rows(data: bytes) -> None:
    """A stored group with some of its rows changed or gone."""
    stored = dict(_stored())
    changes = Choices(data)
    for _ in range(changes.below(4)):
        name = changes.one_of(sorted(stored))
        row = stored.pop(name)
        if not changes.rarely():
            stored[name] = edited(row, changes)
    group = from_rows(stored)
    assert rows(from_rows(rows(group))) == rows(group)


@cache
def _stored() -> dict[str, bytes]:
    return rows(world().members["bob"])


_HOLDER = cache(lambda: check_root(root_certificate()))


@cache
def root_key() -> RootKey:
    return RootKey(Ed25519PrivateKey.from_private_bytes(b"root".ljust(32)))


@cache
def root_certificate() -> bytes:
    return certify_root(root_key(), account="alice", display="Alice")


def _device_certificate(data: bytes) -> None:
    key = device_key_of(data)
    check_device(data, _HOLDER(), device_key=key, device_id=device_id(key))
    verify_chain((data, root_certificate()))


def _chain(data: bytes) -> None:
    certificates = decode_all(data, read_credential).certificates
    assert verify_chain(certificates) == verify_chain(list(certificates))


DER_TAGS = (der.SEQUENCE, der.INTEGER, der.BIT_STRING, der.SET)


def _der(data: bytes) -> None:
    reader = der.Reader(data)
    for tag in DER_TAGS:
        reader.inside(tag).done()
    reader.done()


@cache
def suite_keys(number: int) -> tuple[Signer, bytes, bytes]:
    """A signer and an encryption key pair, private and public, of the suite."""
    suite, rng = SUITES[number], seeded(number)
    return suite.generate_signer(random=rng), *suite.generate_key_pair(random=rng)


def _primitive(data: bytes) -> None:
    """The second byte chooses the suite, the third what the others are to it."""
    choices = Choices(data)
    suite = choices.one_of(tuple(SUITES.values()))
    signer, private, _ = suite_keys(suite.number)
    match choices.below(5):
        case 0:
            key = choices.rest()
            suite.check_signature_key(key)
            with suppress(PeerError):
                suite.verify_with_label(key, "label", b"content", signer.sign(b"content"))
        case 1:
            suite.verify_with_label(signer.public, "label", b"content", choices.rest())
        case 2:
            key = choices.rest()
            suite.check_encryption_key(key)
            suite.encrypt_with_label(key, "label", context=b"", plaintext=b"", random=seeded(1))
        case 3:
            kem_output = choices.take(choices.below(2048))
            suite.decrypt_with_label(
                private, "label", context=b"", kem_output=kem_output, ciphertext=choices.rest()
            )
        case _:
            key, nonce = bytes(suite.key_length), bytes(suite.nonce_length)
            suite.open(key, nonce, aad=b"", data=choices.rest())


def _text(parse: Callable[[str], object], data: bytes) -> None:
    parse(data.decode("utf-8", "replace"))


DECODERS: tuple[tuple[str, Decoder], ...] = (
    ("message", _exact(decode_message, encode_message)),
    ("key package", _exact(KeyPackage.decode, _package_bytes)),
    ("leaf node", _exact(lambda data: decode_all(data, read_leaf_node), _leaf_bytes)),
    ("proposal", _exact(decode_proposal, encode_proposal)),
    ("commit", _exact(decode_commit, Commit.encode)),
    ("update path", _struct(read_update_path)),
    ("welcome", _exact(decode_welcome, encode_welcome)),
    ("group info", _exact(decode_group_info, encode_group_info)),
    ("group secrets", _struct(read_group_secrets)),
    ("group context", _struct(read_group_context)),
    ("tree", _exact(partial(RatchetTree.decode, SUITE_1), RatchetTree.encode)),
    ("tree object", _tree_object),
    ("linked tree objects", _linked_objects),
    ("psk id", _struct(read_psk_id)),
    ("extensions", _exact(lambda data: decode_all(data, read_extensions), encode_extensions)),
    (
        "required capabilities",
        _extension_of(
            ExtensionType.REQUIRED_CAPABILITIES,
            required_capabilities,
            RequiredCapabilities.extension,
        ),
    ),
    (
        "external senders",
        _extension_of(ExtensionType.EXTERNAL_SENDERS, external_senders, external_senders_extension),
    ),
    (
        "external pub",
        _extension_of(ExtensionType.EXTERNAL_PUB, external_pub, external_pub_extension),
    ),
    ("credential", _struct(read_credential)),
    ("sender", _struct(read_sender)),
    ("framed content", _struct(read_framed_content)),
    ("authenticated content", _struct(read_authenticated_content)),
    ("public message", _struct(read_public_message)),
    ("private message", _struct(read_private_message)),
    ("parent node", _struct(read_parent_node)),
    ("own key package", _exact(OwnKeyPackage.from_bytes, OwnKeyPackage.to_bytes)),
    ("epoch secrets", _struct(read_epoch_secrets)),
    ("secret tree rows", _secret_tree_rows),
    ("group rows", _group_rows),
    ("signature key", SUITE_1.check_signature_key),
    ("encryption key", SUITE_1.check_encryption_key),
    ("root certificate", lambda data: repr(check_root(data))),
    ("device certificate", _device_certificate),
    ("certificate chain", _chain),
    ("der", _der),
    ("request frame", lambda data: encode_frame(decode_request(data))),
    ("relay frame", lambda data: encode_frame(decode_from_relay(data))),
    ("entry data", _exact(decode_entry_data, encode_data)),
    ("removal data", _exact(decode_removal_data, encode_data)),
    ("policy", _exact(decode_policy, encode_policy)),
    ("server", partial(_text, parse_server)),
    ("fingerprint", partial(_text, parse_fingerprint)),
    ("name", partial(_text, canonical_name)),
    ("email", partial(_text, canonical_email)),
    ("primitive of a suite", _primitive),
)


def run(data: bytes) -> None:
    """Give the bytes after the first to one decoder; an exception is a fault of ours."""
    if not data:
        return
    _, decode = DECODERS[data[0] % len(DECODERS)]
    try:
        decode(data[1:])
    except (PeerError, WireError):
        pass
