"""What the pages of figures have in common: their scope, its form, and what is said where there is nothing to show."""

from __future__ import annotations

from typing import Any

from .. import figures, scope
from ..scope import Scope
from ..web import Request

# Rows of a table: more are no overview.
MOST_ROWS = 25


def frame(request: Request, chosen: Scope, title: str, active: str, *, empty: bool) -> dict[str, Any]:
    """Return what the templates of these pages need; `empty` tells that there is nothing in the scope."""
    latest = scope.latest(request) if empty else None
    nearest = scope.range_of(latest) if latest is not None else ""
    # A narrower range has nothing either: then a role or an operation is what leaves nothing.
    elsewhere = nearest if latest is not None and latest < chosen.start else ""
    return {
        **{"title": title, "active": active, "live": True, "scope": chosen, "ranges": scope.RANGES},
        # The other pages keep the scope, but for the operation.
        **{"scope_query": chosen.query(operation=""), "roles": figures.roles(request, chosen), "most": MOST_ROWS},
        **{"latest": latest, "elsewhere": elsewhere, "origin": request.origin},
    }
