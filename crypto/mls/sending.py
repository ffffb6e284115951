"""Signs and protects what a member sends within an epoch: messages and its own proposals.

Never sends a message in clear, nor a proposal unless asked to, and never uses a key twice: the
state that is returned no longer has it.
"""

import os
from dataclasses import replace

from crypto.errors import UsageError
from crypto.mls import framing, private_message, public_message
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    FramedContent,
    FramedContentAuthData,
    WireFormat,
)
from crypto.mls.grease import refuse_to_send
from crypto.mls.group_state import G, PendingProposal
from crypto.mls.hpke import Random
from crypto.mls.key_package import LeafConfig, leaf_content
from crypto.mls.leaf_node import LeafNodeSource, sign_leaf
from crypto.mls.proposal_rules import check_proposal
from crypto.mls.proposals import GroupContextExtensions, Proposal, Update, encode_proposal
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
    message = _signed(
        group,
        ContentType.APPLICATION,
        data,
        wire_format=WireFormat.PRIVATE_MESSAGE,
        authenticated_data=authenticated_data,
        signer=signer,
    )
    return outgoing(group, message, padding=padding, random=random)


def propose(
    group: G,
    proposal: Proposal,
    *,
    signer: Signer,
    wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
    authenticated_data: bytes = b"",
    random: Random = os.urandom,
) -> tuple[G, bytes]:
    """The state with the own proposal pending, and its MLSMessage for the others.

    Encrypted, unless `wire_format` is PUBLIC_MESSAGE. Raises PeerError with the rule it breaks.
    """
    check_can_send(proposal)
    message = _signed(
        group,
        ContentType.PROPOSAL,
        encode_proposal(proposal),
        wire_format=wire_format,
        authenticated_data=authenticated_data,
        signer=signer,
    )
    sender = message.content.sender
    check_proposal(group.tree, group.context, proposal, sender)
    after, encoded = outgoing(group, message, random=random)
    reference = message.proposal_reference(group.suite)
    pending = PendingProposal(reference, sender, proposal, authenticated_data)
    return with_pending(after, pending), encoded


def propose_update(
    group: G,
    config: LeafConfig,
    *,
    signer: Signer,
    wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
    authenticated_data: bytes = b"",
    random: Random = os.urandom,
) -> tuple[G, bytes]:
    """The same for an Update of the own leaf; its private key waits for somebody's Commit."""
    private_key, public_key = group.suite.generate_key_pair(random=random)
    leaf = sign_leaf(
        group.suite,
        leaf_content(group.suite, config, public_key, source=LeafNodeSource.UPDATE),
        signer=config.signer,
        group_id=group.context.group_id,
        leaf_index=group.own_leaf,
    )
    waiting = replace(group, own_updates={**group.own_updates, public_key: private_key})
    return propose(
        waiting,
        Update(leaf),
        signer=signer,
        wire_format=wire_format,
        authenticated_data=authenticated_data,
        random=random,
    )


def check_can_send(proposal: Proposal) -> None:
    """Raise UsageError for a proposal whose types nobody may send. 13.5."""
    refuse_to_send((proposal.type,))
    if isinstance(proposal, GroupContextExtensions):
        refuse_to_send(extension.type for extension in proposal.extensions)


def _signed(
    group: G,
    kind: ContentType,
    data: bytes,
    *,
    wire_format: WireFormat,
    authenticated_data: bytes,
    signer: Signer,
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
    context = group.context.encode()
    signature = framing.sign(
        group.suite, content, wire_format=wire_format, context=context, signer=signer
    )
    return AuthenticatedContent(wire_format, content, FramedContentAuthData(signature))


def outgoing(
    group: G, message: AuthenticatedContent, *, padding: int = 0, random: Random
) -> tuple[G, bytes]:
    """The state after it, and the MLSMessage of a member's signed message, as its wire format says.

    Raises UsageError for application data that would go out in clear.
    """
    if message.wire_format is not WireFormat.PRIVATE_MESSAGE:
        public = public_message.protect(
            group.suite,
            message,
            membership_key=group.secrets.membership_key,
            context=group.context.encode(),
        )
        return group, framing.wrap(WireFormat.PUBLIC_MESSAGE, public.encode())
    secret_tree, private = private_message.protect(
        group.secret_tree,
        message,
        sender_data_secret=group.secrets.sender_data,
        padding=padding,
        random=random,
    )
    encoded = framing.wrap(WireFormat.PRIVATE_MESSAGE, private.encode())
    return group.with_secret_tree(secret_tree), encoded
