"""MLSMessage: whatever travels, told apart by its wire format. RFC 9420, section 6.

Never verifies or decrypts.
"""

from collections.abc import Callable, Mapping

from crypto.errors import PeerError
from crypto.mls.codec import Reader, decode_all
from crypto.mls.framing import (
    MLS10,
    PrivateMessage,
    PublicMessage,
    WireFormat,
    read_private_message,
    read_public_message,
    wrap,
)
from crypto.mls.key_package import KeyPackage, read_key_package
from crypto.mls.welcome import GroupInfo, Welcome, read_group_info, read_welcome

Message = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_READERS: Mapping[int, Callable[[Reader], Message]] = {
    WireFormat.PUBLIC_MESSAGE: read_public_message,
    WireFormat.PRIVATE_MESSAGE: read_private_message,
    WireFormat.WELCOME: read_welcome,
    WireFormat.GROUP_INFO: read_group_info,
    WireFormat.KEY_PACKAGE: read_key_package,
}
_FORMATS: dict[type[Message], WireFormat] = {
    PublicMessage: WireFormat.PUBLIC_MESSAGE,
    PrivateMessage: WireFormat.PRIVATE_MESSAGE,
    Welcome: WireFormat.WELCOME,
    GroupInfo: WireFormat.GROUP_INFO,
    KeyPackage: WireFormat.KEY_PACKAGE,
}


def decode_message(data: bytes) -> Message:
    """What an `MLSMessage` carries.

    Raises PeerError("malformed"), also for an unknown version or wire format, and
    PeerError("VAL-10-1") when a KeyPackage names another version than the message.
    """
    return decode_all(data, _read_message)


def _read_message(reader: Reader) -> Message:
    version, number = reader.u16(), reader.u16()
    # VAL-6-3: nothing else is defined in version mls10 (6)
    read = _READERS.get(number)
    if version != MLS10 or read is None:
        raise PeerError("malformed", "an unknown version or wire format")
    message = read(reader)
    # "it MUST verify that the version field of the KeyPackage has the same value as the version
    # field of the MLSMessage" (10)
    if isinstance(message, KeyPackage) and message.version != version:
        raise PeerError("VAL-10-1", "the key package is of another version")
    return message


def encode_message(message: Message) -> bytes:
    """The `MLSMessage` around a message."""
    encoded = message.encoded if isinstance(message, KeyPackage) else message.encode()
    return wrap(_FORMATS[type(message)], encoded)
