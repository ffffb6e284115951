from collections.abc import Mapping

import pytest
from multidict import CIMultiDict
from picows import WSUpgradeRequest

from relay.http import Page, plain_answer, response, route


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


def test_a85_one_page_and_nothing_else() -> None:
    assert route(request("/healthz"), origins=()) == "health"
    for path in ("/x", "/metrics", "", "*", "//", "/healthz/", "/metrics?x", "/\x00"):
        page = route(request(path), origins=())
        assert isinstance(page, Page)
        assert page.status == 404


def test_a_browser_is_told_which_program_to_use() -> None:
    page = route(request("/"), origins=())
    assert isinstance(page, Page)
    assert (page.status, b"client.py" in page.body) == (426, True)
    made = response(page)
    assert made.headers["Upgrade"] == "websocket"


def test_a_line_gets_a_line_and_a_browser_a_page() -> None:
    assert plain_answer(b"hi\n").count(b"\n") == 1
    assert plain_answer(b"GET / HTTP/1.1\r\n").startswith(b"HTTP/1.1 400 ")
