"""Where the time goes: by operation, in distribution, over time, the slowest requests, calls to dependencies."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from tests.local.samples import dependency, request, shown, stored


def test_operations_have_their_part_of_the_time(tmp_path: Path) -> None:
    items = [request(took=100, rate=50), request("GET /b", took=600), request("GET /c", took=200, role="stock")]
    page = shown(stored(tmp_path / "t.db", items), "/performance")
    assert page.table("operations") == [
        ["GET /b", "shop", "1", *["600 ms"] * 4, "60.0%", ""],
        ["GET /", "shop", "2", *["100 ms"] * 4, "20.0%", ""],
        ["GET /c", "stock", "1", *["200 ms"] * 4, "20.0%", ""],
    ]
    assert page.figures() == {
        **{"Requests": "4", "Mean": "250 ms", "Median (p50)": "100 ms", "p95": "600 ms", "p99": "600 ms"}
    }
    assert page.links("operations")[2] == "/performance?role=stock&operation=GET+%2Fc"


def test_one_operation_narrows_all(tmp_path: Path) -> None:
    items = [
        *(request(took=100), request("GET /b", took=600, id="b" * 32), request("GET /b", took=300, role="stock")),
        *(
            dependency(took=50),
            dependency("SELECT b", operation="GET /b"),
            dependency(operation="GET /b", role="stock"),
        ),
    ]
    page = shown(stored(tmp_path / "t.db", items), "/performance", "role=shop&operation=GET+/b")
    assert page.figures()["Requests"] == "1"
    assert page.links("slowest") == [f"/transaction/{'b' * 32}"]
    assert [row[2] for row in page.table("dependencies")] == ["SELECT b"]
    assert not page.all("h2", id="operations")
    links = {link.text: link.attributes["href"] for link in page.all("a")}
    assert links["Failures of this operation"] == "/failures?role=shop&operation=GET+%2Fb"
    # Without a role it is that of all roles.
    assert shown(tmp_path / "t.db", "/performance", "operation=GET+/b").figures()["Requests"] == "2"


def test_the_slowest_requests_lead_to_their_transactions(tmp_path: Path) -> None:
    items = [request(took=took, id=f"{took:032x}", code="500" if took == 29 else "200") for took in range(1, 30)]
    page = shown(stored(tmp_path / "t.db", items), "/performance")
    rows = page.table("slowest")
    assert [row[1] for row in rows] == [f"{took}.0 ms" for took in range(29, 19, -1)]
    assert rows[0][2:] == ["GET /", "shop", "500 failed"]
    assert page.links("slowest")[0] == f"/transaction/{29:032x}"


def test_the_distribution_tells_all_requests(tmp_path: Path) -> None:
    draw = random.Random(3)  # noqa: S311
    items = [request(took=draw.lognormvariate(4, 1)) for _ in range(2000)]
    page = shown(stored(tmp_path / "t.db", items), "/performance")
    _, chart = page.all("div", role="img")
    label = chart.attributes["aria-label"]
    assert re.fullmatch(r"How long requests take: p50 [\d.]+ ms, p95 [\d.]+ ms, p99 [\d.]+ ms", label)
    rows = [[cell.text for cell in row.all("td")] for row in page.all("details")[1].one("tbody").all("tr")]
    assert sum(int(number.replace(",", "")) for number, _ in rows) == 2000
    assert 15 <= len(rows) <= 48
    # From the left to the right, as the bars are.
    edges = [float(bar.attributes["x"].rstrip("%")) for bar in chart.all("rect", **{"class": "hit"})]
    assert edges == sorted(edges)


@pytest.mark.parametrize("took", [0.0001, 0.5, 1, 1000, 59_999, 86_400_000 * 999])
def test_any_single_duration_has_a_distribution(tmp_path: Path, took: float) -> None:
    page = shown(stored(tmp_path / "t.db", [request(took=took)]), "/performance")
    _, chart = page.all("div", role="img")
    (bar,) = chart.all("rect", **{"class": "hit"})
    (left,) = {mark.attributes["x1"] for mark in chart.all("line", **{"class": "mark"})}
    start, width = (float(bar.attributes[name].rstrip("%")) for name in ("x", "width"))
    # The marks of the percentiles are in the bar.
    assert start - 0.1 <= float(left.rstrip("%")) <= start + width + 0.1


def test_durations_over_time_are_those_of_their_minute(tmp_path: Path) -> None:
    items = [request(took=10, ago=1200), request(took=30, ago=1200), request(took=50, ago=60)]
    page = shown(stored(tmp_path / "t.db", items), "/performance")
    rows = [[cell.text for cell in row.all("td")] for row in page.all("details")[0].one("tbody").all("tr")]
    assert rows == [["30.0 ms", "10.0 ms"], ["50.0 ms", "50.0 ms"]]
    label = page.all("div", role="img")[0].attributes["aria-label"]
    assert "p95 between 30.0 ms and 50.0 ms, p50 between 10.0 ms and 50.0 ms" in label


def test_dependencies_that_take_most_come_first(tmp_path: Path) -> None:
    items = [
        *(request(), dependency(took=1, rate=10), dependency(took=3)),
        dependency("GET /stock", took=87, code="200", type="Http", target="stock:8002"),
        dependency("GET", took=0, type="redis", target=None),
    ]
    page = shown(stored(tmp_path / "t.db", items), "/performance")
    assert page.table("dependencies") == [
        ["Http", "stock:8002", "GET /stock", "1", "87.0 ms", "87.0 ms", "87.0%", ""],
        ["sqlite", "shop.db", "SELECT products", "11", "1.18 ms", "3.00 ms", "13.0%", ""],
        ["redis", "–", "GET", "1", "0 ms", "0 ms", "0%", ""],  # noqa: RUF001
    ]


def test_calls_without_requests_are_shown(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [dependency()]), "/performance")
    assert len(page.table("dependencies")) == 1
    assert page.figures()["p95"] == "–"  # noqa: RUF001
