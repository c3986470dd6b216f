"""The application cannot tell that it is traced: odd but legal applications see what they see without us."""

from __future__ import annotations

import collections
import json
import pathlib
import socket
import sys
from http.client import HTTPConnection
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.endpoint import Endpoint, Item
from tests.harness import ANSWER, Completed, environment, run_command, script, serve, uvicorn

APPS = pathlib.Path(__file__).parent / "apps_in_code"
# What OpenCensus itself cannot do: its tracer outside of requests fails in these.
BETTER = {"unbalanced", "collected", "seen"}


class Seen(NamedTuple):
    """What a sample said with and without us, and the items: of requests by path, of spans by the request's id."""

    said: dict[str, Any]
    untraced: dict[str, Any]
    requests: dict[str, Item]
    spans: dict[str, list[Item]]

    def spans_of(self, path: str) -> dict[str, str]:
        """Return the spans of the request of `path`: name → name of the parent, "" for the request itself."""
        request = self.requests[path]
        trace = request["tags"]["ai.operation.id"]
        names = {base(span)["id"]: base(span)["name"] for span in self.spans.get(trace, ())}
        names[base(request)["id"]] = ""
        return {base(span)["name"]: names[span["tags"]["ai.operation.parentId"]] for span in self.spans.get(trace, ())}

    def names(self, *paths: str) -> list[str]:
        """Return the names of the requests of these paths."""
        return [base(self.requests[path])["name"] for path in paths]


def base(item: Item) -> Item:
    """Return what an item says."""
    data: Item = item["data"]["baseData"]
    return data


def run(folder: pathlib.Path, *words: str, traced: bool = True, endpoint: Endpoint | None = None, **env: str) -> str:
    """Run a sample to its end and return what it printed."""
    launcher = [script("autotrace"), "run"] if traced else []
    environ = {**environment(folder, endpoint), **env}
    done: Completed = run_command([*launcher, sys.executable, *words], environ, cwd=APPS)
    assert done.code == 0, done.stderr
    return done.stdout


def see(folder: pathlib.Path, *words: str) -> Seen:
    """Run a sample with and without us."""
    with Endpoint() as endpoint:
        said = json.loads(run(folder, *words, endpoint=endpoint))
        assert not endpoint.invalid, endpoint.invalid[0]
        spans = collections.defaultdict(list)
        for item in endpoint.items:
            if item["data"]["baseType"] == "RemoteDependencyData":
                spans[item["tags"]["ai.operation.id"]].append(item)
        paths = [urlsplit(base(item)["url"]).path for item in endpoint.requests()]
        assert len(set(paths)) == len(paths), "a request was recorded twice"
        requests = dict(zip(paths, endpoint.requests()))
    return Seen(said, json.loads(run(folder, *words, traced=False)), requests, spans)


@pytest.fixture(scope="module")
def flask(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return see(tmp_path_factory.mktemp("flask"), "flask_odd.py")


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return see(tmp_path_factory.mktemp("django"), "django_odd.py")


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return see(tmp_path_factory.mktemp("pyramid"), "pyramid_odd.py")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return see(tmp_path_factory.mktemp("strict"), "-W", "error", "strict.py")


@pytest.fixture(scope="module")
def early(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return see(tmp_path_factory.mktemp("early"), "early_tracer.py")


@pytest.mark.parametrize("sample", ["flask", "django", "pyramid"])
def test_the_application_sees_what_it_sees_without_us(sample: str, request: pytest.FixtureRequest) -> None:
    seen: Seen = request.getfixturevalue(sample)
    compared = set(seen.untraced) - BETTER
    assert {name: seen.said[name] for name in compared} == {name: seen.untraced[name] for name in compared}


def test_django_methods_patched_late_take_effect(django: Seen) -> None:
    assert django.said["patched"] == [["200 OK", "ok"], ["patched"]]
    assert django.said["patched_async"] == [[200, "ok"], ["patched async"]]
    # The mixin's method, and the patched one behind it, of both classes.
    assert django.said["mixed"] == [["200 OK", "ok"], ["200 OK", "ok"], ["mixin", "patched"] * 2]
    for path in ("/span/10", "/span/12", "/span/13"):
        assert django.names(path) == ["GET /span/<int:number>"]
        assert django.spans_of(path) == {"within": ""}
    assert django.names("/async/11") == ["GET /async/<int:number>"]
    assert django.spans_of("/async/11") == {"within": ""}


def test_start_response_takes_keywords(flask: Seen) -> None:
    assert flask.said["keyword_exc_info"] == ["200 OK", "ok"]
    assert flask.said["keyword_all"] == ["202 Accepted", "later"]
    assert base(flask.requests["/keyword/1"])["responseCode"] == "200"
    assert base(flask.requests["/keywords/1"])["responseCode"] == "202"


def test_the_length_of_a_flask_body_is_not_asked_for(flask: Seen) -> None:
    assert flask.said["raising_len"] == [["200 OK", "unsized"], 0]
    assert flask.names("/unsized/1") == ["GET /unsized/<number>"]


def test_a_pyramid_view_may_replace_the_matched_route(pyramid: Seen) -> None:
    assert pyramid.said["odd_routes"] == [["200 OK", "ok"]] * 2
    assert base(pyramid.requests["/odd_route/1"])["success"] is True
    assert base(pyramid.requests["/odd_pattern/1"])["success"] is True


@pytest.mark.parametrize("sample", ["flask", "django", "pyramid"])
def test_requests_are_freed_without_a_garbage_collector(sample: str, request: pytest.FixtureRequest) -> None:
    seen: Seen = request.getfixturevalue(sample)
    assert seen.said["freed"]
    # Older versions of Django keep requests in cycles of their own.
    assert seen.said["freed"] == seen.untraced["freed"]
    if sample != "django" or sys.version_info >= (3, 10):
        assert {name for name, alive in seen.said["freed"].items() if alive not in (False, [False, False])} == set()


def test_a_tracer_made_before_the_framework_stays_current_outside_of_requests(early: Seen) -> None:
    for moment in ("imported", "answered"):
        assert early.said[moment] == [True, {"early": 1}, True] == early.untraced[moment]
    assert early.said["outside"] is True
    outside = {"while importing": None, "between requests": None}
    assert {name: early.said["parents"][name] for name in outside} == outside
    assert set(early.requests) == {"/early/below", "/early/alone"}


def test_a_tracer_of_the_application_has_its_own_root(flask: Seen) -> None:
    assert flask.said["own_tracer"] == [["200 OK", "ok"], {"root": True, "child": False}]
    assert flask.said["hooked_tracer"] == [["200 OK", "ok"], {"request": True, "within": False}]
    assert flask.names("/own/1", "/hooked/1") == ["GET /own/<number>", "GET /hooked/<number>"]
    assert flask.spans_of("/own/1") == flask.spans_of("/hooked/1") == {}


def test_spans_cause_no_warnings(strict: Seen) -> None:
    for view in ("by_tracer", "unended"):
        assert strict.said[view] == ["200 OK", "ok"]
    assert strict.spans_of("/by_tracer") == {"outer": "", "inner": "outer"}
    assert strict.spans_of("/unended") == {"forgotten": ""}


def test_spans_made_by_spans_cause_no_warnings(strict: Seen) -> None:
    for view in ("below_a_span", "below_the_request"):
        assert strict.said[view] == ["200 OK", "ok"]
    assert strict.spans_of("/below_a_span") == {"outer": "", "below": "outer"}
    assert strict.spans_of("/below_the_request") == {"below": ""}


def test_one_end_too_many_changes_nothing(flask: Seen) -> None:
    assert flask.said["unbalanced"] == ["200 OK", "ok"]
    assert base(flask.requests["/unbalanced/1"])["properties"]["afterwards"] == "there"
    assert flask.spans_of("/unbalanced/1") == {"balanced": ""}


def test_open_spans_can_be_listed(flask: Seen) -> None:
    assert flask.said["collected"] == ["200 OK", "ok"]
    assert flask.said["seen"]["collected"] == ["open"]


def test_spans_that_cannot_be_exported_cost_no_request(flask: Seen) -> None:
    assert flask.said["unexportable"] == [["200 OK", "ok"]] * 2
    assert flask.names("/by-tracer/1", "/by-span/1") == ["GET /by-tracer/<number>", "GET /by-span/<number>"]


def test_a_response_started_late_is_measured_to_its_end(flask: Seen) -> None:
    assert flask.said["late_start"] == ["200 OK", "OK"]
    request = base(flask.requests["/late/1"])
    assert (request["responseCode"], request["name"]) == ("200", "GET /late/<number>")
    days, _, clock = request["duration"].partition(".")
    hours, minutes, seconds = clock.split(":")
    assert (days, hours, minutes) == ("0", "00", "00")
    # What the application measured inside of the request, in the microseconds of the wire format.
    assert float(seconds) >= round(flask.said["seen"]["took"], 6)


def test_middleware_may_copy_the_environ(flask: Seen, pyramid: Seen) -> None:
    assert flask.said["copied"] == pyramid.said["copied"] == ["200 OK", "ok"]
    assert flask.names("/copied/1") == ["GET /copied/<number>"]
    assert pyramid.names("/span/14") == ["GET /span/{number}"]
    assert flask.spans_of("/copied/1") == pyramid.spans_of("/span/14") == {"within": ""}


def test_a_pyramid_tween_may_copy_the_request(pyramid: Seen) -> None:
    assert pyramid.said["copied_request"] == ["200 OK", "ok"]
    assert pyramid.names("/span/16") == ["GET /span/{number}"]
    assert pyramid.spans_of("/span/16") == {"within": ""}


def test_bodies_are_what_they_are(flask: Seen) -> None:
    again, kind, first, copied = flask.said["bodies"]
    assert again == [["1", "2"], ["1", "2"]]
    assert (kind, first) == ("Chunks", "1")
    assert copied == ["1", "2"]
    assert flask.said["copied_generator"] == "12"
    for path in ("/again/1", "/chunks/1", "/copy/1", "/generated/1"):
        assert base(flask.requests[path])["responseCode"] == "200"


def test_an_application_that_takes_the_socket_over_has_not_failed(flask: Seen) -> None:
    assert flask.said["taken_over"] == "StopIteration('mine now')"
    assert base(flask.requests["/taken/1"])["success"] is True


def test_requests_inside_a_request_are_part_of_it(flask: Seen) -> None:
    bodies = ["inside/outside/view", "inside/outside/span", "1inside"]
    assert flask.said["nested"] == [["200 OK", body] for body in bodies]
    assert "/inside" not in flask.requests
    assert flask.names("/outside/view", "/outside/stream") == ["GET /outside/view", "GET /outside/stream"]
    assert flask.spans_of("/outside/view") == {"in view": ""}
    assert flask.spans_of("/outside/span") == {"around": "", "in span": "around", "beside": ""}
    assert flask.spans_of("/outside/stream") == {"in stream": ""}


def test_threads_that_come_first_together_share_one_exporter(tmp_path: pathlib.Path) -> None:
    probe = tmp_path / "probe"
    run(
        tmp_path,
        "first_together.py",
        AUTOTRACE_EXPORTER="first_together.Counted()",
        PROBE_FILE=str(probe),
        PYTHONPATH=str(APPS),
    )
    by_process = collections.defaultdict(list)
    for line in probe.read_text().splitlines():
        pid, word = line.split()
        by_process[pid].append(word)
    assert len(by_process) == 4
    for words in by_process.values():
        assert sorted(words) == sorted(["made", *(f"/{number}" for number in range(16))])


def test_a_body_collected_at_any_point_of_another_request_is_counted(
    endpoint: Endpoint, tmp_path: pathlib.Path
) -> None:
    forgotten = int(run(tmp_path, "forgotten_bodies.py", endpoint=endpoint))
    streams = [item for item in endpoint.requests() if base(item)["name"] == "GET /stream/<number>"]
    paths = {urlsplit(base(item)["url"]).path for item in streams}
    assert forgotten > 100
    # The others are still open when the process ends: whether they count is not the question here.
    assert {f"/stream/{number}" for number in range(forgotten)} <= paths
    assert len(paths) == len(streams)
    assert max(endpoint.counts().values()) == 1


def test_uvicorn_frees_answered_requests_while_connections_are_idle(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    with serve(uvicorn("django_odd:application"), tmp_path, endpoint, apps=APPS) as server:
        clients = [HTTPConnection("127.0.0.1", server.port, timeout=ANSWER) for _ in range(6)]
        for number, client in enumerate(clients[:5]):
            client.request("GET", f"/async/{number}")
            assert client.getresponse().read() == b"ok"
        clients[5].request("GET", "/alive")
        assert json.loads(clients[5].getresponse().read()) == [5, 0]
        for client in clients:
            client.close()
        server.stop()
    assert len(endpoint.requests()) == 6


def test_uvicorn_tells_pipelined_requests_apart(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    with serve(uvicorn("django_odd:application"), tmp_path, endpoint, apps=APPS) as server:
        assert pipeline(server.port, [f"/async/{number}" for number in range(4)]) == 4
        server.stop()
    requests = endpoint.requests()
    assert sorted(urlsplit(base(item)["url"]).path for item in requests) == [f"/async/{number}" for number in range(4)]
    assert {base(item)["name"] for item in requests} == {"GET /async/<int:number>"}
    # Each request has the span that was made in it.
    spans = [item for item in endpoint.items if item["data"]["baseType"] == "RemoteDependencyData"]
    ids = sorted(base(item)["id"] for item in requests)
    assert sorted(span["tags"]["ai.operation.parentId"] for span in spans) == ids
    assert len({item["tags"]["ai.operation.id"] for item in requests}) == 4


def test_uvicorn_records_what_is_pipelined_behind_a_hidden_request(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    env = {"AUTOTRACE_BLACKLIST_PATHS": "plain"}
    with serve(uvicorn("django_odd:application"), tmp_path, endpoint, env, apps=APPS) as server:
        assert pipeline(server.port, ["/plain/0", "/async/1", "/plain/2", "/async/3"]) == 4
        server.stop()
    assert sorted(urlsplit(base(item)["url"]).path for item in endpoint.requests()) == ["/async/1", "/async/3"]


def pipeline(port: int, paths: list[str]) -> int:
    """Send requests over one connection without waiting for the answers; return how many answers come back."""
    with socket.create_connection(("127.0.0.1", port), ANSWER) as connection:
        lines = [f"GET {path} HTTP/1.1\r\nHost: shop.test\r\n" for path in paths]
        connection.sendall(("\r\n".join(lines) + "Connection: close\r\n\r\n").encode())
        received = b""
        while True:
            chunk = connection.recv(65_536)
            if not chunk:
                return received.count(b"HTTP/1.1 200 OK\r\n")
            received += chunk
