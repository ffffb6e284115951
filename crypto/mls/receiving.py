"""Opens what arrives in an epoch: messages, proposals, and the signed content of Commits.

Never applies anything, and never moves a ratchet for what does not verify. RFC 9420, section 6.
"""

from dataclasses import dataclass, field, replace

from crypto.errors import PeerError
from crypto.mls import private_message, public_message
from crypto.mls.commit import Commit, ProposalRef
from crypto.mls.extensions import external_senders
from crypto.mls.framing import (
    AuthenticatedContent,
    ContentType,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
)
from crypto.mls.group_state import G, GroupState, PendingProposal
from crypto.mls.messages import decode_message
from crypto.mls.proposal_rules import ResolvedProposal, check_proposal
from crypto.mls.proposals import Add
from crypto.mls.tree_math import LeafIndex

# How many proposals of one epoch are kept; an insider could otherwise fill every member's store.
MOST_PENDING = 1000


@dataclass(frozen=True, slots=True)
class ApplicationMessage:
    """What a member said; `generation` numbers its messages in this epoch, with gaps if lost."""

    sender_leaf: int
    generation: int
    authenticated_data: bytes
    data: bytes = field(repr=False)


def unprotect(group: G, message: bytes) -> tuple[G, ApplicationMessage]:
    """An application message, and the state without its key.

    Raises PeerError: "malformed", "wrong_group", "wrong_epoch", "not_application", or what
    private_message.unprotect raises.
    """
    decoded = _decoded(group, message)
    if not isinstance(decoded, PrivateMessage):
        raise PeerError("VAL-6-2", "application data must be encrypted")
    if decoded.content_type is not ContentType.APPLICATION:
        raise PeerError("not_application")
    after, opened, generation = _opened(group, decoded)
    content = opened.content
    said = ApplicationMessage(
        content.sender.index, generation, content.authenticated_data, content.content
    )
    return after, said


def receive_proposal(group: G, message: bytes) -> G:
    """The state with one more pending proposal, from a member or from somebody outside.

    Who is not satisfied with its sender goes on with `group`. Raises PeerError when the message or
    the proposal by itself is not valid. Section 12.1.
    """
    after, opened = _opened_handshake(group, message, ContentType.PROPOSAL)
    content = opened.content
    proposal = content.proposal
    check_proposal(group.tree, group.context, proposal, content.sender)
    reference = opened.proposal_reference(group.suite)
    return with_pending(
        after, PendingProposal(reference, content.sender, proposal, content.authenticated_data)
    )


def with_pending(group: G, pending: PendingProposal) -> G:
    """The state with one more pending proposal; the same one twice counts once."""
    if any(one.reference == pending.reference for one in group.pending_proposals):
        return group
    if len(group.pending_proposals) >= MOST_PENDING:
        raise PeerError("too_many_proposals")
    return replace(group, pending_proposals=(*group.pending_proposals, pending))


def open_handshake(group: GroupState, message: bytes, kind: ContentType) -> AuthenticatedContent:
    """The content of a Proposal or Commit, its signature and membership checked."""
    return _opened_handshake(group, message, kind)[1]


def _opened_handshake(
    group: G, message: bytes, kind: ContentType
) -> tuple[G, AuthenticatedContent]:
    decoded = _decoded(group, message)
    found = (
        decoded.content.content_type if isinstance(decoded, PublicMessage) else decoded.content_type
    )
    if found is not kind:
        raise PeerError("unexpected_content", "the message carries something else")
    if isinstance(decoded, PublicMessage):
        return group, _opened_public(group, decoded)
    return _opened(group, decoded)[:2]


def _decoded(group: GroupState, message: bytes) -> PublicMessage | PrivateMessage:
    decoded = decode_message(message)
    if not isinstance(decoded, PublicMessage | PrivateMessage):
        raise PeerError("unexpected_content", "the message is none of a group's")
    named = decoded.content if isinstance(decoded, PublicMessage) else decoded
    # VAL-6-4: `group_id` and `epoch` say which group's keys a message belongs to (6)
    if named.group_id != group.context.group_id:
        raise PeerError("wrong_group")
    # VAL-12.1-1: "a client MUST verify [...] that the epoch field of the enclosing FramedContent is
    # equal to the epoch field of the current GroupContext object" (12.1)
    if named.epoch != group.context.epoch:
        raise PeerError("wrong_epoch")
    return decoded


def _opened(group: G, message: PrivateMessage) -> tuple[G, AuthenticatedContent, int]:
    def public_key_of(leaf: LeafIndex) -> bytes | None:
        found = group.tree.leaf(leaf)
        return None if found is None else found.signature_key

    after, opened, generation = private_message.unprotect(
        group.secret_tree,
        message,
        sender_data_secret=group.secrets.sender_data,
        public_key_of=public_key_of,
        context=group.context.encode(),
    )
    return group.with_secret_tree(after), opened, generation


def _opened_public(group: GroupState, message: PublicMessage) -> AuthenticatedContent:
    return public_message.unprotect(
        group.suite,
        message,
        public_key=_public_key(group, message),
        membership_key=group.secrets.membership_key,
        context=group.context.encode(),
    )


def _public_key(group: GroupState, message: PublicMessage) -> bytes:
    """The signature key of the sender of a PublicMessage. Section 6.1."""
    sender = message.content.sender
    match sender.type:
        case SenderType.MEMBER:
            leaf = group.tree.leaf(sender.index)
            if leaf is not None:
                return leaf.signature_key
            # VAL-6.1-4: "The signature key contained in the LeafNode at the index" (6.1)
            raise PeerError("no_such_leaf", "the sender is no member")
        case SenderType.EXTERNAL:
            senders = external_senders(group.context.extensions)
            if sender.index < len(senders):
                return senders[sender.index].signature_key
            raise PeerError("VAL-12.1.8.1-1", "the group knows no such external sender")
        case SenderType.NEW_MEMBER_COMMIT:
            return _joiner_key(message)
        case SenderType.NEW_MEMBER_PROPOSAL:
            return _newcomer_key(message)


def _newcomer_key(message: PublicMessage) -> bytes:
    if message.content.content_type is not ContentType.PROPOSAL:
        raise PeerError("VAL-6.1-1", "this kind of sender must not send this content")
    proposal = message.content.proposal
    # "the proposal_type of the Proposal MUST be add" (6.1)
    if not isinstance(proposal, Add):
        raise PeerError("VAL-6.1-2", "a new member proposes nothing but its own Add")
    return proposal.key_package.leaf_node.signature_key


def _joiner_key(message: PublicMessage) -> bytes:
    if message.content.content_type is not ContentType.COMMIT:
        raise PeerError("VAL-6.1-1", "this kind of sender must not send this content")
    path = message.content.commit.path
    # "External Commits MUST contain a path field" (12.4.3.2)
    if path is None:
        raise PeerError("VAL-12.4.3.2-2", "an external commit lacks its path")
    return path.leaf_node.signature_key


def resolved_proposals(
    group: GroupState, commit: Commit, sender: Sender
) -> tuple[ResolvedProposal, ...]:
    """The proposals that a Commit of that sender covers, looked up where it refers to them."""
    pending = {one.reference: one for one in group.pending_proposals}
    resolved: list[ResolvedProposal] = []
    for proposal in commit.proposals:
        if not isinstance(proposal, ProposalRef):
            resolved.append(ResolvedProposal(proposal, sender))
            continue
        known = pending.get(proposal.reference)
        if known is None:
            raise PeerError("VAL-12.4-2", "the commit refers to a proposal that never came")
        resolved.append(
            ResolvedProposal(
                known.proposal, known.sender, known.reference, known.authenticated_data
            )
        )
    return tuple(resolved)
