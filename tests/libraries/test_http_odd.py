"""Odd uses of http.client and urllib3 that an application may be made of."""

from __future__ import annotations

import pathlib
import pickle
import socket
import subprocess
import sys
import threading
import urllib.request
from http.client import CannotSendHeader, HTTPConnection
from typing import Any, Iterator

import pytest

from tests import needs, outgoing
from tests.harness import free_port

requests = needs.module("requests")
urllib3 = needs.module("urllib3")


@pytest.fixture(scope="module")
def neighbour() -> Iterator[outgoing.Neighbour]:
    outgoing.patch("http_client")
    outgoing.patch("urllib3")
    with outgoing.neighbour() as running:
        yield running


def told(seen: outgoing.Seen) -> list[tuple[str, str]]:
    return [(one["name"], one["resultCode"]) for one in seen.said()]


def test_every_way_to_write_a_request(neighbour: outgoing.Neighbour) -> None:
    def view() -> None:
        connection = HTTPConnection("127.0.0.1", neighbour.port)
        connection.putrequest("GET", "/bare", skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", "other.test")
        connection.endheaders()
        assert connection.getresponse().read() == b"ok"
        connection.request("POST", "/parts", iter([b"o", b"k"]), {"Content-Length": "2"})
        assert connection.getresponse().read() == b"ok"
        connection.putrequest("POST", "/late")
        connection.putheader("Content-Length", "2")
        connection.endheaders()
        connection.send(b"ok")
        assert connection.getresponse().read() == b"ok"
        connection.close()

    seen = outgoing.record(view)
    assert told(seen) == [("GET /bare", "200"), ("POST /parts", "200"), ("POST /late", "200")]
    came = neighbour.headers[-3:]
    assert [headers["traceparent"] for headers in came] == list(map(outgoing.parent_of, seen.calls))
    assert came[0]["host"] == "other.test"


def test_the_last_answer_of_a_connection() -> None:
    outgoing.patch("http_client")
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = server.accept()
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()

    def view() -> None:
        connection = HTTPConnection("127.0.0.1", server.getsockname()[1])
        connection.request("GET", "/last")
        assert connection.getresponse().read() == b"ok"

    seen = told(outgoing.record(view))
    thread.join()
    server.close()
    assert seen == [("GET /last", "200")]


def test_a_connection_is_used_again_after_an_error(neighbour: outgoing.Neighbour) -> None:
    def view() -> None:
        connection = HTTPConnection("127.0.0.1", free_port())
        with pytest.raises(ConnectionRefusedError):
            connection.request("GET", "/refused")
        connection.port = neighbour.port
        connection.close()
        assert pickle.dumps(vars(connection)) == pickle.dumps(vars(connection))
        connection.request("GET", "/again")
        assert connection.getresponse().read() == b"ok"
        assert not [name for name in vars(connection) if "autotrace" in name]
        connection.close()

    assert told(outgoing.record(view)) == [("GET /refused", "ConnectionRefusedError"), ("GET /again", "200")]


def test_an_answer_to_a_body_that_was_not_read() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def refuse() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
                hang_up.wait(10)

    class Breaking(HTTPConnection):
        def send(self, data: Any) -> None:
            if b"".join([data] if isinstance(data, bytes) else data)[:4] != b"POST":
                raise BrokenPipeError(32, "Broken pipe")
            super().send(data)

    hang_up = threading.Event()
    thread = threading.Thread(target=refuse)
    thread.start()

    def view() -> None:
        for reads in (True, False):
            connection = Breaking("127.0.0.1", server.getsockname()[1])
            with pytest.raises(BrokenPipeError):
                connection.request("POST", "/large", iter([b"x" * 1000]), {"Content-Length": "1000"})
            if reads:
                assert connection.getresponse().status == 413
            connection.close()
            hang_up.set()

    seen = told(outgoing.record(view))
    thread.join()
    server.close()
    assert seen == [("POST /large", "413"), ("POST /large", "BrokenPipeError")]


def test_subclasses_write_what_the_application_sends(neighbour: outgoing.Neighbour) -> None:
    class Signing(HTTPConnection):
        def putheader(self, header: Any, *values: Any) -> None:
            signed.append(header)
            super().putheader(header, *values)

    signed: list[str] = []

    def view() -> None:
        connection = Signing("127.0.0.1", neighbour.port)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.close()

    outgoing.record(view)
    assert "traceparent" not in signed
    assert "traceparent" in neighbour.headers[-1]


class Watchful:
    """What a class may do with its attributes."""

    def __setattr__(self, name: str, value: Any) -> None:
        if "autotrace" in name:
            raise TypeError(name)
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise TypeError(name)


def test_a_class_that_watches_its_attributes_sees_none_of_ours(neighbour: outgoing.Neighbour) -> None:
    class Connection(Watchful, HTTPConnection):
        pass

    class Attempt(Watchful, urllib3.connection.HTTPConnection):  # type: ignore[misc]
        pass

    class Pool(urllib3.HTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Attempt

    def view() -> None:
        connection = Connection("127.0.0.1", neighbour.port)
        connection.request("GET", "/plain")
        assert connection.getresponse().read() == b"ok"
        connection.request("GET", "/closed")
        connection.close()
        with Pool("127.0.0.1", neighbour.port) as pool:
            assert pool.request("GET", "/pool").data == b"ok"

    assert told(outgoing.record(view)) == [
        ("GET /plain", "200"), ("GET /closed", "ConnectionAbortedError"), ("GET /pool", "200"),
    ]  # fmt: skip


def test_a_connection_behind_a_proxy_object_is_one_call(neighbour: outgoing.Neighbour) -> None:
    import wrapt

    class Pool(urllib3.HTTPConnectionPool):  # type: ignore[misc]
        @staticmethod
        def ConnectionCls(*args: Any, **kwargs: Any) -> Any:  # noqa: N802 - urllib3's name
            made.append(urllib3.connection.HTTPConnection(*args, **kwargs))
            return wrapt.ObjectProxy(made[-1])

    made: list[Any] = []

    def view() -> None:
        with Pool("127.0.0.1", neighbour.port) as pool:
            assert pool.request("GET", "/behind").data == b"ok"

    assert told(outgoing.record(view)) == [("GET /behind", "200")]
    assert not [name for name in vars(made[0]) if "autotrace" in name]


def test_headers_that_end_twice_leave_nothing_for_the_next_request(neighbour: outgoing.Neighbour) -> None:
    class Twice(urllib3.connection.HTTPConnection):  # type: ignore[misc]
        def endheaders(self, *args: Any, **kwargs: Any) -> None:
            super().endheaders(*args, **kwargs)
            with pytest.raises(CannotSendHeader):
                super().endheaders()

    class Pool(urllib3.HTTPConnectionPool):  # type: ignore[misc]
        ConnectionCls = Twice

    def view() -> None:
        with Pool("127.0.0.1", neighbour.port, maxsize=1) as pool:
            for number in "ab":
                assert pool.request("GET", f"/{number}", retries=False).data == b"ok"

    assert told(outgoing.record(view)) == [("GET /a", "200"), ("GET /b", "200")]


def test_a_call_is_told_as_its_first_line_says(neighbour: outgoing.Neighbour) -> None:
    class Wide(HTTPConnection):
        def _encode_request(self, request: str) -> bytes:
            return request.encode()

    def view() -> None:
        connection = Wide("127.0.0.1", neighbour.port)
        connection.request("GET", "/\u00fc\u20ac")
        connection.getresponse().read()
        with pytest.raises(ValueError, match="Invalid header value"):
            connection.request("DELETE", "/never", headers={"x": "a\nb"})
        # What was written of it stays there.
        connection.close()
        connection.request("GET", "/behind")
        connection.getresponse().read()
        connection.close()

    assert [name for name, _ in told(outgoing.record(view))] == ["GET /\u00fc\u20ac", "DELETE /never"]


def test_headers_in_one_piece_with_the_first_line_are_not_told(neighbour: outgoing.Neighbour) -> None:
    class Whole(HTTPConnection):
        def _validate_path(self, url: str) -> None:
            """Take any."""

        def endheaders(self, *args: Any, **kwargs: Any) -> None:
            self._buffer = [b"\r\n".join(self._buffer)]  # type: ignore[attr-defined]
            super().endheaders(*args, **kwargs)

    def view() -> None:
        connection = Whole("127.0.0.1", neighbour.port)
        connection.request("GET", "/a b", headers={"Authorization": "Basic secret"})
        connection.getresponse().read()
        connection.close()

    (call,) = outgoing.record(view).said()
    assert (call["name"], call["data"]) == ("GET /a b", f"{neighbour.url}/a b")


def test_calls_that_make_a_body_are_told(neighbour: outgoing.Neighbour) -> None:
    def body() -> Iterator[bytes]:
        yield urllib.request.urlopen(f"{neighbour.url}/inner").read()  # noqa: S310 - of this test's own service
        yield requests.get(f"{neighbour.url}/inner-too", timeout=9).content

    seen = outgoing.record(lambda: requests.post(f"{neighbour.url}/outer", data=Sized(body()), timeout=9))
    assert [name for name, _ in told(seen)] == ["GET /inner", "GET /inner-too", "POST /outer"]
    sent = {headers["traceparent"] for headers in neighbour.headers[-3:]}
    assert sent == set(map(outgoing.parent_of, seen.calls))


class Sized:
    """A body of four bytes."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def __len__(self) -> int:
        return 4


def test_a_call_ends_with_the_head_of_the_answer() -> None:
    outgoing.patch("http_client")
    outgoing.patch("urllib3")
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            connection.recv(65_536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
            threading.Event().wait(0.5)
            connection.sendall(b"ok")
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/slow"

    def view() -> None:
        with urllib3.PoolManager() as manager:
            assert manager.request("GET", url).data == b"ok"
        with requests.get(url, stream=True, timeout=9) as answer:
            assert answer.raw.read() == b"ok"

    seen = outgoing.record(view)
    thread.join()
    server.close()
    seconds = [float(one["data"]["baseData"]["duration"].rpartition(":")[2]) for one in seen.calls]
    assert [second < 0.4 for second in seconds] == [True, True]


GEVENT = """
from gevent import monkey; monkey.patch_all()
import contextvars, gevent, urllib.request
from tests import outgoing
outgoing.patch("http_client")
outgoing.patch("urllib3")
import requests

def get(number):
    if number % 2:
        requests.get(f"{site.url}/{number}x", timeout=9)
    else:
        urllib.request.urlopen(f"{site.url}/{number}x").read()

with outgoing.neighbour() as site:
    def view():
        # A greenlet begins with a context of its own, as a thread does.
        begun = [gevent.spawn(contextvars.copy_context().run, get, number) for number in range(20)]
        gevent.joinall(begun, raise_error=True)

    seen = outgoing.record(view)
    sent = {headers["traceparent"] for headers in site.headers}
    assert len(sent) == 20
    assert sent == set(map(outgoing.parent_of, seen.calls)), seen.calls
"""


def test_gevent() -> None:
    needs.module("gevent")
    root = pathlib.Path(__file__).parent.parent.parent
    done = subprocess.run([sys.executable, "-c", GEVENT], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_sessions_that_threads_share(neighbour: outgoing.Neighbour) -> None:
    import contextvars

    with requests.Session() as session:

        def view() -> None:
            threads = [
                threading.Thread(target=contextvars.copy_context().run, args=(session.get, f"{neighbour.url}/{n}x"))
                for n in range(10)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        seen = outgoing.record(view)
    assert {name for name, _ in told(seen)} == {f"GET /{n}x" for n in range(10)}
    sent = {headers["traceparent"] for headers in neighbour.headers[-10:]}
    assert sent == set(map(outgoing.parent_of, seen.calls))
