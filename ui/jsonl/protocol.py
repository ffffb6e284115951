"""JSON-RPC 2.0 lines to calls, and results, errors and notifications to lines. No I/O.

Never lets an error's text carry a secret: it holds codes and fixed sentences only.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from ui.input import MAX_LINE_BYTES
from ui.jsonl.methods import METHODS, Params
from wire.errors import Code, WireError

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, REFUSED = (
    -32700,
    -32600,
    -32601,
    -32602,
    -32000,
)
RequestId = str | int | float | None


class RpcError(Exception):
    """A line that cannot become a call; `id` is None where it could not be read."""

    def __init__(self, number: int, text: str, *, request_id: RequestId = None) -> None:
        super().__init__(text)
        self.number, self.text, self.request_id = number, text, request_id


class Call(Struct, frozen=True):
    """One request. `wants_answer` is false for a JSON-RPC notification (no id)."""

    method: str
    params: Params
    request_id: RequestId
    wants_answer: bool

    def __repr__(self) -> str:
        return f"Call({self.method!r})"


_encoder = msgspec.json.Encoder()


def parse(line: bytes) -> Call:
    """Return the call that `line` asks for; raise RpcError for anything else."""
    if len(line) > MAX_LINE_BYTES:
        raise RpcError(PARSE_ERROR, f"The line is longer than {MAX_LINE_BYTES} bytes.")
    try:
        raw = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RpcError(PARSE_ERROR, "The line is not JSON: one object a line.") from None
    if not isinstance(raw, dict):
        raise RpcError(INVALID_REQUEST, "Send one JSON-RPC object a line.")
    request_id = raw.get("id")
    if isinstance(request_id, bool) or not isinstance(request_id, str | int | float | None):
        raise RpcError(INVALID_REQUEST, "The id must be a string or a number.")
    if raw.get("jsonrpc", "2.0") != "2.0" or not isinstance(raw.get("method"), str):
        raise RpcError(INVALID_REQUEST, "Not a JSON-RPC 2.0 request.", request_id=request_id)
    params = _params(raw["method"], raw.get("params", {}), request_id)
    return Call(raw["method"], params, request_id, "id" in raw)


def _params(method: str, raw: Any, request_id: RequestId) -> Params:
    shape = METHODS.get(method)
    if shape is None:
        text = "There is no such method; hello lists them."
        raise RpcError(METHOD_NOT_FOUND, text, request_id=request_id)
    if not isinstance(raw, dict):
        raise RpcError(INVALID_PARAMS, "Params must be an object.", request_id=request_id)
    try:
        return msgspec.convert(raw, shape, strict=True)
    except msgspec.ValidationError as error:
        # msgspec names the field and the type wanted, never the value.
        text = f"{method}: {error}."
        raise RpcError(INVALID_PARAMS, text, request_id=request_id) from None


def result_line(request_id: RequestId, result: Any) -> bytes:
    """Return the answer's line, with its line feed."""
    return _line({"jsonrpc": "2.0", "id": request_id, "result": result})


def refused_line(request_id: RequestId, error: WireError) -> bytes:
    """Return the line of an error that carries a wire code."""
    data = {"code": error.code.value} | error.data
    return _error_line(request_id, REFUSED, error.text, data)


def rpc_error_line(error: RpcError) -> bytes:
    """Return the line of a malformed request."""
    code = Code.TOO_LARGE if "longer than" in error.text else Code.BAD_REQUEST
    return _error_line(error.request_id, error.number, error.text, {"code": code.value})


def notification_line(method: str, params: dict[str, Any]) -> bytes:
    """Return a notification's line."""
    return _line({"jsonrpc": "2.0", "method": method, "params": params})


def _error_line(request_id: RequestId, number: int, text: str, data: dict[str, Any]) -> bytes:
    error = {"code": number, "message": text, "data": data}
    return _line({"jsonrpc": "2.0", "id": request_id, "error": error})


def _line(value: dict[str, Any]) -> bytes:
    return _encoder.encode(value) + b"\n"
