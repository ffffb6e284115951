"""Lines of JSON-RPC to calls, and what is refused."""

from __future__ import annotations

import inspect
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.session import Session
from ui.input import MAX_LINE_BYTES
from ui.jsonl.methods import METHODS, Send
from ui.jsonl.protocol import (
    Call,
    RpcError,
    notification_line,
    parse,
    refused_line,
    result_line,
    rpc_error_line,
)
from wire.errors import Code, WireError


def line(**value: Any) -> bytes:
    return json.dumps(value).encode()


def test_a_request_becomes_a_call() -> None:
    call = parse(line(jsonrpc="2.0", id=7, method="send", params={"to": "@bob", "text": "hi"}))
    assert call == Call("send", Send(to="@bob", text="hi"), 7, True)


def test_a_request_without_an_id_wants_no_answer() -> None:
    assert not parse(line(jsonrpc="2.0", method="whoami")).wants_answer


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 5000, -32700),
        (b"x" * (MAX_LINE_BYTES + 1), -32700),
        (b"[]", -32600),
        (b"3", -32600),
        (line(id={}, method="whoami"), -32600),
        (line(id=True, method="whoami"), -32600),
        (line(jsonrpc="1.0", id=1, method="whoami"), -32600),
        (line(jsonrpc="2.0", id=1, method=5), -32600),
        (line(jsonrpc="2.0", id=1, method="close"), -32601),
        (line(jsonrpc="2.0", id=1, method="__init__"), -32601),
        (line(jsonrpc="2.0", id=1, method="send", params=["@bob", "hi"]), -32602),
        (line(jsonrpc="2.0", id=1, method="send", params={"to": "@bob"}), -32602),
        (line(jsonrpc="2.0", id=1, method="send", params={"to": 5, "text": "x"}), -32602),
        (
            line(jsonrpc="2.0", id=1, method="send", params={"to": "a", "text": "b", "x": 1}),
            -32602,
        ),
        (line(jsonrpc="2.0", id=1, method="kick", params={"name": "b", "for_s": -1}), -32602),
    ],
)
def test_what_is_refused(raw: bytes, number: int) -> None:
    with pytest.raises(RpcError) as caught:
        parse(raw)
    assert caught.value.number == number
    answer = json.loads(rpc_error_line(caught.value))
    assert answer["error"]["code"] == number
    assert answer["error"]["data"]["code"] in ("bad_request", "too_large")


def test_the_error_names_the_param_and_not_its_value() -> None:
    with pytest.raises(RpcError) as caught:
        parse(line(id=1, method="login", params={"name": "bob", "password": {"s3cret": 1}}))
    assert "password" in caught.value.text
    assert "s3cret" not in caught.value.text


@given(st.binary(max_size=200))
def test_any_bytes_are_a_call_or_an_rpc_error(raw: bytes) -> None:
    try:
        parse(raw)
    except RpcError as error:
        assert rpc_error_line(error).endswith(b"\n")


def test_answers_are_single_lines() -> None:
    error = WireError(Code.BANNED, "line\nfeed", until_ms=-1)
    for written in (
        result_line(1, {"text": "a\nb"}),
        refused_line("x", error),
        notification_line("message", {"text": "\n"}),
    ):
        assert written.count(b"\n") == 1
        assert written.endswith(b"\n")
    assert json.loads(refused_line("x", error))["error"]["data"] == {
        "code": "banned",
        "until_ms": -1,
    }


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_is_one_of_the_session_with_the_same_params(method: str) -> None:
    taken = set(inspect.signature(getattr(Session, method)).parameters) - {"self"}
    assert set(METHODS[method].__struct_fields__) <= taken
    assert inspect.iscoroutinefunction(getattr(Session, method))


def test_a_secret_never_shows_in_a_repr() -> None:
    call = parse(line(id=1, method="login", params={"name": "bob", "password": "s3cret"}))
    assert "s3cret" not in repr(call)
    assert "s3cret" not in repr(call.params)
