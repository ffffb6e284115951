"""Joins a group: by a Welcome, or from outside by a Commit of one's own. RFC 9420, 12.4.3.

Never believes a tree or a GroupInfo that a member's signature and every rule do not cover.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from crypto.errors import PeerError
from crypto.mls import key_schedule, transcript
from crypto.mls.applying import Change, Member, apply_proposals
from crypto.mls.census import Census
from crypto.mls.codec import decode_all
from crypto.mls.commit import HpkeCiphertext
from crypto.mls.drafting import Base, Draft, check_own_leaf, new_leaf
from crypto.mls.extensions import ExtensionType, external_pub, find_extension
from crypto.mls.framing import Sender, SenderType
from crypto.mls.group_state import G, NewEpoch, combined_psks, epoch_of_joiner, state_of
from crypto.mls.hpke import Random
from crypto.mls.key_package import KeyPackage, LeafConfig, OwnKeyPackage
from crypto.mls.leaf_node import MLS10
from crypto.mls.proposal_rules import MOST_PSKS, ResolvedProposal, check_external_list
from crypto.mls.proposals import ExternalInit, Proposal, Remove, external_psk
from crypto.mls.psk import ExternalPskId, PskId, ResumptionUsage
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Suite, suite_by_number
from crypto.mls.treekem import PrivateKeys, check_private_keys, derive_path
from crypto.mls.validation import check_extensions, check_tree
from crypto.mls.welcome import (
    GroupInfo,
    GroupSecrets,
    Welcome,
    decode_group_info,
    decode_welcome,
    read_group_info,
    read_group_secrets,
)
from crypto.mls.welcoming import LABEL


@dataclass(frozen=True, slots=True)
class OpenedWelcome(Generic[G]):
    """A Welcome that opened, before its tree is there; its GroupInfo is not verified until `join`.

    `reference` is that of the KeyPackage it was made for: a single-use one is to be deleted.
    """

    kind: type[G]
    suite: Suite
    group_info: GroupInfo
    key_package: OwnKeyPackage = field(repr=False)
    secrets: GroupSecrets = field(repr=False)
    psk_secret: bytes = field(repr=False)

    @property
    def tree_hash(self) -> bytes:
        """The root hash of the tree that `join` needs."""
        return self.group_info.group_context.tree_hash

    @property
    def reference(self) -> bytes:
        """The KeyPackageRef of the KeyPackage that was used."""
        return self.key_package.reference

    def join(self, tree: RatchetTree | None = None) -> G:
        """The state of the new member, after every check of 12.4.3.1.

        The Welcome's own `ratchet_tree` is taken if it has one, else `tree`. Raises PeerError.
        """
        info, suite = self.group_info, self.suite
        carried = find_extension(info.extensions, ExtensionType.RATCHET_TREE)
        if carried is not None:
            tree = RatchetTree.decode(suite, carried)
        if tree is None:
            raise PeerError("missing_tree", "the Welcome carries no tree and none was given")
        census = check_group_info(info, tree)
        own_leaf = self._own_leaf(tree)
        private_keys = self._private_keys(tree, own_leaf)
        epoch = self._epoch()
        return state_of(
            self.kind,
            suite,
            epoch,
            own_leaf=own_leaf,
            tree=tree,
            census=census,
            private_keys=private_keys,
        )

    def _own_leaf(self, tree: RatchetTree) -> int:
        mine = KeyPackage.decode(self.key_package.encoded).leaf_node
        # "Identify a leaf whose LeafNode is identical to the one in the KeyPackage" (12.4.3.1)
        found = next((index for index, leaf in tree.leaves() if leaf == mine), None)
        if found is None or found == self.group_info.signer:
            raise PeerError("VAL-12.4.3.1-7", "the tree lacks the leaf of the key package")
        return found

    def _private_keys(self, tree: RatchetTree, own_leaf: int) -> PrivateKeys:
        keys = {0: self.key_package.encryption_private}
        if self.secrets.path_secret is not None:
            steps = tree.filtered_path(self.group_info.signer)
            shared = [
                place
                for place, step in enumerate(steps)
                if step.copath.first <= own_leaf < step.copath.first + (1 << step.copath.level)
            ]
            path = derive_path(self.suite, self.secrets.path_secret, steps[shared[0] :])
            keys.update(path.private_keys)
        # "The private key MUST be the private key that corresponds to the public key in the node"
        check_private_keys(tree, own_leaf, keys)
        # A Welcome that leaves out the path secret would let its sender lock the newcomer out of
        # any later epoch.
        if keys.keys() != tree.levels_merged(own_leaf):
            raise PeerError("VAL-12.4.3.1-9", "the Welcome does not give all keys of the path")
        return keys

    def _epoch(self) -> NewEpoch:
        info, suite = self.group_info, self.suite
        epoch = epoch_of_joiner(
            suite,
            info.group_context,
            joiner_secret=self.secrets.joiner_secret,
            psks=self.psk_secret,
        )
        transcript.check_confirmation_tag(
            suite,
            epoch.secrets.confirmation_key,
            confirmed=info.group_context.confirmed_transcript_hash,
            tag=info.confirmation_tag,
        )
        return epoch


def check_group_info(info: GroupInfo, tree: RatchetTree) -> Census:
    """Check a GroupInfo and its tree for somebody who is not in the group yet."""
    context = info.group_context
    if context.version != MLS10 or context.suite != tree.suite.number:
        raise PeerError("VAL-12.4.3.1-2", "the group is of another version or suite")
    # "the root hash of the ratchet tree matches the tree_hash of the GroupContext" (12.4.3.3)
    if tree.hash() != context.tree_hash:
        raise PeerError("VAL-12.4.3.1-1", "the tree is not the one that was signed")
    signer = tree.leaf(info.signer)
    if signer is None:
        raise PeerError("VAL-12.4.3-1", "the signer is no member")
    info.verify(tree.suite, signer.signature_key)
    check_extensions(tree.suite, context.extensions)
    return check_tree(tree, group_id=context.group_id, extensions=context.extensions)


def open_welcome(
    kind: type[G],
    message: bytes,
    key_packages: Mapping[bytes, OwnKeyPackage],
    *,
    psks: Mapping[bytes, bytes],
) -> OpenedWelcome[G]:
    """Open a Welcome with the KeyPackage of ours that it names; 12.4.3.1.

    `key_packages` by reference, `psks` external keys by id. Raises PeerError: "not_for_us",
    "decryption_failed", "unsupported_suite", or a rule's id.
    """
    welcome = decode_welcome(message)
    suite = suite_by_number(welcome.suite)
    own, sealed = _entry_for(welcome, key_packages)
    secrets = _group_secrets(suite, own, sealed, context=welcome.encrypted_group_info)
    _check_psks(suite, secrets.psks)
    psk_secret = combined_psks(suite, secrets.psks, psks)
    key, nonce = key_schedule.welcome_key_and_nonce(suite, secrets.joiner_secret, psk_secret)
    opened = suite.open(key, nonce, aad=b"", data=welcome.encrypted_group_info)
    info = decode_all(opened, read_group_info)
    if info.group_context.suite != welcome.suite:
        raise PeerError("VAL-12.4.3.1-2", "the group is of another version or suite")
    return OpenedWelcome(kind, suite, info, own, secrets, psk_secret)


def _entry_for(
    welcome: Welcome, key_packages: Mapping[bytes, OwnKeyPackage]
) -> tuple[OwnKeyPackage, HpkeCiphertext]:
    for entry in welcome.secrets:
        own = key_packages.get(entry.new_member)
        if own is None:
            continue
        if KeyPackage.decode(own.encoded).suite_number != welcome.suite:
            raise PeerError("VAL-12.4.3.1-2", "the key package is of another suite")
        return own, entry.encrypted_group_secrets
    raise PeerError("not_for_us", "the Welcome names no key package of ours")


def _group_secrets(
    suite: Suite, own: OwnKeyPackage, sealed: HpkeCiphertext, *, context: bytes
) -> GroupSecrets:
    opened = suite.decrypt_with_label(
        own.init_private,
        LABEL,
        context=context,
        kem_output=sealed.kem_output,
        ciphertext=sealed.ciphertext,
    )
    return decode_all(opened, read_group_secrets)


def _check_psks(suite: Suite, psks: Sequence[PskId]) -> None:
    if len(psks) > MOST_PSKS:
        raise PeerError("VAL-8.4-1", "too many pre-shared keys")
    for psk in psks:
        if len(psk.nonce) != suite.hash_length:
            raise PeerError("VAL-12.1.4-3", "a nonce has a wrong length")
        # Founding anew and branching are not built: whoever could verify them has left the group.
        if not isinstance(psk, ExternalPskId) and psk.usage is not ResumptionUsage.APPLICATION:
            raise PeerError("VAL-12.4.3.1-8", "founding anew and branching are not supported")


def external_draft(
    kind: type[G],
    group_info: bytes,
    tree: RatchetTree,
    *,
    config: LeafConfig,
    remove_leaf: int | None = None,
    psk_ids: Sequence[bytes] = (),
    psks: Mapping[bytes, bytes],
    random: Random = os.urandom,
) -> Draft[G]:
    """A Commit that joins from outside, removing the own old leaf `remove_leaf` if there is one.

    Each of `psk_ids` names an external key in `psks`. Raises PeerError when GroupInfo or tree break
    a rule, or the own new leaf would. Section 12.4.3.2.
    """
    info, suite = decode_group_info(group_info), tree.suite
    census = check_group_info(info, tree)
    public_key = external_pub(info.extensions)
    if public_key is None:
        raise PeerError("VAL-12.4.3.2-3", "the GroupInfo carries no external key")
    kem_output, init_secret = key_schedule.send_external_init(suite, public_key, random=random)
    base = _outside(kind, suite, info, tree=tree, census=census, init_secret=init_secret)
    proposals: list[Proposal] = [ExternalInit(kem_output)]
    if remove_leaf is not None:
        proposals.append(Remove(remove_leaf))
    proposals += [external_psk(suite, psk_id, random=random) for psk_id in psk_ids]
    return _drafted(base, proposals, config, psks=psks, random=random)


def _outside(
    kind: type[G],
    suite: Suite,
    info: GroupInfo,
    *,
    tree: RatchetTree,
    census: Census,
    init_secret: bytes,
) -> Base[G]:
    confirmed = info.group_context.confirmed_transcript_hash
    return Base(
        kind,
        None,
        suite,
        info.group_context,
        tree,
        census=census,
        interim_transcript_hash=transcript.interim_hash(suite, confirmed, info.confirmation_tag),
        init_secret=init_secret,
    )


def _drafted(
    base: Base[G],
    proposals: Sequence[Proposal],
    config: LeafConfig,
    *,
    psks: Mapping[bytes, bytes],
    random: Random,
) -> Draft[G]:
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    resolved = tuple(ResolvedProposal(proposal, sender) for proposal in proposals)
    check_external_list(base.tree, base.context, resolved)
    applied = apply_proposals(base.tree, base.context.extensions, resolved)
    leaf = new_leaf(base.suite, applied.tree.next_free(), config, random=random)
    check_own_leaf(base.census.moved(base.tree, applied.tree), applied, leaf)
    psk_secret = combined_psks(base.suite, applied.psks, psks)
    content = leaf.content
    own = Member(leaf.index, content.credential, content.signature_key, content.encryption_key)
    changes = (*applied.changes, Change("added", leaf.index, own))
    return Draft(base, resolved, applied, leaf, leaf.index, psk_secret, changes)
