"""Which requests are kept: by the hash that all Application Insights SDKs share, whatever the caller asks for."""

from __future__ import annotations

import math
import pathlib
import random
from typing import Any

import pytest
from opencensus.trace import execution_context
from opencensus.trace.samplers import AlwaysOffSampler, AlwaysOnSampler, ProbabilitySampler

from autotrace.opencensus import sampling_rule
from autotrace.recorder import Recorder
from autotrace.sampling import score
from tests.endpoint import Endpoint
from tests.harness import Request, gunicorn, load, serve
from tests.recordings import Kept, Shop, said, visit

# OpenCensus is final, and Python 3.12 deprecates what its spans call.
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")
COUNT = 2000
SPAN = "00f067aa0ba902b7"
VECTORS = {
    "4bf92f3577b34da6a3ce929d0e0e4736": 33.4614,
    "0af7651916cd43dd8448eb211c80319c": 52.7889,
    "00000000000000000000000000000001": 2.3394,
}


def reference(trace_id: str) -> float:
    """The published hash, step by step with 32-bit overflow."""
    hashed = 5381
    for character in trace_id:
        hashed = ((hashed << 5) + hashed + ord(character)) & 0xFFFFFFFF
    signed = hashed - 2**32 if hashed >= 2**31 else hashed
    return 100 * (2**31 - 1 if signed == -(2**31) else abs(signed)) / (2**31 - 1)


def traces(count: int, seed: int = 7) -> list[str]:
    """Return trace ids, the same ones for the same seed."""
    dice = random.Random(seed)  # noqa: S311 - any ids will do
    return [f"{dice.getrandbits(128) | 1:032x}" for _ in range(count)]


def shop_of(rate: float = 100.0, sampler: Any = None) -> tuple[Shop, Kept]:
    """Build an application that is sampled, and what keeps its items."""
    kept = Kept()
    return Shop(Recorder(kept, rate=rate, sampler=sampler)), kept


def send(shop: Shop, ids: list[str], flags: str) -> None:
    """Send a request for each trace id, with the caller's flags."""
    for trace in ids:
        visit(shop, HTTP_TRACEPARENT=f"00-{trace}-{SPAN}-{flags}")


def test_the_hash_is_the_published_one() -> None:
    for trace, expected in VECTORS.items():
        assert score(trace) == pytest.approx(expected, abs=5e-5)
    for trace in [*traces(3000), "f" * 32, "0" * 31 + "1"]:
        assert score(trace) == reference(trace)
        assert 0 <= score(trace) <= 100


@pytest.mark.parametrize("flags", ["00", "01", "02", "03"])
@pytest.mark.parametrize("percent", [0.0, 25.0, 100.0])
def test_the_rate_decides_and_not_the_caller(flags: str, percent: float) -> None:
    shop, kept = shop_of(percent)
    ids = traces(300)
    send(shop, ids, flags)
    expected = [trace for trace in ids if reference(trace) < percent or percent == 100]
    assert [item["tags"]["ai.operation.id"] for item in kept.items()] == expected


@pytest.mark.parametrize("percent", [25.0, 10.0, 100 / 3])
def test_counts_add_up(percent: float) -> None:
    shop, kept = shop_of(percent)
    for _ in range(COUNT):
        visit(shop)
    items = kept.items()
    share = percent / 100
    assert abs(len(items) - COUNT * share) < 4 * math.sqrt(COUNT * share * (1 - share))
    assert {item["sampleRate"] for item in items} == {percent}
    # What the portal shows: the sum of what each item stands for.
    total = sum(100 / item["sampleRate"] for item in items)
    assert abs(total - COUNT) < 4 * math.sqrt(COUNT * share * (1 - share)) / share


def test_what_is_sampled_whole_says_no_rate() -> None:
    shop, kept = shop_of()
    send(shop, traces(20), "00")
    items = kept.items()
    assert len(items) == 20
    assert not any("sampleRate" in item for item in items)


def test_spans_are_kept_with_their_request_and_say_the_same_rate() -> None:
    def view() -> None:
        with execution_context.get_opencensus_tracer().span("x"):
            pass

    shop, kept = shop_of(25.0)
    shop.view = view
    send(shop, traces(200), "00")
    items = kept.items()
    kinds = {kind: [item for item in items if item["data"]["baseType"] == kind] for kind in
             ("RequestData", "RemoteDependencyData")}  # fmt: skip
    assert [item["tags"]["ai.operation.id"] for item in kinds["RequestData"]] == [
        item["tags"]["ai.operation.id"] for item in kinds["RemoteDependencyData"]
    ]
    assert len(items) > 40
    assert {item["sampleRate"] for item in items} == {25.0}


def test_two_services_keep_the_same_traces(tmp_path: pathlib.Path) -> None:
    ids = traces(200, seed=11)
    requests = [Request("GET", "/users/1", {"traceparent": f"00-{trace}-{SPAN}-00"}) for trace in ids]
    kept = []
    for name in ("flask_app:app", "pyramid_app:app"):
        with Endpoint() as endpoint:
            folder = tmp_path / name.partition(":")[0]
            with serve(gunicorn(name, workers=2), folder, endpoint, {"AUTOTRACE_SAMPLER": "0.25"}) as server:
                load(server.port, requests)
                server.stop()
            assert {item["sampleRate"] for item in endpoint.items} == {25.0}
            kept.append({item["tags"]["ai.operation.id"] for item in endpoint.items})
    assert kept[0] == kept[1] == {trace for trace in ids if reference(trace) < 25}


class Counting:
    """A sampler that keeps every third request and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def should_sample(self, span_context: Any) -> bool:
        self.asked.append(span_context)
        return len(self.asked) % 3 == 0


class Raising:
    """A sampler that cannot decide."""

    def should_sample(self, span_context: Any) -> bool:
        raise RuntimeError("the sampler broke")


def test_stock_samplers_that_are_constant_become_rates() -> None:
    assert sampling_rule(AlwaysOnSampler()) == 100.0
    assert sampling_rule(AlwaysOffSampler()) == 0.0


def test_a_probability_sampler_keeps_its_own_rule_and_says_what_its_items_stand_for() -> None:
    shop, kept = shop_of(sampler=sampling_rule(ProbabilitySampler(0.25)))
    ids = traces(COUNT)
    send(shop, ids, "00")
    items = kept.items()
    assert abs(len(items) - COUNT / 4) < 4 * math.sqrt(COUNT * 0.25 * 0.75)
    assert {item["sampleRate"] for item in items} == {25.0}
    assert {item["tags"]["ai.operation.id"] for item in items} == {
        trace for trace in ids if int(trace[16:], 16) <= 0.25 * 2**64
    }
    send(shop, ids[:50], "01")
    forced = kept.items()
    assert len(forced) == 50, "OpenCensus keeps what the caller sampled"
    assert not any("sampleRate" in item for item in forced)


def test_a_sampler_of_the_application_is_asked_once_a_request() -> None:
    sampler = Counting()
    shop, kept = shop_of(sampler=sampling_rule(sampler))
    ids = traces(30)
    send(shop, ids, "01")
    assert [item["tags"]["ai.operation.id"] for item in kept.items()] == ids[2::3]
    assert [context.trace_id for context in sampler.asked] == ids
    assert {context.span_id for context in sampler.asked} == {SPAN}
    assert all(context.trace_options.enabled and context.from_header for context in sampler.asked)


def test_a_sampler_that_raises_keeps_everything() -> None:
    shop, kept = shop_of(sampler=sampling_rule(Raising()))
    send(shop, traces(10), "00")
    assert len(kept.items()) == 10


def test_what_is_no_sampler_is_refused() -> None:
    with pytest.raises(TypeError, match="should_sample"):
        sampling_rule(object())


def test_the_outgoing_flag_tells_the_decision() -> None:
    flags: dict[str, str] = {}

    def view() -> None:
        tracer = execution_context.get_opencensus_tracer()
        flags[tracer.span_context.trace_id] = tracer.propagator.to_headers(tracer.span_context)["traceparent"][-2:]

    shop, kept = shop_of(25.0)
    shop.view = view
    ids = traces(100)
    send(shop, ids, "01")
    assert flags == {trace: "01" if reference(trace) < 25 else "00" for trace in ids}
    assert [said(item)["name"] for item in kept.items()] == ["GET /"] * list(flags.values()).count("01")
