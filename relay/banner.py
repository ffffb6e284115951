"""What the relay tells its operator at the start: address, fingerprint, link, QR code, admin code.

Never the pepper, a key or a password; the admin code only when it was made just now.
"""

from __future__ import annotations

import io
import socket
from dataclasses import dataclass
from typing import TextIO

from wire.errors import WireError
from wire.link import Address, format_fingerprint, format_link

_EVERY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104  (recognised, not bound)


@dataclass(frozen=True, slots=True)
class Banner:
    """What is shown. `address` is the one for the link, with the fingerprint."""

    listening: str
    address: Address
    admin_code: str | None = None
    warnings: tuple[str, ...] = ()

    def show(self, stream: TextIO) -> None:
        """Write it to the operator's stream."""
        stream.write(self._text(with_qr=stream.isatty()))
        stream.flush()

    def _text(self, *, with_qr: bool) -> str:
        link = self._link()
        lines = [f"Warning: {warning}" for warning in self.warnings]
        lines.append(f"Sotto relay on {self.listening}")
        lines.append(f"Fingerprint  {format_fingerprint(self.address.fingerprint or '')}")
        if link is None:
            lines.append("Join link    none: the host name is too long for one; set --public")
        else:
            lines.append(f"Join link    {link}")
            if with_qr:
                lines.append(_qr(link))
        if self.admin_code is not None:
            lines.append("Register the name admin with this code; it is shown once.")
            lines.append(f"Admin code   {self.admin_code}")
        return "\n".join(lines) + "\n"

    def _link(self) -> str | None:
        try:
            return format_link(self.address)
        except WireError:
            return None


def link_address(host: str, port: int, fingerprint: str) -> Address:
    """Return the address for the link: a relay on every address is named by the machine's name."""
    name = socket.gethostname().lower() if host in _EVERY_ADDRESS else host
    return Address(name, port, fingerprint)


def _qr(link: str) -> str:
    import segno

    drawn = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")
