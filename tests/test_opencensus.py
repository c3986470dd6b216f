"""OpenCensus is live in a request: spans, attributes, headers and a clean context, in threads and event loops."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any, NamedTuple

import pytest

from tests.apps_in_code.spans import LINK, VIEWS
from tests.apps_in_code.traffic import SPAN, TRACE
from tests.endpoint import Endpoint
from tests.harness import Request, gunicorn, load, serve, uvicorn

APPS = pathlib.Path(__file__).parent / "apps_in_code"
STACKS = {
    # One thread for all requests: what one leaves behind, the next one finds.
    "flask": [*gunicorn("flask_spans:app"), "--worker-class=gthread", "--bind=127.0.0.1:{port}"],
    "django-asgi": uvicorn("django_spans:application"),
}
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
# In this order on one thread; what stands behind a space only tells equal requests apart.
TALK = [
    *VIEWS, "stream", "stream-across", "headers joined", "one 2", "hidden/one", "what 2", "leak 2", "what 3",
    "clear 2", "what 4", "error 2", "what 5", "unended 2", "what 6", "hidden/leak", "what 7",
    "stream-across 2", "what 8",
]  # fmt: skip


class Seen(NamedTuple):
    """One request: what the application answered, its request item, and the dependency items below it by name."""

    said: Any
    request: dict[str, Any]
    spans: dict[str, dict[str, Any]]

    @property
    def id(self) -> str:
        return str(self.request["data"]["baseData"]["id"])

    @property
    def trace(self) -> str:
        return str(self.request["tags"]["ai.operation.id"])


class Talk(NamedTuple):
    """All requests of a stack by the words of TALK, the endpoint that got their items, and the server's stderr."""

    seen: dict[str, Seen]
    answers: dict[str, Any]
    endpoint: Endpoint
    stderr: str

    def spans(self) -> list[dict[str, Any]]:
        return [item for item in self.endpoint.items if item["data"]["baseType"] == "RemoteDependencyData"]


def talk(stack: str, folder: pathlib.Path, **env: str) -> Talk:
    """Have the whole conversation with a stack over one connection."""
    with Endpoint() as endpoint:
        with serve(
            STACKS[stack], folder, endpoint, {"AUTOTRACE_BLACKLIST_PATHS": "hidden", **env}, apps=APPS
        ) as server:
            answers = load(server.port, [request(words) for words in TALK], connections=1)
            server.stop()
        said = {words: read(answer.body) for words, answer in zip(TALK, answers)}
        seen = {}
        for item in endpoint.requests():
            words, trace = item["tags"]["ai.user.userAgent"], item["tags"]["ai.operation.id"]
            seen[words] = Seen(said[words], item, spans_of(endpoint, trace))
        return Talk(seen, said, endpoint, server.stderr())


def request(words: str) -> Request:
    """Spell one request of the conversation."""
    headers = {"User-Agent": words}
    if words == "headers joined":
        headers.update(traceparent=TRACEPARENT, tracestate="shop=1,other=2")
    return Request("GET", "/" + words.partition(" ")[0], headers)


def read(body: bytes) -> Any:
    """Read what a view answered; streams and error pages stay text."""
    try:
        return json.loads(body)
    except ValueError:
        return body.decode()


def spans_of(endpoint: Endpoint, trace: str) -> dict[str, dict[str, Any]]:
    """Return the dependency items of a trace by name."""
    items = [
        item
        for item in endpoint.items
        if item["data"]["baseType"] == "RemoteDependencyData" and item["tags"]["ai.operation.id"] == trace
    ]
    named = {item["data"]["baseData"]["name"]: item for item in items}
    assert len(named) == len(items), "a span was exported twice"
    return named


def parent(item: dict[str, Any]) -> str:
    """Return the parent id of an item."""
    return str(item["tags"]["ai.operation.parentId"])


def base(item: dict[str, Any]) -> dict[str, Any]:
    """Return what an item says."""
    data: dict[str, Any] = item["data"]["baseData"]
    return data


@pytest.fixture(scope="module", params=STACKS)
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Talk:
    return talk(request.param, tmp_path_factory.mktemp(request.param))


def test_all_items_arrive_once_and_are_valid(kept: Talk) -> None:
    assert not kept.endpoint.invalid, kept.endpoint.invalid[0].faults
    assert max(kept.endpoint.counts().values()) == 1
    assert set(kept.seen) == {words for words in TALK if not words.startswith("hidden")}
    assert not [line for line in kept.stderr.splitlines() if "autotrace" in line]


def test_a_span_is_one_item_below_its_request(kept: Talk) -> None:
    seen = kept.seen["one"]
    (span,) = seen.spans.values()
    assert (base(span)["name"], base(span)["type"], base(span)["success"]) == ("x", "InProc", True)
    assert parent(span) == seen.id == seen.said["parent"]
    assert base(span)["id"] == seen.said["span"]
    assert span["tags"]["ai.cloud.role"] == seen.request["tags"]["ai.cloud.role"]


def test_nested_spans_chain(kept: Talk) -> None:
    seen = kept.seen["nested"]
    outer, middle, *_ = seen.said["ids"]
    assert seen.said["seen"] == [True, True, True]
    assert {name: parent(item) for name, item in seen.spans.items()} == {
        "outer": seen.id, "middle": outer, "inner": middle, "beside": outer,
    }  # fmt: skip
    assert [base(seen.spans[name])["id"] for name in ("outer", "middle", "inner", "beside")] == seen.said["ids"]


def test_decorators_and_spans_by_hand(kept: Talk) -> None:
    seen = kept.seen["decorated"]
    assert seen.said == {"counted": 3}
    assert {name: parent(item) for name, item in seen.spans.items()} == {"by hand": seen.id, "counted": seen.id}


def test_what_spans_say_is_kept(kept: Talk) -> None:
    spans = kept.seen["rich"].spans
    rich = base(spans["rich"])
    assert rich["properties"]["basket"] == "3 apples"
    assert rich["properties"]["weight"] == "1.5"
    assert json.loads(rich["properties"]["_MS.links"]) == [{"operation_Id": LINK[0], "id": LINK[1]}]
    assert (rich["resultCode"], rich["success"]) == ("5", False)
    call = base(spans["GET /cart"])
    assert (call["type"], call["target"], call["name"]) == ("HTTP", "shop.test:8443", "GET /cart")
    assert (call["resultCode"], call["success"]) == ("503", False)
    assert "SECRET" not in json.dumps(kept.spans())


def test_attributes_of_the_current_span_are_properties_of_the_request(kept: Talk) -> None:
    seen = kept.seen["properties"]
    properties = base(seen.request)["properties"]
    assert [properties[f"by {way}"] for way in ("tracer", "span", "mapping")] == ["1", "2", "True"]
    assert "on the child" not in properties
    assert base(seen.spans["inside"])["properties"]["on the child"] == "4"


def test_children_of_the_current_span(kept: Talk) -> None:
    seen = kept.seen["children"]
    assert seen.said["id"] == seen.id
    assert {name: parent(item) for name, item in seen.spans.items()} == {
        "first": seen.id, "second": seen.id, "below": seen.said["second"], "never started": seen.id,
    }  # fmt: skip


def test_headers_for_other_services(kept: Talk) -> None:
    for words in ("headers", "headers joined"):
        seen = kept.seen[words]
        said = seen.said
        assert said["outside"]["traceparent"] == said["after"]["traceparent"] == f"00-{seen.trace}-{seen.id}-01"
        assert said["inside"]["traceparent"] == f"00-{seen.trace}-{base(seen.spans['call'])['id']}-01"
    joined = kept.seen["headers joined"]
    assert (joined.trace, parent(joined.request)) == (TRACE, SPAN)
    assert joined.said["outside"]["tracestate"] == "shop=1,other=2"
    assert "tracestate" not in kept.seen["headers"].said["outside"]


def test_exceptions_inside_spans(kept: Talk) -> None:
    for words in ("error", "error 2", "caught"):
        seen = kept.seen[words]
        assert {name: base(seen.spans[name])["success"] for name in ("failing", "failing inside")} == {
            "failing": False, "failing inside": False,
        }  # fmt: skip
        assert parent(seen.spans["failing inside"]) == base(seen.spans["failing"])["id"]
    assert base(kept.seen["error"].request)["responseCode"] == "500"
    assert parent(kept.seen["caught"].spans["afterwards"]) == kept.seen["caught"].id


def test_spans_that_the_application_forgets_end_with_the_request(kept: Talk) -> None:
    for words in ("unended", "unended 2"):
        spans = kept.seen[words].spans
        assert parent(spans["forgotten"]) == kept.seen[words].id
        assert parent(spans["forgotten inside"]) == base(spans["forgotten"])["id"]


def test_a_request_outlives_every_end(kept: Talk) -> None:
    assert base(kept.seen["too-many-ends"].request)["responseCode"] == "200"
    assert not kept.seen["too-many-ends"].spans


def test_values_that_cannot_be_written(kept: Talk) -> None:
    seen = kept.seen["awkward"]
    for item in (seen.request, seen.spans["awkward"]):
        properties = base(item)["properties"]
        assert "large 19" not in properties or set(properties["large 19"]) == {"\x01"}
        assert properties["unprintable"] == "<Unprintable: RuntimeError>"
        assert properties["surrogate ?"] == "?"
        assert properties["nan"] == "nan"


def test_threads_of_the_application_belong_to_the_request(kept: Talk) -> None:
    seen = kept.seen["thread"]
    assert seen.said == {"tracer": ["RequestTracer"]}
    assert {name: parent(item) for name, item in seen.spans.items()} == {"in a thread": seen.id}


def test_spans_in_bodies(kept: Talk) -> None:
    seen = kept.seen["stream"]
    assert seen.said == "0\n1\n2\n"
    assert {name: parent(item) for name, item in seen.spans.items()} == dict.fromkeys(
        ("chunk 0", "chunk 1", "chunk 2"), seen.id
    )


def test_spans_across_the_chunks_of_a_body(kept: Talk) -> None:
    for words in ("stream-across", "stream-across 2"):
        seen = kept.seen[words]
        whole = base(seen.spans["whole body"])["id"]
        assert {name: parent(item) for name, item in seen.spans.items()} == {
            "whole body": seen.id, "part 0": whole, "part 1": whole, "part 2": whole,
        }  # fmt: skip


def test_blacklisted_requests_leave_no_spans(kept: Talk) -> None:
    assert kept.answers["hidden/one"]
    known = {seen.trace for seen in kept.seen.values()}
    assert {item["tags"]["ai.operation.id"] for item in kept.endpoint.items} == known
    assert not {"left behind"} & {base(item)["name"] for item in kept.spans()}


def test_every_request_finds_a_clean_context(kept: Talk) -> None:
    for words in (words for words in TALK if words.startswith("what")):
        seen = kept.seen[words]
        assert seen.said == {
            "tracer": "RequestTracer", "span": seen.id, "trace": seen.trace, "attrs": {}, "sampled": True,
        }, words  # fmt: skip
        assert "ai.operation.parentId" not in seen.request["tags"]
        assert not seen.spans
    assert len({seen.trace for seen in kept.seen.values()}) == len(kept.seen)


@pytest.mark.parametrize("stack", STACKS)
def test_unsampled_requests_keep_their_trace_and_send_nothing(stack: str, tmp_path: pathlib.Path) -> None:
    dropped = talk(stack, tmp_path, AUTOTRACE_SAMPLER="0")
    assert not dropped.endpoint.posts
    joined = dropped.answers["headers joined"]
    for where in ("outside", "inside", "after"):
        assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-00", joined[where]["traceparent"])
        assert joined[where]["tracestate"] == "shop=1,other=2"
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", dropped.answers["headers"][where]["traceparent"])
    assert dropped.answers["what"]["sampled"] is False
    assert dropped.answers["stream-across"] == "0\n1\n2\n"
    traces = {dropped.answers[words]["trace"] for words in TALK if words.startswith("what")}
    assert len(traces) == len([words for words in TALK if words.startswith("what")])
    assert not [line for line in dropped.stderr.splitlines() if "autotrace" in line]


def test_requests_on_one_event_loop_do_not_mix(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    traces = {f"{number + 1:032x}": f"{number + 1:016x}" for number in range(24)}
    requests = [Request("GET", "/waiting", {"traceparent": f"00-{trace}-{span}-01"}) for trace, span in traces.items()]
    with serve(STACKS["django-asgi"], tmp_path, endpoint, apps=APPS) as server:
        answers = load(server.port, requests, connections=12)
        server.stop()
    by_trace = {item["tags"]["ai.operation.id"]: item for item in endpoint.requests()}
    assert set(by_trace) == set(traces)
    for (trace, span), answer in zip(traces.items(), answers):
        said, spans = json.loads(answer.body), spans_of(endpoint, trace)
        assert parent(by_trace[trace]) == span
        assert parent(spans["outer"]) == base(by_trace[trace])["id"]
        assert base(spans["outer"])["id"] == said["outer"] == parent(spans["inner"])
        assert base(spans["inner"])["id"] == said["inner"]
