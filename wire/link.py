"""Join links, addresses and fingerprints: how a relay is named to people and programs.

Never connects, and never trusts a link for more than what it says: an address and a fingerprint.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import re
from dataclasses import dataclass
from typing import Final

from wire.errors import Code, WireError

SCHEME: Final = "sotto://"
DEFAULT_PORT: Final = 5000
FINGERPRINT_CHARS: Final = 43  # base64url of 32 bytes, without padding
MAX_LINK_BYTES: Final = 106  # a QR code of version 6, small enough for a terminal
MAX_HOST_CHARS: Final = 253  # RFC 1035, as typed; a link holds shorter ones only
_MAX_TYPED_CHARS: Final = 512
_PEOPLE_GROUP: Final = 11
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a relay is, and which one it must be when that is known.

    `host` is an ASCII name in lower case (Punycode shown as such) or an IP address without
    brackets; `fingerprint` is 43 characters of base64url, or None.
    """

    host: str
    port: int
    fingerprint: str | None = None

    @property
    def server(self) -> str:
        """HOST:PORT, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, going by the name alone."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def fingerprint(relay_key: bytes) -> str:
    """Return the fingerprint of a relay's identity key (32 bytes): SHA-256 in base64url."""
    return encode_fingerprint(hashlib.sha256(relay_key).digest())


def encode_fingerprint(digest: bytes) -> str:
    """Return 32 bytes (a relay's hash or a root identity) as 43 characters of base64url."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def parse_fingerprint(text: str) -> str:
    """Return the 43 characters, spaces dropped; raise WireError(bad_request) for anything else."""
    compact = "".join(text[:_MAX_TYPED_CHARS].split())
    try:
        digest = base64.b64decode(compact + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if len(compact) != FINGERPRINT_CHARS or encode_fingerprint(digest) != compact:
        raise WireError(Code.BAD_REQUEST, "That is not a fingerprint: it has 43 characters.")
    return compact


def format_fingerprint(value: str) -> str:
    """Return a fingerprint in groups, for people to read; `parse_fingerprint` takes it back."""
    groups = [value[i : i + _PEOPLE_GROUP] for i in range(0, len(value), _PEOPLE_GROUP)]
    return " ".join(groups)


def format_link(address: Address) -> str:
    """Return the join link; raise WireError(bad_request) when it has no fingerprint or is long."""
    if address.fingerprint is None:
        raise WireError(Code.BAD_REQUEST, "A join link carries the relay's fingerprint.")
    link = f"{SCHEME}{address.server}/#{address.fingerprint}"
    if len(link) > MAX_LINK_BYTES:
        raise WireError(Code.BAD_REQUEST, "The host name is too long for a join link.")
    return link


def parse_server(text: str) -> Address:
    """Return what a person or program names as a relay: HOST, HOST:PORT or a join link.

    Raises WireError(bad_request) with what is wrong.
    """
    text = text.strip()
    if len(text) > _MAX_TYPED_CHARS:
        raise WireError(Code.BAD_REQUEST, "That address is too long.")
    if not text.lower().startswith(SCHEME):
        return _parse_place(text)
    place, mark, print_text = text[len(SCHEME) :].partition("/#")
    if not mark:
        place, mark, print_text = text[len(SCHEME) :].partition("#")
    if not mark:
        raise WireError(Code.BAD_REQUEST, "The link has no fingerprint: ask for the whole link.")
    address = _parse_place(place)
    return Address(address.host, address.port, parse_fingerprint(print_text))


def _parse_place(place: str) -> Address:
    host, port_text = _split(place)
    if not port_text:
        port = DEFAULT_PORT
    elif port_text.isascii() and port_text.isdecimal() and 0 < int(port_text[:6]) < 1 << 16:
        port = int(port_text)
    else:
        raise WireError(Code.BAD_REQUEST, "The port must be a number from 1 to 65535.")
    return Address(_check_host(host), port)


def _split(place: str) -> tuple[str, str]:
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise WireError(Code.BAD_REQUEST, "The address in brackets is not closed.")
        return host, rest[1:]
    if place.count(":") > 1:  # an IPv6 address without brackets has no port
        return place, ""
    host, _, port_text = place.partition(":")
    return host, port_text


def _check_host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        pass
    # A name outside ASCII is turned into Punycode and shown so: look-alikes do not pass for ASCII.
    try:
        name = host.lower() if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        name = ""
    labels = name.rstrip(".").split(".")
    if len(name) > MAX_HOST_CHARS or not all(_LABEL.fullmatch(label) for label in labels):
        raise WireError(Code.BAD_REQUEST, "That is not a host name or address.")
    return ".".join(labels)
