"""A request that fails brings the exception along: one, under the request, with its stack and what led to it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
import urllib.error
import weakref
from email.message import Message
from typing import Any

import pytest

from autotrace import exceptions, wsgi
from autotrace.recorder import Recorder
from autotrace.recorders import Recorders
from tests.endpoint import Endpoint
from tests.harness import Request, Server, environment, gunicorn, load, run_code, serve, uvicorn
from tests.recordings import Kept, Shop, environ, said, visit

STACKS = {
    "flask": gunicorn("flask_app:app"),
    "django": gunicorn("django_app:application"),
    "pyramid": gunicorn("pyramid_app:app"),
    "django-asgi": uvicorn("django_app:asgi_application"),
}
# Target → the exception that is to arrive, its message, and the function that raised it; None for none.
FAILING = {
    "/boom": ("ValueError", "boom in the view", "boom"),
    "/handled": ("bodies.HandledError", "handled by a page", "handled"),
    "/middleware-boom": ("RuntimeError", "the gate broke", None),
    "/stream-boom": ("RuntimeError", "the stream broke", "broken_stream"),
    "/users/1": None,
    "/missing": None,
    "/forbidden": None,
    "/redirect": None,
}
TRACE = "00-{:032x}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module", params=STACKS)
def arrived(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return what arrived of each target, after a failing and a good request on the same thread."""
    traces = {f"{number:032x}": target for number, target in enumerate(FAILING, 1)}
    found: dict[str, list[Any]] = {target: [] for target in FAILING}
    with Endpoint() as endpoint:
        with serve(STACKS[request.param], tmp_path_factory.mktemp("server"), endpoint) as server:
            for trace, target in traces.items():
                send(server, target, TRACE.format(int(trace, 16)))
            server.stop()
            assert not [line for line in server.stderr().splitlines() if line.startswith("autotrace")]
        assert not endpoint.invalid
        for item in endpoint.items:
            found[traces[item["tags"]["ai.operation.id"]]].append(item)
    return found


def send(server: Server, target: str, trace: str) -> None:
    try:
        load(server.port, [Request("GET", target, {"traceparent": trace, "User-Agent": "probe/1"})], connections=1)
    except Exception:
        # The body broke off, as it should.
        assert target == "/stream-boom"


@pytest.mark.parametrize("target", FAILING)
def test_a_failing_request_has_its_exception(arrived: dict[str, list[Any]], target: str) -> None:
    expected = FAILING[target]
    requests = [item for item in arrived[target] if item["data"]["baseType"] == "RequestData"]
    failures = [item for item in arrived[target] if item["data"]["baseType"] == "ExceptionData"]
    assert len(requests) == 1
    if expected is None:
        assert failures == []
        return
    (failure,) = failures
    kind, message, function = expected
    tags = requests[0]["tags"]
    assert failure["tags"] == {**tags, "ai.operation.parentId": said(requests[0])["id"]}
    first = said(failure)["exceptions"][0]
    assert (first["typeName"], first["message"], first["hasFullStack"]) == (kind, message, True)
    stack = first["parsedStack"]
    assert [frame["level"] for frame in stack] == list(range(len(stack)))
    assert not [frame for frame in stack if frame["assembly"] == "autotrace"]
    module = stack[0]["assembly"]
    assert pathlib.Path(stack[0]["fileName"]).name == f"{module}.py"
    if function is not None:
        assert stack[0]["method"].endswith(function)
    assert said(failure)["problemId"] == f"{kind} at {stack[0]['method']}"


def failing(raises: Any, **settings: str) -> list[dict[str, Any]]:
    """Return the items of one request whose view calls `raises`."""
    kept = Kept(settings)
    shop = Shop(Recorder(kept))
    shop.view = raises
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever it raises
        visit(shop)
    return kept.items()


def told(raises: Any) -> dict[str, Any]:
    """Return the ExceptionData of a request whose view calls `raises`."""
    return said(failing(raises)[1])


def test_causes_are_told_each_once_with_what_they_led_to() -> None:
    def raises() -> None:
        try:
            try:
                raise KeyError("price")
            except KeyError:
                raise TypeError("no price")  # noqa: B904 - as applications do
        except TypeError as error:
            raise RuntimeError("no offer") from error

    chain = told(raises)["exceptions"]
    assert [(one["id"], one.get("outerId"), one["typeName"]) for one in chain] == [
        (1, None, "RuntimeError"),
        (2, 1, "TypeError"),
        (3, 2, "KeyError"),
    ]


def test_what_an_exception_hides_is_not_told() -> None:
    def raises() -> None:
        try:
            raise KeyError("secret")
        except KeyError:
            raise RuntimeError("no offer") from None

    assert [one["typeName"] for one in told(raises)["exceptions"]] == ["RuntimeError"]


def test_a_chain_that_bites_its_tail_ends() -> None:
    def raises() -> None:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    assert [one["message"] for one in told(raises)["exceptions"]] == ["first", "second"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Python 3.11 brought groups of exceptions")
def test_the_members_of_a_group_are_told() -> None:
    def raises() -> None:
        raise ExceptionGroup("two", [ValueError("a"), KeyError("b")])  # type: ignore[name-defined,unused-ignore]  # noqa: F821

    chain = told(raises)["exceptions"]
    assert [(one["typeName"], one.get("outerId")) for one in chain] == [
        ("ExceptionGroup", None),
        ("ValueError", 1),
        ("KeyError", 1),
    ]


def test_a_recursion_without_end_is_told_from_both_ends() -> None:
    def raises() -> None:
        raises()

    (one,) = told(raises)["exceptions"]
    assert one["typeName"] == "RecursionError"
    assert one["hasFullStack"] is False
    levels = [frame["level"] for frame in one["parsedStack"]]
    assert levels == sorted(set(levels))
    assert levels[0] == 0
    assert levels[-1] > 500
    assert one["parsedStack"][-1]["method"].endswith("answer")


@pytest.mark.parametrize("text", ["x" * 200_000, "\x00" * 200_000, "ü" * 200_000, "\U0001f600\ud800" * 50_000, ""])
def test_a_message_of_any_kind_and_length_fits(text: str) -> None:
    def raises() -> None:
        try:
            raise ValueError(text)
        except ValueError:
            raise KeyError(text)  # noqa: B904 - as applications do

    # `Kept` looks at every limit.
    data = told(raises)
    assert data["exceptions"][0]["message"]
    assert data["exceptions"][1]["message"].startswith(text[:1].replace("\ud800", "?") or "ValueError")
    assert len(data["exceptions"][0]["parsedStack"]) > 2


def test_an_exception_without_a_text_is_told() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise OSError("mute")

    def raises() -> None:
        raise MuteError

    (one,) = told(raises)["exceptions"]
    assert one["message"] == "<its text cannot be had: OSError>"
    assert one["typeName"].endswith("MuteError")


def test_what_looks_like_an_answer_and_is_none() -> None:
    def calls_another_service() -> None:
        raise urllib.error.HTTPError("http://other.test", 404, "Not Found", Message(), None)

    def ends() -> None:
        # What gunicorn does to a worker whose request takes too long.
        sys.exit(1)

    assert told(calls_another_service)["exceptions"][0]["typeName"] == "urllib.error.HTTPError"
    assert told(ends)["exceptions"][0]["typeName"] == "SystemExit"


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    """An exception that refuses to be changed, as dataclasses can be."""

    price: int


class OddError(Exception):
    """An exception whose attributes are traps."""

    @property
    def code(self) -> int:
        raise OSError("no code")

    status_int = exceptions = original_exception = code


@pytest.mark.parametrize("error", [FrozenError(7), OddError("odd")])
def test_an_exception_that_is_hard_to_handle_escapes_as_it_is(error: Exception) -> None:
    def raises() -> None:
        raise error

    kept = Kept()
    shop = Shop(Recorder(kept))
    shop.view = raises
    with pytest.raises(type(error)) as caught:
        visit(shop)
    assert caught.value is error
    assert len(kept.items()) == 2


def test_an_odd_exception_in_flask(tmp_path: pathlib.Path) -> None:
    with Endpoint() as endpoint, serve(STACKS["flask"], tmp_path, endpoint) as server:
        (answer,) = load(server.port, [Request("GET", "/odd")])
        assert answer.status == 500
        server.stop()
        assert [item["data"]["baseType"] for item in endpoint.items] == ["RequestData", "ExceptionData"]


def test_a_cause_that_is_false_is_told() -> None:
    class EmptyError(Exception):
        def __len__(self) -> int:
            return 0

    def raises() -> None:
        raise RuntimeError("no") from EmptyError("empty")

    assert [one["message"] for one in told(raises)["exceptions"]] == ["no", "empty"]


@pytest.mark.parametrize("name", ["\x00" * 1024, "\U0001f600" * 1024, '"' * 1024])
def test_a_chain_of_the_longest_names_fits(name: str) -> None:
    kind: Any = type(name.replace("\x00", "\x01"), (Exception,), {"__module__": "shop"})

    def raises(depth: int = 9) -> None:
        try:
            if depth:
                raises(depth - 1)
        finally:
            raise kind(name * 24)

    # `Kept` looks at every limit.
    assert told(raises)["exceptions"][0]["parsedStack"]


def test_a_body_that_cannot_be_closed_has_failed() -> None:
    class BadBody:
        def __iter__(self) -> Any:
            return iter([b"x"])

        def close(self) -> None:
            raise OSError("cannot close")

    kept = Kept()
    shop = Shop(Recorder(kept))
    visit(shop)
    kept.items()

    class Streaming(Shop):
        def answer(self, environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [])
            return BadBody()

        __call__ = wsgi.traced(answer, Recorders(lambda shop: shop.recorder))

    body: Any = Streaming(Recorder(kept))(environ(), lambda status, headers: None)
    assert list(body) == [b"x"]
    assert [said(item)["success"] for item in kept.items()] == [True]
    body = Streaming(Recorder(kept))(environ(), lambda status, headers: None)
    with pytest.raises(OSError, match="cannot close"):
        body.close()
    request, failure = kept.items()
    assert said(request)["success"] is False
    assert said(failure)["exceptions"][0]["message"] == "cannot close"


FLASK = """
import io, sys
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

class TextCode(HTTPException):
    code = "409"

class Trap(Exception):
    def __bool__(self):
        raise Trap("trap")
    def __str__(self):
        raise OSError("no text")

class Service(Exception):
    def __init__(self, message, original):
        super().__init__(message)
        self.original_exception = original

app = Flask("shop")

@app.route("/text")
def text():
    raise TextCode()

@app.route("/trap")
def trap():
    raise Service("trap", Trap()) from Trap()

@app.route("/upstream")
def upstream():
    raise Service("service failed", "upstream text")

app.register_error_handler(Service, lambda error: ("gateway", 502))
for path in sys.argv[1:] or ("/text", "/trap", "/upstream"):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "SERVER_NAME": "s", "SERVER_PORT": "80", "HTTP_HOST": "s",
               "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
    print(path, b"".join(app(environ, lambda status, headers, exc_info=None: print(status))).decode()[:7])
"""
DJANGO = """
import io, sys
from django.conf import settings
settings.configure(ROOT_URLCONF="__main__", ALLOWED_HOSTS=["*"], SECRET_KEY="x")
from django.core.exceptions import PermissionDenied
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.test import Client
from django.urls import path

class Lazy:
    def __repr__(self):
        print("asked")
        return "lazy"

def refused(request):
    raise PermissionDenied("no access to", Lazy())

def boom(request):
    raise ValueError("boom")

def outer(request):
    Client(raise_request_exception=False).get("/boom")
    return HttpResponse("busy", status=503)

urlpatterns = [path("refused", refused), path("boom", boom), path("outer", outer)]
app = get_wsgi_application()
for target in ("/refused", "/outer"):
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": target, "SERVER_NAME": "s", "SERVER_PORT": "80", "HTTP_HOST": "s",
               "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr}
    app(environ, lambda status, headers: print(status))
"""


def test_flask_answers_odd_exceptions_as_it_does_alone(tmp_path: pathlib.Path) -> None:
    done = run_code(FLASK, environment(tmp_path, None))
    assert done.code == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()][::2] == ["409", "502", "502"]
    why = [line for line in done.stderr.splitlines() if "  exception  " in line]
    assert len(why) == 2
    assert "Service at upstream" in why[1].replace("__main__.", "")
    assert "service failed" in why[1]


def test_django_is_asked_for_no_text_it_would_not_make(tmp_path: pathlib.Path) -> None:
    done = run_code(DJANGO, environment(tmp_path, None))
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines() == ["403 Forbidden", "503 Service Unavailable"]
    # The exception of the request inside is not what made the other one fail.
    assert "  exception  " not in done.stderr


def test_nothing_of_an_exception_is_kept_alive() -> None:
    class Big:
        pass

    seen: list[Any] = []

    def fail() -> None:
        big = Big()
        seen.append(weakref.ref(big))
        raise ValueError(f"failed with {id(big)}")

    def read() -> exceptions.Failure:
        try:
            fail()
        except ValueError as error:
            return exceptions.read(error)
        raise AssertionError

    failure = read()
    assert seen[0]() is None
    assert failure.chain[0].frames[0].code is fail.__code__


def test_the_sampling_rate_stands_on_both() -> None:
    kept = Kept()
    shop = Shop(Recorder(kept, rate=50.0))

    def raises() -> None:
        raise ValueError("no")

    shop.view = raises
    for _ in range(100):
        with pytest.raises(ValueError, match="no"):
            visit(shop)
    items = kept.items()
    assert 0 < len(items) < 200
    assert len(items) % 2 == 0
    assert {item["sampleRate"] for item in items} == {50.0}


def test_an_exception_below_500_is_no_failure() -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))

    def answers() -> None:
        from autotrace.current import CURRENT

        CURRENT.get().note(ValueError("handled"))

    shop.view, shop.status = answers, "404 Not Found"
    visit(shop)
    assert [item["data"]["baseType"] for item in kept.items()] == ["RequestData"]
    shop.status = "500 Internal Server Error"
    visit(shop)
    assert [item["data"]["baseType"] for item in kept.items()] == ["RequestData", "ExceptionData"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before Python 3.11 a function cannot hide its frame")
@pytest.mark.parametrize("stack", ["flask", "pyramid"])
def test_the_application_s_tracebacks_do_not_show_us(stack: str, tmp_path: pathlib.Path) -> None:
    with Endpoint() as endpoint, serve(STACKS[stack], tmp_path, endpoint) as server:
        for target in ("/boom", "/middleware-boom", "/stream-boom"):
            send(server, target, TRACE.format(7))
        server.stop()
        said_by_server = server.stderr()
    assert "boom in the view" in said_by_server
    assert "the stream broke" in said_by_server
    assert "/autotrace/" not in said_by_server, said_by_server


def test_the_console_says_why(tmp_path: pathlib.Path) -> None:
    with serve(STACKS["flask"], tmp_path, env={"AUTOTRACE_EXPORTER": "console"}) as server:
        load(server.port, [Request("GET", "/boom")])
        server.stop()
        lines = [line for line in server.stderr().splitlines() if line.startswith("autotrace: ")]
    assert any("exception  ValueError at flask_app." in line and "boom in the view" in line for line in lines), lines


def test_details_are_strict_json() -> None:
    try:
        raise ValueError("\ud800")
    except ValueError as error:
        data = exceptions.details(exceptions.read(error))
    assert json.loads(json.dumps(data, ensure_ascii=False, allow_nan=False).encode("utf-8")) == data
