"""Trace context from headers that callers send: W3C, B3 and OpenCensus propagators, valid and not."""

from __future__ import annotations

import random
from typing import Any

import pytest
from opencensus.trace import execution_context
from opencensus.trace.propagation.b3_format import B3FormatPropagator
from opencensus.trace.propagation.google_cloud_format import GoogleCloudFormatPropagator
from opencensus.trace.propagation.trace_context_http_header_format import TraceContextPropagator

from autotrace.asgi import environ_of
from autotrace.expressions import parse
from autotrace.propagation import EXTRACTS, FromOpenCensus, Headers, b3, tracecontext
from autotrace.recorder import Recorder
from tests.recordings import Kept, Shop, environ, visit

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
STOCK = "opencensus.trace.propagation."
# traceparent → whether the caller sampled, None for a header that starts a new trace.
W3C: dict[str, bool | None] = {
    f"00-{TRACE}-{SPAN}-01": True,
    f"00-{TRACE}-{SPAN}-00": False,
    f"00-{TRACE}-{SPAN}-0a": False,
    f"00-{TRACE}-{SPAN}-ff": True,
    f"00-{TRACE}-{SPAN}-03": True,
    f"00-{TRACE}-{SPAN}-10": False,
    f" \t00-{TRACE}-{SPAN}-01 \t": True,
    f"01-{TRACE}-{SPAN}-01": True,
    f"cc-{TRACE}-{SPAN}-01-what-the-future-brings": True,
    f"cc-{TRACE}-{SPAN}-01-": True,
    f"cc-{TRACE}-{SPAN}-01.what-the-future-brings": None,
    f"00-{TRACE}-{SPAN}-01-more": None,
    f"00-{TRACE}-{SPAN}-01-": None,
    f"ff-{TRACE}-{SPAN}-01": None,
    f"FF-{TRACE}-{SPAN}-01": None,
    f"00-{TRACE.upper()}-{SPAN}-01": None,
    f"00-{TRACE}-{SPAN.upper()}-01": None,
    f"00-{TRACE}-{SPAN}-0A": None,
    f"00-{'0' * 32}-{SPAN}-01": None,
    f"00-{TRACE}-{'0' * 16}-01": None,
    f"0-{TRACE}-{SPAN}-01": None,
    f"000-{TRACE}-{SPAN}-01": None,
    f"00-{TRACE[:-1]}-{SPAN}-01": None,
    f"00-{TRACE}0-{SPAN}-01": None,
    f"00-{TRACE}-{SPAN[:-1]}-01": None,
    f"00-{TRACE}-{SPAN}-1": None,
    f"00-{TRACE}-{SPAN}-001": None,
    f"00-{TRACE}-{SPAN}": None,
    f"00_{TRACE}_{SPAN}_01": None,
    f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01": None,
    f"00-{'٣' * 32}-{SPAN}-01": None,
    f"00-{TRACE}-{SPAN}-01\n": None,
    "": None,
    "-": None,
    "00-" * 10_000: None,
}  # fmt: skip


@pytest.mark.parametrize("header", W3C, ids=lambda header: header[:60].strip() or "empty")
def test_traceparent(header: str) -> None:
    remote = tracecontext({"HTTP_TRACEPARENT": header, "HTTP_TRACESTATE": "shop=1"})
    if W3C[header] is None:
        assert remote is None
    else:
        assert remote == (TRACE, SPAN, W3C[header], "shop=1")


def test_a_missing_traceparent_leaves_a_tracestate_alone() -> None:
    assert tracecontext({"HTTP_TRACESTATE": "shop=1"}) is None


SHORT = TRACE[16:]
B3: list[tuple[dict[str, str], tuple[str, bool] | None]] = [
    ({"HTTP_B3": f"{TRACE}-{SPAN}-1"}, (TRACE, True)),
    ({"HTTP_B3": f"{TRACE}-{SPAN}-d"}, (TRACE, True)),
    ({"HTTP_B3": f"{TRACE}-{SPAN}-0"}, (TRACE, False)),
    ({"HTTP_B3": f"{TRACE}-{SPAN}"}, (TRACE, False)),
    ({"HTTP_B3": f"{TRACE}-{SPAN}-1-{SPAN}"}, (TRACE, True)),
    ({"HTTP_B3": f" {TRACE.upper()}-{SPAN.upper()}-1 "}, (TRACE, True)),
    ({"HTTP_B3": f"{SHORT}-{SPAN}-1"}, ("0" * 16 + SHORT, True)),
    ({"HTTP_B3": "0"}, None),
    ({"HTTP_B3": "1"}, None),
    ({"HTTP_B3": f"{TRACE}-"}, None),
    ({"HTTP_B3": f"{TRACE[:-2]}-{SPAN}-1"}, None),
    ({"HTTP_B3": f"{'0' * 32}-{SPAN}-1"}, None),
    ({"HTTP_B3": f"{TRACE}-{'0' * 16}-1"}, None),
    ({"HTTP_B3": "-" * 5000}, None),
    ({"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN, "HTTP_X_B3_SAMPLED": "1"}, (TRACE, True)),
    ({"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN, "HTTP_X_B3_SAMPLED": "true"}, (TRACE, True)),
    ({"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN, "HTTP_X_B3_SAMPLED": "True"}, (TRACE, True)),
    ({"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN, "HTTP_X_B3_SAMPLED": "0"}, (TRACE, False)),
    ({"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN}, (TRACE, False)),
    ({"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN, "HTTP_X_B3_FLAGS": "1"}, (TRACE, True)),
    (
        {"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN, "HTTP_X_B3_FLAGS": "0", "HTTP_X_B3_SAMPLED": "1"},
        (TRACE, True),
    ),
    ({"HTTP_X_B3_TRACEID": TRACE}, None),
    ({"HTTP_X_B3_SPANID": SPAN}, None),
    ({"HTTP_X_B3_SAMPLED": "0"}, None),
    ({"HTTP_X_B3_TRACEID": "garbage", "HTTP_X_B3_SPANID": SPAN}, None),
    ({}, None),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "expected"), B3)
def test_b3(headers: dict[str, str], expected: tuple[str, bool] | None) -> None:
    remote = b3(headers)
    if expected is None:
        assert remote is None
    else:
        assert remote is not None
        assert (remote.trace_id, remote.span_id, remote.sampled) == (expected[0], SPAN, expected[1])


def test_headers_of_strangers_never_raise() -> None:
    dice = random.Random(5)  # noqa: S311 - any garbage will do
    alphabet = "0123456789abcdefABCDEF-- \t;,=\xff\0"
    names = ("HTTP_TRACEPARENT", "HTTP_B3", "HTTP_X_B3_TRACEID", "HTTP_X_B3_SPANID", "HTTP_X_CLOUD_TRACE_CONTEXT")
    stock = [B3FormatPropagator(), GoogleCloudFormatPropagator(), TraceContextPropagator()]
    for extract in [*EXTRACTS.values(), *map(FromOpenCensus, stock)]:
        for _ in range(300):
            garbage = {name: "".join(dice.choices(alphabet, k=dice.randrange(80))) for name in names}
            remote = extract(garbage)
            assert remote is None or len(remote.trace_id) == 32


EXPRESSIONS: dict[str, tuple[dict[str, str], str | None, str]] = {
    STOCK + "b3_format.B3FormatPropagator()": ({"HTTP_B3": f"{TRACE}-{SPAN}-1"}, SPAN, "x-b3-traceid"),
    STOCK + "b3_format.B3FormatPropagator": (
        {"HTTP_X_B3_TRACEID": TRACE, "HTTP_X_B3_SPANID": SPAN}, SPAN, "x-b3-traceid",
    ),
    STOCK + "trace_context_http_header_format.TraceContextPropagator()": (
        {"HTTP_TRACEPARENT": f"00-{TRACE}-{SPAN}-01", "HTTP_TRACESTATE": "shop=1"}, SPAN, "traceparent",
    ),
    STOCK + "google_cloud_format.GoogleCloudFormatPropagator()": (
        {"HTTP_X_CLOUD_TRACE_CONTEXT": f"{TRACE}/255;o=1"}, "00000000000000ff", "X-Cloud-Trace-Context",
    ),
}  # fmt: skip


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_opencensus_propagators_by_expression(expression: str) -> None:
    headers, span, written = EXPRESSIONS[expression]
    kept, sent = Kept(), {}

    def view() -> None:
        tracer = execution_context.get_opencensus_tracer()
        sent.update(tracer.propagator.to_headers(tracer.span_context))

    shop = Shop(Recorder(kept, extract=FromOpenCensus(parse(expression).load())))
    shop.view = view
    visit(shop, **headers)
    (item,) = kept.items()
    assert item["tags"]["ai.operation.id"] == TRACE
    assert item["tags"].get("ai.operation.parentId") == span
    assert TRACE in sent[written], "calls to other services carry the same kind of header"
    if "HTTP_TRACESTATE" in headers:
        assert sent["tracestate"] == "shop=1"
    visit(shop)
    (fresh,) = kept.items()
    assert fresh["tags"]["ai.operation.id"] != TRACE


@pytest.mark.parametrize(("name", "written"), [("tracecontext", "traceparent"), ("b3", "x-b3-traceid")])
def test_what_is_read_is_what_is_written(name: str, written: str) -> None:
    sent: dict[str, str] = {}

    def view() -> None:
        tracer = execution_context.get_opencensus_tracer()
        sent.update(tracer.propagator.to_headers(tracer.span_context))

    shop = Shop(Recorder(Kept(), extract=EXTRACTS[name]))
    shop.view = view
    visit(shop, HTTP_B3=f"{TRACE}-{SPAN}-1", HTTP_TRACEPARENT=f"00-{TRACE}-{SPAN}-01")
    assert TRACE in sent[written]


@pytest.mark.parametrize("answer", [None, 5, object()])
def test_a_propagator_that_answers_nonsense_starts_a_new_trace(answer: Any) -> None:
    class Nonsense:
        def from_headers(self, headers: Any) -> Any:
            return answer

    assert FromOpenCensus(Nonsense())(environ()) is None


def test_a_propagator_sees_all_headers_in_any_case() -> None:
    seen = {}

    class Looking:
        def from_headers(self, headers: Any) -> Any:
            seen.update(dict(headers))
            seen["by name"] = headers.get("x-OWN-trace")
            seen["missing"] = headers.get("nothing")

    FromOpenCensus(Looking())(environ(HTTP_X_OWN_TRACE="7"))
    assert seen["X-Own-Trace"] == seen["by name"] == "7"
    assert seen["Host"] == "shop.test"
    assert seen["missing"] is None


def test_a_propagator_sees_every_header_of_an_asgi_request() -> None:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", b"shop.test"), (b"x-own", b"a")]}
    headers = Headers(environ_of(scope))
    assert (headers.get("X-Own"), headers.get("host"), headers.get("missing")) == ("a", "shop.test", None)
