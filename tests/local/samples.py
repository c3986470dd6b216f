"""Telemetry for the pages, and pages as their readers find them: texts, tables, links."""

from __future__ import annotations

import importlib
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Iterable, Iterator
from urllib.parse import parse_qs

from autotrace.local import rows
from autotrace.local.pages import PAGES
from autotrace.local.reader import reading
from autotrace.local.store import Store
from autotrace.local.web import Request, Response

# Texts that strangers may put into every field, and what would be left of the page if one got through.
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": '"><img src=x onerror=alert(1)>',
    "quote": "' onmouseover='alert(1)",
    "template": "{{ 7 * 7 }}{% raw %}",
    "turned": "abc\u202egnp.exe",
    "long": "x" * 10_000,
    "emoji": "👩‍👩‍👧‍👦 🏴‍☠️ café",
    "url": "../../logs?sql=1&a=b#c",
    "lines": "one\r\ntwo\x00\x1b[31m",
}
_VOID = frozenset(("meta", "link", "input", "br", "hr", "img"))


def item(
    kind: str, base: dict[str, Any], ago: float = 60, rate: float | None = None, **tags: str | None
) -> dict[str, Any]:
    """Return an item of so many seconds ago; `tags` are of ai.operation and ai.cloud, by the end of their names."""
    places = {"role": "cloud", "roleInstance": "cloud"}
    made = {
        "time": rows.timestamp(int((time.time() - ago) * 1_000_000)),
        "tags": {f"ai.{places.get(name, 'operation')}.{name}": value for name, value in tags.items() if value},
        "data": {"baseType": f"{kind}Data", "baseData": {"ver": 2, **base}},
    }
    return made if rate is None else {**made, "sampleRate": rate}


def request(
    name: str | None = "GET /", took: float = 10, code: str = "200", *, role: str | None = "shop", **more: Any
) -> dict[str, Any]:
    """Return a request that took so many milliseconds; it failed where its code says so."""
    base = {"id": more.pop("span", "00000000000000a1"), "name": name, "url": "http://shop/", "duration": span(took)}
    return item(
        "Request",
        {**base, "responseCode": code, "success": code < "400"},
        **{"name": name, "role": role, "id": "a" * 32, **more},
    )


def dependency(
    name: str = "SELECT products", took: float = 5, code: str = "0", *, type: str | None = "sqlite",
    target: str | None = "shop.db", operation: str | None = "GET /", role: str | None = "shop", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return a call that took so many milliseconds; it failed where its code is not 0 or 200."""
    base = {"id": "00000000000000b1", "name": name, "duration": span(took), "type": type, "target": target}
    return item(
        "RemoteDependency",
        {**base, "resultCode": code, "success": code in ("0", "200")},
        **{"name": operation, "role": role, "id": "a" * 32, **more},
    )


def exception(
    kind: str = "ValueError", message: str = "no such product", problem: str | None = "ValueError at shop.views.show",
    *, operation: str | None = "GET /", role: str | None = "shop", **more: Any,
) -> dict[str, Any]:  # fmt: skip
    """Return an exception."""
    chain = [{"id": 1, "typeName": kind, "message": message}]
    base = {"exceptions": chain, "problemId": problem, "severityLevel": "Error"}
    return item("Exception", base, **{"name": operation, "role": role, "id": "a" * 32, **more})


def span(milliseconds: float) -> str:
    """Return a duration as items have it."""
    seconds, rest = divmod(round(milliseconds * 10_000), 10_000_000)
    return f"{seconds // 86_400}.{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:07d}"


def stored(path: Path, items: Iterable[dict[str, Any]]) -> Path:
    """Write items into a store at `path`."""
    store = Store(str(path), days=10_000, megabytes=1000)
    store.write([rows.row_of(one) for one in items], 10)
    store.close()
    return path


def answer(path: Path, page: str, query: str = "", seconds: float = 10) -> Response:
    """Return what a page answers over the store at `path`; `page` is a path of PAGES, and an id where one belongs."""
    with reading(str(path), seconds) as connection:
        name = PAGES[page if page in PAGES else page[: page.index("/", 1) + 1]]
        module = importlib.import_module(f"autotrace.local.pages.{name}")
        fields = parse_qs(query, keep_blank_values=True, errors="surrogateescape")
        response: Response = module.page(Request(page, fields, connection, "http://127.0.0.1:4711"))
    return response


def shown(path: Path, page: str, query: str = "") -> Element:
    """Return a page over the store at `path` as a tree."""
    response = answer(path, page, query)
    assert response.status == 200
    return tree(response.body.decode())


class Element:
    """An element of a page: its tag, attributes, and children, which are elements and texts."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[Element | str] = []

    def __iter__(self) -> Iterator[Element]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements in this one, in their order; `_` stands for `-` in names of attributes."""
        wanted = {name.strip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            one
            for one in self
            if one.tag == tag and all(one.attributes.get(name) == value for name, value in wanted.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """Return the only element of a kind."""
        (found,) = self.all(tag, **attributes)
        return found

    @property
    def text(self) -> str:
        """All text in it, as one line."""
        parts = (child if isinstance(child, str) else child.text for child in self.children)
        return " ".join(" ".join(parts).split())

    def table(self, heading: str) -> list[list[str]]:
        """Return the rows of the table below a heading of this id, without the names of its columns."""
        body = self.one("div", aria_labelledby=heading).one("tbody")
        return [[cell.text for cell in row.children if isinstance(cell, Element)] for row in body.all("tr")]

    def links(self, heading: str) -> list[str]:
        """Return where the links of the table below a heading lead."""
        return [link.attributes["href"] for link in self.one("div", aria_labelledby=heading).all("a")]

    def figures(self) -> dict[str, str]:
        """Return the large figures by their names."""
        cells = [child for child in self.one("dl", **{"class": "figures"}) if child.tag in ("dt", "dd")]
        return {
            name.text: value.text for name, value in zip(cells, cells[1:]) if name.tag == "dt" and value.tag == "dd"
        }


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute of {tag} comes twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.open[-1].children.append(element)
        if tag not in _VOID:
            self.open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> ends another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def tree(html: str) -> Element:
    """Return HTML as a tree; AssertionError where its tags do not match."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert len(builder.open) == 1, f"not ended: {[one.tag for one in builder.open[1:]]}"
    return builder.open[0]


def assert_harmless(page: Element) -> None:
    """Check that nothing in a page can run, load or look other than our own."""
    assert [script.attributes["src"] for script in page.all("script")] == ["/static/live.js"]
    assert not page.all("img")
    assert not page.all("style")
    for element in page:
        for name, value in element.attributes.items():
            assert not name.startswith("on"), (element.tag, name)
            assert name != "style", element.tag
            if name in ("href", "src", "action"):
                assert value.startswith(("/", "#")), value
                assert not value.startswith("//"), value
