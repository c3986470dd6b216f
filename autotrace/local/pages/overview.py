"""The first page: how many requests there are, how many of them fail, how long they take."""

from __future__ import annotations

from .. import charts, figures, scope, troubles
from ..charts import Series
from ..web import Request, Response, render
from .frame import frame

_MOST_FAILURES = 10


def page(request: Request) -> Response:
    """Show the requests of a scope: together, over time, by operation, and those that failed last."""
    chosen = scope.of(request)._replace(operation="")
    found = figures.of(request, chosen)
    good = [bar.durations.count - bar.failed for bar in found.bars]
    failed = [bar.failed for bar in found.bars]
    return render(
        "overview.html",
        figures=found,
        requests=charts.stacked(
            "Requests over time",
            chosen.start,
            chosen.step,
            [Series("failed", "failed", failed), Series("good", "succeeded", good)],
        ),
        durations=charts.percentiles(chosen.start, chosen.step, [bar.durations for bar in found.bars]),
        failures=troubles.recent(request, chosen, _MOST_FAILURES) if found.whole.failed else [],
        **frame(request, chosen, "Overview", "/", empty=not found.whole.count),
    )
