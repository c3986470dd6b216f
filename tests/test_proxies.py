"""Posts through a real proxy, past it, and what happens where it does not help."""

from __future__ import annotations

import os
import pathlib
import time
from typing import Iterator

import pytest

from autotrace import guard
from autotrace.certificates import tls_context
from autotrace.proxies import find_proxy
from autotrace.sender import Answer
from autotrace.transport import Transport
from tests.authority import Authority
from tests.endpoint import Endpoint
from tests.forward import ForwardProxy
from tests.harness import free_port
from tests.journals import line, numbers

HOST = "ingest.test"
PASSWORD = "p@ss:w/rd#"  # noqa: S105 (of no account)
IN_A_URL = "jo%C3%A9:p%40ss%3Aw%2Frd%23"
USER = f"jo\u00e9:{PASSWORD}"
WAITS = "; telemetry waits in the spool\n"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> Iterator[None]:
    monkeypatch.setattr(guard, "_said", set())
    for name in list(os.environ):
        if name.lower().endswith(("_proxy", "_ca_bundle")) or name == "REQUEST_METHOD":
            monkeypatch.delenv(name)
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


@pytest.fixture
def secure(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """An https endpoint whose authority is trusted."""
    authority = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Endpoint(tls=authority.context()) as running:
        yield running


@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    """A proxy for everybody."""
    with ForwardProxy() as running:
        yield running


def post(endpoint: Endpoint, host: str = HOST, seconds: float = 5) -> Answer:
    """Post a line to the endpoint under a name that only a proxy can find."""
    transport = Transport(f"{'https' if endpoint.tls else 'http'}://{host}:{endpoint.port}/below")
    answer = transport.post(line(1), seconds)
    transport.close()
    return answer


HTTPS = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
HTTP = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]


@pytest.mark.parametrize("variable", HTTPS)
def test_a_tunnel_for_https(
    variable: str, secure: Endpoint, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    transport = Transport(f"https://{HOST}:{secure.port}")
    assert [transport.post(line(number), 5) for number in range(3)] == [Answer(True)] * 3
    transport.close()
    assert numbers(secure.items) == [0, 1, 2]
    assert proxy.asked == [f"{HOST}:{secure.port}"], "one tunnel for all posts"
    assert secure.posts[0].headers["host"] == f"{HOST}:{secure.port}"
    assert "proxy-authorization" not in secure.posts[0].headers


@pytest.mark.parametrize("variable", HTTP)
def test_whole_urls_for_http(
    variable: str, endpoint: Endpoint, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"127.0.0.1:{proxy.port}/")
    transport = Transport(f"http://{HOST}:{endpoint.port}")
    assert [transport.post(line(number), 5) for number in range(3)] == [Answer(True)] * 3
    transport.close()
    assert numbers(endpoint.items) == [0, 1, 2]
    assert proxy.asked == [f"http://{HOST}:{endpoint.port}/v2.1/track"] * 3
    assert endpoint.posts[0].headers["host"] == f"{HOST}:{endpoint.port}"


def test_a_user_and_a_password(secure: Endpoint, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    with ForwardProxy(USER) as proxy:
        for variable in ("HTTPS_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(variable, f"http://{IN_A_URL}@127.0.0.1:{proxy.port}")
        transport = Transport(f"https://{HOST}:{secure.port}")
        assert transport.post(line(1), 5) == Answer(True)
        transport.close()
        transport = Transport(f"http://{HOST}:{endpoint.port}")
        assert transport.post(line(1), 5) == Answer(True)
        transport.close()
    for seen in (secure, endpoint):
        assert "proxy-authorization" not in seen.posts[0].headers


@pytest.mark.parametrize("given", ["", "wrong:secret@", f"{IN_A_URL}x@"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_wrong_password_is_said_once_and_not_shown(
    scheme: str,
    given: str,
    secure: Endpoint,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    with ForwardProxy(USER) as proxy:
        monkeypatch.setenv("ALL_PROXY", f"http://{given}127.0.0.1:{proxy.port}")
        for _ in range(2):
            assert post(secure if scheme == "https" else endpoint) == Answer(False)
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert said.endswith(f"wants a user name and a password, or others: http://user:password@host:port{WAITS}")
    assert not [secret for secret in ("secret", PASSWORD, IN_A_URL, "p%40ss") if secret in said]


BAD = {
    "socks5://joe:secret@127.0.0.1:1080": "names a proxy of the kind socks5://; only http:// can be used",
    "https://joe:secret@127.0.0.1:1080": "names a proxy of the kind https://; only http:// can be used",
    "http://joe:secret@": "is not written http://host:port",
    "http://joe:secret@127.0.0.1:port": "is not written http://host:port",
    "http://joe:secret@127.0.0.1:0": "is not written http://host:port",
    "http://joe:sec/ret@127.0.0.1:3128": "is not written http://host:port",
    "http://joe:secret@[127.0.0.1:3128": "is not written http://host:port",
    "http://joe:secret@127.0.0.1:3128?x=y": "is not written http://host:port",
    "joe:secret@a b": "is not written http://host:port",
    "http://joe:secret@a\r\nX: y": "is not written http://host:port",
    "://": "is not written http://host:port",
}


@pytest.mark.parametrize("url", BAD)
def test_a_proxy_that_cannot_be_used_is_not_passed_by(
    url: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTP_PROXY", url)
    for _ in range(2):
        assert post(endpoint) == Answer(False)
    said = capfd.readouterr().err
    assert said.startswith(f"autotrace: cannot send to http://{HOST}:{endpoint.port}/below: HTTP_PROXY {BAD[url]}")
    assert said.endswith(WAITS)
    assert said.count("\n") == 1
    assert "secret" not in said
    assert endpoint.connections == 0


@pytest.mark.parametrize(("status", "loud"), [(403, True), (502, False)])
def test_a_proxy_that_lets_nothing_through(
    status: int,
    loud: bool,
    secure: Endpoint,
    proxy: ForwardProxy,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("https_proxy", f"http://joe:secret@127.0.0.1:{proxy.port}")
    proxy.status = status
    assert post(secure) == Answer(False)
    guard.set_level("info")
    assert post(secure) == Answer(False)
    guard.set_level("warning")
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert f"the proxy 127.0.0.1:{proxy.port} (https_proxy)" in said
    assert str(status) in said
    assert ("lets nothing through" in said) is loud
    assert "secret" not in said


def test_a_proxy_that_hangs_or_is_gone(
    secure: Endpoint, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://joe:secret@127.0.0.1:{proxy.port}")
    guard.set_level("info")
    proxy.hang()
    started = time.monotonic()
    assert post(secure, seconds=1) == Answer(False)
    assert time.monotonic() - started < 3
    monkeypatch.setenv("HTTPS_PROXY", f"http://joe:secret@127.0.0.1:{free_port()}")
    monkeypatch.setattr(guard, "_said", set())
    assert post(secure, seconds=1) == Answer(False)
    guard.set_level("warning")
    said = capfd.readouterr().err
    assert f"the proxy 127.0.0.1:{proxy.port} (HTTPS_PROXY): timed out" in said
    assert "(HTTPS_PROXY): [Errno 111] Connection refused" in said
    assert "secret" not in said
    assert secure.connections == 0


PAST = ["*", "ingest.test", ".test", "test", "a.b, INGEST.TEST ,c", "ingest.test:{port}"]
THROUGH = ["", "gest.test", "ingest.test:1", "ingest.test.evil", "other.test"]


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(
    ("exceptions", "past"), [*((text, True) for text in PAST), *((text, False) for text in THROUGH)]
)
def test_exceptions(exceptions: str, past: bool, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv(variable, exceptions.replace("{port}", "443"))
    assert (find_proxy("https", HOST, 443) is None) is past


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "localhost", "::1", "169.254.169.254", "fe80::1"])
def test_what_is_here_or_next_door_needs_no_proxy(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert find_proxy("http", host, 80) is None


def test_a_cgi_script_s_client_cannot_name_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://evil.test")
    assert str(find_proxy("http", HOST, 80)) == "the proxy evil.test:80 (HTTP_PROXY)"
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    assert find_proxy("http", HOST, 80) is None
    monkeypatch.setenv("http_proxy", "http://good.test:81")
    assert str(find_proxy("http", HOST, 80)) == "the proxy good.test:81 (http_proxy)"


def test_a_proxy_shows_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://joe:secret@proxy.test")
    found = find_proxy("http", HOST, 80)
    assert found is not None
    assert "secret" not in repr(found) + str(found)
    assert found.authorization not in repr(found) + str(found)
