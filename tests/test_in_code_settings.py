"""The OPENCENSUS settings that applications have in their code work in all frameworks; the environment wins."""

from __future__ import annotations

import json
import pathlib
import re
import sys
from typing import Any, Callable, NamedTuple

import pytest

from tests.apps_in_code.traffic import REQUESTS, SPAN, TRACE
from tests.endpoint import Endpoint
from tests.harness import Completed, Request, environment, gunicorn, load, run_command, script, serve, uvicorn
from tests.needs import need

APPS = pathlib.Path(__file__).parent / "apps_in_code"
FRAMEWORKS = ("flask", "django", "pyramid")
RECORDED = re.compile(r"autotrace: .* http://shop\.test(/\S*)  operation ([0-9a-f]{32})$")
ALL = frozenset(path for path in REQUESTS if path != "/_ah/health")
PAGES = frozenset(path for path in ALL if path.startswith("/page/"))
HIDDEN = frozenset(("/health", "/admin/users"))


class Case(NamedTuple):
    """What one application under one setting did, as a user sees it: recorded paths and their operations."""

    recorded: dict[str, str]
    complaints: list[str]
    spans: list[dict[str, Any]]
    stdout: str


def ask(framework: str, folder: pathlib.Path, env: dict[str, str], *cases: str) -> dict[str, Case]:
    """Send the requests of ask.py to an application under each of the cases (default: all)."""
    words = [script("autotrace"), "run", sys.executable, "ask.py", framework, *cases]
    here = {"AUTOTRACE_LOCAL_STORE": str(folder / "store.db")}
    done = run_command(words, {**environment(folder, exporter=""), **here, **env}, cwd=APPS)
    assert done.code == 0, done.stderr
    return dict(map(read_case, done.stdout.splitlines()))


def read_case(line: str) -> tuple[str, Case]:
    """Read one line of ask.py; the application must have answered as it does without us."""
    said = json.loads(line)
    assert said["code"] == 0
    assert said["answers"] == [f"200 OK {path}" for path in REQUESTS]
    lines = said["stderr"].splitlines()
    matches = [RECORDED.match(text) for text in lines]
    found = [(match[1], match[2]) for match in matches if match]
    found += [(url.replace("http://shop.test", "", 1), operation) for url, operation in said["stored"]]
    recorded = dict(found)
    assert len(recorded) == len(found), "a request was recorded twice"
    complaints = [text for text, match in zip(lines, matches) if not match]
    return said["case"], Case(recorded, complaints, list(map(json.loads, said["spans"].splitlines())), said["stdout"])


@pytest.fixture(scope="module", params=FRAMEWORKS)
def cases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    return ask(request.param, tmp_path_factory.mktemp(request.param), {})


def test_an_application_without_settings_is_recorded_whole(cases: dict[str, Case]) -> None:
    for name in ("nothing", "empty"):
        assert set(cases[name].recorded) == ALL
        assert not cases[name].complaints


def test_samplers(cases: dict[str, Case]) -> None:
    for name in (name for name in cases if name.startswith("sampler off")):
        assert cases[name].recorded == {}, name
        assert not cases[name].complaints
    assert set(cases["sampler on, object"].recorded) == ALL
    for form in ("string", "object"):
        # OpenCensus's own rule: what the caller sampled is kept whatever the rate.
        assert set(cases[f"sampler by rate, {form}"].recorded) == {"/w3c"}
    recorded = cases["sampler of its own"].recorded
    assert set(recorded) == set([path for path in REQUESTS if path in ALL][1::2])


def test_exporters(cases: dict[str, Case]) -> None:
    labels = {"string": "string", "flat": "flat", "object": "object", "class": "lines"}
    for form, label in labels.items():
        case = cases[f"exporter, {form}"]
        assert not case.complaints
        assert {span["attributes"]["http.path"] for span in case.spans} == ALL
        assert len(case.spans) == len(ALL)
        assert {span["label"] for span in case.spans} == {label}
    assert cases["exporter, none"] == Case({}, [], [], "")
    assert cases["exporter, print"].stdout.count("SpanData(") == len(ALL)


def test_spans_of_exporters_say_what_happened(cases: dict[str, Case]) -> None:
    for span in cases["exporter, string"].spans:
        attributes = span["attributes"]
        assert attributes["http.method"] == "GET"
        assert attributes["http.status_code"] == 200
        assert attributes["http.host"] == ""
        assert attributes["http.url"] == "http://shop.test" + attributes["http.path"]
        assert span["name"] == "GET " + attributes["http.route"]
        assert (span["kind"], span["status"]) == (1, 0)
        assert span["times"][0] < span["times"][1]
    (joined,) = [span for span in cases["exporter, string"].spans if span["parent"]]
    assert (joined["attributes"]["http.path"], joined["trace"], joined["parent"]) == ("/w3c", TRACE, SPAN)


def test_an_exporter_that_raises_is_said_once(cases: dict[str, Case]) -> None:
    case = cases["exporter that raises"]
    assert len(case.spans) == len(ALL)
    assert len(case.complaints) == 1
    assert "exporter failed" in case.complaints[0]


def test_propagators(cases: dict[str, Case]) -> None:
    joined = {
        "nothing": {"/w3c"},
        "propagator, word": {"/b3"},
        "propagator, string": {"/b3"},
        "propagator, flat": {"/b3"},
        "propagator, object": {"/b3"},
        "propagator of Google": {"/google"},
        "propagator of its own": {"/custom"},
        "propagator that raises": set(),
    }
    for name, paths in joined.items():
        recorded = cases[name].recorded
        assert set(recorded) == ALL, name
        assert {path for path, operation in recorded.items() if operation == TRACE} == paths, name
        assert not cases[name].complaints


def test_blacklists(cases: dict[str, Case]) -> None:
    for name in ("blacklist", "blacklist, flat", "blacklist, text", "blacklist, tuple", "excludelist"):
        assert set(cases[name].recorded) == {*ALL, "/_ah/health"} - HIDDEN, name
        assert not cases[name].complaints
    assert set(cases["blacklist, empty"].recorded) == {*ALL, "/_ah/health"}
    bad = cases["blacklist with one bad entry"]
    assert set(bad.recorded) == {*ALL, "/_ah/health"} - HIDDEN, "the good entries count"
    assert len(bad.complaints) == 1


def test_everything_at_once(cases: dict[str, Case]) -> None:
    case = cases["everything"]
    paths = {span["attributes"]["http.path"]: span["trace"] for span in case.spans}
    assert not case.complaints
    assert set(paths) == set([path for path in REQUESTS if path not in HIDDEN][1::2])
    assert paths.get("/b3", TRACE) == TRACE


def test_nonsense_is_said_in_one_line_and_the_default_is_used(cases: dict[str, Case]) -> None:
    nonsense = {name: case for name, case in cases.items() if name.startswith("nonsense")}
    assert len(nonsense) > 10
    for name, case in nonsense.items():
        assert set(case.recorded) == ALL, name
        assert case.recorded["/w3c"] == TRACE, name
        assert len(case.complaints) == 1, (name, case.complaints)
        assert case.complaints[0].startswith("autotrace: "), name


def test_an_exporter_that_cannot_be_made_is_said_in_one_line(cases: dict[str, Case]) -> None:
    failing = {name: case for name, case in cases.items() if name.startswith("failing")}
    assert len(failing) == 2
    for case in failing.values():
        assert set(case.recorded) == ALL, "the default exporter takes its place"
        assert len(case.complaints) == 1
        assert "cannot be used" in case.complaints[0]
        assert "SECRET-KEY" not in case.complaints[0]


ENVIRONMENT: dict[str, tuple[dict[str, str], Callable[[Case], bool]]] = {
    "a sampler": ({"AUTOTRACE_SAMPLER": "always_on"}, lambda case: paths_of(case) == {*ALL, "/_ah/health"} - HIDDEN),
    "an exporter": ({"AUTOTRACE_EXPORTER": "console"}, lambda case: len(case.recorded) > 5 and not case.spans),
    "a propagator": (
        {"AUTOTRACE_PROPAGATOR": "tracecontext", "AUTOTRACE_SAMPLER": "1"},
        lambda case: {span["attributes"]["http.path"] for span in case.spans if span["trace"] == TRACE} == {"/w3c"},
    ),
    "a blacklist": (
        {"AUTOTRACE_BLACKLIST_PATHS": "/page/,/b3", "AUTOTRACE_SAMPLER": "1"},
        lambda case: paths_of(case) == {*ALL, "/_ah/health"} - PAGES - {"/b3"},
    ),
    "a blacklist by its newer name": (
        {"AUTOTRACE_EXCLUDELIST_PATHS": "/page/", "AUTOTRACE_SAMPLER": "1"},
        lambda case: paths_of(case) == {*ALL, "/_ah/health"} - PAGES,
    ),
    "nonsense, which loses": (
        {"AUTOTRACE_SAMPLER": "sometimes", "AUTOTRACE_EXPORTER": "somewhere", "AUTOTRACE_PROPAGATOR": "pigeon"},
        lambda case: len(case.spans) == 7 and not case.recorded,
    ),
}  # fmt: skip


def paths_of(case: Case) -> set[str]:
    """Return the paths of the requests that an exporter of the application got."""
    return {span["attributes"]["http.path"] for span in case.spans}


@pytest.mark.parametrize("what", ENVIRONMENT)
def test_the_environment_wins_setting_by_setting(what: str, tmp_path: pathlib.Path) -> None:
    env, holds = ENVIRONMENT[what]
    framework = FRAMEWORKS[len(what) % 3]
    case = ask(framework, tmp_path, env, "everything")["everything"]
    assert holds(case), case


SERVERS = {
    "flask": gunicorn("flask_in_code:create_app()", workers=2),
    "django": gunicorn("django_in_code:create_app()", workers=2),
    "pyramid": gunicorn("pyramid_in_code:create_app()", workers=2),
    "django-asgi": [*uvicorn("django_in_code:create_asgi_app"), "--factory"],
}
BIND = "--bind=127.0.0.1:{port}"


def command_of(stack: str) -> list[str]:
    """The server command of a stack; the folder of these samples has no gunicorn.conf.py."""
    command = SERVERS[stack]
    return command if "uvicorn" in command[0] else [*command, BIND]


@pytest.mark.parametrize("stack", SERVERS)
def test_real_servers_obey_the_application(stack: str, tmp_path: pathlib.Path) -> None:
    env = {"APP_CASE": "everything", "PROBE_FILE": str(tmp_path / "spans"), "AUTOTRACE_SAMPLER": "1"}
    # The application's, which no variable is to overrule.
    env["AUTOTRACE_EXPORTER"] = ""
    requests = [Request("GET", f"/page/{number}") for number in range(20)]
    requests += [Request("GET", "/health"), Request("GET", "/admin/users")]
    requests += [Request("GET", "/b3", {"b3": f"{TRACE}-{SPAN}-1"})]
    with serve(command_of(stack), tmp_path, None, env, apps=APPS) as server:
        assert {answer.status for answer in load(server.port, requests)} == {200}
        server.stop()
    said = [line for line in server.stderr().splitlines() if "autotrace" in line]
    assert [line for line in said if "autotrace view" not in line] == []
    assert not (tmp_path / ".local/state/autotrace/telemetry.db").exists()
    spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    paths = [span["attributes"]["http.path"] for span in spans]
    assert sorted(paths) == sorted(["/b3", *(f"/page/{number}" for number in range(20))])
    (b3,) = [span for span in spans if span["attributes"]["http.path"] == "/b3"]
    assert (b3["trace"], b3["parent"]) == (TRACE, SPAN)


MIDDLEWARE = {
    "flask": "opencensus.ext.flask",
    "django": "opencensus.ext.django",
    "pyramid": "opencensus.ext.pyramid",
}


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_an_application_with_the_stock_middleware_is_left_to_it(
    framework: str, tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    need(is_importable(MIDDLEWARE[framework]), f"{MIDDLEWARE[framework]} (installed with pip --no-deps)")
    env = {"APP_CASE": "exporter, object", "PROBE_FILE": str(tmp_path / "spans"), "APP_MIDDLEWARE": "1"}
    command = [*SERVERS[framework][:1], "--workers=1", SERVERS[framework][-1], BIND]
    with serve(command, tmp_path, endpoint, env, apps=APPS) as server:
        trace = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
        answers = load(server.port, [Request("GET", f"/page/{number}", trace) for number in range(5)], connections=1)
        assert {answer.status for answer in answers} == {200}
        server.stop()
    lines = [line for line in server.stderr().splitlines() if "autotrace" in line]
    assert len(lines) == 1
    assert "OpenCensus" in lines[0]
    spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    assert len(spans) == 5, "the middleware's own spans, each once"
    assert not endpoint.posts


def is_importable(module: str) -> bool:
    """Tell whether Python finds a module, asking a process of its own: an import would leave traces here."""
    done: Completed = run_command([sys.executable, "-W", "ignore", "-c", f"import {module}"], environment(APPS))
    return done.code == 0
