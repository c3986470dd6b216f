"""One item: every field that it has, and where these lead."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from autotrace.local.tables import TABLES
from autotrace.local.web import PageError
from tests.local.samples import (
    HOSTILE,
    Element,
    answer,
    assert_harmless,
    dependency,
    exception,
    item,
    request,
    shown,
    stored,
)


def fields(page: Element) -> dict[str, str]:
    """Return the fields of an item, and of its dimensions and measurements, by their names."""
    return {
        row.one("th").text: row.one("td").text
        for table in page.all("table", class_="fields")
        for row in table.all("tr")
    }


def test_all_fields_are_shown(tmp_path: Path) -> None:
    one = request(took=12.5, code="503", rate=25)
    one["data"]["baseData"]["properties"] = {"process.pid": "17", "long": "x" * 8000}
    one["data"]["baseData"]["measurements"] = {"responseBytes": 512.5}
    found = fields(shown(stored(tmp_path / "t.db", [one]), "/item/requests/1"))
    for name, value in {
        **{"name": "GET /", "url": "http://shop/", "success": "False", "resultCode": "503", "duration": "12.5 ms"},
        **{"itemCount": "4", "cloud_RoleName": "shop", "operation_Id": "a" * 32, "process.pid": "17"},
        **{"responseBytes": "512.5", "long": "x" * 8000, "performanceBucket": "<250ms"},
    }.items():
        assert found[name] == value


def test_fields_without_a_value_are_named(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request()]), "/item/requests/1")
    assert "user_Id" in page.one("details").text
    assert "user_Id" not in fields(page)


def test_an_item_leads_to_its_transaction_its_parent_and_its_query(tmp_path: Path) -> None:
    path = stored(tmp_path / "t.db", [request(span="1" * 16), dependency(parentId="1" * 16)])
    links = {link.text: link.attributes["href"] for link in shown(path, "/item/dependencies/1").one("main").all("a")}
    assert links["The whole transaction"] == f"/transaction/{'a' * 32}"
    assert links["1" * 16] == "/item/requests/1"
    assert links["This item in Logs"] == "/logs?q=SELECT+%2A+FROM+dependencies+WHERE+itemId+%3D+1"


def test_a_statement_keeps_its_lines(tmp_path: Path) -> None:
    one = dependency()
    one["data"]["baseData"]["data"] = "SELECT *\n  FROM products"
    page = shown(stored(tmp_path / "t.db", [one]), "/item/dependencies/1")
    assert [block.children for block in page.all("pre")] == [["SELECT *\n  FROM products"]]


def test_an_exception_is_told(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [exception()]), "/item/exceptions/1")
    assert page.one("h1").text == "ValueError"
    assert page.one("p", class_="error-head").text == "ValueError : no such product"
    assert fields(page)["severityLevel"] == "3 (Error)"


@pytest.mark.parametrize("dimensions", ["{", "7", "[1]", '{"a": {"b": null}}', "[" * 50_000])
def test_dimensions_that_are_no_object_are_shown_as_they_are(tmp_path: Path, dimensions: str) -> None:
    path = stored(tmp_path / "t.db", [request()])
    connection = sqlite3.connect(path)
    connection.execute("UPDATE requests SET customDimensions = ?", (dimensions,))
    connection.commit()
    connection.close()
    found = fields(shown(path, "/item/requests/1"))
    assert found.get("(not readable)", found.get("a")) in (dimensions, '{"b": null}')


def test_items_of_every_kind_have_a_page(tmp_path: Path) -> None:
    day = {"duration": "0.00:00:01.5"}
    items = [
        request(),
        dependency(),
        exception(),
        item("Message", {"message": "said"}),
        item("Event", {"name": "clicked"}),
        item("Metric", {"metrics": [{"name": "queue", "value": 3.0}]}),
        item("PageView", {"id": "p", "name": "start", "url": "http://shop/", **day}),
        item("PageViewPerf", {"name": "start", "perfTotal": "0.00:00:01.5"}),
        item("Availability", {"id": "v", "name": "ping", "success": False, **day}),
    ]
    path = stored(tmp_path / "t.db", items)
    titles = [shown(path, f"/item/{table}/1").one("h1").text for table in TABLES]
    assert titles == [
        *("GET /", "SELECT products", "ValueError", "said", "clicked", "queue = 3.0", "start", "start", "ping")
    ]


@pytest.mark.parametrize(
    "end",
    ["requests/2", "requests/", "requests", "", "sqlite_master/1", "_seen/1", "requests/1/2", "requests/-1", "a/1"],
)
def test_an_unknown_item_is_said_to_be_unknown(tmp_path: Path, end: str) -> None:
    path = stored(tmp_path / "t.db", [request()])
    with pytest.raises(PageError, match="is not in the store") as refusal:
        answer(path, f"/item/{end}")
    assert refusal.value.status == 404


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_texts(tmp_path: Path, text: str) -> None:
    tags = {"role": text, "roleInstance": text, "name": text, "id": text, "parentId": text}
    one = item("Exception", {"exceptions": [{"typeName": text, "message": text}], "problemId": text}, **tags)
    one["data"]["baseData"]["properties"] = {text: text}
    one["tags"]["ai.user.userAgent"] = text
    page = shown(stored(tmp_path / "t.db", [one]), "/item/exceptions/1")
    assert_harmless(page)
    assert fields(page)["client_Browser"] == " ".join(text.split())
