"""What the pages of figures show: the range of time, the role, synthetic traffic, and what they say about it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from autotrace.local import scope
from autotrace.local.reader import reading
from autotrace.local.web import Request
from tests.local.samples import Element, request, shown, stored

PAGES = ("/", "/failures", "/performance")


def requests_shown(page: Element) -> str:
    return page.figures()["Requests"]


@pytest.mark.parametrize(
    ("query", "number"),
    [
        *(("", "2"), ("range=1h", "2"), ("range=30m", "1"), ("range=6h", "3"), ("range=24h", "4"), ("range=7d", "5")),
        *(("range=all", "6"), ("range=nonsense", "2"), ("range=", "2"), ("range=1h&range=all", "2")),
    ],
)
def test_a_range_ends_now(tmp_path: Path, query: str, number: str) -> None:
    minutes = (5, 50, 300, 1400, 8000, 40_000)
    store = stored(tmp_path / "t.db", [request(ago=60 * ago) for ago in minutes])
    assert requests_shown(shown(store, "/", query)) == number


@pytest.mark.parametrize("page", PAGES)
def test_items_that_are_all_dated_ahead_are_shown(tmp_path: Path, page: str) -> None:
    store = stored(tmp_path / "t.db", [request(ago=-3600), request(ago=-60)])
    found = shown(store, page, "range=all")
    assert page == "/failures" or requests_shown(found) == "2"


def test_the_bars_of_a_chart_are_all_of_its_range(tmp_path: Path) -> None:
    store = stored(tmp_path / "t.db", [request(ago=60 * ago) for ago in range(40 * 60)])
    for name in scope.RANGES:
        with reading(str(store), 5) as connection:
            chosen = scope.of(Request("/", {"range": [name]}, connection))
        now = time.time() * 1e6
        assert chosen.until - chosen.step <= now < chosen.until
        assert chosen.start + chosen.bars * chosen.step == chosen.until
        assert 20 <= chosen.bars <= 74


def test_an_unknown_range_is_said(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request()]), "/", "range=2parsecs&synthetic=maybe")
    assert "“2parsecs” is no range of time: this is the last hour." in page.text
    assert "“maybe” is neither “show” nor “hide”" in page.text


def test_a_role_filters_and_all_roles_stay_on_offer(tmp_path: Path) -> None:
    store = stored(tmp_path / "t.db", [request(), request(role="stock & co"), request(role=None)])
    page = shown(store, "/", "role=stock+%26+co")
    assert requests_shown(page) == "1"
    options = page.one("select", name="role").all("option")
    assert [option.text for option in options] == ["All roles", "shop", "stock & co"]
    assert ["selected" in option.attributes for option in options] == [False, False, True]


def test_a_role_that_nobody_has_leads_back(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request()]), "/", "role=nobody&range=6h")
    assert "Nothing matches here in the last 6 hours" in page.text
    assert "/?range=6h" in [link.attributes["href"] for link in page.all("a")]


def test_bots_are_hidden_when_asked(tmp_path: Path) -> None:
    store = stored(tmp_path / "t.db", [request(), request(syntheticSource="Bot"), request(syntheticSource="")])
    assert requests_shown(shown(store, "/")) == "3"
    assert requests_shown(shown(store, "/", "synthetic=hide")) == "2"


@pytest.mark.parametrize("path", PAGES)
def test_links_keep_what_is_shown(tmp_path: Path, path: str) -> None:
    page = shown(stored(tmp_path / "t.db", [request()]), path, "range=24h&role=shop&synthetic=hide")
    links = {link.text: link.attributes["href"] for link in page.one("nav", aria_label="Pages").all("a")}
    wanted = "?range=24h&role=shop&synthetic=hide"
    assert links == {
        **{"Overview": f"/{wanted}", "Failures": f"/failures{wanted}", "Performance": f"/performance{wanted}"},
        **{"Search": f"/search{wanted}", "Map": f"/map{wanted}", "Logs": "/logs"},
    }
    ranges = page.one("nav", aria_label="Range of time").all("a")
    assert ranges[0].attributes["href"] == f"{path}?range=30m&role=shop&synthetic=hide"
    assert [link.text for link in ranges if "aria-current" in link.attributes] == ["24 h"]


def test_the_usual_scope_has_no_query(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request()]), "/failures")
    assert [link.attributes["href"] for link in page.one("nav", aria_label="Pages").all("a")][1] == "/failures"


@pytest.mark.parametrize("path", PAGES)
def test_what_is_older_is_one_click_away(tmp_path: Path, path: str) -> None:
    page = shown(stored(tmp_path / "t.db", [request(ago=3 * 3600 + 60)]), path)
    assert "No requests in the last hour" in page.text
    assert "(3 hours ago)" in page.text
    (link,) = (link for link in page.one("main").all("a") if "show" in link.text)
    assert (link.text, link.attributes["href"]) == ("show the last 6 hours", f"{path}?range=6h")


def test_items_from_the_future_are_counted_and_said(tmp_path: Path) -> None:
    page = shown(stored(tmp_path / "t.db", [request(), request(ago=-7200), request(ago=-86_400 * 30)]), "/")
    assert requests_shown(page) == "3"
    assert "the clock of the machine that sent them is ahead" in page.text
    rows = page.one("main").all("details")[0].one("tbody").all("tr")
    assert [row.all("td")[-1].text for row in rows] == ["1", "2"]


def test_a_query_that_is_no_text_finds_nothing(tmp_path: Path) -> None:
    store = stored(tmp_path / "t.db", [request()])
    page = shown(store, "/performance", "role=%ed%a0%80%ff&operation=%00%ff&range=%ff")
    assert "Nothing matches here" in page.text
