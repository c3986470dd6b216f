"""Microsoft Entra tokens, by the real azure-identity from an identity endpoint on loopback: got, kept and guarded."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any, Iterator

import pytest
from opencensus.trace import execution_context

from autotrace import guard
from autotrace.blocked import BlockedError
from autotrace.connection_string import Authentication
from autotrace.entra import Tokens
from autotrace.sender import Answer
from autotrace.transport import Transport
from tests.endpoint import Endpoint
from tests.identities import SECRET, IdentityEndpoint
from tests.journals import line, numbers
from tests.needs import strange_name

# What a package below azure-identity says of this Python.
pytestmark = pytest.mark.filterwarnings("ignore:Python 3.8 is no longer supported")
CLIENT = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"


@pytest.fixture(autouse=True)
def _says_everything_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "_said", set())
    yield
    # What asks for tokens is a thread of its own in a server.
    execution_context.set_is_exporter(False)


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityEndpoint]:
    """An identity endpoint, as App Service names it to a process."""
    with IdentityEndpoint() as running:
        for name, value in running.app_service.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.fixture
def transport(endpoint: Endpoint, identity: IdentityEndpoint) -> Iterator[Transport]:
    """A transport that sends a token to the endpoint, which wants the first one."""
    endpoint.token = "token-1"  # noqa: S105
    made = Transport(endpoint.url.rstrip("/"), Tokens(Authentication(), None))
    yield made
    made.close()


AUDIENCES = {
    None: "https://monitor.azure.com/",
    "https://monitor.azure.us": "https://monitor.azure.us",
    "https://monitor.azure.cn/": "https://monitor.azure.cn/",
}


@pytest.mark.parametrize("audience", AUDIENCES)
@pytest.mark.parametrize("client_id", [None, CLIENT])
def test_the_token_is_asked_for_the_right_thing(
    client_id: str | None, audience: str | None, identity: IdentityEndpoint
) -> None:
    assert Tokens(Authentication(client_id), audience).get(5) == "token-1"
    (asked,) = identity.asked
    assert asked["resource"] == AUDIENCES[audience]
    assert asked.get("client_id") == client_id


def test_a_machine_has_its_tokens_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with IdentityEndpoint() as identity:
        for name, value in identity.machine.items():
            monkeypatch.setenv(name, value)
        assert Tokens(Authentication(CLIENT), None).get(5) == "token-1"
        assert identity.asked[0]["client_id"] == CLIENT


def test_a_proxy_is_not_asked_for_what_is_next_door(
    identity: IdentityEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Tokens(Authentication(), None).get(5) == "token-1"


def test_a_token_is_kept_until_shortly_before_its_end(identity: IdentityEndpoint) -> None:
    tokens = Tokens(Authentication(), None)
    assert [tokens.get(5) for _ in range(3)] == ["token-1"] * 3
    assert len(identity.asked) == 1
    tokens.forget()
    identity.lifetime = 200
    assert [tokens.get(5) for _ in range(3)] == ["token-2", "token-3", "token-4"]
    identity.status = 500
    assert [tokens.get(5) for _ in range(3)] == ["token-4"] * 3, "it is still good"
    assert len(identity.asked) == 5, "and the identity endpoint is left alone for a while"


def test_no_token_is_no_end(identity: IdentityEndpoint) -> None:
    tokens = Tokens(Authentication(), None)
    identity.status = 400
    for _ in range(3):
        with pytest.raises(BlockedError, match="no Microsoft Entra token"):
            tokens.get(5)
    assert len(identity.asked) == 3, "one request a try: the sender decides when to try again"
    identity.status = 200
    assert tokens.get(5) == "token-4"


def test_an_identity_endpoint_that_hangs_is_left(identity: IdentityEndpoint) -> None:
    identity.hang()
    started = time.monotonic()
    with pytest.raises(BlockedError):
        Tokens(Authentication(), None).get(1.0)
    assert time.monotonic() - started < 4


@pytest.mark.parametrize("prefix", ["a\r\nX-Evil: ", "\u2603", "a\0"])
def test_what_cannot_be_a_token_is_not_sent(prefix: str, identity: IdentityEndpoint) -> None:
    identity.prefix = prefix
    with pytest.raises(BlockedError):
        Tokens(Authentication(), None).get(5)


def test_the_application_s_log_says_nothing_of_it(identity: IdentityEndpoint) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        identity.status = 403
        tokens = Tokens(Authentication(), None)
        thread = threading.Thread(target=log_meanwhile, args=(identity,))
        thread.start()
        with pytest.raises(BlockedError):
            tokens.get(5)
        thread.join()
        identity.status = 200
        assert tokens.get(5) == "token-2"
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert [record.getMessage() for record in records] == ["the application's own word"]
    named = logging.root.manager.loggerDict.items()
    assert not [name for name, logger in named if name.startswith("azure") and getattr(logger, "filters", None)]


def log_meanwhile(identity: IdentityEndpoint) -> None:
    """Log as an application does that uses azure-identity itself, while a token is on its way."""
    end = time.monotonic() + 10
    while not identity.asked and time.monotonic() < end:
        time.sleep(0.001)
    logging.getLogger("azure.identity._internal.decorators").warning("the application's own word")


def test_the_application_s_tracing_sees_nothing_of_it(identity: IdentityEndpoint) -> None:
    from azure.core.settings import settings
    from azure.identity import ManagedIdentityCredential

    spans: list[str] = []

    class Span:
        """What azure-core makes of each request where tracing is on; this one goes no further."""

        def __init__(self, name: str = "", **more: Any) -> None:
            spans.append(name)
            raise RuntimeError

    settings.tracing_implementation.set_value(Span)
    settings.tracing_enabled.set_value(True)
    try:
        assert Tokens(Authentication(), None).get(5) == "token-1"
        assert spans == []
        with ManagedIdentityCredential() as credential:
            credential.get_token("https://monitor.azure.com//.default")
        assert spans, "without our care it would have"
    finally:
        settings.tracing_implementation.unset_value()
        settings.tracing_enabled.unset_value()


def test_a_post_carries_the_token(transport: Transport, endpoint: Endpoint, identity: IdentityEndpoint) -> None:
    assert [transport.post(line(number), 5) for number in range(3)] == [Answer(True)] * 3
    assert numbers(endpoint.items) == [0, 1, 2]
    assert (len(identity.asked), endpoint.connections) == (1, 1)


def test_a_token_that_is_refused_is_replaced_once(
    transport: Transport, endpoint: Endpoint, identity: IdentityEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    assert transport.post(line(1), 5) == Answer(True)
    endpoint.token = "token-2"  # noqa: S105
    assert transport.post(line(2), 5) == Answer(True)
    assert numbers(endpoint.items) == [1, 2]
    assert capfd.readouterr().err == ""
    assert len(identity.asked) == 2


@pytest.mark.parametrize("status", [401, 403])
def test_an_identity_without_the_role_is_told_so_once(
    status: int, transport: Transport, endpoint: Endpoint, identity: IdentityEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.fail(status)
    assert transport.post(line(1), 5) == Answer(False)
    assert (len(endpoint.posts), len(identity.asked)) == (2, 2)
    assert transport.post(line(1), 5) == Answer(False)
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "Monitoring Metrics Publisher" in said
    assert "token-" not in said
    assert SECRET not in said


def test_items_that_are_refused_for_the_role_are_kept(transport: Transport, endpoint: Endpoint) -> None:
    endpoint.judge = lambda item: (403, "no") if numbers([item]) == [2] else None
    assert transport.post(line(1) + line(2), 5) == Answer(True, (line(2),))


def test_the_token_goes_where_the_telemetry_may_go(
    transport: Transport, endpoint: Endpoint, identity: IdentityEndpoint
) -> None:
    with Endpoint() as other, Endpoint() as stranger:
        endpoint.fail(308, times=1, Location=other.url + "v2.1/track")
        other.token = "token-1"  # noqa: S105
        assert transport.post(line(1), 5) == Answer(True)
        other.fail(307, Location=f"http://{strange_name()}:{stranger.port}/v2.1/track")
        assert transport.post(line(2), 5) == Answer(False)
        assert stranger.connections == 0


def test_the_token_is_not_sent_without_tls(
    endpoint: Endpoint, identity: IdentityEndpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    transport = Transport(f"http://{strange_name()}:{endpoint.port}", Tokens(Authentication(), None))
    assert transport.post(line(1), 5) == Answer(False)
    assert (endpoint.connections, identity.asked) == (0, [])
    assert "a Microsoft Entra token is not sent without TLS: use https://" in capfd.readouterr().err
