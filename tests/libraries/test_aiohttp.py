"""aiohttp's client: each hop is one call, and the application's objects stay its own."""

from __future__ import annotations

import asyncio
import socket
import traceback
from typing import Any, AsyncIterator, Awaitable, Callable, Iterator

import pytest

from tests import needs, outgoing
from tests.forward import ForwardProxy
from tests.harness import free_port
from tests.recordings import said

aiohttp = needs.module("aiohttp")
multidict = needs.module("multidict")
CALLER = {"HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "HTTP_TRACESTATE": "a=1"}


@pytest.fixture(scope="module")
def neighbour() -> Iterator[outgoing.Neighbour]:
    outgoing.patch("aiohttp")
    with outgoing.neighbour() as running:
        yield running


def record(use: Callable[[Any], Awaitable[object]], caller: Any = None, **options: Any) -> outgoing.Seen:
    """Record a request that uses a session; `options` are the session's."""

    async def run() -> None:
        async with aiohttp.ClientSession(**options) as session:
            await use(session)

    return outgoing.record(lambda: asyncio.run(run()), caller=caller)


def told(seen: outgoing.Seen) -> list[tuple[str, str, bool]]:
    return [(one["data"], one["resultCode"], one["success"]) for one in seen.said()]


def test_a_call_is_told_without_secrets(neighbour: outgoing.Neighbour) -> None:
    url = neighbour.url.replace("//", "//clerk:hunter2@")

    async def use(session: Any) -> None:
        async with session.post(f"{url}/items/7?token=s3cret#part", data=b"body", params={"more": "s3cret"}) as answer:
            assert await answer.read() == b"ok"
            assert "traceparent" not in answer.request_info.headers

    seen = record(use)
    assert seen.said() == [
        {
            "name": "POST /items/7",
            "resultCode": "200",
            "success": True,
            "type": "Http",
            "target": neighbour.site,
            "data": f"{neighbour.url}/items/7?token=REDACTED&more=REDACTED",
        }
    ]
    assert neighbour.headers[-1]["traceparent"] == outgoing.parent_of(seen.calls[0])
    assert neighbour.headers[-1]["content-length"] == "4"


def test_relative_addresses(neighbour: outgoing.Neighbour) -> None:
    async def use(session: Any) -> None:
        async with session.get("/below?a=b"):
            pass

    assert told(record(use, base_url=neighbour.url)) == [(f"{neighbour.url}/below?a=REDACTED", "200", True)]


def test_hops_and_statuses(neighbour: outgoing.Neighbour) -> None:
    async def use(session: Any) -> None:
        async with session.get(f"{neighbour.url}/redirect/404") as answer:
            assert len(answer.history) == 1

    seen = record(use)
    assert told(seen) == [(f"{neighbour.url}/redirect/404", "302", True), (f"{neighbour.url}/404", "404", False)]
    sent = [headers["traceparent"] for headers in neighbour.headers[-2:]]
    assert sent == [outgoing.parent_of(call) for call in seen.calls]


@pytest.mark.parametrize("kind", [dict, lambda pairs: list(pairs), lambda pairs: multidict.CIMultiDict(pairs)])
def test_headers_of_any_kind(neighbour: outgoing.Neighbour, kind: Any) -> None:
    headers, own = kind([("X-Own", "1")]), kind([("TraceParent", "of its own")])
    before = (list(headers), list(own))

    async def use(session: Any) -> None:
        for given in (headers, None, own):
            async with session.get(neighbour.url, headers=given):
                pass

    seen = record(use, caller=CALLER)
    came = neighbour.headers[-3:]
    assert [headers.get("x-own") for headers in came] == ["1", None, None]
    assert [headers["traceparent"] for headers in came] == [*map(outgoing.parent_of, seen.calls[:2]), "of its own"]
    assert [headers.get("tracestate") for headers in came] == ["a=1", "a=1", None]
    assert (list(headers), list(own)) == before


def test_headers_of_the_session_stay(neighbour: outgoing.Neighbour) -> None:
    async def use(session: Any) -> None:
        async with session.get(neighbour.url):
            pass

    record(use, headers={"traceparent": "of the session"})
    assert neighbour.headers[-1]["traceparent"] == "of the session"


def test_failures_are_calls_too(neighbour: outgoing.Neighbour) -> None:
    nobody = f"http://127.0.0.1:{free_port()}/x"
    silent = socket.create_server(("127.0.0.1", 0))
    slow = f"http://127.0.0.1:{silent.getsockname()[1]}/slow"
    frames: list[traceback.FrameSummary] = []

    async def use(session: Any) -> None:
        with pytest.raises(aiohttp.ClientConnectorError) as info:
            await session.get(nobody)
        frames.extend(traceback.extract_tb(info.value.__traceback__))
        for timeout in (aiohttp.ClientTimeout(total=0.1), aiohttp.ClientTimeout(sock_read=0.1)):
            with pytest.raises(asyncio.TimeoutError):
                await session.get(slow, timeout=timeout)
        with pytest.raises(aiohttp.InvalidURL):
            await session.get("http:///nowhere")
        task = asyncio.ensure_future(session.get(slow))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    seen = told(record(use))
    silent.close()
    assert seen[0][::2] == (nobody, False)
    assert seen[0][1].startswith("ClientConnector")
    assert seen[1] == (slow, "TimeoutError", False)
    assert "Timeout" in seen[2][1]
    assert seen[3:] == [(slow, "CancelledError", False)]
    if outgoing.HIDES_FRAMES:
        assert not [frame for frame in frames if "autotrace/" in frame.filename]


def test_a_timeout_while_it_waits_for_a_connection(neighbour: outgoing.Neighbour) -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    slow = f"http://127.0.0.1:{silent.getsockname()[1]}"

    async def run() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
            first = asyncio.ensure_future(session.get(f"{slow}/first"))
            await asyncio.sleep(0.05)
            with pytest.raises(asyncio.TimeoutError):
                await session.get(f"{slow}/late", timeout=aiohttp.ClientTimeout(total=0.05))
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)

    seen = told(outgoing.record(lambda: asyncio.run(run())))
    silent.close()
    assert seen == [(f"{slow}/late", "TimeoutError", False), (f"{slow}/first", "CancelledError", False)]


def test_a_proxy_is_not_what_is_called(neighbour: outgoing.Neighbour) -> None:
    with ForwardProxy() as proxy:
        at = f"http://127.0.0.1:{proxy.port}"
        url = f"http://neighbour.test:{neighbour.port}/far"
        secret = f"https://neighbour.test:{neighbour.port}/tls"

        async def use(session: Any) -> None:
            async with session.post(url, data=b"body", proxy=at):
                pass
            with pytest.raises(aiohttp.ClientError):
                # Nobody speaks TLS there.
                await session.get(secret, proxy=at)

        seen = record(use)
        assert proxy.asked == [url, f"neighbour.test:{neighbour.port}"]
    assert [(data, ok) for data, _, ok in told(seen)] == [(url, True), (secret, False)]


def test_calls_at_the_same_time(neighbour: outgoing.Neighbour) -> None:
    async def use(session: Any) -> None:
        async def one(number: int) -> None:
            async with session.get(f"{neighbour.url}/at-once/{number}x"):
                pass

        await asyncio.gather(*map(one, range(50)))

    before = len(neighbour.headers)
    seen = record(use)
    assert len({said(call)["id"] for call in seen.calls}) == 50
    sent = {headers["traceparent"] for headers in neighbour.headers[before:]}
    assert sent == {outgoing.parent_of(call) for call in seen.calls}


def test_calls_that_make_a_body_are_told(neighbour: outgoing.Neighbour) -> None:
    async def use(session: Any) -> None:
        async def body() -> AsyncIterator[bytes]:
            async with session.get(f"{neighbour.url}/inner") as answer:
                yield await answer.read()

        async with session.post(f"{neighbour.url}/outer", data=body(), headers={"Content-Length": "2"}):
            pass

    assert [one["name"] for one in record(use).said()] == ["GET /inner", "POST /outer"]


def test_websockets(neighbour: outgoing.Neighbour) -> None:
    from aiohttp import web

    async def echo(request: Any) -> Any:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(request.headers["traceparent"] + message.data)
            break
        return socket

    async def use(session: Any) -> None:
        application = web.Application()
        application.router.add_get("/ws", echo)
        runner = web.AppRunner(application)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        async with session.ws_connect(f"http://127.0.0.1:{port}/ws") as channel:
            await channel.send_str("!")
            answers.append((await channel.receive()).data)
        await runner.cleanup()

    answers: list[str] = []
    seen = record(use)
    assert [(one["name"], one["resultCode"], one["success"]) for one in seen.said()] == [("GET /ws", "101", True)]
    assert answers == [outgoing.parent_of(seen.calls[0]) + "!"]


def test_nothing_is_recorded_outside_of_requests(neighbour: outgoing.Neighbour) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as session, session.get(neighbour.url) as answer:
            assert await answer.read() == b"ok"

    asyncio.run(run())
    assert "traceparent" not in neighbour.headers[-1]
