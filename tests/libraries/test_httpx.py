"""httpx, with and without asyncio: each hop is one call, and the application's objects stay its own."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
import threading
import traceback
from typing import Any, Callable, Iterator

import pytest

from tests import needs, outgoing
from tests.forward import ForwardProxy
from tests.harness import free_port
from tests.recordings import said

httpx = needs.module("httpx")
httpcore = needs.module("httpcore")
CALLER = {"HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "HTTP_TRACESTATE": "a=1"}

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def neighbour() -> Iterator[outgoing.Neighbour]:
    outgoing.patch("httpx")
    with outgoing.neighbour() as running:
        yield running


def ask(method: str, url: str, *, client: dict[str, Any] | None = None, **options: Any) -> Any:
    with httpx.Client(**(client or {})) as running:
        return running.request(method, url, **options)


def ask_async(method: str, url: str, *, client: dict[str, Any] | None = None, **options: Any) -> Any:
    async def run() -> Any:
        async with httpx.AsyncClient(**(client or {})) as running:
            return await running.request(method, url, **options)

    return asyncio.run(run())


both = pytest.mark.parametrize("ask", [ask, ask_async])


@both
def test_a_call_is_told_without_secrets(neighbour: outgoing.Neighbour, ask: Ask) -> None:
    answers = []
    url = neighbour.url.replace("//", "//clerk:hunter2@")
    seen = outgoing.record(lambda: answers.append(ask("POST", f"{url}/items/7?token=s3cret#part", content=b"body")))
    assert seen.said() == [
        {
            "name": "POST /items/7",
            "resultCode": "200",
            "success": True,
            "type": "Http",
            "target": neighbour.site,
            "data": f"{neighbour.url}/items/7?token=REDACTED",
        }
    ]
    assert neighbour.headers[-1]["traceparent"] == outgoing.parent_of(seen.calls[0])
    assert neighbour.headers[-1]["content-length"] == "4"
    assert "traceparent" not in answers[0].request.headers
    assert answers[0].text == "ok"


@both
def test_hops_and_statuses(neighbour: outgoing.Neighbour, ask: Ask) -> None:
    def view() -> None:
        assert len(ask("GET", f"{neighbour.url}/redirect/404", follow_redirects=True).history) == 1

    seen = outgoing.record(view)
    assert [(one["name"], one["resultCode"], one["success"]) for one in seen.said()] == [
        ("GET /redirect/404", "302", True),
        ("GET /404", "404", False),
    ]
    sent = [headers["traceparent"] for headers in neighbour.headers[-2:]]
    assert sent == [outgoing.parent_of(call) for call in seen.calls]


@both
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_failures_are_calls_too(neighbour: outgoing.Neighbour, ask: Ask, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{free_port()}/x"
    silent = socket.create_server(("127.0.0.1", 0))
    slow = f"http://127.0.0.1:{silent.getsockname()[1]}/slow"
    frames: list[traceback.FrameSummary] = []

    def view() -> None:
        with pytest.raises(httpx.ConnectError) as info:
            ask("GET", url)
        frames.extend(traceback.extract_tb(info.value.__cause__.__traceback__))
        with pytest.raises(httpx.ReadTimeout):
            ask("GET", slow, timeout=0.1)
        with pytest.raises(httpx.UnsupportedProtocol):
            ask("GET", "ftp://127.0.0.1/x")

    told = [(one["data"], one["resultCode"], one["success"]) for one in outgoing.record(view).said()]
    silent.close()
    assert told[:2] == [(url, "ConnectError", False), (slow, "ReadTimeout", False)]
    if outgoing.HIDES_FRAMES:
        assert not [frame for frame in frames if "autotrace/" in frame.filename]


@both
def test_headers_of_the_application_stay(neighbour: outgoing.Neighbour, ask: Ask) -> None:
    outgoing.record(lambda: ask("GET", neighbour.url, headers={"TraceParent": "of its own"}), caller=CALLER)
    assert neighbour.headers[-1]["traceparent"] == "of its own"
    assert "tracestate" not in neighbour.headers[-1]
    outgoing.record(lambda: ask("GET", neighbour.url), caller=CALLER)
    assert neighbour.headers[-1]["tracestate"] == "a=1"


@both
def test_a_proxy_is_not_what_is_called(neighbour: outgoing.Neighbour, ask: Ask) -> None:
    with ForwardProxy() as proxy:
        # Old versions have another name for it.
        name = "proxy" if "proxy" in inspect.signature(httpx.Client).parameters else "proxies"
        client = {name: f"http://127.0.0.1:{proxy.port}"}
        url = f"http://neighbour.test:{neighbour.port}/far"
        seen = outgoing.record(lambda: ask("POST", url, client=client, content=b"body"))
        assert proxy.asked == [url]
        (told,) = seen.said()
        assert (told["target"], told["data"]) == (f"neighbour.test:{neighbour.port}", url)
        assert neighbour.headers[-1]["traceparent"] == outgoing.parent_of(seen.calls[0])
        secret = f"https://neighbour.test:{neighbour.port}/tls"

        def view() -> None:
            # Nobody speaks TLS there.
            with pytest.raises((httpx.ConnectError, ssl.SSLError)):
                ask("GET", secret, client=client)

        (failed,) = outgoing.record(view).said()
        assert (failed["data"], failed["success"]) == (secret, False)
        assert proxy.asked[1:] == [f"neighbour.test:{neighbour.port}"]


def test_transports_of_the_application_call_nobody(neighbour: outgoing.Neighbour) -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, text=str(dict(request.headers))))

    def view() -> None:
        assert "traceparent" not in ask("GET", "http://mock.test/", client={"transport": transport}).text

    assert outgoing.record(view).calls == []


def test_the_request_of_who_uses_httpcore_stays(neighbour: outgoing.Neighbour) -> None:
    request = httpcore.Request("GET", f"{neighbour.url}/core", headers=[(b"Host", neighbour.site.encode())])
    before = dict(vars(request))

    def view() -> None:
        with httpcore.ConnectionPool() as pool:
            response = pool.handle_request(request)
            assert response.read() == b"ok"
            response.close()

    assert [one["name"] for one in outgoing.record(view).said()] == ["GET /core"]
    assert vars(request) == before
    assert "traceparent" in neighbour.headers[-1]


@both
def test_http2(ask: Ask) -> None:
    needs.module("h2")
    outgoing.patch("httpx")
    server = socket.create_server(("127.0.0.1", 0))
    came: list[dict[str, str]] = []
    thread = threading.Thread(target=answer_http2, args=(server, came))
    thread.start()
    url = f"http://127.0.0.1:{server.getsockname()[1]}/two"
    versions = []

    def view() -> None:
        versions.append(ask("GET", url, client={"http1": False, "http2": True}).http_version)

    seen = outgoing.record(view, caller=CALLER)
    thread.join()
    server.close()
    assert versions == ["HTTP/2"]
    assert [(one["name"], one["data"], one["resultCode"]) for one in seen.said()] == [("GET /two", url, "200")]
    assert came[0]["tracestate"] == "a=1"
    assert came[0]["traceparent"] == outgoing.parent_of(seen.calls[0])


def answer_http2(server: socket.socket, came: list[dict[str, str]]) -> None:
    """Answer the first request of one connection, and keep its headers."""
    import h2.config
    import h2.connection
    import h2.events

    connection, _ = server.accept()
    with connection:
        h2_config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        state = h2.connection.H2Connection(h2_config)
        state.initiate_connection()
        connection.sendall(state.data_to_send())
        while True:
            data = connection.recv(65_536)
            if not data:
                return
            for event in state.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    came.append(dict(event.headers))
                    state.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
            connection.sendall(state.data_to_send())


def test_calls_at_the_same_time(neighbour: outgoing.Neighbour) -> None:
    width = 50

    async def run() -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            await asyncio.gather(*(client.get(f"{neighbour.url}/at-once/{number}x") for number in range(width)))

    before = len(neighbour.headers)
    seen = outgoing.record(lambda: asyncio.run(run()))
    assert {one["name"] for one in seen.said()} == {f"GET /at-once/{number}x" for number in range(width)}
    assert len({said(call)["id"] for call in seen.calls}) == width
    sent = {headers["traceparent"] for headers in neighbour.headers[before:]}
    assert sent == {outgoing.parent_of(call) for call in seen.calls}


def test_cancelled_tasks_are_failed_calls(neighbour: outgoing.Neighbour) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}/slow"

    async def run() -> None:
        async with httpx.AsyncClient() as client:
            task = asyncio.create_task(client.get(url))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await client.get(neighbour.url)

    told = [(one["data"], one["resultCode"]) for one in outgoing.record(lambda: asyncio.run(run())).said()]
    silent.close()
    assert told == [(url, "CancelledError"), (f"{neighbour.url}/", "200")]


def test_calls_that_make_a_body_are_told(neighbour: outgoing.Neighbour) -> None:
    def body() -> Iterator[bytes]:
        yield ask("GET", f"{neighbour.url}/inner").content

    def view() -> None:
        ask("POST", f"{neighbour.url}/outer", content=body(), headers={"Content-Length": "2"})

    assert [one["name"] for one in outgoing.record(view).said()] == ["GET /inner", "POST /outer"]


@both
def test_nothing_is_recorded_outside_of_requests(neighbour: outgoing.Neighbour, ask: Ask) -> None:
    assert ask("GET", neighbour.url).text == "ok"
    assert "traceparent" not in neighbour.headers[-1]
