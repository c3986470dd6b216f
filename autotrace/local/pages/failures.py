"""What went wrong: failed requests by operation and response code, exceptions, failed calls to dependencies."""

from __future__ import annotations

from .. import charts, figures, scope, troubles
from ..charts import Series
from ..web import Request, Response, render
from .frame import frame


def page(request: Request) -> Response:
    """Show the failures of a scope, which may be one operation."""
    chosen = scope.of(request)
    found = figures.of(request, chosen)
    exceptions = troubles.exceptions(request, chosen)
    dependencies = troubles.dependencies(request, chosen)
    worst = sorted((one for one in found.operations if one.failed), key=lambda one: -one.failed)
    failed = Series("failed", "failed", [bar.failed for bar in found.bars])
    return render(
        "failures.html",
        figures=found,
        operations=worst,
        failed=charts.stacked("Failed requests over time", chosen.start, chosen.step, [failed]),
        codes=troubles.codes(request, chosen),
        exceptions=exceptions,
        dependencies=dependencies,
        **frame(request, chosen, "Failures", "/failures", empty=not (found.whole.count or exceptions or dependencies)),
    )
