"""Every request of a real load arrives at the endpoint once, and says what happened."""

from __future__ import annotations

import collections
import pathlib
from typing import Any, NamedTuple

import pytest

from tests.endpoint import Endpoint
from tests.harness import Answer, Request, gunicorn, load, serve, uvicorn, wsgiref

COUNT = 1000
STACKS = {
    "flask": gunicorn("flask_app:app", workers=2, threads=4),
    "django": gunicorn("django_app:application", workers=2, threads=4),
    "pyramid": gunicorn("pyramid_app:app", workers=2, threads=4),
    "django-asgi": uvicorn("django_app:asgi_application", workers=2),
}
SLOW = 0.03
# Target, method, blacklisted, and the operation name; None stands for a path that no route matches.
KINDS: list[tuple[str, str, bool, str | None]] = [
    ("/users/{n}", "GET", False, "GET /users/{id}"),
    ("/", "GET", False, "GET /"),
    ("/missing/{n}", "GET", False, None),
    ("/users/{n}?token=secret{n}", "GET", False, "GET /users/{id}"),
    ("/health", "GET", True, ""),
    ("/boom", "GET", False, "GET /boom"),
    ("/echo", "POST", False, "POST /echo"),
    ("/static/hello.txt?{n}", "GET", True, ""),
    ("/slow?s=0.03", "GET", False, "GET /slow"),
    ("/users/{n}", "HEAD", False, "HEAD /users/{id}"),
    ("/admin", "GET", True, ""),
    ("/administrators", "GET", False, "GET /administrators"),
    ("/redirect", "GET", False, "GET /redirect"),
    ("/stream?chunks=3&pause=0.01", "GET", False, "GET /stream"),
    ("/forbidden", "GET", False, "GET /forbidden"),
    ("/handled", "GET", False, "GET /handled"),
    ("/file", "GET", False, "GET /file"),
    ("/span", "GET", False, "GET /span"),
    ("/attribute", "GET", False, "GET /attribute"),
]
ROUTES = {"pyramid": "/users/{id}"}


class Sent(NamedTuple):
    """A request of the load, what came back, and the trace it was sent in, if any."""

    request: Request
    answer: Answer
    name: str | None
    trace: tuple[str, str] | None


class Run(NamedTuple):
    """A load that is over: what was sent by user agent, what arrived, and how the server ended."""

    sent: dict[str, Sent]
    hidden: set[str]
    endpoint: Endpoint
    code: int
    stderr: str
    items: dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=STACKS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    requests, hidden = plan()
    env = {"AUTOTRACE_BLACKLIST_PATHS": "/health,static/,admin"}
    with Endpoint() as endpoint:
        folder = tmp_path_factory.mktemp(request.param)
        with serve(STACKS[request.param], folder, endpoint, env) as server:
            answers = load(server.port, requests)
            code = server.stop()
        route = ROUTES.get(request.param, "/users/<int:id>")
        sent = {}
        for number, (wanted, answer) in enumerate(zip(requests, answers)):
            name = KINDS[number % len(KINDS)][3]
            trace = trace_of(number) if number % 2 else None
            sent[agent(number)] = Sent(wanted, answer, name and name.replace("/users/{id}", route), trace)
        items = {item["tags"]["ai.user.userAgent"]: item for item in endpoint.requests()}
        return Run(sent, hidden, endpoint, code, server.stderr(), items)


def plan() -> tuple[list[Request], set[str]]:
    """Write down the load: its requests, and the user agents of those that the blacklist hides."""
    requests, hidden = [], set()
    for number in range(COUNT):
        target, method, blacklisted, _ = KINDS[number % len(KINDS)]
        headers = {"User-Agent": agent(number)}
        if number % 2:
            headers["traceparent"] = "00-{}-{}-01".format(*trace_of(number))
        if method == "HEAD":
            # Older gunicorns send the body that Django leaves in, and the next answer would begin with it.
            headers["Connection"] = "close"
        body = b"apples" if method == "POST" else b""
        requests.append(Request(method, target.replace("{n}", str(number)), headers, body))
        if blacklisted:
            hidden.add(agent(number))
    return requests, hidden


def agent(number: int) -> str:
    """The User-Agent that tells one request of the load from the others."""
    return f"load/{number}"


def trace_of(number: int) -> tuple[str, str]:
    """The trace id and the caller's span id that a request is sent with."""
    return f"{number + 1:032x}", f"{number + 1:016x}"


def seconds(duration: str) -> float:
    """Read a duration of the wire format, in seconds."""
    days, _, clock = duration.rpartition(".")[0].partition(".")
    hours, minutes, rest = clock.split(":")
    fraction = float("0." + duration.rpartition(".")[2])
    return int(days) * 86_400 + int(hours) * 3600 + int(minutes) * 60 + int(rest) + fraction


def test_every_request_is_answered_and_the_server_ends_well(run: Run) -> None:
    statuses = collections.Counter(entry.answer.status for entry in run.sent.values())
    assert set(statuses) == {200, 302, 403, 404, 500}
    assert run.code == 0
    assert not [line for line in run.stderr.splitlines() if line.startswith("autotrace")]


def test_every_request_arrives_once_and_is_valid(run: Run) -> None:
    assert not run.endpoint.invalid, run.endpoint.invalid[0].faults
    assert len(run.endpoint.requests()) == COUNT - len(run.hidden)
    assert max(run.endpoint.counts().values()) == 1
    assert set(run.items) == set(run.sent) - run.hidden


def test_status_and_success_are_true(run: Run) -> None:
    for agent, item in run.items.items():
        base, status = item["data"]["baseData"], run.sent[agent].answer.status
        assert base["responseCode"] == str(status)
        assert base["success"] is (status < 400)


def test_names_are_routes(run: Run) -> None:
    unmatched = set()
    for agent, item in run.items.items():
        name, expected = item["data"]["baseData"]["name"], run.sent[agent].name
        if expected is None:
            unmatched.add(name)
        else:
            assert name == expected
    assert len(unmatched) == 1, "paths that nobody serves must not make names"


def test_durations_hold_what_the_application_took(run: Run) -> None:
    for agent, item in run.items.items():
        took = seconds(item["data"]["baseData"]["duration"])
        if run.sent[agent].name in ("GET /slow", "GET /stream"):
            assert took >= SLOW
        assert took < 60


def test_traces_go_on_and_new_ones_begin(run: Run) -> None:
    begun = []
    for agent, item in run.items.items():
        tags, trace = item["tags"], run.sent[agent].trace
        if trace is None:
            assert "ai.operation.parentId" not in tags
            begun.append(tags["ai.operation.id"])
        else:
            assert (tags["ai.operation.id"], tags["ai.operation.parentId"]) == trace
    assert len(begun) == len(set(begun)) > 300


def test_urls_are_whole_and_keep_no_secrets(run: Run) -> None:
    for agent, item in run.items.items():
        url, target = item["data"]["baseData"]["url"], run.sent[agent].request.target
        assert url.startswith("http://127.0.0.1:")
        assert url.partition("//")[2].partition("/")[2].partition("?")[0] == target[1:].partition("?")[0]
        assert "secret" not in url
        assert ("?token=REDACTED" in url) is ("token" in target)


def test_the_client_is_known(run: Run) -> None:
    assert {item["tags"]["ai.location.ip"] for item in run.items.values()} == {"127.0.0.1"}


def test_all_processes_are_one_role(run: Run) -> None:
    assert len({item["tags"]["ai.cloud.role"] for item in run.items.values()}) == 1
    assert len({item["tags"]["ai.cloud.roleInstance"] for item in run.items.values()}) == 1


def test_spans_of_the_application_hang_below_their_request(run: Run) -> None:
    spans = [item for item in run.endpoint.items if item["data"]["baseType"] == "RemoteDependencyData"]
    below = {(span["tags"]["ai.operation.id"], span["tags"]["ai.operation.parentId"]) for span in spans}
    requests = [item for agent, item in run.items.items() if run.sent[agent].name == "GET /span"]
    assert below == {(item["tags"]["ai.operation.id"], item["data"]["baseData"]["id"]) for item in requests}
    assert len(spans) == len(requests) > 0
    bases = [span["data"]["baseData"] for span in spans]
    assert {(base["name"], base["type"]) for base in bases} == {("x", "InProc")}


def test_attributes_of_the_application_are_properties_of_their_request(run: Run) -> None:
    for agent, item in run.items.items():
        basket = item["data"]["baseData"]["properties"].get("basket")
        assert basket == ("3 apples" if run.sent[agent].name == "GET /attribute" else None)


def test_connections_are_kept_and_bodies_are_packed(run: Run) -> None:
    posts = run.endpoint.posts
    assert {post.headers["content-encoding"] for post in posts} == {"gzip"}
    assert {post.status for post in posts} == {200}
    assert run.endpoint.connections <= 2 + len(posts) // 2


LONELY = {
    "uvicorn": uvicorn("django_app:asgi_application"),
    "gunicorn": gunicorn("pyramid_app:app"),
    "wsgiref": wsgiref("flask_app:app"),
}


@pytest.mark.parametrize("command", LONELY.values(), ids=list(LONELY))
def test_a_server_delivers_before_it_ends_and_ends_as_ever(
    command: list[str], tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    codes = []
    for traced in (False, True):
        with serve(command, tmp_path / str(traced), endpoint, traced=traced) as server:
            load(server.port, [Request("GET", f"/users/{number}") for number in range(20)], connections=2)
            codes.append(server.stop())
    assert len(endpoint.requests()) == len(endpoint.counts()) == 20
    assert codes[1] == codes[0]


BELOW = {"SCRIPT_NAME": "/below"}
PLACES = {
    "a mount": (gunicorn("flask_app:mounted"), {}, {
        "/users/7": "GET /users/<int:id>",
        "/mounted/users/7": "GET /mounted/users/<int:id>",
        "/mounted/": "GET /mounted/",
        "/static/hello.txt": "GET /static/<path:filename>",
    }),
    "Flask below a path": (gunicorn("flask_app:app"), BELOW, {"/below/users/7": "GET /below/users/<int:id>"}),
    "Pyramid below a path": (gunicorn("pyramid_app:app"), BELOW, {"/below/users/7": "GET /below/users/{id}"}),
    "Django below a path": (gunicorn("django_app:application"), BELOW, {
        "/below/users/7": "GET /below/users/<int:id>",
        "/below/shop/items/red-shoe": "GET /below/shop/items/<slug:slug>",
    }),
    "Django": (uvicorn("django_app:asgi_application"), {}, {
        "/shop/items/red-shoe": "GET /shop/items/<slug:slug>",
        "/archive/2024/red-shoe/": "GET /archive/{year}/{slug}/",
        "/async": "GET /async",
        "/async-boom": "GET /async-boom",
    }),
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_names_tell_where_a_route_is_mounted(place: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    command, env, names = PLACES[place]
    with serve(command, tmp_path, endpoint, env) as server:
        load(server.port, [Request("GET", target) for target in names], connections=1)
    bases = [item["data"]["baseData"] for item in endpoint.requests()]
    assert [base["name"] for base in bases] == list(names.values())
    assert [base["url"].partition(str(server.port))[2] for base in bases] == list(names)
    assert not endpoint.invalid


@pytest.mark.parametrize("stack", ["flask", "django-asgi"])
def test_an_availability_test_is_marked(stack: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    # Each run comes with an id of its own.
    runs = [{"SyntheticTest-RunId": f"run-{n}", "SyntheticTest-Location": "emea-nl-ams-azr"} for n in range(3)]
    with serve(STACKS[stack], tmp_path, endpoint) as server:
        load(server.port, [Request("GET", "/", headers) for headers in [*runs, {}]], connections=1)
    found = {item["tags"].get("ai.session.id"): item["tags"] for item in endpoint.requests()}
    assert found.keys() == {"run-0", "run-1", "run-2", None}
    for session, tags in found.items():
        assert ("ai.operation.syntheticSource" in tags) == (session is not None)
