"""Dialling a relay: from an address to a connection whose relay has proved itself, or one error.

Never asks a certificate authority, follows a redirect or goes through a proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Final

from picows import WSError, ws_connect

from engine.link import Connection
from wire import limits
from wire.errors import Code, WireError
from wire.link import Address
from wire.pushes import Push

_WS_HEADER_BYTES: Final = 14

# picows reports what a peer did wrong to its logger: that is for us to say, once, as an error.
_quiet = logging.getLogger("sotto.link")
_quiet.addHandler(logging.NullHandler())
_quiet.propagate = False


def client_tls() -> ssl.SSLContext:
    """Return TLS 1.3 without certificate authorities: the hello says who the relay is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def open_connection(
    address: Address,
    *,
    pin: str | None,
    on_push: Callable[[Push], None],
    random: Callable[[int], bytes] = os.urandom,
    timeout_s: float = limits.HANDSHAKE_TIMEOUT_S,
) -> Connection:
    """Return a connection whose relay has proved itself to be `pin` (None: first contact).

    Raises WireError: not_connected (nothing there), not_sotto (something else is there),
    untrusted_relay (another relay).
    """
    made: list[Connection] = []

    def listener() -> Connection:
        made.append(Connection(on_push))
        return made[-1]

    try:
        async with asyncio.timeout(timeout_s), _translated(address):
            _, connection = await ws_connect(
                listener,
                f"wss://{address.server}/",
                ssl_context=client_tls(),
                server_hostname=address.host,
                websocket_handshake_timeout=timeout_s,
                enable_auto_ping=True,
                auto_ping_idle_timeout=limits.PING_INTERVAL_S,
                auto_ping_reply_timeout=limits.PING_TIMEOUT_S,
                max_frame_size=limits.MAX_FRAME_BYTES + _WS_HEADER_BYTES,
                max_redirects=0,
                logger_name=_quiet,
            )
            assert isinstance(connection, Connection)
            await connection.greet(pin=pin, random=random)
    except BaseException as error:
        for connection in made:
            connection.fail(WireError(Code.NOT_CONNECTED, "The connection was not made."))
        if isinstance(error, TimeoutError):
            raise _silence(address, reached=bool(made)) from None
        raise
    return connection


def _silence(address: Address, *, reached: bool) -> WireError:
    code = Code.NOT_SOTTO if reached else Code.NOT_CONNECTED
    return WireError(code, f"Nothing at {address.server} answers as a relay does.")


@contextlib.asynccontextmanager
async def _translated(address: Address) -> AsyncIterator[None]:
    """Turn what the network raises into our own words."""
    other = f"Something answers at {address.server}, but it is not a Sotto relay."
    try:
        yield
    except (ssl.SSLError, WSError, EOFError, ConnectionResetError, ConnectionAbortedError):
        raise WireError(Code.NOT_SOTTO, other) from None
    except UnicodeError:
        raise WireError(Code.BAD_REQUEST, "That host name cannot be looked up.") from None
    except TimeoutError:
        raise
    except OSError:
        text = f"No relay answers at {address.server}."
        raise WireError(Code.NOT_CONNECTED, text) from None
