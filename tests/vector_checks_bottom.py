"""What each official vector format below the group asks of us: one function a format."""

from collections.abc import Callable

from crypto.errors import PeerError, UsageError
from crypto.mls import (
    framing,
    key_schedule,
    private_message,
    public_message,
    secret_tree,
    transcript,
    tree_math,
)
from crypto.mls.codec import Reader, decode_all, length_header
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    WireFormat,
    member,
)
from crypto.mls.group_context import GroupContext
from crypto.mls.psk import ExternalPskId, psk_secret
from crypto.mls.suite import Suite, suite_by_number
from crypto.mls.tree_math import LeafIndex, NodeIndex
from tests.vector_format import Case, format_of, private_key

_hex = bytes.fromhex


def _or_none(call: Callable[..., int], *arguments: int) -> int | None:
    try:
        return call(*arguments)
    except UsageError:
        return None


def tree_math_case(case: Case) -> None:
    leaves = case["n_leaves"]
    nodes = [NodeIndex(node) for node in range(case["n_nodes"])]
    assert tree_math.node_count(leaves) == len(nodes)
    assert tree_math.leaf_count_of(len(nodes)) == leaves
    assert tree_math.root(leaves) == case["root"]
    assert [_or_none(tree_math.left, node) for node in nodes] == case["left"]
    assert [_or_none(tree_math.right, node) for node in nodes] == case["right"]
    assert [_or_none(tree_math.parent, node, leaves) for node in nodes] == case["parent"]
    assert [_or_none(tree_math.sibling, node, leaves) for node in nodes] == case["sibling"]


def deserialization_case(case: Case) -> None:
    header = _hex(case["vlbytes_header"])
    assert decode_all(header, Reader.length) == case["length"]
    assert length_header(case["length"]) == header


def crypto_basics_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    given = case["ref_hash"]
    assert suite.ref_hash(given["label"], _hex(given["value"])) == _hex(given["out"])
    given = case["expand_with_label"]
    context, length = _hex(given["context"]), given["length"]
    expanded = suite.expand_with_label(_hex(given["secret"]), given["label"], context, length)
    assert expanded == _hex(given["out"])
    given = case["derive_secret"]
    assert suite.derive_secret(_hex(given["secret"]), given["label"]) == _hex(given["out"])
    given = case["derive_tree_secret"]
    secret, label = _hex(given["secret"]), given["label"]
    derived = suite.derive_tree_secret(secret, label, given["generation"], given["length"])
    assert derived == _hex(given["out"])
    _signature_case(suite, case["sign_with_label"])
    _encryption_case(suite, case["encrypt_with_label"])


def _signature_case(suite: Suite, given: Case) -> None:
    public, label, content = _hex(given["pub"]), given["label"], _hex(given["content"])
    suite.verify_with_label(public, label, content, _hex(given["signature"]))
    signer = suite.load_signer(private_key(suite, given["priv"]))
    assert signer.public == public
    suite.verify_with_label(public, label, content, suite.sign_with_label(signer, label, content))


def _encryption_case(suite: Suite, given: Case) -> None:
    private, public, label = private_key(suite, given["priv"]), _hex(given["pub"]), given["label"]
    context, plaintext = _hex(given["context"]), _hex(given["plaintext"])
    fresh = suite.encrypt_with_label(public, label, context=context, plaintext=plaintext)
    for kem_output, ciphertext in ((_hex(given["kem_output"]), _hex(given["ciphertext"])), fresh):
        opened = suite.decrypt_with_label(
            private, label, context=context, kem_output=kem_output, ciphertext=ciphertext
        )
        assert opened == plaintext


def secret_tree_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    given = case["sender_data"]
    secret, ciphertext = _hex(given["sender_data_secret"]), _hex(given["ciphertext"])
    keys = private_message.sender_data_keys(suite, secret, ciphertext)
    assert keys == (_hex(given["key"]), _hex(given["nonce"]))
    tree = secret_tree.create(suite, len(case["leaves"]), _hex(case["encryption_secret"]))
    kinds = {"handshake": ContentType.COMMIT, "application": ContentType.APPLICATION}
    for leaf, generations in enumerate(case["leaves"]):
        for expected in generations:
            for name, kind in kinds.items():
                generation = expected["generation"]
                tree, key = tree.key_for(LeafIndex(leaf), kind, generation)
                assert key.generation == generation
                assert key.key == _hex(expected[f"{name}_key"])
                assert key.nonce == _hex(expected[f"{name}_nonce"])


def key_schedule_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    init = _hex(case["initial_init_secret"])
    for number, given in enumerate(case["epochs"]):
        context = GroupContext(
            version=framing.MLS10,
            suite=suite.number,
            group_id=_hex(case["group_id"]),
            epoch=number,
            tree_hash=_hex(given["tree_hash"]),
            confirmed_transcript_hash=_hex(given["confirmed_transcript_hash"]),
        ).encode()
        assert context == _hex(given["group_context"])
        init = _epoch_case(suite, given, init, context)


def _epoch_case(suite: Suite, given: Case, init: bytes, context: bytes) -> bytes:
    commit = _hex(given["commit_secret"])
    joiner = key_schedule.joiner_secret(suite, init, commit_secret=commit, context=context)
    assert joiner == _hex(given["joiner_secret"])
    psk = _hex(given["psk_secret"])
    assert key_schedule.welcome_secret(suite, joiner, psk) == _hex(given["welcome_secret"])
    secrets, encryption = key_schedule.epoch_secrets(suite, joiner, psk_secret=psk, context=context)
    assert encryption == _hex(given["encryption_secret"])
    assert secrets.sender_data == _hex(given["sender_data_secret"])
    assert secrets.exporter == _hex(given["exporter_secret"])
    assert secrets.external == _hex(given["external_secret"])
    assert secrets.confirmation_key == _hex(given["confirmation_key"])
    assert secrets.membership_key == _hex(given["membership_key"])
    assert secrets.resumption_psk == _hex(given["resumption_psk"])
    assert secrets.epoch_authenticator == _hex(given["epoch_authenticator"])
    assert secrets.init == _hex(given["init_secret"])
    _, external_pub = key_schedule.external_key_pair(suite, secrets.external)
    assert external_pub == _hex(given["external_pub"])
    asked = given["exporter"]
    exported = key_schedule.export(
        suite,
        secrets.exporter,
        label=asked["label"],
        context=_hex(asked["context"]),
        length=asked["length"],
    )
    assert exported == _hex(asked["secret"])
    return secrets.init


def psk_secret_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    psks = [
        (ExternalPskId(_hex(given["psk_id"]), _hex(given["psk_nonce"])), _hex(given["psk"]))
        for given in case["psks"]
    ]
    assert psk_secret(suite, psks) == _hex(case["psk_secret"])


def transcript_hashes_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    encoded = _hex(case["authenticated_content"])
    commit = decode_all(encoded, framing.read_authenticated_content)
    assert commit.encode() == encoded
    assert commit.content.content_type is ContentType.COMMIT
    confirmed = _hex(case["confirmed_transcript_hash_after"])
    before = _hex(case["interim_transcript_hash_before"])
    assert transcript.confirmed_hash_after(suite, before, commit) == confirmed
    key, tag = _hex(case["confirmation_key"]), commit.auth.confirmation_tag
    assert tag is not None
    transcript.check_confirmation_tag(suite, key, confirmed=confirmed, tag=tag)
    interim = _hex(case["interim_transcript_hash_after"])
    assert transcript.interim_hash(suite, confirmed, tag) == interim


class _Protection:
    """The keys of one message-protection case, with leaf 1 of 2 as the sender."""

    def __init__(self, case: Case) -> None:
        self.suite = suite_by_number(case["cipher_suite"])
        self.signer = self.suite.load_signer(private_key(self.suite, case["signature_priv"]))
        self.public = _hex(case["signature_pub"])
        self.sender_data = _hex(case["sender_data_secret"])
        self.membership = _hex(case["membership_key"])
        self.group_id, self.epoch = _hex(case["group_id"]), case["epoch"]
        self.tree = secret_tree.create(self.suite, 2, _hex(case["encryption_secret"]))
        self.context = GroupContext(
            version=framing.MLS10,
            suite=self.suite.number,
            group_id=self.group_id,
            epoch=self.epoch,
            tree_hash=_hex(case["tree_hash"]),
            confirmed_transcript_hash=_hex(case["confirmed_transcript_hash"]),
        ).encode()

    def signed(self, kind: ContentType, raw: bytes, form: WireFormat) -> AuthenticatedContent:
        content = FramedContent(self.group_id, self.epoch, member(1), b"", kind, raw)
        signature = framing.sign(
            self.suite, content, wire_format=form, context=self.context, signer=self.signer
        )
        tag = self.suite.zero if kind is ContentType.COMMIT else None
        return AuthenticatedContent(form, content, FramedContentAuthData(signature, tag))

    def open_public(self, message: bytes) -> FramedContent:
        reader = Reader(message)
        assert (reader.u16(), reader.u16()) == (framing.MLS10, WireFormat.PUBLIC_MESSAGE)
        decoded = framing.read_public_message(reader)
        reader.done()
        assert framing.wrap(WireFormat.PUBLIC_MESSAGE, decoded.encode()) == message
        opened = public_message.unprotect(
            self.suite,
            decoded,
            public_key=self.public,
            membership_key=self.membership,
            context=self.context,
        )
        return opened.content

    def open_private(self, message: bytes) -> FramedContent:
        reader = Reader(message)
        assert (reader.u16(), reader.u16()) == (framing.MLS10, WireFormat.PRIVATE_MESSAGE)
        decoded = framing.read_private_message(reader)
        reader.done()
        assert framing.wrap(WireFormat.PRIVATE_MESSAGE, decoded.encode()) == message
        _, opened, _ = private_message.unprotect(
            self.tree,
            decoded,
            sender_data_secret=self.sender_data,
            public_key_of={LeafIndex(1): self.public}.get,
            context=self.context,
        )
        return opened.content

    def protect_public(self, kind: ContentType, raw: bytes) -> bytes:
        signed = self.signed(kind, raw, WireFormat.PUBLIC_MESSAGE)
        sent = public_message.protect(
            self.suite, signed, membership_key=self.membership, context=self.context
        )
        return framing.wrap(WireFormat.PUBLIC_MESSAGE, sent.encode())

    def protect_private(self, kind: ContentType, raw: bytes, padding: int) -> bytes:
        signed = self.signed(kind, raw, WireFormat.PRIVATE_MESSAGE)
        _, sent = private_message.protect(
            self.tree, signed, sender_data_secret=self.sender_data, padding=padding
        )
        return framing.wrap(WireFormat.PRIVATE_MESSAGE, sent.encode())


def message_protection_case(case: Case) -> None:
    keys = _Protection(case)
    for name, kind in (("proposal", ContentType.PROPOSAL), ("commit", ContentType.COMMIT)):
        raw = _hex(case[name])
        for public in (_hex(case[f"{name}_pub"]), keys.protect_public(kind, raw)):
            opened = keys.open_public(public)
            assert (opened.content, opened.content_type, opened.sender) == (raw, kind, member(1))
        _private_cases(keys, kind, raw, given=_hex(case[f"{name}_priv"]))
    application = _hex(case["application"])
    kind = ContentType.APPLICATION
    _private_cases(keys, kind, application, given=_hex(case["application_priv"]))
    try:
        keys.protect_public(kind, application)
    except UsageError:
        return
    raise AssertionError("application data went out as a PublicMessage")


def _private_cases(keys: _Protection, kind: ContentType, raw: bytes, *, given: bytes) -> None:
    ours = (keys.protect_private(kind, raw, padding) for padding in (0, 1, 100))
    for private in (given, *ours):
        opened = keys.open_private(private)
        assert (opened.content, opened.content_type, opened.sender) == (raw, kind, member(1))
        damaged = private[:-1] + bytes((private[-1] ^ 1,))
        try:
            keys.open_private(damaged)
        except PeerError:
            continue
        raise AssertionError("a damaged PrivateMessage was opened")


FORMATS = (
    format_of("tree-math", "n_leaves n_nodes root", tree_math_case),
    format_of("deserialization", "vlbytes_header length", deserialization_case),
    format_of("crypto-basics", "ref_hash sign_with_label encrypt_with_label", crypto_basics_case),
    format_of("secret-tree", "sender_data encryption_secret leaves", secret_tree_case),
    format_of("key-schedule", "initial_init_secret epochs", key_schedule_case),
    format_of("psk_secret", "psks psk_secret", psk_secret_case),
    format_of(
        "transcript-hashes", "authenticated_content confirmation_key", transcript_hashes_case
    ),
    format_of("message-protection", "proposal_pub commit_pub application", message_protection_case),
)
