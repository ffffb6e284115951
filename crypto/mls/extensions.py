"""Extensions: typed opaque values, and the group extensions that RFC 9420 itself defines.

Never interprets a type that it does not know, and never drops or reorders one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from crypto.errors import PeerError
from crypto.mls.codec import Reader, decode_all, items, u16, vector
from crypto.mls.credential import Credential, read_credential


class ExtensionType(IntEnum):
    """The registry of section 17.3. The first five are "default": never listed in capabilities."""

    APPLICATION_ID = 1
    RATCHET_TREE = 2
    REQUIRED_CAPABILITIES = 3
    EXTERNAL_PUB = 4
    EXTERNAL_SENDERS = 5
    LAST_RESORT_KEY_PACKAGE = 10  # an extension of the protocol; empty, only in a KeyPackage


DEFAULT_EXTENSION_TYPES = frozenset(range(1, 6))


@dataclass(frozen=True, slots=True)
class Extension:
    """One extension: its type (16 bits) and its data, as they stand on the wire. Section 7.2.

    The data is not shown: a Welcome's encrypted GroupInfo may carry a secret in it.
    """

    type: int
    data: bytes = field(repr=False)

    def encode(self) -> bytes:
        """The `Extension` struct."""
        return u16(self.type) + vector(self.data)


def _read_extension(reader: Reader) -> Extension:
    return Extension(reader.u16(), reader.vector())


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """An `Extension<V>`, unknown types included.

    Raises PeerError("VAL-13.4-1") when a type stands twice.
    """
    extensions = reader.items(_read_extension)
    check_unique(extensions)
    return extensions


def check_unique(extensions: Sequence[Extension]) -> None:
    """Raise PeerError("VAL-13.4-1") when a type stands twice."""
    # "Any field containing a list of extensions MUST NOT have more than one extension of any given
    # type" (13.4)
    if len({extension.type for extension in extensions}) != len(extensions):
        raise PeerError("VAL-13.4-1", "an extension type stands twice in one list")


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """An `Extension<V>`."""
    return items(extension.encode() for extension in extensions)


def find_extension(extensions: Iterable[Extension], type: int) -> bytes | None:
    """The data of the extension of that type, or None."""
    return next((found.data for found in extensions if found.type == type), None)


@dataclass(frozen=True, slots=True)
class RequiredCapabilities:
    """What every member must support beyond the defaults: type numbers. Section 11.1."""

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def extension(self) -> Extension:
        """As a GroupContext extension."""
        lists = (self.extensions, self.proposals, self.credentials)
        data = b"".join(items(map(u16, numbers)) for numbers in lists)
        return Extension(ExtensionType.REQUIRED_CAPABILITIES, data)


def required_capabilities(extensions: Iterable[Extension]) -> RequiredCapabilities:
    """The required capabilities of a GroupContext; empty when it names none."""
    data = find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    return RequiredCapabilities() if data is None else decode_all(data, _read_required)


def _read_required(reader: Reader) -> RequiredCapabilities:
    lists = (reader.u16s(), reader.u16s(), reader.u16s())
    return RequiredCapabilities(*lists)


@dataclass(frozen=True, slots=True)
class ExternalSender:
    """Somebody outside the group who may propose: a signature key and a credential. 12.1.8.1."""

    signature_key: bytes
    credential: Credential

    def encode(self) -> bytes:
        """The `ExternalSender` struct."""
        return vector(self.signature_key) + self.credential.encode()


def _read_sender(reader: Reader) -> ExternalSender:
    return ExternalSender(reader.vector(), read_credential(reader))


def external_senders(extensions: Iterable[Extension]) -> tuple[ExternalSender, ...]:
    """The external senders of a GroupContext, in order; empty when it names none."""
    data = find_extension(extensions, ExtensionType.EXTERNAL_SENDERS)
    return () if data is None else decode_all(data, lambda reader: reader.items(_read_sender))


def external_senders_extension(senders: Sequence[ExternalSender]) -> Extension:
    """External senders as a GroupContext extension."""
    return Extension(ExtensionType.EXTERNAL_SENDERS, items(sender.encode() for sender in senders))


def external_pub_extension(public_key: bytes) -> Extension:
    """The epoch's external public key as a GroupInfo extension. Section 12.4.3.2."""
    return Extension(ExtensionType.EXTERNAL_PUB, vector(public_key))


def external_pub(extensions: Iterable[Extension]) -> bytes | None:
    """The external public key that a GroupInfo carries, or None. Section 12.4.3.2."""
    data = find_extension(extensions, ExtensionType.EXTERNAL_PUB)
    return None if data is None else decode_all(data, Reader.vector)
