"""Outgoing calls recorded in this process: libraries patched as at their import, and requests whose views use them."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import threading
import traceback
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Iterator, Mapping, NamedTuple

from autotrace import targets
from autotrace.recorder import Recorder
from tests.recordings import Kept, Shop, said, visit


@lru_cache(maxsize=None)
def patch(name: str) -> None:
    """Patch a library of the settings' list in this process; it stays patched."""
    for target, hook in targets.LIBRARIES:
        if targets.name_of(hook) == name:
            where, _, function = hook.partition(":")
            # An old version of a library may not have all of them.
            with contextlib.suppress(ModuleNotFoundError):
                module = importlib.import_module(target)
                getattr(importlib.import_module(where), function)(module)


def patch_installed(name: str) -> None:
    """Patch a library of the settings' list in this process if it is installed."""
    with contextlib.suppress(ImportError):
        patch(name)


class Seen(NamedTuple):
    """What a request left: its item, and those of the calls in it in the order of their ends."""

    request: dict[str, Any]
    calls: list[dict[str, Any]]

    def said(self) -> list[dict[str, Any]]:
        """Return what the calls say, but for what differs from run to run."""
        return [{key: value for key, value in said(item).items() if key not in _VARIES} for item in self.calls]


_VARIES = ("ver", "id", "duration", "properties")
# Before it the interpreter puts frames back into a traceback.
HIDES_FRAMES = sys.version_info >= (3, 11)


def record(
    view: Callable[[], object],
    env: Mapping[str, str] | None = None,
    caller: Mapping[str, str] | None = None,
    **recorder: Any,
) -> Seen:
    """Record a request that runs `view`. Each call must hang under it, or under another one.

    `caller` are the headers that the request comes with, as in an environ; `recorder` are options of the Recorder.
    """
    kept = Kept(env)
    shop = Shop(Recorder(kept, **recorder))
    shop.view = view
    visit(shop, **(caller or {}))
    items = kept.items()
    (request,) = (item for item in items if item["data"]["baseType"] == "RequestData")
    calls = [item for item in items if item["data"]["baseType"] == "RemoteDependencyData"]
    # One may be made in the middle of another, by code of the application.
    parents = {said(item)["id"] for item in (request, *calls)}
    for item in calls:
        assert item["tags"]["ai.operation.id"] == request["tags"]["ai.operation.id"]
        assert item["tags"]["ai.operation.parentId"] in parents
    return Seen(request, calls)


def parent_of(call: dict[str, Any], flag: str = "01") -> str:
    """Return the traceparent header that a call should have sent."""
    return f"00-{call['tags']['ai.operation.id']}-{said(call)['id']}-{flag}"


def frames_of_ours(error: BaseException) -> list[str]:
    """Return the files of autotrace in the traceback of an exception, and in those of what led to it.

    None where the interpreter puts them back, before Python 3.11.
    """
    if sys.version_info < (3, 11):
        return []
    files = []
    one: BaseException | None = error
    while one is not None:
        files += [frame.f_code.co_filename for frame, _ in traceback.walk_tb(one.__traceback__)]
        one = one.__cause__ or one.__context__
    return [file for file in files if file.startswith(os.path.dirname(targets.__file__))]


class Neighbour:
    """Another HTTP service: `url` is where it listens, `headers` what each request came with.

    A path that ends in three digits is answered with that status; one of `/redirect/...` leads to the rest of it.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.site = f"127.0.0.1:{port}"
        self.url = f"http://{self.site}"
        self.headers: list[dict[str, str]] = []


@contextlib.contextmanager
def neighbour() -> Iterator[Neighbour]:
    """Run another service."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            running.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = self.path.partition("?")[0]
            last = path.rpartition("/")[2]
            self.send_response(
                302 if path.startswith("/redirect") else int(last) if last.isdigit() and len(last) == 3 else 200
            )
            if path.startswith("/redirect"):
                self.send_header("Location", path[len("/redirect") :])
            self.send_header("Content-Length", "2")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"ok")

        do_POST = do_HEAD = do_PUT = do_GET  # noqa: N815 - the names of http.server

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        # Many may come at once.
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = Neighbour(server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
