"""What the samples are asked: paths and the headers of each, as WSGI names them."""

from __future__ import annotations

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
REQUESTS: dict[str, dict[str, str]] = {
    **{f"/page/{number}": {} for number in range(8)},
    "/health": {},
    "/admin/users": {},
    "/administrators": {},
    "/_ah/health": {},
    "/w3c": {"HTTP_TRACEPARENT": f"00-{TRACE}-{SPAN}-01"},
    "/b3": {"HTTP_B3": f"{TRACE}-{SPAN}-1"},
    "/google": {"HTTP_X_CLOUD_TRACE_CONTEXT": f"{TRACE}/1234;o=1"},
    "/custom": {"HTTP_X_CUSTOM_TRACE": TRACE},
}
