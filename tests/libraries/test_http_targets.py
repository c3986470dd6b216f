"""Where an odd HTTP call goes to: targets that are whole URLs, IPv6, and tunnels through proxies."""

from __future__ import annotations

import pathlib
import socket
import ssl
import threading
from http.client import HTTPConnection, HTTPSConnection
from typing import Iterator

import pytest

from autotrace.libraries.http import begin
from tests import needs, outgoing
from tests.authority import Authority
from tests.forward import ForwardProxy
from tests.harness import free_port

requests = needs.module("requests")


@pytest.fixture(scope="module")
def neighbour() -> Iterator[outgoing.Neighbour]:
    outgoing.patch("http_client")
    outgoing.patch("urllib3")
    with outgoing.neighbour() as running:
        yield running


def told(seen: outgoing.Seen) -> list[tuple[str, str]]:
    return [(one["name"], one["resultCode"]) for one in seen.said()]


@pytest.mark.parametrize(
    ("path", "name", "data"),
    [
        ("/x://y", "GET /x://y", "http://shop.test/x://y"),
        ("/http://other.test/", "GET /http://other.test/", "http://shop.test/http://other.test/"),
        ("http://clerk:hunter2@other.test/a?b=c", "GET /a", "http://other.test/a?b=REDACTED"),
        ("http://other.test?token=s3/cret", "GET /", "http://other.test/?token=REDACTED"),
        ("ftp://other.test/file", "GET /file", "ftp://other.test/file"),
        ("https://other.test:443/", "GET /", "https://other.test/"),
        ("http://other.test:s3cret/", "GET /", "http://shop.test/"),
        ("?token=s3cret", "GET /", "http://shop.test/?token=REDACTED"),
        ("*", "GET /*", "http://shop.test/*"),
        ("", "GET /", "http://shop.test/"),
    ],
)
def test_targets_of_requests(path: str, name: str, data: str) -> None:
    def view() -> None:
        call = begin("get", "http", "shop.test", None, path)
        assert call is not None
        call.finish()

    (one,) = outgoing.record(view).said()
    assert (one["name"], one["data"]) == (name, data)


def test_ipv6() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    port = server.getsockname()[1]
    server.close()

    def view() -> None:
        with pytest.raises(OSError, match="refused"):
            HTTPConnection("::1", port).request("GET", "/x")
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://[::1]:{port}/x", timeout=9)

    outgoing.patch("urllib3")
    assert {(one["target"], one["data"]) for one in outgoing.record(view).said()} == {
        (f"[::1]:{port}", f"http://[::1]:{port}/x")
    }


def test_tunnels(tmp_path: pathlib.Path, neighbour: outgoing.Neighbour) -> None:
    authority = Authority(tmp_path)
    server = socket.create_server(("127.0.0.1", 0))
    came: list[bytes] = []

    def answer() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with authority.context("neighbour.test").wrap_socket(connection, server_side=True) as secure:
                came.append(secure.recv(65_536))
                secure.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    port = server.getsockname()[1]
    url = f"https://neighbour.test:{port}/tls"

    def view() -> None:
        connection = HTTPSConnection("127.0.0.1", proxy.port, context=ssl.create_default_context(cafile=authority.file))
        connection.set_tunnel("neighbour.test", port)
        connection.request("GET", "/tls")
        assert connection.getresponse().read() == b""
        connection.close()
        proxies = {"https": f"http://127.0.0.1:{proxy.port}"}
        assert requests.get(url, proxies=proxies, verify=str(authority.file), timeout=9).ok
        with pytest.raises(requests.exceptions.ProxyError):
            requests.get(url, proxies={"https": f"http://127.0.0.1:{free_port()}"}, timeout=9)

    with ForwardProxy() as proxy:
        seen = outgoing.record(view)
    thread.join()
    server.close()
    site = f"neighbour.test:{port}"
    assert [(one["name"], one["target"], one["success"]) for one in seen.said()] == [
        ("GET /tls", site, True),
        ("GET /tls", site, True),
        ("CONNECT /", site, False),
    ]
    for sent, call in zip(came, seen.calls):
        assert outgoing.parent_of(call).encode() in sent


def test_a_tunnel_that_is_refused_has_its_own_error() -> None:
    outgoing.patch("http_client")

    def view() -> None:
        connection = HTTPSConnection("127.0.0.1", proxy.port)
        connection.set_tunnel("neighbour.test", 443)
        with pytest.raises(OSError, match="407"):
            connection.request("GET", "/tls")

    with ForwardProxy("clerk:hunter2") as proxy:
        assert told(outgoing.record(view)) == [("GET /tls", "OSError")]


def test_a_failed_handshake_has_its_own_name(neighbour: outgoing.Neighbour) -> None:
    def view() -> None:
        with pytest.raises(ssl.SSLError):
            HTTPSConnection("127.0.0.1", neighbour.port).request("GET", "/x")
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"https://127.0.0.1:{neighbour.port}/x", timeout=9)

    codes = [code for _, code in told(outgoing.record(view))]
    assert len(codes) == 2
    assert all("SSL" in code for code in codes)
