"""Telemetry items as wire lines; what is told of an exception comes from `exceptions`.

The schema is that of the Application Insights ingestion endpoint (envelope version 1, data version 2). Everything is
trimmed to its limits (see `limits`), and nothing is sent over.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, NamedTuple

from . import exceptions, synthetic, urls
from .limits import AGENT_LIMIT, DATA_LIMIT, ITEM_LIMIT, KEY_LIMIT, NAME_LIMIT, VALUE_LIMIT, clean
from .urls import is_plain

if TYPE_CHECKING:
    from .exceptions import Failure
    from .recorder import Recording

# The duration of most requests: less than a second.
_SECOND = "0.00:00:00.%07d"
# How the line of a request ends.
_END = "}}}}\n"
# Methods whose name may appear in an operation name; anything else a client invents is counted as one.
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"))
# What strangers send may be long: it is not kept in memory.
_LONGEST_CACHED = 512


class Identity(NamedTuple):
    """Who sends: instrumentation key, cloud role, role instance, application version, SDK version and process id."""

    key: str
    role: str
    instance: str
    version: str | None
    sdk: str
    pid: int


class Lines:
    """Makes the wire lines of one application; one object a process and application.

    A line is one JSON item in UTF-8 with a newline at its end.
    """

    def __init__(
        self, identity: Identity, url_query: Any, failed_statuses: Iterable[tuple[int, int]], trusted_proxies: int
    ) -> None:
        self._urls = urls.Urls(url_query, trusted_proxies)
        self._failed = frozenset(
            str(code) for low, high in failed_statuses for code in range(max(low, 100), min(high, 999) + 1)
        )
        tags = {
            "ai.cloud.role": identity.role[:256],
            "ai.cloud.roleInstance": identity.instance[:256],
            "ai.device.type": "PC",
            "ai.internal.sdkVersion": identity.sdk[:64],
        }
        if identity.version:
            tags["ai.application.ver"] = identity.version[:NAME_LIMIT]
        self._tags = _dump(tags)[1:-1]
        self._key = encode_basestring(identity.key)
        self._pid = str(identity.pid)
        self._properties = _dump({"process.pid": self._pid})[1:-1]
        self._trusts_proxies = trusted_proxies > 0
        self._templates: dict[tuple[Any, ...], str] = {}
        self._clients: dict[tuple[Any, ...], str] = {}
        # The last second that was formatted: a busy server formats thousands of times in it.
        self._second = (-1, "")

    def request(self, recording: Recording) -> bytes:
        """Return the wire line of a finished request."""
        environ = self._urls.believed(recording.environ) if self._trusts_proxies else recording.environ
        get = environ.get
        # What requests have in common is written once, and looked up by all that decides on it.
        shape = (
            get("REQUEST_METHOD"), recording.mount, recording.route, recording.status, recording.failed,
            recording.rate, get("wsgi.url_scheme"), get("HTTP_HOST"),
        )  # fmt: skip
        template = self._templates.get(shape) or self._template(shape, environ)
        client = (get("REMOTE_ADDR"), get("HTTP_USER_AGENT"), get("HTTP_SYNTHETICTEST_RUNID"))
        tags = self._clients.get(client) or self._client(environ)
        second, rest = divmod(recording.started, 1_000_000_000)
        known = self._second
        if known[0] != second:
            # In one piece: another thread may be at the next second.
            known = self._second = (second, timestamp(recording.started)[:20])
        remote = recording.remote
        parent = None if remote is None else remote[1]
        target = recording.path
        if recording.script or get("QUERY_STRING") or is_plain(target) is None:
            target = self._urls.target(environ, recording.script, target)
        took: Any = recording.duration // 100
        if not 0 < took < 10_000_000:
            template, took = template.replace(_SECOND, "%s"), duration(recording.duration)
        line: str = template % (
            known[1],
            rest // 1000,
            recording.trace_id,
            "" if parent is None else f'"ai.operation.parentId":"{parent}",',
            tags,
            recording.span_id,
            took,
            target,
        )
        if recording.attributes is not None:
            return _with_properties(line, _texts(recording.attributes))
        return line.encode("utf-8", "replace")

    def span(self, recording: Recording, data: Any) -> bytes:
        """Return the wire line of a finished OpenCensus span made inside a request: a dependency item."""
        attributes = data.attributes or {}
        properties = {**_texts(attributes), "process.pid": self._pid}
        started, elapsed = _span_times(recording, data)
        if data.links:
            links = [{"operation_Id": link.trace_id, "id": link.span_id} for link in data.links]
            # So many are within the limit of a value.
            properties["_MS.links"] = _dump(links[:100])
        base = {
            "ver": 2,
            "id": data.span_id,
            "name": clean(_text(data.name), NAME_LIMIT) or "span",
            "duration": duration(elapsed),
            "resultCode": str(data.status.code if data.status is not None else 0),
            "success": data.status is None or data.status.code == 0,
            "type": "InProc",
            "properties": properties,
        }
        if data.span_kind == 2:  # opencensus.trace.span.SpanKind.CLIENT
            base.update(_client(attributes, base))
        item = self._item("RemoteDependency", started, recording, base)
        if data.parent_span_id:
            item["tags"]["ai.operation.parentId"] = data.parent_span_id

        def shrink() -> None:
            if properties:
                del properties[_longest(properties)]
            else:
                del base["data"]

        return _fitting(item, shrink)

    def exception(self, recording: Recording, failure: Failure) -> bytes:
        """Return the wire line of what made a request fail."""
        base = {**exceptions.details(failure), "properties": {"process.pid": self._pid}}
        item = self._item("Exception", timestamp(failure.moment), recording, base)
        environ = self._urls.believed(recording.environ) if self._trusts_proxies else recording.environ
        item["tags"].update(json.loads("{" + self._client(environ)[:-1] + "}"))
        method = environ.get("REQUEST_METHOD")
        item["tags"]["ai.operation.name"] = _operation(method, recording.mount, recording.route)
        chain = base["exceptions"]

        def shrink() -> None:
            # Names of types can be that long: what led to the exception goes first, then the far end of its stack.
            if len(chain) > 1:
                chain.pop()
            else:
                chain[0].update(hasFullStack=False, parsedStack=chain[0]["parsedStack"][:-10])

        return _fitting(item, shrink)

    def _item(self, kind: str, moment: str, recording: Recording, base: dict[str, Any]) -> dict[str, Any]:
        """Return an item that hangs under a request, of which `base` is what its kind is about."""
        tags = {"ai.operation.id": recording.trace_id, "ai.operation.parentId": recording.span_id}
        item: dict[str, Any] = {
            "ver": 1,
            "name": f"Microsoft.ApplicationInsights.{kind}",
            "time": moment,
            "iKey": json.loads(self._key),
            "tags": {**tags, **json.loads("{" + self._tags + "}")},
            "data": {"baseType": f"{kind}Data", "baseData": base},
        }
        if recording.rate < 100:
            item["sampleRate"] = recording.rate
        return item

    def _template(self, shape: tuple[Any, ...], environ: Mapping[str, Any]) -> str:
        """Return the line of requests that have a shape in common, with a place for what they do not."""
        method, mount, route, status, failed, rate, scheme, host = shape
        name = encode_basestring(_operation(method, mount, route))
        # An application that returns without a status makes its server answer 500; it may invent `0 UNKNOWN`.
        code = encode_basestring(clean((status or "500").strip().partition(" ")[0], 20))[1:-1] or "500"
        success = "false" if failed or code in self._failed else "true"
        before = '{"ver":1,"name":"Microsoft.ApplicationInsights.Request","iKey":' + self._key + ',"time":"'
        sampled = "" if rate >= 100 else f'"sampleRate":{rate!r},'
        site = self._urls.site(environ)
        after = f'"name":{name},"responseCode":"{code}","success":{success},"properties":{{{self._properties}'
        template = (
            f'{_escaped(before)}%s%06dZ",{sampled}"tags":{{"ai.operation.id":"%s",%s%s'
            f'"ai.operation.name":{_escaped(name)}}},"data":{{"baseType":"RequestData","baseData":{{"ver":2,"id":"%s",'
            f'"duration":"{_SECOND}","url":"{_escaped(site)}%s",{_escaped(after)}{_END}'
        )
        # What strangers send may be long, or new each time: it is not kept in memory.
        # Without a host it says the server's own name, which may be another one the next time.
        texts = (name, mount, host or "", scheme or "", status or "")
        if host and method in _METHODS and sum(map(len, texts)) <= _LONGEST_CACHED:
            urls.remember(self._templates, shape, template)
        return template

    def _client(self, environ: Mapping[str, Any]) -> str:
        """Return the tags that say who asks and who answers, with a comma at the end."""
        client = tuple(map(environ.get, ("REMOTE_ADDR", "HTTP_USER_AGENT", "HTTP_SYNTHETICTEST_RUNID")))
        address, agent, run = (text or "" for text in client)
        known = urls.address(address)
        tags = f'"ai.location.ip":"{known}",' if known else ""
        if agent:
            tags += f'"ai.user.userAgent":{encode_basestring(clean(urls.text(agent), AGENT_LIMIT))},'
        for name, value in synthetic.tags_of(run, environ.get("HTTP_SYNTHETICTEST_LOCATION"), agent).items():
            tags += f'"{name}":{encode_basestring(clean(urls.text(value), NAME_LIMIT))},'
        tags += self._tags + ","
        # Each run of an availability test is asked for once.
        if not run and len(address) + len(agent) <= _LONGEST_CACHED:
            urls.remember(self._clients, client, tags)
        return tags


def _operation(method: Any, mount: str, route: str | None) -> str:
    """Return the name of an operation: the method and the route template, never a path that a client made up."""
    spoken = method if method in _METHODS else "HTTP"
    full = "(unmatched)" if route is None else urls.text(mount).rstrip("/") + route
    return clean(f"{spoken} {full}", NAME_LIMIT)


def _fitting(item: dict[str, Any], shrink: Callable[[], None]) -> bytes:
    """Return the wire line of an item, which `shrink` makes smaller as long as it is over the limit."""
    while True:
        line = (_dump(item) + "\n").encode("utf-8", "replace")
        if len(line) <= ITEM_LIMIT:
            return line
        shrink()


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _with_properties(line: str, texts: dict[str, str]) -> bytes:
    """Return the wire line of a request with more properties, as many as the limit of an item lets in."""
    line = line[: -len(_END)]
    while True:
        encoded = f"{line}{_more(texts)}{_END}".encode("utf-8", "replace")
        if len(encoded) <= ITEM_LIMIT:
            return encoded
        # Only what the application added can be that large: the longest goes first, the request stays.
        del texts[_longest(texts)]


def timestamp(nanoseconds: int) -> str:
    """Return a wall-clock time, in nanoseconds since the epoch, in ISO 8601: UTC, microseconds, `Z`."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest // 1000:06d}Z"


def duration(nanoseconds: int) -> str:
    """Return a length of time, in nanoseconds, as `d.hh:mm:ss.fffffff`; never zero, negative or over the limit."""
    seconds, ticks = divmod(max(nanoseconds // 100, 1), 10_000_000)
    if seconds < 60:
        return f"0.00:00:{seconds:02d}.{ticks:07d}"
    minutes, seconds = divmod(min(seconds, 999 * 86_400), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}.{hours:02d}:{minutes:02d}:{seconds:02d}.{ticks:07d}"


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def _texts(attributes: Mapping[Any, Any]) -> dict[str, str]:
    """Return attributes as the schema's properties: strings only, within the limits of keys and values."""
    texts = {}
    for key, value in list(attributes.items()):
        name = clean(_text(key), KEY_LIMIT)
        if name and value is not None:
            text = _text(value)
            # OpenCensus's name for the address of a call, which may hold a password or a token.
            texts[name] = clean(urls.redact(text) if name == "http.url" else text, VALUE_LIMIT)
    return {name: text for name, text in texts.items() if text}


def _text(value: Any) -> str:
    """Return any value as text; one that cannot be written costs itself, not the item."""
    try:
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except Exception as error:
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _more(texts: Mapping[str, str]) -> str:
    """Return properties as JSON behind a comma; those of our own are not for the application to replace."""
    own = {name: text for name, text in texts.items() if name != "process.pid"}
    return "," + _dump(own)[1:-1] if own else ""


def _longest(texts: Mapping[str, str]) -> str:
    return max(texts, key=lambda name: len(texts[name]))


def _span_times(recording: Recording, data: Any) -> tuple[str, int]:
    """Return the start of a span as the schema wants it and its nanoseconds.

    A span that was never started begins with its request; 0 where a time is missing or the clock stepped back.
    """
    try:
        first = _parse(data.start_time)
    except (TypeError, ValueError):
        return timestamp(recording.started), 0
    try:
        return str(data.start_time), max(int((_parse(data.end_time) - first).total_seconds() * 1e6) * 1000, 0)
    except (TypeError, ValueError):
        return str(data.start_time), 0


def _parse(moment: str) -> datetime:
    return datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)


def _client(attributes: Mapping[Any, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client span's attributes say of the call it made (the attribute names are OpenCensus's)."""
    said: dict[str, Any] = {"type": clean(_text(attributes.get("component") or "Other"), NAME_LIMIT)}
    url = attributes.get("http.url")
    if url:
        redacted = urls.redact(_text(url))
        said.update(data=clean(redacted, DATA_LIMIT), target=clean(urls.host_of(redacted), NAME_LIMIT))
        method = attributes.get("http.method")
        if method:
            said["name"] = clean(f"{_text(method)} {urls.path_of(redacted)}", NAME_LIMIT)
    code = attributes.get("http.status_code")
    if code is not None:
        said["resultCode"] = clean(_text(code), NAME_LIMIT)
        said["success"] = _text(code) < "400"
    return {**base, **said}


__all__: list[str] = ["Identity", "Lines", "duration", "timestamp"]
