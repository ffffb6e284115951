"""Signs and encrypts what a member sends within an epoch: messages and its own proposals.

Never sends in clear, and never uses a key twice: the state that is returned no longer has it.
"""

import os
from dataclasses import replace

from crypto.errors import UsageError
from crypto.mls import framing, private_message
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    WireFormat,
)
from crypto.mls.group_state import G, PendingProposal
from crypto.mls.hpke import Random
from crypto.mls.key_package import LeafConfig
from crypto.mls.leaf_node import LeafContent, LeafNodeSource, sign_leaf
from crypto.mls.proposal_rules import check_proposal
from crypto.mls.proposals import Proposal, Update, encode_proposal
from crypto.mls.receiving import with_pending
from crypto.mls.suite import Signer


def protect(
    group: G,
    data: bytes,
    *,
    signer: Signer,
    authenticated_data: bytes = b"",
    padding: int = 0,
    random: Random = os.urandom,
) -> tuple[G, bytes]:
    """The state to store before anything leaves, and MLSMessage(PrivateMessage).

    Raises UsageError while proposals are pending.
    """
    # "A group member that has observed one or more valid proposals within an epoch MUST send a
    # Commit message before sending application data" (12.4)
    if group.pending_proposals:
        raise UsageError("the pending proposals have to be committed first")
    kind = ContentType.APPLICATION
    message = _signed(group, kind, data, authenticated_data=authenticated_data, signer=signer)
    return _encrypted(group, message, padding=padding, random=random)


def propose(
    group: G,
    proposal: Proposal,
    *,
    signer: Signer,
    authenticated_data: bytes = b"",
    random: Random = os.urandom,
) -> tuple[G, bytes]:
    """The state with the own proposal pending, and MLSMessage(PrivateMessage) for the others."""
    kind, data = ContentType.PROPOSAL, encode_proposal(proposal)
    message = _signed(group, kind, data, authenticated_data=authenticated_data, signer=signer)
    sender = message.content.sender
    check_proposal(group.tree, group.context, proposal, sender)
    after, encoded = _encrypted(group, message, padding=0, random=random)
    reference = message.proposal_reference(group.suite)
    pending = PendingProposal(reference, sender, proposal, authenticated_data)
    return with_pending(after, pending), encoded


def propose_update(
    group: G,
    config: LeafConfig,
    *,
    signer: Signer,
    authenticated_data: bytes = b"",
    random: Random = os.urandom,
) -> tuple[G, bytes]:
    """The same for an Update of the own leaf; its private key waits for somebody's Commit."""
    private_key, public_key = group.suite.generate_key_pair(random=random)
    content = LeafContent(
        public_key,
        config.signer.public,
        config.credential,
        config.capabilities(group.suite),
        source=LeafNodeSource.UPDATE,
    )
    leaf = sign_leaf(
        group.suite,
        content,
        signer=config.signer,
        group_id=group.context.group_id,
        leaf_index=group.own_leaf,
    )
    waiting = replace(group, own_updates={**group.own_updates, public_key: private_key})
    return propose(
        waiting,
        Update(leaf),
        signer=signer,
        authenticated_data=authenticated_data,
        random=random,
    )


def _signed(
    group: G, kind: ContentType, data: bytes, *, authenticated_data: bytes, signer: Signer
) -> AuthenticatedContent:
    if group.is_closed:
        # "the client MUST NOT use the group to send messages anymore" (12.4.2)
        raise UsageError("the group is being founded anew: nobody sends in it")
    own = group.tree.leaf(group.own_leaf)
    if own is None or own.signature_key != signer.public:
        raise UsageError("the signer does not hold the key of this member's leaf")
    content = FramedContent(
        group.context.group_id,
        group.context.epoch,
        framing.member(group.own_leaf),
        authenticated_data,
        kind,
        data,
    )
    signature = framing.sign(
        group.suite,
        content,
        wire_format=WireFormat.PRIVATE_MESSAGE,
        context=group.context.encode(),
        signer=signer,
    )
    return AuthenticatedContent(
        WireFormat.PRIVATE_MESSAGE, content, FramedContentAuthData(signature)
    )


def _encrypted(
    group: G, message: AuthenticatedContent, *, padding: int, random: Random
) -> tuple[G, bytes]:
    secret_tree, private = private_message.protect(
        group.secret_tree,
        message,
        sender_data_secret=group.secrets.sender_data,
        padding=padding,
        random=random,
    )
    encoded = framing.wrap(WireFormat.PRIVATE_MESSAGE, private.encode())
    return group.with_secret_tree(secret_tree), encoded
