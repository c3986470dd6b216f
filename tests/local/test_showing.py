"""Pages as the server shows them: what they get, what becomes of one that fails, and of a store that goes away."""

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
from autotrace.local.application import Viewer
from autotrace.local.ingestion import Ingestion
from autotrace.local.server import Server, listen
from autotrace.local.store import Store
from autotrace.local.web import Page, PageError, Request, Response
from tests.local.viewing import Answer, item, requests, view


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
