"""The first page: figures, charts, operations, failures, and what it says to who has nothing yet."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.local.samples import HOSTILE, answer, assert_harmless, dependency, exception, request, shown, stored


def test_a_newcomer_is_told_what_to_do(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", []), "/")
    assert "autotrace run gunicorn shop.wsgi" in page.text
    assert "IngestionEndpoint=http://127.0.0.1:4711/" in page.text
    assert "data-live" in page.one("main").attributes
    assert not page.all("table")


def test_counts_are_of_what_happened_not_of_what_was_sampled(tmp_path: Path) -> None:
    items = [request(rate=25, ago=600), request(code="500", rate=25, ago=300), request(name="GET /b", code="404")]
    page = shown(stored(tmp_path / "t.db", items), "/")
    figures = page.figures()
    assert figures["Requests"] == "9"
    assert figures["Failed"] == "55.6%"
    assert page.table("operations") == [
        ["GET /", "shop", "8", "50.0%", *["10.0 ms"] * 4],
        ["GET /b", "shop", "1", "100%", *["10.0 ms"] * 4],
    ]
    # 9 requests in the 9 minutes between the first and the last.
    assert figures["A minute"] == "1.0"


def test_a_third_is_counted_as_a_third(tmp_path: Path) -> None:
    items = [request(rate=30) for _ in range(3)]
    assert shown(stored(tmp_path / "t.db", items), "/").figures()["Requests"] == "10"


def test_one_request_has_its_own_duration_as_every_percentile(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request(took=123.4)]), "/")
    figures = page.figures()
    assert figures["Median (p50)"] == figures["p95"] == figures["p99"] == "123 ms"


def test_percentiles_are_those_of_the_data(tmp_path: Path) -> None:
    draw = random.Random(7)  # noqa: S311
    took = sorted(draw.lognormvariate(3, 1) for _ in range(4000))
    page = shown(stored(tmp_path / "t.db", [request(took=one) for one in took]), "/")
    for name, percent in (("Median (p50)", 50), ("p95", 95), ("p99", 99)):
        text = page.figures()[name]
        assert text.endswith(" ms")
        assert float(text[:-3]) == pytest.approx(took[len(took) * percent // 100 - 1], rel=0.025), name
    ((*_, mean, _, _, _),) = page.table("operations")
    assert float(mean[:-3]) == pytest.approx(sum(took) / len(took), rel=0.005)


def test_percentiles_weigh_samples(tmp_path: Path) -> None:
    items = [request(took=10, rate=1), *(request(took=1000) for _ in range(50))]
    figures = shown(stored(tmp_path / "t.db", items), "/").figures()
    assert (figures["Median (p50)"], figures["p95"]) == ("10.0 ms", "1.00 s")


def test_operations_lead_to_their_performance_and_failures(tmp_path: Path) -> None:
    name = "GET /a b/{id}?x=1&y=<2>#"
    page = shown(stored(tmp_path / "t.db", [request(name=name, code="500")]), "/", "range=6h")
    query = "?range=6h&role=shop&operation=GET+%2Fa+b%2F%7Bid%7D%3Fx%3D1%26y%3D%3C2%3E%23"
    assert page.links("operations") == [f"/performance{query}", f"/failures{query}"]
    # The link leads to what it says.
    assert shown(tmp_path / "t.db", "/performance", query[1:]).figures()["Requests"] == "1"


def test_failures_are_listed_newest_first_and_lead_to_their_transaction(tmp_path: Path) -> None:
    items = [
        request(code="404", ago=500, id="1" * 32),
        request(code="500", ago=100, id="2/3 ?", span="s1", took=42),
        exception(id="2/3 ?", parentId="s1"),
        request(ago=50),
    ]
    page = shown(stored(tmp_path / "t.db", items), "/")
    rows = page.table("recent")
    assert [row[1:] for row in rows] == [
        ["500", "GET /", "shop", "ValueError: no such product", "42.0 ms"],
        ["404", "GET /", "shop", "–", "10.0 ms"],  # noqa: RUF001
    ]
    assert page.links("recent") == ["/transaction/2%2F3%20%3F", f"/transaction/{'1' * 32}"]


def test_nothing_failed_is_said(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request()]), "/")
    assert page.figures()["Failed"] == "0%"
    assert "No request failed." in page.text


def test_names_and_roles_may_be_missing(tmp_path: Path) -> None:
    items = [request(name=None, role=None, code="500", id=None), dependency(type=None, target=None, role=None)]
    page = shown(stored(tmp_path / "t.db", items), "/")
    assert page.table("operations")[0][:3] == ["(no name)", "(no role)", "1"]
    assert page.links("operations") == page.links("recent") == []


def test_many_operations_are_not_all_listed(tmp_path: Path) -> None:
    items = [request(name=f"GET /{number}") for number in range(40)]
    page = shown(stored(tmp_path / "t.db", items), "/")
    assert len(page.table("operations")) == 25
    assert "The 25 with the most requests, of 40." in page.text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("path", ["/", "/failures", "/performance"])
def test_a_hostile_text_is_only_a_text(tmp_path: Path, path: str, text: str) -> None:
    items = [
        request(name=text, role=text, code=text, id=text, span=text, syntheticSource=text),
        dependency(text, code=text, type=text, target=text, operation=text, role=text, id=text),
        exception(text, text, text, operation=text, role=text, id=text, parentId=text),
    ]
    items[0]["data"]["baseData"]["success"] = False
    store = stored(tmp_path / "t.db", items)
    html = answer(store, path).body.decode()
    page = shown(store, path)
    assert_harmless(page)
    assert "\u202e" not in page.text
    assert "\x1b" not in page.text
    # Lists show the beginning of what is long.
    assert len(html) < 80_000
    start = re.split(r"[\u202e\r]", text)[0][:100]
    assert " ".join(start.split()) in page.text


def test_no_page_has_what_its_policy_forbids(tmp_path: Path) -> None:
    store = stored(tmp_path / "t.db", [request(code="500"), dependency(code="1"), exception()])
    for path in ("/", "/failures", "/performance"):
        assert_harmless(shown(store, path))


def test_a_page_is_usable_without_seeing_it(tmp_path: Path) -> None:
    store = stored(tmp_path / "t.db", [request(code="500"), dependency(code="1"), exception()])
    for path in ("/", "/failures", "/performance"):
        page = shown(store, path)
        for table in page.all("table"):
            assert all(head.attributes.get("scope") for head in table.all("th"))
        for drawing in page.all("div", role="img"):
            assert re.search(r"\d", drawing.attributes["aria-label"])
        for field in page.all("select"):
            assert any(field in label.all("select") for label in page.all("label"))
        ids = [element.attributes["id"] for element in page if "id" in element.attributes]
        assert len(ids) == len(set(ids))
        for element in page:
            for name in element.attributes.get("aria-labelledby", "").split():
                assert name in ids
        assert [heading.text for heading in page.all("h1")] == [path.strip("/").capitalize() or "Overview"]
