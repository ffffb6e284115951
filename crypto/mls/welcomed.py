"""Joins a group by a Welcome: opens it, and checks everything in it. RFC 9420, section 12.4.3.1.

Never believes a tree or a GroupInfo that a member's signature and every rule do not cover.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from crypto.errors import PeerError
from crypto.mls import key_schedule, transcript
from crypto.mls.codec import decode_all
from crypto.mls.commit import HpkeCiphertext
from crypto.mls.group_state import G, GroupState, NewEpoch, epoch_of_joiner, state_of
from crypto.mls.joining import check_group_info, tree_of_group_info
from crypto.mls.key_package import KeyPackage, OwnKeyPackage
from crypto.mls.linked_groups import Identity, Link, credential_of, link_of
from crypto.mls.proposal_rules import MOST_PSKS
from crypto.mls.psk import PskId
from crypto.mls.psk_lookup import combined_psks
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Suite, suite_by_number
from crypto.mls.treekem import PrivateKeys, check_private_keys, derive_path
from crypto.mls.welcome import (
    GroupInfo,
    GroupSecrets,
    Welcome,
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
    link: Link | None = field(default=None, repr=False)

    @property
    def tree_hash(self) -> bytes:
        """The root hash of the tree that `join` needs."""
        return self.group_info.group_context.tree_hash

    @property
    def reference(self) -> bytes:
        """The KeyPackageRef of the KeyPackage that was used."""
        return self.key_package.reference

    @property
    def is_spent(self) -> bool:
        """Whether the KeyPackage and its keys are to be deleted: it is no last resort. 16.8."""
        return not KeyPackage.decode(self.key_package.encoded).is_last_resort

    def join(
        self,
        tree: RatchetTree | None = None,
        *,
        own_groups: Container[bytes] = (),
        identity: Identity = credential_of,
    ) -> G:
        """The state of the new member, after every check of 12.4.3.1.

        Without a `tree` it is taken from the Welcome. `own_groups` are the ids of the groups that
        this client is in. `identity` says which members of a linked group
        and of the earlier one are the same; see linked_groups.py. Raises PeerError.
        """
        info, suite = self.group_info, self.suite
        # "Verify that the group_id is unique among the groups that the client is currently
        # participating in" (12.4.3.1)
        if info.group_context.group_id in own_groups:
            raise PeerError("VAL-12.4.3.1-16", "this client is in a group of that id")
        tree = tree_of_group_info(info, tree, suite)
        census = check_group_info(info, tree)
        if self.link is not None:
            self.link.check(info.group_context, tree, identity=identity)
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


def open_welcome(
    kind: type[G],
    message: bytes,
    key_packages: Mapping[bytes, OwnKeyPackage],
    *,
    psks: Mapping[bytes, bytes],
    earlier: Sequence[GroupState] = (),
) -> OpenedWelcome[G]:
    """Open a Welcome with the KeyPackage of ours that it names; 12.4.3.1.

    `key_packages` by reference, `psks` external keys by id; `earlier` are this client's states of
    groups that it may have to resume from, such as the one that this one replaces. Raises
    PeerError: "not_for_us", "decryption_failed", "unsupported_suite", or a rule's id.
    """
    welcome = decode_welcome(message)
    suite = suite_by_number(welcome.suite)
    own, sealed = _entry_for(welcome, key_packages)
    secrets = _group_secrets(suite, own, sealed, context=welcome.encrypted_group_info)
    _check_psks(suite, secrets.psks)
    psk_secret = combined_psks(suite, secrets.psks, psks, states=earlier)
    key, nonce = key_schedule.welcome_key_and_nonce(suite, secrets.joiner_secret, psk_secret)
    opened = suite.open(key, nonce, aad=b"", data=welcome.encrypted_group_info)
    info = decode_all(opened, read_group_info)
    if info.group_context.suite != welcome.suite:
        raise PeerError("VAL-12.4.3.1-2", "the group is of another version or suite")
    link = link_of(secrets.psks, earlier)
    return OpenedWelcome(kind, suite, info, own, secrets, psk_secret, link)


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
    # VAL-12.4.3.1-20: "If no such field exists [...] return an error" (12.4.3.1)
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
