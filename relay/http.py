"""What the relay's port answers to those who are not clients: one line, and health.

Never anything else: every other path is unknown, and a foreign Origin is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from picows import WSUpgradeRequest, WSUpgradeResponse

HINT: Final = (
    "This is a Sotto relay: connect with `python client.py LINK`, "
    "or from a script with `python client.py --json`."
)
_HTTP_METHODS: Final = (b"GET ", b"HEAD", b"POST", b"PUT ", b"OPTI", b"DELE", b"PATC")


@dataclass(frozen=True, slots=True)
class Page:
    """An HTTP answer."""

    status: int
    body: bytes


WEBSOCKET: Final = None


def route(request: WSUpgradeRequest, *, origins: tuple[str, ...]) -> str | Page | None:
    """Return None for a client's WebSocket, "health", or the page to answer with."""
    path = request.path
    if path == b"/healthz":
        return "health"
    if path != b"/":
        return Page(404, b"There is nothing here.\n")
    origin = request.headers.get("Origin")
    if origin is not None and origin not in origins:
        return Page(403, b"Browsers on other sites may not connect here.\n")
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return Page(426, HINT.encode() + b"\n")
    _normalise_connection(request)
    return WEBSOCKET


def response(page: Page) -> WSUpgradeResponse:
    """Return the page as picows sends it."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
    if page.status == 426:
        headers["Upgrade"] = "websocket"
    made: WSUpgradeResponse
    if page.status < 400:
        made = WSUpgradeResponse.create_ok_response(page.body, headers)
    else:
        made = WSUpgradeResponse.create_error_response(page.status, page.body, headers)
    return made


def plain_answer(first: bytes) -> bytes:
    """Return the answer to bytes that are not TLS: one line, as HTTP for a browser."""
    line = HINT.encode() + b"\n"
    if not first.startswith(_HTTP_METHODS):
        return line
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {len(line)}"
    return head.encode() + b"\r\nConnection: close\r\n\r\n" + line


def _normalise_connection(request: WSUpgradeRequest) -> None:
    # `Connection: keep-alive, Upgrade` is right (RFC 6455, 4.2.1: a list) and browsers and proxies
    # send it; picows takes the single word only.
    tokens = request.headers.get("Connection", "").lower().split(",")
    if "upgrade" in [token.strip() for token in tokens]:
        request.headers["Connection"] = "Upgrade"
