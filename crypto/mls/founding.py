"""Founds a group of one, and signs what tells outsiders about an epoch. RFC 9420, section 11.

Never invites anybody.
"""

import os
from collections.abc import Sequence

from crypto.errors import UsageError
from crypto.mls import key_schedule, transcript
from crypto.mls.census import Census
from crypto.mls.extensions import Extension, external_pub_extension
from crypto.mls.grease import refuse_to_send
from crypto.mls.group_context import GroupContext
from crypto.mls.group_state import G, GroupState, NewEpoch, state_of
from crypto.mls.hpke import Random
from crypto.mls.key_package import LeafConfig, key_package_content
from crypto.mls.leaf_node import MLS10, sign_leaf
from crypto.mls.ratchet_tree import RatchetTree
from crypto.mls.suite import Signer, Suite
from crypto.mls.validation import check_extensions, check_new_leaves
from crypto.mls.welcome import encode_group_info, sign_group_info
from crypto.mls.welcoming import info_extensions


def found(
    kind: type[G],
    suite: Suite,
    group_id: bytes,
    *,
    config: LeafConfig,
    extensions: Sequence[Extension],
    random: Random = os.urandom,
) -> G:
    """A group whose only member is `config`'s, in epoch 0.

    Raises PeerError with the rule that its own leaf and these extensions break.
    """
    refuse_to_send(extension.type for extension in extensions)
    private_key, public_key = suite.generate_key_pair(random=random)
    leaf = sign_leaf(suite, key_package_content(suite, config, public_key), signer=config.signer)
    tree = RatchetTree.of_one(suite, leaf)
    census = Census().moved(None, tree)
    check_extensions(suite, extensions)
    check_new_leaves(None, tree, census, extensions)
    context = GroupContext(
        MLS10,
        suite.number,
        group_id,
        epoch=0,
        tree_hash=tree.hash(),
        confirmed_transcript_hash=b"",
        extensions=tuple(extensions),
    )
    epoch = _first_epoch(suite, context, random(suite.hash_length))
    return state_of(
        kind, suite, epoch, own_leaf=0, tree=tree, census=census, private_keys={0: private_key}
    )


def _first_epoch(suite: Suite, context: GroupContext, epoch_secret: bytes) -> NewEpoch:
    secrets, encryption = key_schedule.secrets_of_epoch(suite, epoch_secret)
    tag = transcript.confirmation_tag(suite, secrets.confirmation_key, b"")
    interim = transcript.interim_hash(suite, b"", tag)
    # Nobody is welcomed to epoch 0, so it has no joiner_secret.
    return NewEpoch(context, secrets, encryption, b"", tag, interim)


def signed_group_info(
    group: GroupState, signer: Signer, extensions: Sequence[Extension], *, with_tree: bool
) -> bytes:
    """MLSMessage(GroupInfo) of the present epoch, with external_pub."""
    own = group.tree.leaf(group.own_leaf)
    if own is None or own.signature_key != signer.public:
        raise UsageError("the signer does not hold the key of this member's leaf")
    if group.is_closed:
        raise UsageError("the group is being founded anew: nobody joins it")
    _, external_pub = key_schedule.external_key_pair(group.suite, group.secrets.external)
    tree = group.tree if with_tree else None
    return encode_group_info(
        sign_group_info(
            group.suite,
            group.context,
            info_extensions((external_pub_extension(external_pub), *extensions), tree),
            confirmation_tag=group.confirmation_tag,
            leaf_index=group.own_leaf,
            signer=signer,
        )
    )
