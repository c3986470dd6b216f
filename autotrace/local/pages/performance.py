"""Where the time goes: durations by operation, over time and in distribution, the slowest requests and calls."""

from __future__ import annotations

from .. import charts, figures, scope, slowness
from ..web import Request, Response, render
from .frame import frame

_MOST_SAMPLES = 10


def page(request: Request) -> Response:
    """Show the durations of a scope, which may be one operation."""
    chosen = scope.of(request)
    found = figures.of(request, chosen)
    dependencies = slowness.dependencies(request, chosen)
    return render(
        "performance.html",
        figures=found,
        operations=sorted(found.operations, key=lambda one: -one.durations.total),
        durations=charts.percentiles(chosen.start, chosen.step, [bar.durations for bar in found.bars]),
        distribution=charts.distribution("How long requests take", found.whole.durations),
        slowest=slowness.slowest(request, chosen, _MOST_SAMPLES),
        dependencies=dependencies,
        spent=sum(one.durations.total for one in dependencies),
        **frame(request, chosen, "Performance", "/performance", empty=not (found.whole.count or dependencies)),
    )
