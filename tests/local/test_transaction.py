"""One operation: what hangs under what, where it is in time, and what is told of its failures."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from autotrace.local.rows import microseconds, timestamp
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

OPERATION = "a" * 32


def call(*what: Any, span: str = "b" * 16, **more: Any) -> dict[str, Any]:
    """Return a call with an id."""
    made = dependency(*what, **more)
    made["data"]["baseData"]["id"] = span
    return made


def log(message: str, **more: Any) -> dict[str, Any]:
    return item(
        "Message",
        {"message": message, "severityLevel": more.pop("level", 1)},
        **{"role": "shop", "id": OPERATION, **more},
    )


def at_once(*items: tuple[float, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return items that are exactly so many seconds old, seen from one moment."""
    now = int(time.time() * 1_000_000)
    return [{**one, "time": timestamp(now - round(ago * 1_000_000))} for ago, one in items]


def shop() -> list[dict[str, Any]]:
    """A request that calls a service, which calls a database, fails there, and says so."""
    return at_once(
        (60, request("GET /", 100, span="1" * 16)),
        (59.98, call("GET /stock", 60, "500", type="Http", target="stock:80", span="2" * 16, parentId="1" * 16)),
        (59.975, request("GET /stock", 50, "500", role="stock", span="3" * 16, parentId="2" * 16)),
        (59.97, call("SELECT shelves", 10, role="stock", span="4" * 16, parentId="3" * 16)),
        (59.95, exception("KeyError", "'sku'", role="stock", parentId="3" * 16)),
        (59.96, log("nothing left", role="stock", parentId="3" * 16, level=2)),
        (59.99, log("said by the first", parentId="1" * 16)),
    )


def steps(page: Element) -> list[Element]:
    return page.one("ol", class_="steps").all("summary")


def tree(page: Element) -> list[tuple[int, str]]:
    """Return the level and the name of each item, from top to bottom."""
    found = []
    for step in steps(page):
        what = step.children[1]
        assert isinstance(what, Element)
        level = what.one("span", class_="hidden").text.split()[1].rstrip(":")
        found.append((int(level), what.one("span", class_="name").text))
    return found


def bars(page: Element) -> list[tuple[float, float]]:
    """Return where the bar of each item begins and ends, in percent of the line."""
    found = []
    for step in steps(page):
        bar = step.one("rect")
        x, width = (float(bar.attributes[name].rstrip("%")) for name in ("x", "width"))
        found.append((x, x + width))
    return found


def of(tmp_path: Path, items: list[dict[str, Any]], operation: str = OPERATION) -> Element:
    return shown(stored(tmp_path / "t.db", items), f"/transaction/{operation}")


def test_everything_hangs_under_what_it_names(tmp_path: Path) -> None:
    assert tree(of(tmp_path, shop())) == [
        (1, "GET /"),
        (2, "said by the first"),
        (2, "GET /stock"),
        (3, "GET /stock"),
        (4, "SELECT shelves"),
        (4, "nothing left"),
        (4, "KeyError: 'sku'"),
    ]


def test_what_is_of_one_moment_is_in_its_order(tmp_path: Path) -> None:
    """Some clients say only in which millisecond something was."""
    moments = (
        (60, request("GET /", 100, span="1" * 16)),
        *((59.99, log(f"log {number}", parentId="1" * 16)) for number in (1, 2)),
        (59.99, call("GET /stock", 1, parentId="1" * 16)),
    )
    path = stored(tmp_path / "store.db", at_once(*moments))
    found = tree(shown(path, f"/transaction/{OPERATION}"))
    assert found == [(1, "GET /"), (2, "GET /stock"), (2, "log 1"), (2, "log 2")]


def test_bars_are_where_they_were_in_time(tmp_path: Path) -> None:
    found = bars(of(tmp_path, shop()))
    assert found[0] == (0, 100)
    assert found[2] == pytest.approx((20, 80), abs=0.1)
    assert found[3] == pytest.approx((25, 75), abs=0.1)
    assert found[4] == pytest.approx((30, 40), abs=0.1)
    assert found[6][0] == pytest.approx(50, abs=0.1)


def test_failures_are_said_in_words(tmp_path: Path) -> None:
    page = of(tmp_path, shop())
    outcomes = [step.one("span", class_="result").text for step in steps(page)]
    assert outcomes == ["✓ 200 ok", "Information", "✕ 500 failed", "✕ 500 failed", "✓ 0 ok", "Warning", "✕ Error"]
    assert page.figures()["Failures"] == "3"
    assert page.figures()["Services"] == "2"


def test_an_exception_is_told_with_its_chain_and_frames(tmp_path: Path) -> None:
    frames = [
        {"level": 1, "method": "shop.views.show", "fileName": "/srv/shop/views.py", "line": 7},
        {"level": 0, "method": "shop.prices.of", "fileName": "/srv/shop/prices.py", "line": 12},
    ]
    chain = [
        {"id": 1, "typeName": "PriceError", "message": "no price", "parsedStack": frames},
        {"id": 2, "outerId": 1, "typeName": "KeyError", "message": "'price'", "stack": "line one\nline two"},
    ]
    failed = item("Exception", {"exceptions": chain}, id=OPERATION, role="shop", parentId="00000000000000a1")
    page = of(tmp_path, [request(code="500"), failed])
    first, second = page.all("div", class_="error-of-chain")
    assert first.one("p").text == "PriceError : no price"
    assert [line.text for line in first.all("li")] == [
        "shop.prices.of /srv/shop/prices.py:12",
        "shop.views.show /srv/shop/views.py:7",
    ]
    assert second.one("p").text == "which was led to by KeyError : 'price'"
    assert second.one("pre").text == "line one line two"
    # Who looks for what went wrong does not have to open it.
    assert "open" in page.one("ol", class_="steps").all("details")[1].attributes


@pytest.mark.parametrize(
    "details", ["null", "7", '"x"', "[7, null]", "[[]]", '[{"parsedStack": 7}]', "{", "[" * 100_000, "[{}]"]
)
def test_details_of_any_shape_are_shown(tmp_path: Path, details: str) -> None:
    path = stored(tmp_path / "t.db", [exception()])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE exceptions SET details = ?", (details,))
    connection.close()
    assert tree(shown(path, f"/transaction/{OPERATION}")) == [(1, "ValueError: no such product")]


def test_items_link_to_their_pages(tmp_path: Path) -> None:
    page = of(tmp_path, shop())
    links = [link.attributes["href"] for link in page.one("ol", class_="steps").all("a")]
    assert links[0] == "/item/requests/1"
    assert links[-1] == "/item/exceptions/1"


def test_items_whose_parent_is_missing_are_a_group_of_their_own(tmp_path: Path) -> None:
    lost = request("GET /lost", role="lost", span="5" * 16, parentId="9" * 16, ago=59.99)
    below = call("SELECT lost", role="lost", span="6" * 16, parentId="5" * 16, ago=59.98)
    page = of(tmp_path, [*shop(), lost, below])
    assert tree(page)[-2:] == [(1, "GET /lost"), (2, "SELECT lost")]
    assert page.one("li", class_="group").one("h3").text == "Their parent is not in the store"


def test_a_request_whose_caller_does_not_report_is_the_root(tmp_path: Path) -> None:
    items = shop()
    items[0]["tags"]["ai.operation.parentId"] = "9" * 16
    page = of(tmp_path, items)
    assert tree(page)[0] == (1, "GET /")
    assert not page.all("li", class_="group")


def test_a_root_may_name_the_operation_as_its_parent(tmp_path: Path) -> None:
    items = [request(parentId=OPERATION), request("GET /other", parentId="9" * 16, span="5" * 16, ago=90)]
    page = of(tmp_path, items)
    assert tree(page) == [(1, "GET /"), (1, "GET /other")]
    assert len(page.all("li", class_="group")) == 1


def test_logs_that_name_no_parent_belong_to_the_root(tmp_path: Path) -> None:
    assert tree(of(tmp_path, [request(), log("where?", ago=59.999)])) == [(1, "GET /"), (2, "where?")]


def test_hierarchical_ids_are_understood(tmp_path: Path) -> None:
    items = [request(span="b" * 16), log("classic", parentId=f"|{OPERATION}.{'b' * 16}.")]
    assert tree(of(tmp_path, items)) == [(1, "GET /"), (2, "classic")]


def test_an_operation_without_requests_is_shown(tmp_path: Path) -> None:
    assert tree(of(tmp_path, [log("one", ago=60), log("two", ago=50)])) == [(1, "one"), (2, "two")]
    assert tree(shown(tmp_path / "t.db", f"/transaction/{OPERATION}"))[0] == (1, "one")


def test_circles_are_shown_once(tmp_path: Path) -> None:
    round_about = [
        request("GET /a", span="5" * 16, parentId="7" * 16, ago=60),
        call("call b", span="6" * 16, parentId="5" * 16, ago=59),
        request("GET /b", span="7" * 16, parentId="6" * 16, ago=58),
        request("GET /itself", span="8" * 16, parentId="8" * 16, ago=57),
    ]
    assert sorted(tree(of(tmp_path, round_about))) == [(1, "GET /a"), (1, "GET /itself"), (2, "call b"), (3, "GET /b")]


def test_items_of_one_id_are_all_shown(tmp_path: Path) -> None:
    twice = [
        request("GET /a", span="5" * 16, ago=60),
        request("GET /a", span="5" * 16, ago=60),
        call("call", span="6" * 16, parentId="5" * 16, ago=59.999),
        # A call and what answers it.
        request("answer", span="6" * 16, parentId="6" * 16, ago=59.9985),
    ]
    found = tree(of(tmp_path, twice))
    assert len(found) == 4
    assert found.index((3, "answer")) == found.index((2, "call")) + 1


@pytest.mark.parametrize("off", [-7200, -1, 1, 7200])
def test_another_clock_does_not_move_a_call_out_of_its_caller(tmp_path: Path, off: float) -> None:
    moved = [
        one if one["tags"]["ai.cloud.role"] == "shop" else {**one, "time": shifted(one["time"], off)} for one in shop()
    ]
    page = of(tmp_path, moved)
    found = dict(zip((name for _, name in tree(page)), bars(page)))
    assert found["GET /stock"] == pytest.approx((25, 75), abs=0.1)
    assert found["SELECT shelves"] == pytest.approx((30, 40), abs=0.1)
    assert "clocks of these services differ" in page.text
    assert page.text.count(" later " if off < 0 else " earlier ") >= 1


def shifted(text: str, seconds: float) -> str:
    return timestamp(microseconds(text) + int(seconds * 1_000_000))


def test_what_goes_on_after_its_caller_stays_where_it_was(tmp_path: Path) -> None:
    items = at_once(
        (60, request("POST /mail", 100, span="1" * 16)),
        (59.95, call("send", 5, type="Queue Message", span="2" * 16, parentId="1" * 16)),
        (59.5, request("deliver", 400, role="mailer", span="3" * 16, parentId="2" * 16)),
    )
    page = of(tmp_path, items)
    assert bars(page)[2] == pytest.approx((500 / 9, 100), abs=0.2)


def test_what_is_days_away_does_not_make_everything_else_invisible(tmp_path: Path) -> None:
    late = request("late", 500, role="mailer", span="3" * 16, parentId="1" * 16, ago=0)
    late["time"] = shifted(late["time"], 86_400)
    early = log("early", role="elsewhere", parentId="9" * 16, ago=90_000)
    page = of(tmp_path, [request("GET /", 100, span="1" * 16, ago=60), late, early])
    found = bars(page)
    assert found[0][1] - found[0][0] > 1
    assert found[1][1] == 100
    assert "later →" in page.text
    assert "← earlier" in page.text
    assert all(0 <= start <= end <= 100.5 for start, end in found)


def test_five_thousand_items_are_cut_and_said(tmp_path: Path) -> None:
    many = [log(f"line {number}", parentId="1" * 16, ago=59 - number / 1000) for number in range(5000)]
    # The root is the last to be written, as it is by who waits for the end of a request.
    path = stored(tmp_path / "t.db", [*many, request("GET /", 6000, span="1" * 16, ago=60)])
    began = time.monotonic()
    page = shown(path, f"/transaction/{OPERATION}")
    assert time.monotonic() - began < 3
    found = tree(page)
    assert len(found) == 1000
    assert found[:2] == [(1, "GET /"), (2, "line 0")]
    assert "5,001 items: the first 1,000 are shown" in page.text


def test_a_chain_of_a_thousand_calls_is_shown(tmp_path: Path) -> None:
    chain = [
        call(f"call {n}", 2000 - n, span=f"{n:016x}", parentId=f"{n - 1:016x}" if n > 1 else None, ago=60 - n / 1e4)
        for n in range(1, 1000)
    ]
    assert tree(of(tmp_path, chain))[-1] == (999, "call 999")


@pytest.mark.parametrize("operation", ["b" * 32, "", "x/y?z", "\udcff", "'; DROP TABLE requests"])
def test_an_unknown_operation_is_said_to_be_unknown(tmp_path: Path, operation: str) -> None:
    path = stored(tmp_path / "t.db", shop())
    with pytest.raises(PageError, match="Nothing in the store belongs to the operation") as refusal:
        answer(path, f"/transaction/{operation}")
    assert refusal.value.status == 404


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_texts(tmp_path: Path, text: str) -> None:
    chain = [{"typeName": text, "message": text, "parsedStack": [{"level": 0, "method": text, "fileName": text}]}]
    tags = {"role": text, "roleInstance": text, "name": text, "id": text, "parentId": text}
    items = [
        request(text, code=text, span=text, role=text, id=text),
        call(text, type=text, target=text, span=text, operation=text, role=text, id=text, parentId=text),
        item("Exception", {"exceptions": chain, "problemId": text}, **tags),
        item("Message", {"message": text}, **tags),
        item("Event", {"name": text}, **tags),
    ]
    page = of(tmp_path, items, text)
    assert_harmless(page)
    assert len(steps(page)) == 5
