"""Where the results go: results.md, results.svg, and the block in the README."""

from __future__ import annotations

import pathlib

from benchmarks import chart, report
from benchmarks.environments import HERE
from benchmarks.report import BEGIN, END, Measured

README = HERE.parent / "README.md"
RESULTS, CHART = "results.md", "results.svg"


def write(folder: pathlib.Path, measured: Measured) -> None:
    """Write the report and the chart into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RESULTS).write_text(report.whole(measured, CHART), "utf-8")
    chart.draw(folder / CHART, measured.peers, measured.requests)


def update(readme: pathlib.Path, folder: pathlib.Path) -> None:
    """Make the README show the block of the report in a folder below it."""
    text = readme.read_text("utf-8")
    wanted = block_for(readme, folder)
    readme.write_text(text.replace(block_of(text), wanted), "utf-8")


def block_for(readme: pathlib.Path, folder: pathlib.Path) -> str:
    """Return the block of the report in a folder as the README shows it: the chart is further down."""
    below = (folder / CHART).relative_to(readme.parent).as_posix()
    return block_of((folder / RESULTS).read_text("utf-8")).replace(f"]({CHART})", f"]({below})")


def block_of(text: str) -> str:
    """Return what is between the markers, with them; raises ValueError."""
    begin = text.index(BEGIN)
    return text[begin : text.index(END, begin) + len(END)]
