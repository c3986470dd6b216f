"""The application map: which services and dependencies are on it, who calls whom, and how it is drawn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from autotrace.local import drawing, layers
from tests.local.samples import HOSTILE, Element, assert_harmless, item, request, shown, span, stored

_ids = iter(range(1, 1 << 30))


def call(
    source: str | None, target: str, to: str | None = None, took: float = 10, *, kind: str | None = "Http",
    failed: bool = False, rate: float | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Return a call of a role to a target, and the request at which `to` answered it, if anybody did."""
    number = next(_ids)
    own, operation = f"{number:016x}", f"{number:032x}"
    base = {"id": own, "name": target, "duration": span(took), "type": kind, "target": target}
    base.update({"resultCode": "500" if failed else "200", "success": not failed})
    found = [item("RemoteDependency", base, rate=rate, role=source, id=operation)]
    if to is not None:
        found.append(
            request(f"GET /{to}", took / 2, role=to, id=operation, parentId=own, rate=rate, span=f"f{own[1:]}")
        )
    return found


def of(tmp_path: Path, *calls: list[dict[str, Any]], query: str = "") -> Element:
    return shown(stored(tmp_path / "t.db", [one for some in calls for one in some]), "/map", query)


def nodes(page: Element) -> list[str]:
    return sorted(node.attributes["aria-label"] for node in page.one("svg", class_="map").all("a"))


def test_roles_and_what_no_role_answers_are_nodes(tmp_path: Path) -> None:
    page = of(
        tmp_path, call("shop", "stock:80", "stock"), call("stock", "db", kind="postgresql"), call("shop", "pay:80")
    )
    assert nodes(page) == ["Http pay:80", "postgresql db", "shop", "stock"]


def test_edges_have_calls_mean_duration_and_failures(tmp_path: Path) -> None:
    page = of(
        tmp_path,
        call("shop", "stock:80", "stock", 10, rate=25),
        call("shop", "stock:80", "stock", 60, failed=True),
        call("stock", "db", took=2, kind="postgresql"),
    )
    assert page.table("calls") == [
        ["shop", "stock", "5", "20.0 ms", "✕ 20.0%"],
        ["stock", "postgresql db", "1", "2.00 ms", "0%"],
    ]
    labels = [" ".join(text.text for text in label.all("text")) for label in page.all("g", class_="label")]
    assert labels == ["5 calls 20.0 ms · ✕ 20.0%", "1 call 2.00 ms"]


def test_a_call_that_never_arrived_was_meant_for_who_answers_the_others(tmp_path: Path) -> None:
    page = of(tmp_path, call("shop", "stock:80", "stock"), call("shop", "stock:80", failed=True))
    assert page.table("calls") == [["shop", "stock", "2", "10.0 ms", "✕ 50.0%"]]


def test_a_gateway_leads_to_each_of_the_services_behind_it(tmp_path: Path) -> None:
    page = of(
        tmp_path,
        call("shop", "gateway:80", "stock"),
        call("shop", "gateway:80", "stock"),
        call("shop", "gateway:80", "pay"),
        call("shop", "gateway:80", failed=True),
    )
    assert sorted(row[:3] for row in page.table("calls")) == [
        ["shop", "Http gateway:80", "1"],
        ["shop", "pay", "1"],
        ["shop", "stock", "2"],
    ]


def test_another_operation_does_not_answer_a_call(tmp_path: Path) -> None:
    (one,) = call("shop", "stock:80")
    stranger = request(role="stock", id="f" * 32, parentId=one["data"]["baseData"]["id"])
    page = of(tmp_path, [one, stranger])
    assert [row[:2] for row in page.table("calls")] == [["shop", "Http stock:80"]]


def test_spans_in_the_process_and_calls_to_nowhere_are_left_out(tmp_path: Path) -> None:
    page = of(
        tmp_path, [request()], call("shop", "inner", kind="InProc"), call("shop", "inner", kind="InProc | shop"),
        call("shop", "", kind="Http"),
    )  # fmt: skip
    assert nodes(page) == ["shop"]
    assert "No service called another one" in page.text


def test_nodes_lead_to_their_own_pages(tmp_path: Path) -> None:
    page = of(tmp_path, call("shop", "db|main", kind="postgresql"), query="range=6h")
    links = {node.attributes["aria-label"]: node.attributes["href"] for node in page.one("svg", class_="map").all("a")}
    assert links["shop"] == "/performance?range=6h&role=shop"
    assert links["postgresql db|main"] == "/search?text=db%7Cmain&type=dependency&range=6h"


def test_a_role_is_shown_with_its_neighbours(tmp_path: Path) -> None:
    page = of(
        tmp_path, call("front", "shop", "shop"), call("shop", "db", kind="mysql"), call("front", "other", "other"),
        query="role=shop",
    )  # fmt: skip
    assert nodes(page) == ["front", "mysql db", "shop"]


def test_only_the_range_is_on_the_map(tmp_path: Path) -> None:
    old = [{**one, "time": "2020-01-01T00:00:00Z"} for one in call("old", "db")]
    assert nodes(of(tmp_path, old, call("new", "db"))) == ["Http db", "new"]
    assert nodes(shown(tmp_path / "t.db", "/map", "range=all")) == ["Http db", "new", "old"]


def test_an_empty_store_has_no_map(tmp_path: Path) -> None:
    page = of(tmp_path)
    assert not page.all("svg", class_="map")
    assert page.one("h1").text == "Application map"


def test_calls_in_circles_are_drawn(tmp_path: Path) -> None:
    page = of(
        tmp_path, call("a", "b:80", "b"), call("b", "c:80", "c"), call("c", "a:80", "a"), call("a", "a:80", "a"),
        call(None, "b:80", "b"),
    )  # fmt: skip
    assert nodes(page) == ["(no role)", "a", "b", "c"]
    assert len(page.all("path", class_="edge")) == 5
    assert_inside(page)


def assert_inside(page: Element) -> None:
    """Check that all boxes are in the drawing, and none on another."""
    svg = page.one("svg", class_="map")
    width, height = (float(svg.attributes[name]) for name in ("width", "height"))
    boxes = [tuple(float(box.attributes[name]) for name in ("x", "y")) for a in svg.all("a") for box in a.all("rect")]
    for place, (x, y) in enumerate(boxes):
        assert 0 <= x <= width - drawing.WIDTH
        assert 0 <= y <= height - drawing.HEIGHT
        for other_x, other_y in boxes[place + 1 :]:
            assert abs(x - other_x) >= drawing.WIDTH or abs(y - other_y) >= drawing.HEIGHT
    for path in svg.all("path", class_="edge"):
        assert re.fullmatch(r"[MCH\d. -]+", path.attributes["d"])


def test_sixty_nodes_are_drawn_and_the_rest_is_said(tmp_path: Path) -> None:
    calls = [call("shop", f"host{number}", took=1) for number in range(90)]
    page = of(tmp_path, *calls, *(call("shop", "host77") for _ in range(5)))
    assert len(nodes(page)) == 60
    assert "Http host77" in nodes(page)
    assert "31 more are not" in page.text
    assert_inside(page)


def test_layers_follow_the_longest_way() -> None:
    found = layers.arrange("abcd", [("a", "b"), ("b", "c"), ("a", "c"), ("d", "c")])
    assert [[node for node in row if isinstance(node, str)] for row in found.rows] == [["a", "d"], ["b"], ["c"]]
    assert found.ways[2] == ["a", layers.Passing(2, 1), "c"]
    assert not found.backwards


def test_edges_do_not_cross_where_they_need_not() -> None:
    found = layers.arrange("abxy", [("a", "y"), ("b", "x")])
    first, second = found.rows
    assert first.index("a") == second.index("y")


def test_a_large_graph_without_order_is_laid_out() -> None:
    names = list(range(60))
    edges = [(one, other) for one in names for other in names if (one * 7 + other * 13) % 11 == 0]
    found = layers.arrange(names, edges)
    assert sorted(node for row in found.rows for node in row if isinstance(node, int)) == names
    drawn = drawing.draw(names, edges)
    assert len(drawn.curves) == len(edges)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_texts(tmp_path: Path, text: str) -> None:
    page = of(tmp_path, call(text, text, kind=text), call("shop", text, text + "2"), query="range=all")
    assert_harmless(page)
    assert len(page.table("calls")) == 2
