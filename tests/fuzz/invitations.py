"""What a hostile member shows to newcomers: trees, GroupInfos and Welcomes, signed as they are.

Never wrong in what the fuzzer did not choose to change.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from crypto.mls import key_schedule
from crypto.mls.codec import items, optional
from crypto.mls.commit import HpkeCiphertext
from crypto.mls.extensions import Extension, ExtensionType
from crypto.mls.group import Group, OwnCommit, OwnKeyPackage, open_welcome
from crypto.mls.group_state import epoch_of_joiner
from crypto.mls.key_package import KeyPackage
from crypto.mls.leaf_node import LeafNode
from crypto.mls.proposals import Add, external_psk
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import SUITE_1
from crypto.mls.tree_node import ParentNode
from crypto.mls.welcome import (
    SIGN_LABEL,
    EncryptedGroupSecrets,
    GroupInfo,
    GroupSecrets,
    Welcome,
    encode_welcome,
)
from crypto.mls.welcoming import LABEL
from tests.crypto.mls.clients import signing_key
from tests.fuzz.choices import Choices, edited, mutated
from tests.fuzz.forgeries import psk_secret_of, signed_anew, signer_of, subtrees
from tests.fuzz.world import PSK_ID, PSKS, seeded, world


def tree(group: Group, choices: Choices) -> RatchetTree:
    """The group's tree with a few nodes changed and their leaves signed again."""
    nodes = [one.node for one in subtrees(group.tree.root)]
    for _ in range(choices.below(4)):
        place = choices.below(len(nodes))
        others = [None, *nodes[place - 2 : place], mutated(nodes[place], choices)]
        nodes[place] = choices.one_of(others)
    places = [
        node if choices.rarely() else signed_anew(node, group.group_id, place // 2)
        for place, node in enumerate(nodes)
    ]
    while places and places[-1] is None:
        places.pop()
    return RatchetTree.decode(SUITE_1, items(optional(_node_bytes(node)) for node in places))


def _node_bytes(node: LeafNode | ParentNode | None) -> bytes | None:
    if node is None:
        return None
    return b"\x02" + node.encode() if isinstance(node, ParentNode) else b"\x01" + node.encoded


def group_info(info: GroupInfo, tree: RatchetTree, choices: Choices) -> GroupInfo:
    """A GroupInfo changed, of that tree, and signed by whoever it says."""
    if not choices.rarely():
        info = replace(info, group_context=replace(info.group_context, tree_hash=tree.hash()))
    for _ in range(choices.below(3)):
        info = mutated(info, choices)
    return info if choices.rarely() else _signed_info(info, tree)


def _signed_info(info: GroupInfo, tree: RatchetTree) -> GroupInfo:
    leaf = tree.leaf(info.signer)
    signer = signer_of(b"" if leaf is None else leaf.signature_key)
    signature = SUITE_1.sign_with_label(signer, SIGN_LABEL, info.signed_content())
    return replace(info, signature=signature)


@cache
def _real_welcome(with_path: bool) -> tuple[OwnKeyPackage, OwnCommit[Group]]:
    own, rng = world().newcomers["grace"], seeded(7)
    wanted = [Add(KeyPackage.decode(own.encoded)), external_psk(SUITE_1, PSK_ID, random=rng)]
    draft = world().members["alice"].draft(wanted, psks=PSKS, path=with_path, random=rng)
    return own, draft.finish(signer=signing_key("alice"), random=rng)


def welcome(choices: Choices) -> tuple[bytes, OwnKeyPackage, RatchetTree]:
    """A member's Welcome for grace, wrong inside, with her KeyPackage and the tree for her."""
    own, made = _real_welcome(choices.yes())
    assert made.welcome is not None
    opened = open_welcome(made.welcome, {own.reference: own}, psks=PSKS)
    shown = tree(made.group, choices) if choices.yes() else made.group.tree
    info, secrets = opened.group_info, opened.secrets
    if choices.yes():
        carried = Extension(ExtensionType.RATCHET_TREE, edited(shown.encode(), choices))
        info = replace(info, extensions=(carried,))
    for _ in range(choices.below(3)):
        secrets = mutated(secrets, choices)
    info = group_info(info, shown, choices)
    psk_secret = psk_secret_of(secrets.psks, *earlier())
    joiner = secrets.joiner_secret
    if not choices.rarely():
        context = info.group_context
        epoch = epoch_of_joiner(SUITE_1, context, joiner_secret=joiner, psks=psk_secret)
        info = _signed_info(replace(info, confirmation_tag=epoch.confirmation_tag), shown)
    return _sealed_welcome(own, info, secrets, psk_secret, choices), own, shown


def earlier() -> tuple[Group, ...]:
    """States of groups that the newcomer might have to follow on from."""
    return (world().members["bob"],)


def _sealed_welcome(
    own: OwnKeyPackage, info: GroupInfo, secrets: GroupSecrets, psks: bytes, choices: Choices
) -> bytes:
    key, nonce = key_schedule.welcome_key_and_nonce(SUITE_1, secrets.joiner_secret, psks)
    opened = edited(info.encode(), choices) if choices.rarely() else info.encode()
    sealed_info = SUITE_1.seal(key, nonce, aad=b"", data=opened)
    inner = edited(secrets.encode(), choices) if choices.rarely() else secrets.encode()
    init_key = KeyPackage.decode(own.encoded).init_key
    sealed = SUITE_1.encrypt_with_label(
        init_key, LABEL, context=sealed_info, plaintext=inner, random=seeded(choices.byte())
    )
    entry = EncryptedGroupSecrets(own.reference, HpkeCiphertext(*sealed))
    made = Welcome(SUITE_1.number, (entry,), sealed_info)
    return encode_welcome(mutated(made, choices) if choices.rarely() else made)
