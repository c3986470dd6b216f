"""The benchmarks run and print every row; what they measure is nobody's promise here."""

from __future__ import annotations

import itertools
import pathlib
import re
import sys

from tests.harness import environment, run_command

ROOT = pathlib.Path(__file__).parent.parent
# Long enough for a few requests of each kind.
TINY = ["--quick", "--long=0.1", "--short=0.02"]


def test_bench_prints_a_row_for_each_peer_and_framework(tmp_path: pathlib.Path) -> None:
    """A smoke test of `make bench` without the peers that have to be installed first."""
    words = [sys.executable, "-m", "benchmarks", *TINY, "--rows", "none,autotrace"]

    done = run_command(words, environment(tmp_path), seconds=180, cwd=ROOT)

    assert done.code == 0, done.stderr
    summary, details = (table.splitlines() for table in re.findall(r"(?m)(?:^\|.*\n)+", done.stdout))
    assert cells(summary[0])[:4] == ["CPU µs a request", "Flask", "Django", "Pyramid"]
    assert [cells(line)[0] for line in summary[2:]] == ["no launcher", "autotrace"]
    assert all(re.fullmatch(r"[+-]\d+", cell) for cell in cells(summary[3])[1:4])
    rows = {line[0]: line[1:] for line in map(cells, details[2:])}
    pairs = itertools.product(("Flask", "Django", "Pyramid"), ("no launcher", "autotrace"))
    assert list(rows) == [", ".join(pair) for pair in pairs]
    for name, row in rows.items():
        if name.endswith("autotrace"):
            sent, lost, twice = row[-3:]
            assert int(sent) >= 200
            assert (lost, twice) == ("0", "0")


def test_bench_says_what_is_wrong_with_a_row(tmp_path: pathlib.Path) -> None:
    """A mistyped name costs one line, not a run."""
    words = [sys.executable, "-m", "benchmarks", "--rows", "none,autotrance"]

    done = run_command(words, environment(tmp_path), cwd=ROOT)

    assert done.code == 2
    assert "'autotrance' is none of none,opencensus,autotrace" in done.stderr


def cells(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split("|")]
