"""What each official vector format about trees and groups asks of us: one function a format."""

from collections.abc import Sequence

from crypto.errors import PeerError
from crypto.mls import parent_hash, tree_math, treekem
from crypto.mls.codec import decode_all
from crypto.mls.commit import UpdatePath, decode_commit, read_update_path
from crypto.mls.group import OwnKeyPackage, from_rows, open_welcome, rows
from crypto.mls.group_context import GroupContext
from crypto.mls.key_package import KeyPackage
from crypto.mls.key_schedule import epoch_secrets, welcome_key_and_nonce
from crypto.mls.leaf_node import LeafContent, LeafNode, LeafNodeSource, sign_leaf
from crypto.mls.messages import decode_message, encode_message
from crypto.mls.proposals import Add, Proposal, Remove, Update, decode_proposal, encode_proposal
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1, Signer, Suite, suite_by_number
from crypto.mls.transcript import check_confirmation_tag
from crypto.mls.tree_node import LeafSlot, Subtree, resolution
from crypto.mls.welcome import Welcome, read_group_info, read_group_secrets
from tests.vector_format import Case, format_of, private_key

_hex = bytes.fromhex

_WHOLE_MESSAGES = (
    "mls_welcome",
    "mls_group_info",
    "mls_key_package",
    "public_message_application",
    "public_message_proposal",
    "public_message_commit",
    "private_message",
)
_PROPOSALS = {
    "add_proposal": 1,
    "update_proposal": 2,
    "remove_proposal": 3,
    "pre_shared_key_proposal": 4,
    "re_init_proposal": 5,
    "external_init_proposal": 6,
    "group_context_extensions_proposal": 7,
}


def messages_case(case: Case) -> None:
    for name in _WHOLE_MESSAGES:
        assert encode_message(decode_message(_hex(case[name]))) == _hex(case[name]), name
    for name, number in _PROPOSALS.items():
        data = number.to_bytes(2) + _hex(case[name])
        proposal = decode_proposal(data)
        assert (proposal.type, encode_proposal(proposal)) == (number, data)
    assert decode_commit(_hex(case["commit"])).encode() == _hex(case["commit"])
    tree = RatchetTree.decode(SUITE_1, _hex(case["ratchet_tree"]))
    assert tree.encode() == _hex(case["ratchet_tree"])
    secrets = decode_all(_hex(case["group_secrets"]), read_group_secrets)
    assert secrets.encode() == _hex(case["group_secrets"])


def _applied(tree: RatchetTree, proposal: Proposal, sender: int) -> RatchetTree:
    match proposal:
        case Add(key_package):
            return tree.add(key_package.leaf_node)[0]
        case Update(leaf):
            return tree.update(sender, leaf)
        case Remove(removed):
            return tree.remove(removed)
    raise AssertionError(f"a proposal of type {proposal.type} changes no tree")


def tree_operations_case(case: Case) -> None:
    # Some generators name neither suite nor hashes: nothing else here depends on the suite.
    suite = suite_by_number(case.get("cipher_suite", SUITE_1.number))
    before = RatchetTree.decode(suite, _hex(case["tree_before"]))
    assert before.hash().hex() == case.get("tree_hash_before", before.hash().hex())
    proposal = decode_proposal(_hex(case["proposal"]))
    after = _applied(before, proposal, case["proposal_sender"])
    assert after.encode() == _hex(case["tree_after"])
    assert after.hash().hex() == case.get("tree_hash_after", after.hash().hex())


def _in_order(subtree: Subtree) -> list[Subtree]:
    if isinstance(subtree, LeafSlot):
        return [subtree]
    return [*_in_order(subtree.left), subtree, *_in_order(subtree.right)]


def _node_index(subtree: Subtree) -> int:
    return 2 * subtree.first + (1 << subtree.level) - 1


def tree_validation_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    tree = RatchetTree.decode(suite, _hex(case["tree"]))
    nodes = _in_order(tree.root)
    assert [_node_index(node) for node in nodes] == list(range(len(nodes)))
    assert [[_node_index(n) for n in resolution(node)] for node in nodes] == case["resolutions"]
    assert [node.hash().hex() for node in nodes] == case["tree_hashes"]
    parent_hash.check_parent_hashes(tree)
    for index, leaf in tree.leaves():
        leaf.verify(suite, group_id=_hex(case["group_id"]), leaf_index=index)


def _context(case: Case, tree: RatchetTree) -> bytes:
    return GroupContext(
        1,
        case["cipher_suite"],
        _hex(case["group_id"]),
        epoch=case["epoch"],
        tree_hash=tree.hash(),
        confirmed_transcript_hash=_hex(case["confirmed_transcript_hash"]),
    ).encode()


def _private_keys(suite: Suite, member: Case) -> dict[int, bytes]:
    keys = {0: private_key(suite, member["encryption_priv"])}
    for entry in member["path_secrets"]:
        node_secret = suite.derive_secret(_hex(entry["path_secret"]), "node")
        keys[tree_math.level(entry["node"])] = suite.derive_key_pair(node_secret)[0]
    return keys


def treekem_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    tree = RatchetTree.decode(suite, _hex(case["ratchet_tree"]))
    members = {member["index"]: member for member in case["leaves_private"]}
    private = {index: _private_keys(suite, member) for index, member in members.items()}
    for index, keys in private.items():
        treekem.check_private_keys(tree, index, keys)
    for entry in case["update_paths"]:
        sender = entry["sender"]
        path = decode_all(_hex(entry["update_path"]), read_update_path)
        merged = treekem.merge_path(tree, sender, path)
        assert merged.hash() == _hex(entry["tree_hash_after"])
        secrets = [None if s is None else _hex(s) for s in entry["path_secrets"]]
        commit_secret = _hex(entry["commit_secret"])
        _check_all_receive(
            case,
            merged,
            path,
            sender=sender,
            private=private,
            secrets=secrets,
            commit_secret=commit_secret,
        )
        signer = suite.load_signer(private_key(suite, members[sender]["signature_priv"]))
        _check_own_path(case, tree, sender, signer=signer, private=private)


def _check_all_receive(
    case: Case,
    merged: RatchetTree,
    path: UpdatePath,
    *,
    sender: int,
    private: dict[int, dict[int, bytes]],
    secrets: Sequence[bytes | None] | None,
    commit_secret: bytes,
) -> None:
    treekem.check_ciphertext_counts(merged, sender, path, added=frozenset())
    for receiver, _ in merged.leaves():
        if receiver == sender:
            continue
        opened = treekem.decrypt_path(
            merged,
            path,
            sender=sender,
            receiver=receiver,
            private_keys=private[receiver],
            context=_context(case, merged),
        )
        assert secrets is None or opened.path_secret == secrets[receiver]
        assert opened.commit_secret == commit_secret
        treekem.check_private_keys(merged, receiver, opened.private_keys)


def _check_own_path(
    case: Case,
    tree: RatchetTree,
    sender: int,
    *,
    signer: Signer,
    private: dict[int, dict[int, bytes]],
) -> None:
    suite, group_id = tree.suite, _hex(case["group_id"])
    old = tree.leaf(sender)
    assert old is not None
    leaf_private, leaf_public = suite.generate_key_pair()

    def make_leaf(leaf_hash: bytes) -> LeafNode:
        content = LeafContent(
            leaf_public,
            signer.public,
            old.credential,
            old.capabilities,
            source=LeafNodeSource.COMMIT,
            parent_hash=leaf_hash,
        )
        return sign_leaf(suite, content, signer=signer, group_id=group_id, leaf_index=sender)

    new = treekem.create_path(tree, sender, leaf_private=leaf_private, make_leaf=make_leaf)
    path = treekem.encrypt_path(new, context=_context(case, new.tree))
    decoded = decode_all(path.encode(), read_update_path)
    merged = treekem.merge_path(tree, sender, decoded)
    assert merged.hash() == new.tree.hash()
    _check_all_receive(
        case,
        merged,
        decoded,
        sender=sender,
        private=private,
        secrets=None,
        commit_secret=new.path.commit_secret,
    )


def welcome_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    key_package = decode_message(_hex(case["key_package"]))
    welcome = decode_message(_hex(case["welcome"]))
    assert isinstance(welcome, Welcome)
    reference = key_package.reference(suite)
    sealed = next(s.encrypted_group_secrets for s in welcome.secrets if s.new_member == reference)
    opened = suite.decrypt_with_label(
        private_key(suite, case["init_priv"]),
        "Welcome",
        context=welcome.encrypted_group_info,
        kem_output=sealed.kem_output,
        ciphertext=sealed.ciphertext,
    )
    joiner = decode_all(opened, read_group_secrets).joiner_secret
    key, nonce = welcome_key_and_nonce(suite, joiner, suite.zero)
    info = decode_all(
        suite.open(key, nonce, aad=b"", data=welcome.encrypted_group_info), read_group_info
    )
    info.verify(suite, _hex(case["signer_pub"]))
    context = info.group_context
    secrets, _ = epoch_secrets(suite, joiner, psk_secret=suite.zero, context=context.encode())
    check_confirmation_tag(
        suite,
        secrets.confirmation_key,
        confirmed=context.confirmed_transcript_hash,
        tag=info.confirmation_tag,
    )


def _key_package(encoded: bytes) -> KeyPackage:
    """A KeyPackage as it stands in an MLSMessage, or by itself, as the format's text has it."""
    try:
        found = decode_message(encoded)
    except PeerError:
        return KeyPackage.decode(encoded)
    assert isinstance(found, KeyPackage)
    return found


def _own_key_package(suite: Suite, case: Case) -> OwnKeyPackage:
    key_package = _key_package(_hex(case["key_package"]))
    init_private = private_key(suite, case["init_priv"])
    leaf_private = private_key(suite, case["encryption_priv"])
    signer = suite.load_signer(private_key(suite, case["signature_priv"]))
    assert suite.encryption_key_of(init_private) == key_package.init_key
    assert suite.encryption_key_of(leaf_private) == key_package.leaf_node.encryption_key
    assert signer.public == key_package.leaf_node.signature_key
    reference = key_package.reference(suite)
    return OwnKeyPackage(key_package.encoded, init_private, leaf_private, reference=reference)


def passive_client_case(case: Case) -> None:
    suite = suite_by_number(case["cipher_suite"])
    own = _own_key_package(suite, case)
    psks = {_hex(psk["psk_id"]): _hex(psk["psk"]) for psk in case.get("external_psks") or ()}
    opened = open_welcome(_hex(case["welcome"]), {own.reference: own}, psks=psks)
    tree = case.get("ratchet_tree")
    group = opened.join(None if tree is None else RatchetTree.decode(suite, _hex(tree)))
    assert group.epoch_authenticator == _hex(case["initial_epoch_authenticator"])
    for epoch in case["epochs"]:
        for proposal in epoch.get("proposals") or ():
            group = group.receive_proposal(_hex(proposal))
        staged = group.stage(_hex(epoch["commit"]), psks=psks)
        assert staged.group is not None
        group = from_rows(rows(staged.group))
        assert group.epoch_authenticator == _hex(epoch["epoch_authenticator"])


FORMATS = (
    format_of("messages", "mls_welcome mls_group_info mls_key_package", messages_case),
    format_of("tree-operations", "tree_before proposal tree_after", tree_operations_case),
    format_of("tree-validation", "tree resolutions tree_hashes", tree_validation_case),
    format_of("treekem", "ratchet_tree leaves_private update_paths", treekem_case),
    format_of("welcome", "init_priv signer_pub welcome", welcome_case),
    format_of("passive-client", "key_package welcome epochs", passive_client_case),
)
