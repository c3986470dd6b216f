"""Whatever clients or the environment say, the application answers as without us and items stay valid."""

from __future__ import annotations

import collections
import pathlib
import shutil
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from autotrace.settings import OPTIONS
from tests.endpoint import Endpoint
from tests.harness import APPS, Server, exchange, gunicorn, mask, request, serve, uvicorn

# The servers' own limits are lifted: what is too long or too odd for them by default reaches the application.
LONG = ["--limit-request-line=0", "--limit-request-field_size=65536"]
GUNICORN = [*LONG, "--permit-unconventional-http-method"]
UVICORN = ["--h11-max-incomplete-event-size=1000000"]
STACKS = {
    "flask": gunicorn("flask_app:app") + GUNICORN,
    "django": gunicorn("django_app:application") + GUNICORN,
    "pyramid": gunicorn("pyramid_app:app") + GUNICORN,
    "django-asgi": uvicorn("django_app:asgi_application") + UVICORN,
}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENTS = {
    "empty": "",
    "no traceparent": "garbage",
    "short": f"00-{TRACE}-01",
    "trace id of zeros": f"00-{'0' * 32}-{SPAN}-01",
    "span id of zeros": f"00-{TRACE}-{'0' * 16}-01",
    "no hex": f"00-{'g' * 32}-{SPAN}-01",
    "upper case": f"00-{TRACE.upper()}-{SPAN.upper()}-01",
    "version ff": f"ff-{TRACE}-{SPAN}-01",
    "long trace id": f"00-{TRACE}00-{SPAN}-01",
    "more in version 00": f"00-{TRACE}-{SPAN}-01-more",
    "flags of three": f"00-{TRACE}-{SPAN}-001",
    "10 KB": f"00-{TRACE}-{SPAN}-01" + "0" * 10_000,
    "bad bytes": "00-\udcff\udcfe-\udc80-01",
    "digits that are not ASCII": f"00-{'٣' * 32}-{SPAN}-01",
    "separators alone": "---",
    "two in one": f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
}
HOSTS = {
    "empty": "",
    "with a space": "shop test",
    "markup": "<script>alert(1)</script>",
    "port out of range": "shop.test:99999",
    "port of letters": "shop.test:http",
    "half an IPv6 address": "[::1",
    "bad bytes": "shop\udcff.test",
    "a user": "joe:secret@shop.test",
    "10 KB": "h" * 10_000,
    "a path": "shop.test/users/1?x",
    "unknown": "evil.test",
}
TARGETS = {
    "100 KB in the query": "/users/7?q=" + "x" * 100_000,
    "100 KB in the path": "/users/" + "9" * 100_000,
    "100 KB of keys": "/users/7?" + "&".join(f"k{number}={number}" for number in range(10_000)),
    "bad bytes": "/users/\udcff\udcfe",
    "bad bytes in percents": "/users/%ff%fe%80",
    "bad bytes in the query": "/users/7?a=\udcff&\udcfe=%ff",
    "zero byte in percents": "/users/%00",
    "surrogate in percents": "/users/%ed%a0%80",
    "newline in percents": "/users/%0d%0aX-Made-Up:%201",
    "half a percent": "/users/%e2%8?%",
    "two slashes": "//users//7",
    "dots": "/users/../../etc/passwd",
    "whole URL": "http://joe:secret@shop.test/users/7?a=1",
    "asterisk": "*",
    "quotes": "/users/\"'<>`{}|\\^",
    "emoji": "/users/💥?💥=💥",
    "emoji in percents": "/users/%F0%9F%92%A5?%F0%9F%92%A5=%F0%9F%92%A5",
}
HEADERS = {
    "bad bytes in a header": "X-Odd: \udcff\udcfe",
    "bad bytes in a forwarded address": "X-Forwarded-For: \udcff, 999.1.1.1, [::1]:80, unknown",
    "bad bytes in a referer": "Referer: http://\udcff/[",
    "odd origin": "Origin: http://[::1",
    "bad tracestate": "tracestate: \udcff=,=,,a=b=c",
    "bad b3": "b3: \udcff-0-",
    "bad cookie": "Cookie: ai_user=\udcff|; ai_session",
    "100 headers more": "\r\n".join(f"X-{number}: {number}" for number in range(90)),
    "a length that is none": "Content-Length: seven",
}
METHODS = {
    "unknown": "BREW",
    "lower case": "get",
    "odd characters": "G!#$%&'*+.^_`|~",
    "200 characters": "M" * 200,
    "TRACE": "TRACE",
}


def cases() -> dict[str, bytes]:
    """Spell every request; its User-Agent is its name, so that its item can be found."""
    spelled: dict[str, bytes] = {}

    def add(name: str, method: str, target: str, *lines: str, host: str = "shop.test") -> None:
        spelled[name] = request(method, target, f"User-Agent: case {name}", *lines, host=host)

    for name, value in TRACEPARENTS.items():
        add(f"traceparent: {name}", "GET", "/users/7", f"traceparent: {value}")
    add("traceparent: twice", "GET", "/users/7", f"traceparent: 00-{TRACE}-{SPAN}-01", "traceparent: x")
    for name, host in HOSTS.items():
        add(f"host: {name}", "GET", "/users/7", host=host)
    for name, target in TARGETS.items():
        add(f"target: {name}", "GET", target)
    for name, line in HEADERS.items():
        add(f"header: {name}", "GET", "/users/7", line)
    for name, method in METHODS.items():
        add(f"method: {name}", method, "/users/7")
    for path in ("/boom", "/odd", "/stream-boom", "/middleware-boom", "/handled"):
        add(f"failure: {path}", "GET", path)
    spelled["no host"] = b"GET /users/7 HTTP/1.0\r\nUser-Agent: case no host\r\n\r\n"
    return spelled


CASES = cases()


class Talk(NamedTuple):
    """One request to a server without us and to one with us, and how often it reached the latter."""

    plain: bytes
    traced: bytes
    reached: int


class Run(NamedTuple):
    """All cases of one server, and what arrived and was said meanwhile."""

    talks: dict[str, Talk]
    endpoint: Endpoint
    items: dict[str, list[Any]]
    stderr: str


@pytest.fixture(scope="module", params=STACKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp(request.param)
    with Endpoint() as endpoint:
        talks, server = talk_with_both(STACKS[request.param], folder, endpoint, CASES)
    items = collections.defaultdict(list)
    for item in endpoint.requests():
        items[item["tags"].get("ai.user.userAgent", "")].append(item)
    return Run(talks, endpoint, items, server.stderr())


def talk_with_both(
    command: list[str],
    folder: pathlib.Path,
    endpoint: Endpoint,
    requests: dict[str, bytes],
    env: dict[str, str] | None = None,
    apps: pathlib.Path = APPS,
    delivered: bool = True,
) -> tuple[dict[str, Talk], Server]:
    """Send the same requests to the server without us and with us; return the talks and our stopped server.

    With `delivered`, our server is stopped when the items are at the endpoint: other tests are about its end.
    """
    talks = {}
    shared = {"PYTHONHASHSEED": "0", **(env or {})}
    with ExitStack() as stack:
        plain = stack.enter_context(serve(command, folder / "plain", None, shared, traced=False, apps=apps))
        traced = stack.enter_context(serve(command, folder / "traced", endpoint, shared, apps=apps))
        for name, raw in requests.items():
            before = traced.reached_count()
            answers = [mask(exchange(server.port, raw)) for server in (plain, traced)]
            talks[name] = Talk(*answers, traced.reached_count() - before)
        if delivered:
            endpoint.wait_for(sum(talk.reached for talk in talks.values()))
    return talks, traced


def said(stderr: str) -> list[str]:
    """List the lines that are ours."""
    return [line for line in stderr.splitlines() if line.startswith("autotrace")]


@pytest.mark.parametrize("case", CASES)
def test_the_application_answers_as_without_us(run: Run, case: str) -> None:
    talk = run.talks[case]
    assert talk.traced == talk.plain
    assert talk.plain, "the case proves nothing when the server does not answer"


@pytest.mark.parametrize("case", CASES)
def test_each_request_that_reaches_the_application_is_one_item(run: Run, case: str) -> None:
    items = run.items[f"case {case}"]
    assert len(items) == run.talks[case].reached
    for item in items:
        assert item["data"]["baseData"]["responseCode"] == run.talks[case].traced.split()[1].decode()


def test_all_items_are_valid_and_none_is_too_many(run: Run) -> None:
    assert not run.endpoint.invalid, run.endpoint.invalid[0]
    assert len(run.endpoint.requests()) == sum(talk.reached for talk in run.talks.values())
    assert max(run.endpoint.counts().values()) == 1


def test_most_cases_reach_the_application(run: Run) -> None:
    reached = sum(talk.reached for talk in run.talks.values())
    assert reached > len(CASES) * 0.75


@pytest.mark.parametrize("case", [name for name in CASES if name.startswith("traceparent")])
def test_a_broken_trace_is_not_gone_on_with(run: Run, case: str) -> None:
    for item in run.items[f"case {case}"]:
        assert item["tags"]["ai.operation.id"] != "0" * 32
        assert "ai.operation.parentId" not in item["tags"]


def test_failures_are_failures_of_their_route(run: Run) -> None:
    for path in ("/boom", "/odd", "/stream-boom", "/handled"):
        bases = [item["data"]["baseData"] for item in run.items[f"case failure: {path}"]]
        assert [(base["name"], base["success"]) for base in bases] == [(f"GET {path}", False)]


def test_names_come_from_the_application_alone(run: Run) -> None:
    names = {item["data"]["baseData"]["name"] for items in run.items.values() for item in items}
    assert len(names) < 20, names


def test_bad_input_is_not_worth_a_line(run: Run) -> None:
    assert not said(run.stderr)


FEW = ("host: unknown", "failure: /boom", "target: emoji in percents", "method: unknown")
SMALL = {name: CASES[name] for name in FEW}
NONSENSE = {
    "words": "💥 nonsense ;=,([{",
    "bytes": "\udcff\udcfe\udc80\x01\x1b[31m",
    "a number": "-1",
    "an expression": "os.system('exit')",
    "64 KB": "x" * 65_536,
    "spaces": "  \t ",
}


@pytest.mark.parametrize("value", NONSENSE.values(), ids=NONSENSE.keys())
def test_nonsense_in_all_settings_changes_nothing(tmp_path: pathlib.Path, endpoint: Endpoint, value: str) -> None:
    secret = {name for option in OPTIONS if option.secret for name in (option.variable, *option.aliases)}
    names = {name for option in OPTIONS for name in (option.variable, *option.aliases)} - secret
    apps = tmp_path / "apps"
    shutil.copytree(APPS, apps, ignore=shutil.ignore_patterns("__pycache__"))
    env = {**dict.fromkeys(sorted(names), value), "AUTOTRACE_NONSENSE": value}
    talks, server = talk_with_both(STACKS["flask"], tmp_path, endpoint, SMALL, env, apps)
    assert all(talk.traced == talk.plain for talk in talks.values())
    assert len(endpoint.requests()) == sum(talk.reached for talk in talks.values()) == len(SMALL)
    assert not endpoint.invalid, endpoint.invalid[0]
    lines = said(server.stderr())
    assert max(collections.Counter(lines).values(), default=0) <= 1
    assert len(lines) <= len(env)
    assert all(len(line) < 1000 and line.isprintable() for line in lines)


CONNECTION_STRINGS = {
    "random bytes": "\udc9f\udc82\x1f\udcd4k;\udcee=\x7f\udc8b==;",
    "no key": "IngestionEndpoint=https://dc.services.visualstudio.com/",
    "a key that is none": "InstrumentationKey=secret-that-is-no-key",
    "an endpoint that is none": "InstrumentationKey={key};IngestionEndpoint=http://[::1",
    "another scheme": "InstrumentationKey={key};IngestionEndpoint=file:///etc/passwd",
    "signs alone": ";=;=;==",
    "64 KB": "InstrumentationKey=" + "0" * 65_536,
}


@pytest.mark.parametrize("text", CONNECTION_STRINGS.values(), ids=list(CONNECTION_STRINGS))
def test_a_bad_connection_string_costs_one_line(tmp_path: pathlib.Path, endpoint: Endpoint, text: str) -> None:
    env = {"APPLICATIONINSIGHTS_CONNECTION_STRING": text.replace("{key}", endpoint.key), "AUTOTRACE_EXPORTER": ""}
    talks, server = talk_with_both(STACKS["flask"], tmp_path, endpoint, SMALL, env, delivered=False)
    assert all(talk.traced == talk.plain for talk in talks.values())
    assert not endpoint.posts
    lines = said(server.stderr())
    assert len([line for line in lines if "APPLICATIONINSIGHTS_CONNECTION_STRING" in line]) == 1
    # Without a destination the telemetry stays on this machine, as the setting's help says, and a line says where.
    assert len(lines) == 2
    assert "autotrace view" in lines[1]
    assert len(list(tmp_path.rglob("telemetry.db"))) == 1
    assert "secret" not in server.stderr()
