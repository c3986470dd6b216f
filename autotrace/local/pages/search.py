"""Search: items of all tables, the newest first, by text, type, time, status and role."""

from __future__ import annotations

from typing import Mapping
from urllib.parse import urlencode

from .. import figures, finding, scope, summary
from ..tables import TABLES
from ..web import Request, Response, render

PAGE_SIZE = 50
STATUSES = {"": "Any", "failed": "Failed", "successful": "Successful"}


def page(request: Request) -> Response:
    """Return the page of what was found, and of the form that asks for it."""
    chosen = scope.of(request)._replace(operation="")
    text, code = (summary.clean(request.get(name)) for name in ("text", "code"))
    kinds = [name for name, table in TABLES.items() if table.item_type in request.query.get("type", ())]
    status = request.get("status") if request.get("status") in STATUSES else ""
    before = finding.cursor_of(request.get("before"))
    wanted = finding.Wanted(text.split(), kinds or list(TABLES), status, code, before)
    found = finding.find(request, chosen, wanted, PAGE_SIZE)
    asked = {"text": text, "type": [TABLES[name].item_type for name in kinds], "status": status, "code": code}
    return render(
        "search.html",
        title="Search",
        active="/search",
        # Nothing moves under somebody who looks for something, or has gone to older items.
        live=not text and before is None,
        scope=chosen,
        scope_query=chosen.query(),
        ranges=scope.RANGES,
        asked_in={name: _query(chosen._replace(range=name), asked) or "?" for name in scope.RANGES},
        roles=figures.roles(request, chosen),
        statuses=STATUSES,
        types={table.item_type: summary.WORDS.get(table.item_type, table.item_type) for table in TABLES.values()},
        asked=asked,
        found=found.items,
        before=before,
        newest=_query(chosen, asked),
        older=_query(chosen, {**asked, "before": found.older}) if found.older else "",
        everywhere=_query(chosen._replace(range="all"), asked) if chosen.range != "all" else "",
        all_types=_query(chosen, {**asked, "type": [], "status": "", "code": ""}) if kinds or status or code else "",
    )


def _query(chosen: scope.Scope, asked: Mapping[str, object]) -> str:
    said = urlencode({name: value for name, value in asked.items() if value}, doseq=True, errors="replace")
    start = chosen.query()
    return f"{start}&{said}" if start and said else start or f"?{said}"
