"""What every LeafNode has to fulfil by itself, whichever way it comes. RFC 9420, section 7.3.

Never looks at a group: how a leaf fits among others is in validation.py.
"""

from crypto.errors import PeerError
from crypto.mls.extensions import DEFAULT_EXTENSION_TYPES
from crypto.mls.leaf_node import MLS10, LeafNode
from crypto.mls.suite import Suite


def check_leaf_alone(
    suite: Suite, leaf: LeafNode, *, group_id: bytes = b"", leaf_index: int = 0
) -> None:
    """Check keys, capabilities, extensions and signature of a leaf; PeerError names the rule."""
    _check_keys(suite, leaf)
    _check_capabilities(leaf)
    try:
        leaf.verify(suite, group_id=group_id, leaf_index=leaf_index)
    except PeerError:
        # "Verify that the signature on the LeafNode is valid using signature_key" (7.3)
        raise PeerError("VAL-7.3-2", "the signature of the leaf is wrong") from None


def _check_keys(suite: Suite, leaf: LeafNode) -> None:
    try:
        suite.check_signature_key(leaf.signature_key)
        suite.check_encryption_key(leaf.encryption_key)
    except PeerError:
        raise PeerError("VAL-5.1.1-1", "a key of the leaf is unusable") from None


def _check_capabilities(leaf: LeafNode) -> None:
    capabilities = leaf.capabilities
    # That the suite is listed too is asked of who makes a leaf (7.2), not of who validates one:
    # its keys are of the suite, and there are clients that support one which they do not list.
    if MLS10 not in capabilities.versions:
        raise PeerError("VAL-7.2-2", "the leaf does not support its own version")
    # "the credential type used in the LeafNode MUST be included in the credentials field" (7.2)
    if leaf.credential.type not in capabilities.credentials:
        raise PeerError("VAL-7.2-3", "the leaf does not support its own credential type")
    # "the ID for each extension in the extensions field is listed in the capabilities.extensions
    # field of the LeafNode" (7.3); default types MUST NOT be listed there (7.2)
    known = DEFAULT_EXTENSION_TYPES.union(capabilities.extensions)
    if any(extension.type not in known for extension in leaf.content.extensions):
        raise PeerError("VAL-7.3-6", "the leaf does not support its own extensions")
