from collections.abc import Mapping

import pytest
from multidict import CIMultiDict
from picows import WSUpgradeRequest

from relay.http import Page, is_private, plain_answer, response, route


def request(path: str, headers: Mapping[str, str] | None = None) -> WSUpgradeRequest:
    made = WSUpgradeRequest()
    made.method, made.path, made.version = b"GET", path.encode(), b"HTTP/1.1"
    made.headers = CIMultiDict(headers or {})
    return made


UPGRADE = {"Upgrade": "websocket", "Connection": "keep-alive, Upgrade"}


def test_a_client_is_let_through_and_its_headers_made_plain() -> None:
    asked = request("/", UPGRADE)
    assert route(asked, origins=()) is None
    assert asked.headers["Connection"] == "Upgrade"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "https://a.example.evil"])
def test_a45_a_foreign_origin_is_refused(origin: str) -> None:
    page = route(request("/", UPGRADE | {"Origin": origin}), origins=("https://a.example",))
    assert isinstance(page, Page)
    assert page.status == 403
    ours = request("/", UPGRADE | {"Origin": "https://a.example"})
    assert route(ours, origins=("https://a.example",)) is None


def test_a85_two_pages_and_nothing_else() -> None:
    assert route(request("/healthz"), origins=()) == "health"
    assert route(request("/metrics"), origins=()) == "metrics"
    for path in ("/x", "", "*", "//", "/healthz/", "/metrics?x", "/\x00"):
        page = route(request(path), origins=())
        assert isinstance(page, Page)
        assert page.status == 404


def test_a_browser_is_told_which_program_to_use() -> None:
    page = route(request("/"), origins=())
    assert isinstance(page, Page)
    assert (page.status, b"client.py" in page.body) == (426, True)
    made = response(page)
    assert made.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("192.168.1.7", False),
        ("2001:db8::1", False),
        ("", False),
    ],
)
def test_a85_metrics_are_for_this_machine(address: str, private: bool) -> None:
    assert is_private(address) is private


def test_a_line_gets_a_line_and_a_browser_a_page() -> None:
    assert plain_answer(b"hi\n").count(b"\n") == 1
    assert plain_answer(b"GET / HTTP/1.1\r\n").startswith(b"HTTP/1.1 400 ")
