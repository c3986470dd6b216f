"""What went wrong: by operation, response code, exception and dependency, over time, and of one operation alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.local.samples import Element, dependency, exception, request, shown, stored

A, B, C = ("a" * 32, "b" * 32, "c" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return stored(
        tmp_path / "t.db",
        [
            *(request(ago=200 + number) for number in range(6)),
            request(code="500", ago=1800, id=A, rate=25),
            request(code="500", ago=900, id=B),
            request(name="POST /orders", code="404", role="orders", ago=600, id=C),
            exception(message="old", ago=1800, id=A, rate=25),
            exception(message="new", ago=900, id=B),
            exception("KeyError", "'x'", "KeyError at orders.views.pay", operation="POST /orders", role="orders", id=C),
            dependency(),
            dependency(code="1", ago=950, id=A, rate=50),
            dependency(code="1", ago=900, id=B),
            dependency("GET /pay", code="503", type="Http", target="pay:80", operation="POST /orders", role="orders"),
        ],
    )


def without_times(rows: list[list[str]]) -> list[list[str]]:
    return [row[:-1] for row in rows]


def test_failures_are_counted_as_they_happened(store: Path) -> None:
    page = shown(store, "/failures")
    assert page.figures() == {
        **{"Failed requests": "6", "Failure rate": "50.0%", "Exceptions": "6", "Failed dependency calls": "4"}
    }
    assert "of 12" in page.one("dl").text


def test_operations_that_fail_most_come_first(store: Path) -> None:
    page = shown(store, "/failures")
    assert page.table("operations") == [
        ["GET /", "shop", "5", "", "45.5%"],
        ["POST /orders", "orders", "1", "", "100%"],
    ]
    assert page.links("operations") == [
        "/failures?role=shop&operation=GET+%2F",
        "/failures?role=orders&operation=POST+%2Forders",
    ]


def test_response_codes_have_their_part_and_a_sample(store: Path) -> None:
    page = shown(store, "/failures")
    assert without_times(page.table("codes")) == [["500", "5", "83.3%", ""], ["404", "1", "16.7%", ""]]
    assert page.links("codes") == [f"/transaction/{B}", f"/transaction/{C}"]


def test_exceptions_are_told_by_their_newest(store: Path) -> None:
    page = shown(store, "/failures")
    assert without_times(page.table("exceptions")) == [
        ["ValueError", "ValueError at shop.views.show", "new", "5"],
        ["KeyError", "KeyError at orders.views.pay", "'x'", "1"],
    ]
    assert page.links("exceptions") == [f"/transaction/{B}", f"/transaction/{C}"]


def test_dependencies_are_told_apart_by_their_result(store: Path) -> None:
    page = shown(store, "/failures")
    assert without_times(page.table("dependencies")) == [
        ["sqlite", "shop.db", "SELECT products", "1", "3"],
        ["Http", "pay:80", "GET /pay", "503", "1"],
    ]
    assert page.links("dependencies")[0] == f"/transaction/{B}"


def test_the_chart_says_when(store: Path) -> None:
    page = shown(store, "/failures")
    chart = page.one("div", role="img")
    assert chart.attributes["aria-label"].startswith("Failed requests over time: 6 failed; most at ")
    assert [row.all("td")[0].text for row in page.one("details").one("tbody").all("tr")] == ["4", "1", "1"]
    assert len(chart.all("rect", **{"class": "bar failed"})) == 3


def test_one_operation_narrows_all(store: Path) -> None:
    page = shown(store, "/failures", "operation=POST+/orders&role=orders")
    assert page.figures() == {
        **{"Failed requests": "1", "Failure rate": "100%", "Exceptions": "1", "Failed dependency calls": "1"}
    }
    for table, size in (("operations", 1), ("codes", 1), ("exceptions", 1), ("dependencies", 1)):
        assert len(page.table(table)) == size
    assert "Only operation POST /orders of orders" in page.text
    links = {link.text: link.attributes["href"] for link in page.all("a")}
    assert links["All operations"] == "/failures?"
    assert links["Performance of this operation"] == "/performance?role=orders&operation=POST+%2Forders"
    # Choosing another range keeps the operation, and so does the form.
    assert links["24 h"] == "/failures?range=24h&role=orders&operation=POST+%2Forders"
    assert page.one("input", name="operation").attributes["value"] == "POST /orders"


def test_an_exception_without_a_request_is_shown(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [exception(problem=None, operation=None, role=None)]), "/failures")
    assert page.table("exceptions")[0][:4] == ["ValueError", "–", "no such product", "1"]  # noqa: RUF001
    assert page.figures()["Failure rate"] == "–"  # noqa: RUF001


def test_nothing_failed_is_said(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request(), dependency()]), "/failures")
    for text in (
        *("No request failed.", "No operation has failed.", "No request has failed."),
        *("No exception was recorded.", "No call failed."),
    ):
        assert text in page.text


def test_many_kinds_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    items = [exception(problem=f"E at f{number}") for number in range(60)]
    page = shown(stored(tmp_path / "t.db", items), "/failures")
    assert page.figures()["Exceptions"] == "60"
    assert len(page.table("exceptions")) == 25
    assert listed(page, "exceptions") == "The 25 most frequent, of 60."


def listed(page: Element, heading: str) -> str:
    (section,) = (one for one in page.all("section") if one.all("h2", id=heading))
    return section.all("p")[-1].text
