"""One item: every field of it, its own dimensions and measurements, the exceptions that it tells of."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from urllib.parse import urlencode

from .. import chain, summary, texts
from ..tables import LAST, TABLES, columns_of
from ..web import PageError, Request, Response, render

_PATH = re.compile(r"/item/(\w+)/([0-9]{1,18})", re.ASCII).fullmatch
# Columns that are shown in a way of their own, or that say what others say.
_APART = frozenset(("details", "customDimensions", "customMeasurements", "_time", "_bucket"))
# What is read as it was written, line by line.
_WRITTEN = frozenset(("data", "message", "outerMessage", "innermostMessage"))


class Field(NamedTuple):
    """A field: its name, its value as text, whether it is read line by line, and where it leads, if anywhere."""

    name: str
    value: str
    written: bool
    link: str


def page(request: Request) -> Response:
    """Return the page of the item that the path names, `/item/<table>/<itemId>`; PageError 404 where there is none."""
    match = _PATH(request.path)
    table, number = match.groups() if match else ("", "")
    row = None
    if table in TABLES:
        row = request.store.execute(f"SELECT * FROM {table} WHERE itemId = ?", (int(number),)).fetchone()
    if row is None:
        what = f"{texts.short(request.path[len('/item/') :], 'Nothing')} is not in the store. "
        raise PageError(404, what + "It may have been deleted because it was old.")
    of_item = dict(row)
    (item,) = summary.of_rows(request.store.execute(f"{summary.select(table)} WHERE itemId = ?", (int(number),)))
    fields = [name for name in columns_of(table) if name not in _APART]
    own = [name for name in fields if name not in LAST]
    common = [name for name in fields if name in LAST]
    title = item.kind if table == "exceptions" else item.title
    return render(
        "item.html",
        title=texts.short(title, f"{TABLES[table].item_type} without a name"),
        active="/search",
        item=item,
        own=[_field(request, item, name, of_item[name]) for name in own if of_item[name] not in (None, "")],
        common=[_field(request, item, name, of_item[name]) for name in common if of_item[name] not in (None, "")],
        missing=[name for name in fields if of_item[name] in (None, "")],
        dimensions=_pairs(of_item["customDimensions"]),
        measurements=_pairs(of_item["customMeasurements"]),
        errors=chain.errors_of(of_item.get("details")),
        raw=of_item.get("details") or "",
        query="?" + urlencode({"q": f"SELECT * FROM {table} WHERE itemId = {number}"}),
    )


def _field(request: Request, item: summary.Summary, name: str, value: Any) -> Field:
    link = ""
    if name == "operation_Id":
        link = f"/transaction/{texts.segment(value)}"
    elif name == "operation_ParentId":
        link = _parent(request, item)
    elif name in ("operation_Name", "cloud_RoleName"):
        asked = {"role": value} if name == "cloud_RoleName" else {"text": value}
        link = "/search?" + urlencode({**asked, "range": "all"}, errors="replace")
    if name == "success":
        return Field(name, "True" if value else "False", False, link)
    if name == "severityLevel":
        return Field(name, f"{value} ({summary.severity(value)})", False, link)
    if isinstance(value, float):
        return Field(name, f"{value:.10g}{' ms' if name.lower().endswith('duration') else ''}", False, link)
    return Field(name, str(value), name in _WRITTEN, link)


def _parent(request: Request, item: summary.Summary) -> str:
    """Return the path of the item that is named as the parent, empty where it is not in the store."""
    for table in TABLES:
        if "id" in TABLES[table].columns:
            query = f"SELECT itemId FROM {table} WHERE operation_Id = ? AND id = ? LIMIT 1"
            found = request.store.execute(query, (item.operation, item.parent)).fetchone()
            if found is not None:
                return f"/item/{table}/{found[0]}"
    return ""


def _pairs(value: Any) -> list[tuple[str, str]]:
    """Return a JSON object as names and values; what is none, though it should be, as one value without a name."""
    if not value:
        return []
    try:
        found = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        return [("", str(value))]
    return [(name, one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)) for name, one in found.items()]
