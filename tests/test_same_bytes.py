"""The same application with and without `autotrace run` answers with the same bytes."""

from __future__ import annotations

import importlib.util
import pathlib
import socket
from contextlib import ExitStack
from typing import Iterator, NamedTuple

import pytest

from tests import harness
from tests.endpoint import Endpoint
from tests.harness import Server, exchange, gunicorn, mask, request, serve, uvicorn
from tests.needs import need

WSGI = {"flask": "flask_app:app", "django": "django_app:application", "pyramid": "pyramid_app:app"}
STACKS = {
    **{f"gunicorn-{name}": gunicorn(app) for name, app in WSGI.items()},
    "gunicorn-flask-mounted": gunicorn("flask_app:mounted"),
    "uvicorn-django": uvicorn("django_app:asgi_application"),
    **{f"wsgiref-{name}": harness.wsgiref(app) for name, app in WSGI.items()},
    **{f"waitress-{name}": harness.waitress(app) for name, app in WSGI.items()},
}
KEPT = b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n" + request("GET", "/users/2")
CASES = {
    "200": request("GET", "/"),
    "200 with a route": request("GET", "/users/7?a=1&b=%20"),
    "200 from a nested route": request("GET", "/shop/items/red-shoe"),
    "200 from an async view": request("GET", "/async"),
    "200 below a mount": request("GET", "/mounted/users/7"),
    "300 KB in a file": request("GET", "/file"),
    "304": request("GET", "/static/hello.txt", "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT"),
    "part of a file": request("GET", "/file", "Range: bytes=10-19"),
    "blacklisted": request("GET", "/health"),
    "redirect": request("GET", "/redirect"),
    "403": request("GET", "/forbidden"),
    "404": request("GET", "/missing"),
    "404 below a route": request("GET", "/users/seven"),
    "405": request("POST", "/redirect"),
    "500": request("GET", "/boom"),
    "500 from an async view": request("GET", "/async-boom"),
    "500 from a middleware": request("GET", "/middleware-boom"),
    "500 from a BaseException": request("GET", "/odd"),
    "500 as a page": request("GET", "/handled"),
    "a stream": request("GET", "/stream?chunks=4&pause=0.01"),
    "an empty stream": request("GET", "/stream?chunks=0"),
    "a stream that breaks": request("GET", "/stream-boom"),
    "HEAD": request("HEAD", "/"),
    "HEAD of a file": request("HEAD", "/file"),
    "HEAD of a stream": request("HEAD", "/stream"),
    "HEAD of a failure": request("HEAD", "/boom"),
    "OPTIONS": request("OPTIONS", "/users/7"),
    "POST": request("POST", "/echo", body=b"\x00\xff" * 50_000),
    "POST without a body": request("POST", "/echo"),
    "HTTP/1.0": b"GET /stream HTTP/1.0\r\nHost: shop.test\r\n\r\n",
    "two on one connection": KEPT,
    "traced from outside": request("GET", "/users/7", f"traceparent: 00-{'a' * 32}-{'b' * 16}-01"),
    "a span in the view": request("GET", "/span"),
    "an attribute in the view": request("GET", "/attribute"),
}


class Pair(NamedTuple):
    """Two servers that differ in one thing: `traced` was started by `autotrace run`."""

    stack: str
    plain: Server
    traced: Server


@pytest.fixture(scope="module", params=STACKS)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_endpoint: Endpoint
) -> Iterator[Pair]:
    if request.param.startswith("waitress"):
        need(importlib.util.find_spec("waitress") is not None, "waitress is not installed")
    folder = tmp_path_factory.mktemp(request.param)
    file = folder / "file.txt"
    file.write_bytes(b"".join(b"%07d\n" % number for number in range(40_000)))
    # Flask writes some headers in the order of a set.
    env = {"APP_FILE": str(file), "AUTOTRACE_BLACKLIST_PATHS": "/health", "PYTHONHASHSEED": "0"}
    command = STACKS[request.param]
    with ExitStack() as stack:
        plain = stack.enter_context(serve(command, folder / "plain", shared_endpoint, env, traced=False))
        traced = stack.enter_context(serve(command, folder / "traced", shared_endpoint, env))
        yield Pair(request.param, plain, traced)


@pytest.mark.parametrize("case", CASES)
def test_every_byte_is_the_same(pair: Pair, case: str) -> None:
    if case == "500 from a BaseException" and pair.stack.startswith("waitress"):
        pytest.skip("waitress itself never answers such a request")
    plain, traced = (mask(exchange(server.port, CASES[case])) for server in (pair.plain, pair.traced))
    assert plain.startswith(b"HTTP/1."), "the case proves nothing when the server itself does not answer"
    assert traced == plain


def test_a_stream_leaves_the_server_chunk_by_chunk(pair: Pair) -> None:
    with socket.create_connection(("127.0.0.1", pair.traced.port), harness.ANSWER) as client:
        client.sendall(request("GET", "/stream-gate"))
        received = b""
        while b"before the gate" not in received:
            received += client.recv(65_536)
        (pair.traced.folder / "gate").touch()
        while b"the gate" not in received.partition(b"before the gate")[2]:
            received += client.recv(65_536)
    assert b"behind the gate" in received


def test_a_client_that_leaves_in_the_middle_harms_nobody(pair: Pair) -> None:
    with socket.create_connection(("127.0.0.1", pair.traced.port), harness.ANSWER) as client:
        client.sendall(request("GET", "/stream?chunks=20&pause=0.01"))
        client.recv(64)
    assert exchange(pair.traced.port, request("GET", "/users/7")).endswith(b"user 7")


def test_the_traced_one_is_traced(pair: Pair, shared_endpoint: Endpoint) -> None:
    for server in (pair.plain, pair.traced):
        exchange(server.port, request("GET", "/users/7", f"User-Agent: {server.folder}"))
    assert shared_endpoint.wait_until(lambda: str(pair.traced.folder) in agents(shared_endpoint))
    assert str(pair.plain.folder) not in agents(shared_endpoint)


def agents(endpoint: Endpoint) -> set[str]:
    """Collect the user agents of the recorded requests."""
    return {item["tags"].get("ai.user.userAgent", "") for item in endpoint.requests()}


def test_the_outputs_of_the_server_are_the_same(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    said = []
    for traced in (False, True):
        with serve(gunicorn("flask_app:app"), tmp_path / str(traced), endpoint, traced=traced) as server:
            exchange(server.port, request("GET", "/users/7"))
            exchange(server.port, request("GET", "/missing"))
            code = server.stop()
        said.append((code, server.stdout(), server.stderr()))
    assert said[0] == said[1] == (0, "", "")
    assert len(endpoint.requests()) == 2
