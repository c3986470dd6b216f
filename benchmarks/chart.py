"""The chart of the measurements, drawn by matplotlib."""

from __future__ import annotations

import pathlib
from typing import Any, Mapping, Sequence

from benchmarks.figures import TRACED, Samples, added
from benchmarks.peers import BASELINE, Peer

PANELS = {"cpu": "CPU time added to a request, µs", "p99": "p99 latency added, µs"}
COLORS = ("#1b9e77", "#7570b3", "#d95f02")
# On a logarithmic scale nothing is 0: what is less, or less than nothing by the noise, is drawn as this.
LEAST = 1.0


def draw(path: pathlib.Path, peers: Sequence[Peer], frameworks: Mapping[str, Samples]) -> None:
    """Write an SVG file with a panel for each of PANELS, and in it a bar for each peer and framework."""
    # Needed for the chart alone; a graphical display is not.
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    shown = [peer for peer in peers if peer.name != BASELINE]
    canvas = Figure(figsize=(12, 1.6 + 0.55 * len(shown)), layout="constrained", facecolor="white")
    FigureCanvasSVG(canvas)
    axes = canvas.subplots(1, len(PANELS), sharey=True)
    for panel, (figure, title) in zip(axes, PANELS.items()):
        fill(panel, shown, frameworks, figure)
        panel.set_title(title)
    axes[0].set_yticks(range(len(shown)), [peer.title for peer in shown])
    axes[0].invert_yaxis()
    handles, labels = axes[0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    # The same figures give the same file.
    with rc_context({"svg.hashsalt": "benchmarks"}):
        canvas.savefig(path, format="svg", metadata={"Date": None})


def fill(panel: Any, peers: Sequence[Peer], frameworks: Mapping[str, Samples], figure: str) -> None:
    """Draw the bars of one figure, with their values."""
    height = 0.8 / len(frameworks)
    for index, (framework, samples) in enumerate(frameworks.items()):
        found = {row: added(samples, peer.name, TRACED, figure) for row, peer in enumerate(peers)}
        values = {row: value.middle for row, value in found.items() if value is not None}
        places = [row + (index - (len(frameworks) - 1) / 2) * height for row in values]
        widths = [max(value, LEAST) for value in values.values()]
        bars = panel.barh(places, widths, height, color=COLORS[index % len(COLORS)], label=framework.capitalize())
        panel.bar_label(bars, [f"{value:+.0f}" for value in values.values()], padding=3, fontsize=8)
    panel.set_xscale("log")
    panel.xaxis.set_major_formatter("{x:g}")
    panel.set_xlabel("logarithmic scale")
    panel.set_xlim(LEAST / 2, panel.get_xlim()[1] * 2)
    panel.grid(axis="x", color="#dddddd")
    panel.set_axisbelow(True)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
