"""/metrics and /healthz on an address of their own, which the operator chooses.

Never on the port that clients use, never more than these two pages, and never in the way: a thread
of its own answers, one request at a time, each with a deadline.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from relay.errors import StartError

TIMEOUT_S: Final = 5.0


class _Server(WSGIServer):
    address_family = socket.AF_INET

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that went away says nothing to the log."""


class _ServerV6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT_S
    server_version = "sotto"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged: they have addresses in them."""


class MetricsPage:
    """The two pages; `is_healthy` is asked for each /healthz. Raises StartError for a bad address.

    `port` is where it listens, also when 0 was asked for.
    """

    def __init__(
        self,
        address: tuple[str, int],
        registry: CollectorRegistry,
        *,
        is_healthy: Callable[[], bool],
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._is_healthy = is_healthy
        host, port = address
        kind = _ServerV6 if ":" in host else _Server
        try:
            self._server = make_server(
                host, port, self._answer, server_class=kind, handler_class=_Handler
            )
        except OSError as error:
            raise StartError(f"Cannot listen on {host}:{port}: {error.strerror}.") from None
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="sotto-metrics", daemon=True
        )

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join(TIMEOUT_S + 1)
        self._server.server_close()

    def _answer(self, environment: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environment.get("PATH_INFO")
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environment, start)
            return answer
        status, body = "404 Not Found", b"There is nothing here.\n"
        if path == "/healthz":
            well = self._is_healthy()
            status, body = ("200 OK", b"ok\n") if well else ("503 Service Unavailable", b"busy\n")
        start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
