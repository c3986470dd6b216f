"""Odd but legal Flask applications and middleware: `python flask_odd.py` says what each of them saw."""

from __future__ import annotations

import contextlib
import copy
import gc
import time
import weakref
from typing import Any, Callable, Iterator

import odd
from flask import Flask, Response, request
from opencensus.trace import execution_context, samplers
from opencensus.trace.tracer import Tracer

SEEN: dict[str, Any] = {}
App = Callable[..., Any]


def make(name: str, view: Callable[[], Any] = lambda: "ok") -> Flask:
    """Make an application with one view at /<name>/<number>."""
    app = Flask(name)
    app.add_url_rule(f"/{name}/<number>", name, lambda number: view())
    return app


def answer(name: str, body: Any) -> Flask:
    """Make an application whose outermost layer answers with `body` as it is."""
    app = Flask(name)
    app.wsgi_app = lambda environ, start_response: (start_response("200 OK", []), body)[1]
    return app


def keyword_exc_info() -> Any:
    app = make("keyword")
    inner = app.wsgi_app

    def outer(environ: Any, start_response: App) -> Any:
        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, headers, exc_info=exc_info)

        return inner(environ, start)

    app.wsgi_app = outer
    return odd.ask(app, "/keyword/1")


def keyword_all() -> Any:
    app = Flask("keywords")

    def answer(environ: Any, start_response: App) -> Any:
        start_response(status="202 Accepted", headers=[], exc_info=None)
        return [b"later"]

    app.wsgi_app = answer
    return odd.ask(app, "/keywords/1")


class Unsized:
    """A body whose length must not be asked for."""

    asked = 0

    def __len__(self) -> int:
        Unsized.asked += 1
        raise RuntimeError("no length")

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"unsized"])


def raising_len() -> Any:
    app = make("unsized", lambda: Response(Unsized()))  # type: ignore[arg-type]
    return [odd.ask(app, "/unsized/1"), Unsized.asked]


def freed() -> Any:
    """Say which environs and request objects are alive after the answer, by reference counts alone."""
    views: dict[str, Callable[[], Any]] = {
        "plain": lambda: "ok",
        "span": spanning,
        "attribute": attributing,
        "stream": lambda: Response(streaming()),
        "current": lambda: str(bool(execution_context.get_current_span()))[:0],
    }
    alive = {}
    for name, view in views.items():
        app = make(f"freed-{name}", remembering(view))
        for number in range(2):
            environ = odd.environ(f"/freed-{name}/{number}")
            ref = weakref.ref(environ)
            odd.ask(app, environ)
            del environ
            alive[f"{name} {number}"] = [ref() is not None, SEEN["request"]() is not None]
    return alive


def remembering(view: Callable[[], Any]) -> Callable[[], Any]:
    def remember() -> Any:
        SEEN["request"] = weakref.ref(request._get_current_object())
        return view()

    return remember


def spanning() -> str:
    with execution_context.get_opencensus_tracer().span("within"):
        return "ok"


def attributing() -> str:
    execution_context.get_opencensus_tracer().add_attribute_to_current_span("a", "b")
    return "ok"


def streaming() -> Iterator[bytes]:
    with execution_context.get_opencensus_tracer().span("across"):
        yield b"1"
        yield b"2"


class Kept:
    """An exporter of the application's own."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {}

    def export(self, span_datas: list[Any]) -> None:
        self.names.update({data.name: data.parent_span_id for data in span_datas})


def own_tracer() -> Any:
    """Trace in a view with a tracer that is made there; return which spans are roots."""
    kept = Kept()

    def view() -> str:
        tracer = Tracer(exporter=kept, sampler=samplers.AlwaysOnSampler())
        with tracer.span("root"), execution_context.get_opencensus_tracer().span("child"):
            pass
        tracer.end_span()
        tracer.finish()
        return "ok"

    answered = odd.ask(make("own", view), "/own/1")
    return [answered, {name: parent is None for name, parent in kept.names.items()}]


def hooked_tracer() -> Any:
    """Trace requests by hand, from before_request to after_request."""
    kept = Kept()
    app = make("hooked", lambda: str(spanning()))

    @app.before_request
    def begin() -> None:
        Tracer(exporter=kept, sampler=samplers.AlwaysOnSampler()).start_span("request")

    @app.after_request
    def end(response: Response) -> Response:
        tracer = execution_context.get_opencensus_tracer()
        tracer.add_attribute_to_current_span("status", response.status_code)
        tracer.end_span()
        tracer.finish()
        return response

    return [odd.ask(app, "/hooked/1"), {name: parent is None for name, parent in kept.names.items()}]


def unbalanced() -> Any:
    def view() -> str:
        tracer = execution_context.get_opencensus_tracer()
        with tracer.span("balanced"):
            tracer.end_span()
            tracer.end_span()
        tracer.end_span()
        tracer.add_attribute_to_current_span("afterwards", "there")
        return "ok"

    return odd.ask(make("unbalanced", view), "/unbalanced/1")


def collected() -> Any:
    """List the spans that are open."""

    def view() -> str:
        tracer = execution_context.get_opencensus_tracer()
        with tracer.span("open"):
            SEEN["collected"] = [span.name for span in tracer.list_collected_spans() or ()]
        return "ok"

    return odd.ask(make("collected", view), "/collected/1")


class Unprintable:
    """What nothing can be made of."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def unexportable() -> Any:
    """End spans that no exporter can make anything of, with and without the tracer."""

    def by_tracer() -> str:
        for part in ("name", "start_time", "attributes", "status"):
            with execution_context.get_opencensus_tracer().span("bad") as span:
                setattr(span, part, Unprintable())
        return "ok"

    def by_span() -> str:
        current = execution_context.get_current_span()
        if current is not None:
            for part in ("name", "start_time", "attributes", "status"):
                with current.span("bad") as span:
                    setattr(span, part, Unprintable())
        return "ok"

    by = {"by-tracer": by_tracer, "by-span": by_span}
    return [odd.ask(make(name, view), f"/{name}/1") for name, view in by.items()]


def late_start() -> Any:
    """Run the application, then answer from a generator that starts the response later."""
    app = make("late")
    inner = app.wsgi_app

    def outer(environ: Any, start_response: App) -> Any:
        began = time.perf_counter()
        started: list[Any] = []
        chunks = inner(environ, lambda *args: started.append(args))

        def generate() -> Iterator[bytes]:
            time.sleep(0.05)
            start_response(*started[0])
            for chunk in chunks:
                yield chunk.upper()
            SEEN["took"] = time.perf_counter() - began

        return generate()

    app.wsgi_app = outer
    return odd.ask(app, "/late/1")


def copied() -> Any:
    app = make("copied", spanning)
    inner = app.wsgi_app
    app.wsgi_app = lambda environ, start_response: inner(dict(environ), start_response)
    return odd.ask(app, "/copied/1")


class Again:
    """A body that can be iterated more than once."""

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"1", b"2"])


class Chunks(list):  # type: ignore[type-arg]
    """A body in memory of the application's own type."""


def bodies() -> Any:
    """Do with bodies what middleware outside the application may do with them."""
    again = answer("again", Again())(odd.environ("/again/1"), lambda *args: None)
    twice = [[chunk.decode() for chunk in again] for _ in range(2)]
    chunks = answer("chunks", Chunks([b"1"]))(odd.environ("/chunks/1"), lambda *args: None)
    copied = copy.copy(answer("copy", Again())(odd.environ("/copy/1"), lambda *args: None))
    return [twice, type(chunks).__name__, chunks[0].decode(), [chunk.decode() for chunk in copied]]


def copied_generator() -> Any:
    """Copy a streamed body, which Python refuses for a generator; a recursion would be another matter."""
    body = answer("generated", streaming())(odd.environ("/generated/1"), lambda *args: None)
    with contextlib.suppress(TypeError):
        copy.copy(body)
    return b"".join(body).decode()


def taken_over() -> Any:
    """Leave by StopIteration, as an application that took the socket over."""
    app = Flask("taken")

    def leave(environ: Any, start_response: App) -> Any:
        raise StopIteration("mine now")

    app.wsgi_app = leave
    try:
        odd.ask(app, "/taken/1")
    except StopIteration as error:
        return repr(error)


def nested() -> Any:
    """Send the application requests from inside a view and from inside a streamed body."""
    app = make("nested")

    @app.route("/inside")
    def inside() -> str:
        with execution_context.get_opencensus_tracer().span("in " + request.args["by"]):
            return "inside"

    @app.route("/outside/view")
    def by_view() -> str:
        return app.test_client().get("/inside?by=view").text + request.path

    @app.route("/outside/span")
    def by_span() -> str:
        with execution_context.get_opencensus_tracer().span("around"):
            answer = app.test_client().get("/inside?by=span").text
        with execution_context.get_opencensus_tracer().span("beside"):
            return answer + request.path

    @app.route("/outside/stream")
    def by_stream() -> Response:
        def generate() -> Iterator[str]:
            yield "1"
            yield app.test_client().get("/inside?by=stream").text

        return Response(generate())

    return [odd.ask(app, f"/outside/{by}") for by in ("view", "span", "stream")]


if __name__ == "__main__":
    # The application may run like that: what is freed must be so by reference counts.
    gc.disable()
    cases: tuple[Callable[[], Any], ...] = (
        keyword_exc_info, keyword_all, raising_len, freed, own_tracer, hooked_tracer, unbalanced, collected,
        unexportable, late_start, copied, bodies, copied_generator, taken_over, nested,
    )  # fmt: skip
    said = {case.__name__: case for case in cases}
    odd.say({**said, "seen": lambda: {name: SEEN[name] for name in ("collected", "took")}})
