"""Telemetry items as wire lines; what is told of an exception or of a call comes from modules of their own.

The schema is that of the Application Insights ingestion endpoint (envelope version 1, data version 2). Everything is
trimmed to its limits (see `limits`), and nothing is sent over.
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring as _quote
from typing import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from . import dependencies, exceptions, guard, messages, synthetic, urls
from .limits import AGENT_LIMIT, DATA_LIMIT, ITEM_LIMIT, NAME_LIMIT, VALUE_LIMIT, clean
from .properties import longest
from .properties import texts as texts_of
from .times import duration as duration_of
from .times import timestamp
from .urls import is_plain

if TYPE_CHECKING:
    from .calls import Call
    from .exceptions import Failure
    from .messages import Message
    from .recorder import Recording

_dump: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
# The duration of most requests: less than a second.
_SECOND = "0.00:00:00.%07d"
# How the lines of a request and of a call end.
_END, _END_OF_CALL = "}}}}\n", "}}}\n"
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
        self._own = tags
        self._tags = _dump(tags)[1:-1]
        self._key = identity.key
        self._pid = str(identity.pid)
        self._properties = _dump({"process.pid": self._pid})[1:-1]
        self._trusts_proxies = trusted_proxies > 0
        self._requests: dict[tuple[Any, ...], tuple[str, str, str, str, str]] = {}
        self._clients: dict[tuple[Any, ...], str] = {}
        self._call_parts: dict[tuple[Any, ...], tuple[str, str, str]] = {}
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
        before, tags, name, site, after = self._requests.get(shape) or self._parts_of_requests(shape, environ)
        client = (get("REMOTE_ADDR"), get("HTTP_USER_AGENT"), get("HTTP_SYNTHETICTEST_RUNID"))
        said = self._clients.get(client) or self._client(environ)
        second, rest = self._start_of(recording.started)
        remote = recording.remote
        parent = None if remote is None else remote[1]
        target = recording.path
        if recording.script or get("QUERY_STRING") or is_plain(target) is None:
            target = self._urls.target(environ, recording.script, target)
        took = recording.duration // 100
        # `%` costs three times as much.
        line = "".join((
            before, second, f'{rest:06d}Z",', tags, recording.trace_id,
            '",' if parent is None else f'","ai.operation.parentId":"{parent}",', said, name, recording.span_id,
            '","duration":"', _SECOND % took if 0 < took < 10_000_000 else duration_of(recording.duration),
            site, target, after,
        ))  # fmt: skip
        if recording.attributes is not None:
            return _with_properties(line, texts_of(recording.attributes))
        return line.encode("utf-8", "replace")

    def span(self, recording: Recording, data: Any) -> bytes:
        """Return the wire line of a finished OpenCensus span made inside a request: a dependency item."""
        started, base = dependencies.of_span(recording, data)
        base["properties"]["process.pid"] = self._pid
        return self._dependency(recording, started, base, data.parent_span_id)

    def spans(self, recording: Recording, span_datas: Iterable[Any]) -> Iterator[bytes]:
        """Yield the wire lines of OpenCensus spans, and of the annotations on them."""
        for data in span_datas:
            yield self.span(recording, data)
            for annotation in data.annotations or ():
                yield self.message(recording, messages.of_annotation(annotation, data.span_id))

    def calls(self, recording: Recording, ended: Iterable[Call]) -> list[bytes]:
        """Return the wire lines of finished outgoing calls; one that cannot be told costs no other.

        In one function: what a small one more costs, it costs each call.
        """
        rate, operation = self._context(recording)
        lines = []
        for call in ended:
            try:
                shape = (call.kind, call.target, call.code, call.success)
                before, tags, end = self._call_parts.get(shape) or self._parts_of_calls(shape)
                second, rest = self._start_of(call.started)
                took = call.duration // 100
                data = call.data[:DATA_LIMIT]
                # `%` costs three times as much.
                parts = [
                    before, second, f'{rest:06d}Z",', rate, tags, operation, ',"ai.operation.parentId":"',
                    call.parent_id or recording.span_id,
                    '"},"data":{"baseType":"RemoteDependencyData","baseData":{"ver":2,"id":"', call.id,
                    '","duration":"',
                    _SECOND % took if 0 < took < 10_000_000 else duration_of(call.duration),
                    '","name":', _quote((call.name or call.kind)[:NAME_LIMIT]), end, _quote(data), _END_OF_CALL,
                ]  # fmt: skip
                line = "".join(parts).encode("utf-8", "replace")
                while data and len(line) > ITEM_LIMIT:
                    # Of its texts only this one is that long.
                    data = data[: len(data) // 2]
                    parts[-2] = _quote(data)
                    line = "".join(parts).encode("utf-8", "replace")
                lines.append(line)
            except Exception as error:
                guard.failed("telling an outgoing call", error)
        return lines

    def _parts_of_calls(self, shape: tuple[str, str, str, bool]) -> tuple[str, str, str]:
        """Return the parts of a line that calls of one shape have in common."""
        kind, target, code, success = shape
        end = (
            f',"type":{_quote(kind[:NAME_LIMIT])},"target":{_quote(target[:NAME_LIMIT])},'
            f'"resultCode":{_quote(code[:NAME_LIMIT])},"success":{"true" if success else "false"},'
            f'"properties":{{{self._properties}}},"data":'
        )
        name = '"name":"Microsoft.ApplicationInsights.RemoteDependency"'
        parts = f'{{"ver":1,{name},"iKey":{_quote(self._key)},"time":"', f'"tags":{{{self._tags},', end
        if sum(map(len, shape[:3])) <= _LONGEST_CACHED:
            urls.remember(self._call_parts, shape, parts)
        return parts

    def _start_of(self, moment: int) -> tuple[str, int]:
        """Return a time in nanoseconds since 1970 as text up to its seconds, and its microseconds."""
        second, rest = divmod(moment, 1_000_000_000)
        known = self._second
        if known[0] != second:
            # In one piece: another thread may be at the next second.
            known = self._second = (second, timestamp(moment)[:20])
        return known[1], rest // 1000

    def _context(self, recording: Recording) -> tuple[str, str]:
        """Return what tells the rate of items below a request, and the tags of its operation, as parts of a line."""
        tags = f'"ai.operation.id":"{recording.trace_id}"'
        method = recording.environ.get("REQUEST_METHOD")
        if method and recording.find_route() is not None:
            tags += f',"ai.operation.name":{_quote(_operation(method, recording.mount, recording.route))}'
        return "" if recording.rate >= 100 else f'"sampleRate":{recording.rate!r},', tags

    def _dependency(self, recording: Recording, started: str, base: dict[str, Any], parent: str | None) -> bytes:
        item = self._item("RemoteDependency", started, recording, base)
        if parent:
            item["tags"]["ai.operation.parentId"] = parent
        properties = base["properties"]

        def shrink() -> None:
            if properties:
                del properties[longest(properties)]
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
        return _fitting(item, lambda: _shrink_exception(base["exceptions"]))

    def message(self, recording: Recording | None, message: Message) -> bytes:
        """Return the wire line of a log line: a message, or the exception that it tells of."""
        if message.failure is None:
            kind, base = "Message", messages.details(message)
        else:
            kind, base = "Exception", exceptions.details(message.failure)
            base["severityLevel"] = message.severity
        properties = base["properties"] = {**message.properties, "process.pid": self._pid}
        if message.failure is not None:
            properties["message"] = clean(message.text, VALUE_LIMIT)
        item = self._item(kind, timestamp(message.moment), recording, base)
        if message.parent_id:
            item["tags"]["ai.operation.parentId"] = message.parent_id
        return _fitting(item, lambda: _shrink_message(base, properties))

    def _item(self, kind: str, moment: str, recording: Recording | None, base: dict[str, Any]) -> dict[str, Any]:
        """Return an item that hangs under a request, or under none; `base` is what its kind is about."""
        tags = dict(self._own)
        if recording is not None:
            tags.update({"ai.operation.id": recording.trace_id, "ai.operation.parentId": recording.span_id})
            method = recording.environ.get("REQUEST_METHOD")
            # Nothing that would be known only later is made up.
            if method and recording.find_route() is not None:
                tags["ai.operation.name"] = _operation(method, recording.mount, recording.route)
        item: dict[str, Any] = {
            "ver": 1,
            "name": f"Microsoft.ApplicationInsights.{kind}",
            "time": moment,
            "iKey": self._key,
            "tags": tags,
            "data": {"baseType": f"{kind}Data", "baseData": base},
        }
        if recording is not None and recording.rate < 100:
            item["sampleRate"] = recording.rate
        return item

    def _parts_of_requests(self, shape: tuple[Any, ...], environ: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
        """Return the parts of a line that requests of one shape have in common."""
        method, mount, route, status, failed, rate, scheme, host = shape
        name = _quote(_operation(method, mount, route))
        # An application that returns without a status makes its server answer 500; it may invent `0 UNKNOWN`.
        code = _quote(clean((status or "500").strip().partition(" ")[0], 20))[1:-1] or "500"
        success = "false" if failed or code in self._failed else "true"
        sampled = "" if rate >= 100 else f'"sampleRate":{rate!r},'
        parts = (
            f'{{"ver":1,"name":"Microsoft.ApplicationInsights.Request","iKey":{_quote(self._key)},"time":"',
            f'{sampled}"tags":{{"ai.operation.id":"',
            f'"ai.operation.name":{name}}},"data":{{"baseType":"RequestData","baseData":{{"ver":2,"id":"',
            f'","url":"{self._urls.site(environ)}',
            f'","name":{name},"responseCode":"{code}","success":{success},"properties":{{{self._properties}{_END}',
        )
        # What strangers send may be long, or new each time: it is not kept in memory.
        # Without a host it says the server's own name, which may be another one the next time.
        texts = (name, mount, host or "", scheme or "", status or "")
        if host and method in _METHODS and sum(map(len, texts)) <= _LONGEST_CACHED:
            urls.remember(self._requests, shape, parts)
        return parts

    def _client(self, environ: Mapping[str, Any]) -> str:
        """Return the tags that say who asks and who answers, with a comma at the end."""
        client = tuple(map(environ.get, ("REMOTE_ADDR", "HTTP_USER_AGENT", "HTTP_SYNTHETICTEST_RUNID")))
        address, agent, run = (text or "" for text in client)
        known = urls.address(address)
        tags = f'"ai.location.ip":"{known}",' if known else ""
        if agent:
            tags += f'"ai.user.userAgent":{_quote(clean(urls.text(agent), AGENT_LIMIT))},'
        for name, value in synthetic.tags_of(run, environ.get("HTTP_SYNTHETICTEST_LOCATION"), agent).items():
            tags += f'"{name}":{_quote(clean(urls.text(value), NAME_LIMIT))},'
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


def _shrink_exception(chain: list[Any]) -> None:
    # Names of types can be that long: what led to the exception goes first, then the far end of its stack.
    if len(chain) > 1:
        chain.pop()
    else:
        chain[0].update(hasFullStack=False, parsedStack=chain[0]["parsedStack"][:-10])


def _shrink_message(base: dict[str, Any], properties: dict[str, str]) -> None:
    # What the application added can be the largest, or the text, in bytes.
    if len(properties) > 1:
        del properties[longest(properties)]
    elif "message" in base:
        base["message"] = base["message"][: len(base["message"]) // 2]
    else:
        _shrink_exception(base["exceptions"])


def _with_properties(line: str, texts: dict[str, str]) -> bytes:
    """Return the wire line of a request with more properties, as many as the limit of an item lets in."""
    line = line[: -len(_END)]
    while True:
        encoded = f"{line}{_more(texts)}{_END}".encode("utf-8", "replace")
        if len(encoded) <= ITEM_LIMIT:
            return encoded
        # Only what the application added can be that large: the longest goes first, the request stays.
        del texts[longest(texts)]


def _more(texts: Mapping[str, str]) -> str:
    """Return properties as JSON behind a comma; those of our own are not for the application to replace."""
    own = {name: text for name, text in texts.items() if name != "process.pid"}
    return "," + _dump(own)[1:-1] if own else ""
