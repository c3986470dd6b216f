"""What request items say, and that nothing a client or an application does takes one over a limit."""

from __future__ import annotations

import json
import pathlib
import random
import string
from typing import Any

import pytest
from opencensus.trace import execution_context

from autotrace.calls import begin
from autotrace.frameworks.django import template_of
from autotrace.identity import identify
from autotrace.recorder import Recorder
from autotrace.settings import load
from autotrace.times import duration, timestamp
from tests.endpoint import Endpoint
from tests.harness import Request, gunicorn, serve
from tests.harness import load as send
from tests.recordings import KEY, Kept, Shop, record, said, visit

# OpenCensus is final, and Python 3.12 deprecates what its spans call.
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")


def current() -> Any:
    """Return the request as OpenCensus's current span."""
    return execution_context.get_current_span()


def test_a_plain_request() -> None:
    item = record(route="/users/<int:id>", PATH_INFO="/users/7", HTTP_USER_AGENT="curl/8.0")
    base, tags = said(item), item["tags"]
    assert item["name"] == "Microsoft.ApplicationInsights.Request"
    assert item["iKey"] == KEY
    assert base["name"] == tags["ai.operation.name"] == "GET /users/<int:id>"
    assert (base["responseCode"], base["success"]) == ("200", True)
    assert base["url"] == "http://shop.test/users/7"
    assert base["properties"].keys() == {"process.pid"}
    assert (tags["ai.location.ip"], tags["ai.user.userAgent"]) == ("192.0.2.7", "curl/8.0")
    assert tags["ai.device.type"] == "PC"
    assert "ai.operation.parentId" not in tags


SOURCE = "ai.operation.syntheticSource"


def test_a_run_of_an_availability_test_is_a_session_of_its_own() -> None:
    run = {"HTTP_SYNTHETICTEST_RUNID": "run-1", "HTTP_SYNTHETICTEST_LOCATION": "emea-nl-ams-azr"}
    tags = record(HTTP_USER_AGENT="AppInsights", **run)["tags"]
    assert tags[SOURCE] == "Application Insights Availability Monitoring"
    assert (tags["ai.user.id"], tags["ai.session.id"]) == ("emea-nl-ams-azr_run-1", "run-1")


@pytest.mark.parametrize(
    "agent", ["Mozilla/5.0 (compatible; bingbot/2.0)", "AlwaysOn/1.0", "UptimeMonitor", "a spider"]
)
def test_robots_are_told_from_users(agent: str) -> None:
    tags = record(HTTP_USER_AGENT=agent)["tags"]
    assert tags[SOURCE] == "Bot"
    assert not {"ai.user.id", "ai.session.id"} & tags.keys()


@pytest.mark.parametrize("agent", [None, "", "curl/8.0", "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"])
def test_users_are_not_synthetic(agent: str | None) -> None:
    assert SOURCE not in record(HTTP_USER_AGENT=agent)["tags"]


LONG = {
    "path": {"PATH_INFO": "/" + "a" * 100_000},
    "path of bytes": {"PATH_INFO": "/" + "\xff\xfe" * 50_000},
    "path of text": {"PATH_INFO": "/" + "ä€🎉".encode().decode("latin-1") * 5000},
    "path of quotes": {"PATH_INFO": '/"\\' * 10_000},
    "path of control characters": {"PATH_INFO": "/" + "".join(map(chr, range(256))) * 100},
    "path that no server sends": {"PATH_INFO": "/€\udc80"},
    "mount": {"SCRIPT_NAME": "/" + "m" * 100_000, "PATH_INFO": "/"},
    "query": {"QUERY_STRING": "token=" + "a" * 100_000},
    "query of many": {"QUERY_STRING": "&".join(f"k{number}=v" for number in range(20_000))},
    "query of bytes": {"QUERY_STRING": "\xff=\xfe&\x00=\x01" * 5000},
    "user agent": {"HTTP_USER_AGENT": "a" * 100_000},
    "run of a test": {"HTTP_SYNTHETICTEST_RUNID": "r" * 10_000, "HTTP_SYNTHETICTEST_LOCATION": "l" * 10_000},
    "run of bytes": {"HTTP_SYNTHETICTEST_RUNID": "\xff\"" * 99, "HTTP_SYNTHETICTEST_LOCATION": "\xc3\xa4\\" * 99},
    "user agent of bytes": {"HTTP_USER_AGENT": "\xff\xfe\x01\"\\" * 20_000},
    "user agent of text": {"HTTP_USER_AGENT": "🎉".encode().decode("latin-1") * 20_000},
    "host": {"HTTP_HOST": "h" * 100_000},
    "host of markup": {"HTTP_HOST": "<script>\"'\\\x00\xff"},
    "host of user names": {"HTTP_HOST": "user:" + "SECRET" * 1000 + "@shop.test"},
    "method": {"REQUEST_METHOD": "X" * 100_000},
    "address": {"REMOTE_ADDR": "1" * 100_000},
    "traceparent": {"HTTP_TRACEPARENT": "00-" * 50_000},
    "tracestate": {"HTTP_TRACEPARENT": f"00-{'1' * 32}-{'2' * 16}-01", "HTTP_TRACESTATE": "a=" * 50_000},
    "scheme": {"wsgi.url_scheme": "javascript"},
    "status": {"status": "200 " + '"x' * 10_000},
}  # fmt: skip


@pytest.mark.parametrize("what", LONG)
@pytest.mark.parametrize("query", ["redact", "keep", "drop", "token,k1"])
def test_items_stay_within_the_limits(what: str, query: str) -> None:
    item = record({"AUTOTRACE_URL_QUERY": query, "AUTOTRACE_TRUSTED_PROXIES": "1"}, **LONG[what])
    base = said(item)
    assert len(base["url"]) <= 2048
    assert base["url"].isascii()
    assert base["url"].startswith("http://")
    assert "SECRET" not in json.dumps(item)


@pytest.mark.parametrize("route", ["/" + "r" * 5000, "/ä€\udc80" * 500, '/"\\\n\x00', ""])
def test_names_stay_within_the_limits(route: str) -> None:
    name = said(record(route=route))["name"]
    assert name.startswith("GET")
    assert len(name) <= 1024


class Unprintable:
    """A value that cannot be written, nor compared."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __hash__(self) -> int:
        return 1


ATTRIBUTES: dict[str, dict[Any, Any]] = {
    "many and large": {f"key {number}": "v" * 20_000 for number in range(32)},
    "large control characters": {f"key {number}": "\x01" * 20_000 for number in range(32)},
    "large text": {f"key {number}": "🎉" * 20_000 for number in range(32)},
    "long keys": {"k" * 1000 + str(number): "v" for number in range(32)},
    "long keys of text": {"🎉" * 1000 + str(number): "v" for number in range(32)},
    "surrogates": {"\udc80\ud800": "\udcff" * 9000},
    "no text": {Unprintable(): Unprintable(), "value": Unprintable()},
    "not strings": {None: 1, 1: None, (1, 2): [3], b"\xff": b"\xfe", False: float("nan"), 2.5: float("inf")},
    "empty": {"": "value", "key": "", "none": None},
    "quotes": {'"\\\n': '"\\\n\x00\x7f'},
    "our own": {"process.pid": "mine"},
    "duplicates after trimming": {"k" * 150 + "1": "first", "k" * 150 + "2": "second"},
}  # fmt: skip


@pytest.mark.parametrize("what", ATTRIBUTES)
def test_attributes_stay_within_the_limits(what: str) -> None:
    def view() -> None:
        for key, value in ATTRIBUTES[what].items():
            current().add_attribute(key, value)
        with execution_context.get_opencensus_tracer().span("x" * 2000) as span:
            for key, value in ATTRIBUTES[what].items():
                span.add_attribute(key, value)

    kept = Kept()
    shop = Shop(Recorder(kept))
    shop.view = view
    visit(shop)
    request, span = sorted(kept.items(), key=lambda item: item["name"], reverse=True)
    for item in (request, span):
        properties = said(item)["properties"]
        assert properties["process.pid"] != "mine"
        if what in ("many and large", "large text", "long keys"):
            assert len(properties) > 1, "what fits is kept"
        assert "" not in properties.values()
    assert said(request)["url"] == "http://shop.test/"


METHODS = {
    "GET": "GET",
    "PATCH": "PATCH",
    "OPTIONS": "OPTIONS",
    "get": "HTTP",
    "BREW": "HTTP",
    "": "HTTP",
    "\xff": "HTTP",
}


@pytest.mark.parametrize("method", METHODS)
def test_unknown_methods_make_no_names(method: str) -> None:
    assert said(record(REQUEST_METHOD=method))["name"] == METHODS[method] + " /"


STATUSES = {"200 OK": True, "204": True, "302 Found": True, "400 Bad": False, "401 Unauthorized": True, "404 No": False,
            "500 Oops": False, "599 X": False, "600 X": True, "100 Continue": True}  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_success_follows_the_setting(status: str) -> None:
    base = said(record(status=status))
    assert (base["responseCode"], base["success"]) == (status[:3], STATUSES[status])
    only_500 = said(record({"AUTOTRACE_FAILED_STATUSES": "500"}, status=status))
    assert only_500["success"] is not status.startswith("500")


@pytest.mark.parametrize(
    ("status", "code"), [("0 UNKNOWN", "0"), ("1000 UNKNOWN", "1000"), ('2"0 OK', '2"0'), ("", "500")]
)
def test_statuses_that_are_none(status: str, code: str) -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))
    shop.status = status
    visit(shop)
    (line,) = kept.wire
    assert said(json.loads(line))["responseCode"] == code


ROLES: list[tuple[dict[str, str], str]] = [
    ({}, "shop"),
    ({"K8S_DEPLOYMENT_NAME": "deployed"}, "deployed"),
    ({"CONTAINER_APP_NAME": "contained", "K8S_DEPLOYMENT_NAME": "deployed"}, "contained"),
    ({"WEBSITE_SITE_NAME": "site", "CONTAINER_APP_NAME": "contained"}, "site"),
    ({"OTEL_SERVICE_NAME": "otel", "WEBSITE_SITE_NAME": "site"}, "otel"),
    ({"AUTOTRACE_ROLE_NAME": "mine", "OTEL_SERVICE_NAME": "otel"}, "mine"),
    ({"OTEL_SERVICE_NAME": "  ", "WEBSITE_SITE_NAME": " site "}, "site"),
    ({"HOSTNAME": "cart-7c9f6b5d4-x2x9z"}, "shop"),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "cart-7c9f6b5d4-x2x9z"}, "cart"),
    ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "cart-0"}, "shop"),
    ({"OTEL_SERVICE_NAME": "r" * 500}, "r" * 256),
]  # fmt: skip


@pytest.mark.parametrize(("env", "role"), ROLES)
def test_roles(env: dict[str, str], role: str) -> None:
    assert identify(load(env), KEY, "shop", env).role[:256] == role
    assert record(env)["tags"]["ai.cloud.role"] == role


INSTANCES: list[tuple[dict[str, str], str]] = [
    ({"HOSTNAME": "host"}, "host"),
    ({"POD_NAME": "pod", "HOSTNAME": "host"}, "pod"),
    ({"CONTAINER_APP_REPLICA_NAME": "replica", "POD_NAME": "pod"}, "replica"),
    ({"WEBSITE_INSTANCE_ID": "website", "CONTAINER_APP_REPLICA_NAME": "replica"}, "website"),
    ({"AUTOTRACE_ROLE_INSTANCE": "mine", "WEBSITE_INSTANCE_ID": "website"}, "mine"),
    ({"HOSTNAME": "h" * 500}, "h" * 256),
]


@pytest.mark.parametrize(("env", "instance"), INSTANCES)
def test_role_instances(env: dict[str, str], instance: str) -> None:
    assert record(env)["tags"]["ai.cloud.roleInstance"] == instance
    assert record({})["tags"]["ai.cloud.roleInstance"], "the machine has a name of its own"


def test_the_version_of_the_application() -> None:
    assert "ai.application.ver" not in record()["tags"]
    assert record({"AUTOTRACE_APP_VERSION": "4.2.0"})["tags"]["ai.application.ver"] == "4.2.0"


def test_durations_and_times() -> None:
    second = 1_000_000_000
    assert duration(0) == duration(-5) == "0.00:00:00.0000001"
    assert duration(1_234_567_890) == "0.00:00:01.2345678"
    assert duration(59 * second + 999_999_999) == "0.00:00:59.9999999"
    assert duration(86_400 * second + 3_661 * second) == "1.01:01:01.0000000"
    assert duration(5000 * 86_400 * second).startswith("999.")
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z"
    assert timestamp(1_735_787_045_123_456_789) == "2025-01-02T03:04:05.123456Z"


ROUTES = {
    "": "",
    "users/<int:id>/": "users/<int:id>/",
    r"^archive/(?P<year>[0-9]{4})/$": "archive/{year}/",
    r"^archive/(?P<year>[0-9]{4})/(?P<slug>[\w-]+)/$": "archive/{year}/{slug}/",
    r"^static/(?P<path>.*)$": "static/{path}",
    r"shop/^items/(\d+)$": "shop/items/{}",
    r"^(?P<outer>a(?P<inner>b(c)d)e)/$": "{outer}/",
    r"^page(?:-(?P<number>\d+))?/$": "page/",
    r"^(?!admin)(?P<slug>\w+)/$": "{slug}/",
    r"^file\.(?P<kind>txt|csv)\Z": "file.{kind}",
    r"^a\(b\)/(?P<x>[()]+)/$": "a(b)/{x}/",
    r"^(?P<x>[^/]+)/(?P<y>\([^)]*\))/$": "{x}/{y}/",
    r"^\b(?P<x>\d{1,3}){2}/$": "{x}/",
    r"^about/?$": "about/",
    r"^(?i:About)/$": "/",
    r"^broken(": "broken{}",
    "literal{braces}/<str:name>": "literal{braces}/<str:name>",
    "en/" + r"^kunden/(?P<id>\d+)$": "en/kunden/{id}",
}  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_regular_expressions_of_django_become_templates(route: str) -> None:
    assert template_of(route) == ROUTES[route]


STACKS = {"flask": "flask_app:app", "django": "django_app:application", "pyramid": "pyramid_app:app"}


@pytest.mark.parametrize("stack", STACKS)
def test_paths_that_nobody_serves_make_one_name(stack: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    dice = random.Random(3)  # noqa: S311 - any paths will do
    letters = string.ascii_lowercase
    paths = ["/" + "/".join("".join(dice.choices(letters, k=8)) for _ in range(1 + index % 4)) for index in range(1000)]
    with serve(gunicorn(STACKS[stack], workers=2, threads=4), tmp_path, endpoint) as server:
        answers = send(server.port, [Request("GET", path) for path in paths])
        server.stop()
    assert {answer.status for answer in answers} == {404}
    assert len(endpoint.requests()) == 1000
    assert {item["tags"]["ai.operation.name"] for item in endpoint.items} == {"GET (unmatched)"}
    assert {said(item)["url"].partition(str(server.port))[2] for item in endpoint.items} == set(paths)


def test_calls_stay_within_the_limits() -> None:
    def view() -> None:
        # The kind of a database may be a word of the application.
        for text in ("\x01" * 70_000, '\udcff"%s\n' * 20_000, "x"):
            call = begin(text, "db.test", 1)
            assert call is not None
            call.name = call.target = call.data = call.code = text
            call.finish()

    kept = Kept()
    shop = Shop(Recorder(kept))
    shop.view = view
    visit(shop, route="/" + "\x01" * 2000)
    # What they may be is looked at there.
    *calls, _ = map(said, kept.items())
    assert [len(call["type"]) for call in calls] == [1024, 1024, 1]
    assert calls[1]["name"] == ('?"%s\n' * 1024)[:1024]
