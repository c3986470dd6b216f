"""The server of the viewer: who it answers to, what every answer carries, and pages that go wrong."""

from __future__ import annotations

from typing import Iterator

import pytest

from autotrace.local.access import Access
from autotrace.local.application import POLICY
from tests.harness import exchange
from tests.local.viewing import View, view


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """A viewer for all tests of this module."""
    with view(tmp_path_factory.mktemp("view")) as running:
        yield running
        assert running.stderr() == ""


def raw(viewer: View, *lines: str) -> bytes:
    """Send a request line and headers as they are, and return the answer."""
    return exchange(viewer.port, "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1"))


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "LOCALHOST", "localhost:5199", "127.0.0.1:1", "[::1]:80"]
)
def test_it_answers_to_the_names_of_this_machine(viewer: View, host: str) -> None:
    assert raw(viewer, "GET /static/style.css HTTP/1.1", f"Host: {host}").startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:5199",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "0.0.0.0",  # noqa: S104
        ),
        *(
            "",
            "localhost:",
            "localhost:x",
            "localhost:123456",
            "localhost@evil",
            "[::2]",
            "::1",
            "[",
            "localhost, evil",
        ),
        *("evil.example\r\nHost: localhost", "127.1", "2130706433", "\xe9"),
    ],
)
@pytest.mark.parametrize("path", ["/", "/static/style.css", "/v2/track", "/nothing", "/v2/validate"])
def test_it_answers_to_no_other_name(viewer: View, host: str, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        answer = raw(viewer, f"{method} {path} HTTP/1.1", f"Host: {host}")
        assert answer.startswith((b"HTTP/1.1 421 ", b"HTTP/1.1 400 "))
        assert len(answer.partition(b"\r\n\r\n")[2].splitlines()) <= 5


def test_no_name_at_all_is_refused(viewer: View) -> None:
    assert raw(viewer, "GET / HTTP/1.0").startswith(b"HTTP/1.0 421 ")


@pytest.mark.parametrize("path", ["/static/style.css", "/nothing", "/favicon.ico", "/v2/track"])
def test_every_answer_is_safe(viewer: View, path: str) -> None:
    for answer in (viewer.get(path), viewer.get(path, Host="evil.example"), viewer.ask("POST", path, b"x")):
        assert answer.headers["content-security-policy"] == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert "server" not in answer.headers
        assert answer.headers["cache-control"] in ("no-store", "max-age=60")


@pytest.mark.parametrize("request_line", ["nonsense", "GET /x y HTTP/1.1", "GET / HTTP/1.1\r\nbad header"])
def test_what_is_no_http_gets_a_safe_answer(viewer: View, request_line: str) -> None:
    answer = raw(viewer, request_line, "Host: localhost")
    assert answer.startswith(b"HTTP/1.0 400 ") or answer.startswith(b"HTTP/1.1 400 ")
    assert b"Content-Security-Policy: default-src 'none'" in answer
    assert b"waitress" not in answer
    assert exchange(viewer.port, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000).startswith(b"HTTP/1.0 431 ")


def test_static_files_have_their_type_and_are_cached_shortly(viewer: View) -> None:
    for name, kind in [
        ("/static/style.css", "text/css; charset=utf-8"),
        ("/static/live.js", "text/javascript; charset=utf-8"),
        ("/static/icon.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ]:
        answer = viewer.get(name)
        assert (answer.status, answer.headers["content-type"]) == (200, kind)
        assert answer.headers["cache-control"] == "max-age=60"
        assert viewer.get(name, If_None_Match=answer.headers["etag"]).status == 304
        head = viewer.ask("HEAD", name)
        assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(answer.body)))


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/static/",
            "/static",
            "/static/../web.py",
            "/static/..%2fweb.py",
            "/static/%2e%2e/web.py",
            "/static//style.css",
        ),
        *("/static/style.css/", "/static/....//web.py", "/static/style.css%00", "/static/../static/style.css"),
        *(
            "/static/%5c..%5cweb.py",
            "//etc/passwd",
            "/%2e%2e/%2e%2e/etc/passwd",
            "/static/%ff",
            "/templates/base.html",
        ),
    ],
)
def test_no_path_leads_to_another_file(viewer: View, path: str) -> None:
    answer = raw(viewer, f"GET {path} HTTP/1.1", "Host: localhost")
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_pages_are_only_read(viewer: View) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = viewer.ask(method, "/static/style.css", b"")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
        assert "access-control-allow-origin" not in answer.headers


def test_pages_of_other_servers_cannot_load_a_page_as_a_part_of_theirs(viewer: View) -> None:
    for site in ("cross-site", "same-site"):
        assert viewer.get("/static/icon.svg", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors").status == 403
        assert viewer.get("/static/icon.svg", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status == 200
        for place, status in (("document", 200), ("iframe", 403), ("object", 403)):
            headers = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": place}
            assert viewer.get("/static/icon.svg", **headers).status == status
    for site in ("same-origin", "none"):
        assert viewer.get("/static/icon.svg", Sec_Fetch_Site=site, Sec_Fetch_Mode="cors").status == 200


def test_a_page_that_is_not_there_says_so_in_html_to_a_browser(viewer: View) -> None:
    answer = viewer.get("/<script>alert(1)</script>", Accept="text/html,*/*")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"There is no such page." in answer.body
    assert b"alert" not in answer.body


def test_an_address_that_the_user_binds_is_a_name_of_the_server() -> None:
    bound = Access("192.0.2.7")
    assert bound.is_open
    assert all(map(bound.host, ("192.0.2.7:5199", "localhost")))
    assert not any(map(bound.host, ("192.0.2.8", "evil.example")))
    assert bound.origin("http://192.0.2.7:5199")
    everywhere = Access("0.0.0.0")  # noqa: S104
    assert everywhere.is_open
    assert all(map(everywhere.host, ("192.0.2.8:5199", "[2001:db8::1]")))
    assert not everywhere.host("evil.example")
    assert not everywhere.origin("http://192.0.2.8")
    assert not Access("localhost").is_open
    assert not Access("::1").is_open
