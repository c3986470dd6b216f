"""The server of the viewer: who it answers to, what every answer carries, and pages that go wrong."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import sqlite3
import threading
from typing import Callable, Iterator

import pytest

from autotrace.local.access import Access
from autotrace.local.application import POLICY, Viewer
from autotrace.local.ingestion import Ingestion
from autotrace.local.server import Server, listen
from autotrace.local.store import Store
from autotrace.local.web import Page, PageError, Request, Response
from tests.harness import exchange
from tests.local.viewing import Answer, View, item, requests, view


@pytest.fixture(scope="module")
def viewer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    """A viewer for all tests of this module."""
    with view(tmp_path_factory.mktemp("view")) as running:
        yield running
        assert running.stderr() == ""


class Pages:
    """A server in this process that shows the pages of a test."""

    def __init__(self, folder: pathlib.Path, pages: dict[str, Page]) -> None:
        self.path = folder / "store.db"
        self.ingestion = Ingestion(Store(str(self.path), 7, 500))
        viewer = Viewer(str(self.path), self.ingestion, Access("127.0.0.1"), pages.get)
        self.server = Server(viewer, listen("127.0.0.1", 0))

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        client = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            client.request(method, path, headers=named)
            response = client.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            client.close()


Show = Callable[[Page], Pages]


@pytest.fixture
def show(tmp_path: pathlib.Path) -> Iterator[Show]:
    """Serve a page of the test at `/`."""
    with contextlib.ExitStack() as stack:

        def start(page: Page) -> Pages:
            pages = Pages(tmp_path, {"/": page})
            thread = threading.Thread(target=pages.server.run)
            thread.start()
            stack.callback(pages.ingestion.close)
            stack.callback(thread.join)
            stack.callback(pages.server.stop)
            return pages

        yield start


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
            "0.0.0.0",
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
    for site in ("same-origin", "none"):
        assert viewer.get("/static/icon.svg", Sec_Fetch_Site=site, Sec_Fetch_Mode="cors").status == 200


def test_a_page_that_is_not_there_says_so_in_html_to_a_browser(viewer: View) -> None:
    answer = viewer.get("/<script>alert(1)</script>", Accept="text/html,*/*")
    assert (answer.status, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert b"There is no such page." in answer.body
    assert b"alert" not in answer.body


def test_a_page_gets_its_path_its_query_and_a_store_that_it_cannot_write(show: Show) -> None:
    def page(request: Request) -> Response:
        with pytest.raises(sqlite3.OperationalError):
            request.store.execute("DELETE FROM requests")
        (count,) = request.store.execute("SELECT count(*) FROM requests").fetchone()
        return Response(f"{request.path} {request.get('q')} {count}".encode())

    pages = show(page)
    answer = pages.get("/?q=%C3%A9+x&other=1")
    assert (answer.status, answer.body.decode()) == (200, "/ é x 0")
    assert answer.headers["cache-control"] == "no-store"


def test_a_page_that_has_not_changed_is_not_sent_again(show: Show) -> None:
    text = [b"one"]
    pages = show(lambda request: Response(text[0], headers=[("Content-Disposition", "attachment")]))
    first = pages.get("/")
    assert first.headers["content-disposition"] == "attachment"
    again = pages.get("/", If_None_Match=first.headers["etag"])
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", first.headers["etag"])
    text[0] = b"two"
    assert pages.get("/", If_None_Match=first.headers["etag"]).body == b"two"
    head = pages.get("/", "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", "3")
    assert pages.get("/", "POST").status == 405


def test_a_page_that_cannot_be_shown_says_why(show: Show) -> None:
    def page(request: Request) -> Response:
        raise PageError(404, "No <b>operation</b> has that id.")

    answer = show(page).get("/")
    assert answer.status == 404
    assert b"No &lt;b&gt;operation&lt;/b&gt; has that id." in answer.body


def test_a_page_that_takes_too_long_is_stopped(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotrace.local.application.PATIENCE", 0.2)
    forever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    def page(request: Request) -> Response:
        return Response(str(request.store.execute(forever).fetchone()).encode())

    answer = show(page).get("/")
    assert answer.status == 503
    assert b"This took too long" in answer.body


def test_a_page_that_fails_says_so_here_and_nothing_there(show: Show, capfd: pytest.CaptureFixture[str]) -> None:
    def page(request: Request) -> Response:
        raise ValueError("the secret\nof this machine")

    pages = show(page)
    for _ in range(3):
        answer = pages.get("/")
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert b"Traceback" not in answer.body
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "ValueError: the secret of this machine" in said


def test_a_page_with_a_bad_header_fails_alone(show: Show, capfd: pytest.CaptureFixture[str]) -> None:
    pages = show(lambda request: Response(b"", headers=[("X", "a\r\nSet-Cookie: b")]))
    answer = pages.get("/")
    assert (answer.status, "set-cookie" in answer.headers) == (500, False)
    assert "has a bad character" in capfd.readouterr().err


def test_too_many_parameters_are_refused(show: Show) -> None:
    assert show(lambda request: Response(b"")).get("/?" + "&".join(["a=1"] * 200)).status == 400


@pytest.mark.parametrize("trouble", ["deleted", "damaged", "emptied"])
def test_a_page_is_there_again_after_its_store_was_not(show: Show, trouble: str) -> None:
    def page(request: Request) -> Response:
        return Response(str(request.store.execute("SELECT count(*), max(duration) FROM requests").fetchone()).encode())

    pages = show(page)
    assert pages.get("/").body == b"(0, None)" or pages.get("/").status == 200
    if trouble == "deleted":
        pages.path.unlink()
    elif trouble == "emptied":
        pages.ingestion.close()
        pages.path.write_bytes(b"")
    else:
        pages.ingestion.close()
        content = pages.path.read_bytes()
        pages.path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert [pages.get("/").status for _ in range(2)][-1] == 200


def test_an_address_that_the_user_binds_is_a_name_of_the_server() -> None:
    bound = Access("192.0.2.7")
    assert bound.is_open
    assert bound.host("192.0.2.7:5199") and bound.host("localhost")
    assert not bound.host("192.0.2.8") and not bound.host("evil.example")
    assert bound.origin("http://192.0.2.7:5199")
    everywhere = Access("0.0.0.0")  # noqa: S104
    assert everywhere.is_open
    assert everywhere.host("192.0.2.8:5199") and everywhere.host("[2001:db8::1]")
    assert not everywhere.host("evil.example")
    assert not everywhere.origin("http://192.0.2.8")
    assert not Access("localhost").is_open
    assert not Access("::1").is_open


def test_pages_are_served_while_telemetry_comes_in(show: Show) -> None:
    def page(request: Request) -> Response:
        return Response(str(request.store.execute("SELECT count(*) FROM requests").fetchone()[0]).encode())

    pages = show(page)
    for batch in range(5):
        client = http.client.HTTPConnection("127.0.0.1", pages.server.port, timeout=30)
        client.request("POST", "/v2/track", json.dumps([*requests(10, f"{batch} "), item("Message")]).encode())
        assert client.getresponse().status == 200
        client.close()
        assert pages.get("/").body == str(10 * batch + 10).encode()


def test_pages_and_other_processes_that_read_lose_nothing_of_what_comes_in(tmp_path: pathlib.Path) -> None:
    with view(tmp_path) as running:
        for batch in range(5):
            assert running.post(requests(10, f"{batch} ")).status == 200
            # It looks at the file, and so does this process, which is then the last one to close it but for the viewer.
            running.get("/")
            assert running.read("SELECT count(DISTINCT id) FROM requests") == [(10 * batch + 10,)]
