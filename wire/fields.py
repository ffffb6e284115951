"""The types of the fields that frames are made of: each with its size, checked while decoding.

Never a frame itself.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from wire import limits
from wire.limits import NONCE_BYTES, SIGNATURE_BYTES

MAX_RID: Final = (1 << 32) - 1
Rid = Annotated[int, Meta(ge=0, le=MAX_RID)]
Nonce = Annotated[bytes, Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
Signature = Annotated[bytes, Meta(min_length=SIGNATURE_BYTES, max_length=SIGNATURE_BYTES)]
Certificate = Annotated[bytes, Meta(max_length=limits.MAX_CERTIFICATE_BYTES)]
Chain = Annotated[tuple[Certificate, ...], Meta(min_length=2, max_length=2)]  # device, root
SealedRoot = Annotated[bytes, Meta(max_length=limits.MAX_SEALED_ROOT_BYTES)]
# Passwords: four bytes a character at most; the rule (wire.passwords) counts characters.
Password = Annotated[str, Meta(max_length=4 * limits.MAX_PASSWORD_CHARS)]
ShortText = Annotated[str, Meta(max_length=limits.MAX_QUERY_BYTES)]
Reason = Annotated[str, Meta(max_length=limits.MAX_REASON_BYTES)]
Message = Annotated[bytes, Meta(max_length=limits.MAX_FRAME_BYTES)]
GroupInfoBytes = Annotated[bytes, Meta(max_length=limits.MAX_GROUP_INFO_BYTES)]
Node = Annotated[bytes, Meta(max_length=limits.MAX_NODE_BYTES)]
Nodes = Annotated[tuple[Node, ...], Meta(max_length=limits.MAX_NODES_PER_COMMIT)]
KeyPackageBytes = Annotated[bytes, Meta(max_length=limits.MAX_KEY_PACKAGE_BYTES)]
Count = Annotated[int, Meta(ge=0, le=limits.MAX_PAGE)]
SuiteNumber = Annotated[int, Meta(ge=1, lt=1 << 16)]  # of wire.suites; RFC 9420, 17.1
TimeMs = Annotated[int, Meta(ge=0, lt=1 << 53)]  # since 1970, UTC
Seconds = Annotated[int, Meta(ge=1, lt=1 << 40)]


class Frame(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What every frame is: a msgpack array, nothing unknown in it."""
