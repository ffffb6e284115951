"""Credentials: what a leaf says about whose it is. RFC 9420, section 5.3.

Never judges whether what a credential claims is true: that is the caller's.
"""

from dataclasses import dataclass
from enum import IntEnum

from crypto.errors import UsageError
from crypto.mls.codec import Reader, decode_all, u16, vector


class CredentialType(IntEnum):
    """The registry of section 17.5."""

    BASIC = 1
    X509 = 2


@dataclass(frozen=True, slots=True)
class Credential:
    """A credential type (16 bits) and the content of its vector, kept as it came.

    An unknown type is kept too, taken to be one vector as both types of the RFC are.
    """

    type: int
    content: bytes

    @classmethod
    def basic(cls, identity: bytes) -> "Credential":
        """A bare identity that nobody certifies."""
        return cls(CredentialType.BASIC, identity)

    @classmethod
    def x509(cls, certificates: tuple[bytes, ...]) -> "Credential":
        """A chain of DER certificates, the end entity's first."""
        return cls(CredentialType.X509, b"".join(vector(der) for der in certificates))

    @property
    def identity(self) -> bytes:
        """The identity of a basic credential; UsageError for another type."""
        if self.type != CredentialType.BASIC:
            raise UsageError("only a basic credential has an identity")
        return self.content

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The DER chain of an x509 credential; empty for another type."""
        if self.type != CredentialType.X509:
            return ()
        return _certificates(self.content)

    def encode(self) -> bytes:
        """The `Credential` struct."""
        return u16(self.type) + vector(self.content)


def _certificates(content: bytes) -> tuple[bytes, ...]:
    return decode_all(vector(content), lambda reader: reader.items(Reader.vector))


def read_credential(reader: Reader) -> Credential:
    """A `Credential`; PeerError("malformed") also when the certificates do not parse as vectors."""
    credential = Credential(reader.u16(), reader.vector())
    if credential.type == CredentialType.X509:
        _certificates(credential.content)
    return credential
