"""Trace context from incoming headers: W3C traceparent and B3, read without a word about a stranger's mistakes."""

from __future__ import annotations

import re
from typing import Any, Callable, Iterator, Mapping, NamedTuple, Optional, Sequence

_VERSION_00 = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]([0-9a-f])").fullmatch
_OTHER_VERSION = re.compile(
    r"(?!00|ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]([0-9a-f])(?:-.*)?"
).fullmatch
_SAMPLED = frozenset("13579bdf")
_make: Callable[..., Remote] = tuple.__new__
_HEX_32 = re.compile(r"(?:[0-9a-f]{16}){1,2}")
_HEX_16 = re.compile(r"[0-9a-f]{16}")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


class Remote(NamedTuple):
    """The caller's part of a trace: `trace_id` 32 and `span_id` 16 lower-case hex digits, its sampled flag."""

    trace_id: str
    span_id: str | None
    sampled: bool
    tracestate: str | None = None


Extract = Callable[[Mapping[str, str]], Optional[Remote]]


def tracecontext(environ: Mapping[str, str]) -> Remote | None:
    """Read `traceparent` and `tracestate` (W3C Trace Context); None for a missing or invalid header.

    Flags are hexadecimal, a version above 00 may carry more fields, version ff and all-zero ids are invalid.
    """
    header = environ.get("HTTP_TRACEPARENT")
    if not header:
        return None
    match = _VERSION_00(header)
    if match is None:
        header = header.strip(" \t")
        match = _VERSION_00(header) or _OTHER_VERSION(header)
        if match is None:
            return None
    trace_id, span_id, flags = match.groups()
    # What Remote(...) does, without the call of a function in Python.
    return _make(Remote, (trace_id, span_id, flags in _SAMPLED, environ.get("HTTP_TRACESTATE")))


def b3(environ: Mapping[str, str]) -> Remote | None:
    """Read B3 headers, the single `b3` or the `X-B3-*` ones; None when they are missing or invalid."""
    single = environ.get("HTTP_B3")
    if single:
        trace_id, span_id, sampled = ([*single.strip().lower().split("-"), "", ""])[:3]
    else:
        trace_id = environ.get("HTTP_X_B3_TRACEID", "").strip().lower()
        span_id = environ.get("HTTP_X_B3_SPANID", "").strip().lower()
        # Flags say one thing only, that the trace is being debugged.
        debugged = environ.get("HTTP_X_B3_FLAGS", "").strip() == "1"
        sampled = "d" if debugged else environ.get("HTTP_X_B3_SAMPLED", "").strip().lower()
    if not _HEX_32.fullmatch(trace_id) or not _HEX_16.fullmatch(span_id) or span_id == _NO_SPAN:
        return None
    trace_id = trace_id.rjust(32, "0")
    return None if trace_id == _NO_TRACE else Remote(trace_id, span_id, sampled in ("1", "d", "true"))


class Headers(Mapping[str, str]):
    """The request headers of a WSGI environ by their HTTP names in any case, as OpenCensus propagators read them."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        scope = environ.get("autotrace.scope")
        # Of an ASGI request the environ has only the headers that are always read.
        self._environ = environ if scope is None else dict(map(_as_wsgi, scope["headers"]))

    def __getitem__(self, name: str) -> str:
        value: str = self._environ["HTTP_" + name.upper().replace("-", "_")]
        return value

    def __iter__(self) -> Iterator[str]:
        return (name[5:].replace("_", "-").title() for name in self._environ if name.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _as_wsgi(header: tuple[bytes, bytes]) -> tuple[str, str]:
    name, value = (part.decode("latin-1") for part in header)
    return "HTTP_" + name.upper().replace("-", "_"), value


class FromOpenCensus:
    """The `Extract` of an OpenCensus propagator; what that cannot read starts a new trace."""

    def __init__(self, propagator: Any) -> None:
        if not callable(getattr(propagator, "from_headers", None)):
            raise TypeError(f"{type(propagator).__name__} has no from_headers method")
        self.propagator = propagator

    def __call__(self, environ: Mapping[str, str]) -> Remote | None:
        try:
            return _remote(self.propagator.from_headers(Headers(environ)))
        except Exception:
            # Stock propagators raise ValueError on headers that any client may send.
            return None


def _remote(context: Any) -> Remote | None:
    if not context.from_header or not _HEX_32.fullmatch(context.trace_id) or not context.trace_id.strip("0"):
        return None
    # Without a span id of the caller's the trace is joined all the same.
    has_span = _HEX_16.fullmatch(context.span_id or "") and context.span_id != _NO_SPAN
    # A mapping in OpenCensus's hands; written as its header is.
    state = ",".join(f"{key}={value}" for key, value in (context.tracestate or {}).items())
    return Remote(
        context.trace_id.rjust(32, "0"),
        context.span_id if has_span else None,
        bool(context.trace_options.enabled),
        state or None,
    )


EXTRACTS: Mapping[str, Extract] = {"tracecontext": tracecontext, "b3": b3}


def headers_of(
    extract: Extract, trace_id: str, span_id: str, sampled: bool, tracestate: str | None
) -> Sequence[tuple[str, str]]:
    """Return the headers of a call to another service that `extract` would read there."""
    if extract is tracecontext:
        parent = ("traceparent", f"00-{trace_id}-{span_id}-{'01' if sampled else '00'}")
        # It came in a header, and leaves in one: nothing that could end it early.
        if tracestate and tracestate.isascii() and tracestate.isprintable():
            return (parent, ("tracestate", tracestate))
        return (parent,)
    if extract is b3:
        sampling = ("X-B3-Sampled", "1" if sampled else "0")
        return (("X-B3-TraceId", trace_id), ("X-B3-SpanId", span_id), sampling)
    from opencensus.trace import span_context, trace_options

    options = trace_options.TraceOptions("1" if sampled else "0")
    context = span_context.SpanContext(trace_id, span_id, options)
    return tuple(propagator_of(extract).to_headers(context).items())


def propagator_of(extract: Extract) -> Any:
    """Return the OpenCensus propagator that writes for calls to other services the headers that `extract` reads."""
    if isinstance(extract, FromOpenCensus):
        return extract.propagator
    # Imported by who asks: few requests do.
    from opencensus.trace.propagation import b3_format, trace_context_http_header_format

    if extract is b3:
        return b3_format.B3FormatPropagator()
    return trace_context_http_header_format.TraceContextPropagator()
