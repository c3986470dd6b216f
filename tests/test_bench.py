"""The benchmarks run, print every row and write them down; what they measure is nobody's promise here."""

from __future__ import annotations

import importlib.util
import itertools
import pathlib
import re
import sys
import xml.etree.ElementTree

import pytest

from benchmarks import __main__ as command
from benchmarks import cells, chart, figures, loads, publish, report, rounds, starts
from benchmarks.figures import BARE, LOADS, SETUP, STARTS, TRACED, Notes, Plan, Samples
from benchmarks.peers import BASELINE, BY_HAND, PEERS, Peer
from benchmarks.report import BEGIN, END, Measured
from tests.harness import environment, run_command
from tests.needs import need

ROOT = pathlib.Path(__file__).parent.parent
# Long enough for a few requests of each kind.
VIEWED = ["--quick", "--stored=300", "--visits=2", "--posted=2000"]
TINY = [*VIEWED, "--long=0.1", "--short=0.02", "--load=0.2"]
SHORT = Plan(1, 1, long=0.02, short=0.02, busy=1, starts=1, loads=1, load=0.1, stored=300, visits=2, posted=2000)
SVG = "{http://www.w3.org/2000/svg}"


def test_bench_prints_a_row_for_each_peer_and_framework(tmp_path: pathlib.Path) -> None:
    """A smoke test of `make bench` without the peers that have to be installed first."""
    need(importlib.util.find_spec("matplotlib"), "matplotlib")
    readme = publish.README.read_bytes()
    words = [sys.executable, "-m", "benchmarks", *TINY, "--rows", "none,autotrace", "--output", str(tmp_path / "out")]

    done = run_command(words, environment(tmp_path), seconds=180, cwd=ROOT)

    assert done.code == 0, done.stderr
    assert (tmp_path / "out" / "results.md").read_text("utf-8") == done.stdout
    assert publish.README.read_bytes() == readme
    summary, outgoing, delivery, viewer, details = tables(done.stdout)
    assert cells_of(summary[0])[:6] == ["CPU µs a request", "Flask", "Django", "Pyramid", "4 threads", "of OpenCensus"]
    assert [cells_of(line)[0] for line in summary[2:]] == ["no launcher", "autotrace"]
    assert all(re.fullmatch(r"([+-]\d+|0)", cell) for cell in cells_of(summary[3])[1:5])
    assert [cells_of(line)[0] for line in outgoing[2:]] == ["no launcher", "autotrace"]
    assert "-" not in cells_of(outgoing[2]) + cells_of(outgoing[3])
    check_details(details)
    check_delivery(delivery)
    check_viewer(viewer)


def check_details(details: list[str]) -> None:
    """Require all rows, and nothing lost."""
    found = {line[0]: line[1:] for line in map(cells_of, details[2:])}
    pairs = itertools.product(("Flask", "Django", "Pyramid"), ("no launcher", "autotrace"))
    assert list(found) == [", ".join(pair) for pair in pairs]
    for name, row in found.items():
        if name.endswith("autotrace"):
            assert "-" not in row
            sent, lost, twice = row[-3:]
            assert int(sent) >= 200
            assert (lost, twice) == ("0", "0")


def check_delivery(delivery: list[str]) -> None:
    """Require that all that the slow endpoint was owed has arrived, the bare application owing nothing."""
    bare, ours = map(cells_of, delivery[2:])
    assert bare[1:5] == ["-"] * 4
    arrived, answered = map(int, re.findall(r"\d+", ours[2]))
    assert arrived == answered > 20
    assert ours[3:5] == ["0", "0"]


def check_viewer(viewer: list[str]) -> None:
    """Require figures of pages, of items that were taken, of memory and of the start."""
    assert re.fullmatch(r"autotrace view, 3\d\d requests, [\d,]+ items", cells_of(viewer[0])[0])
    found = {line[0]: line[1:] for line in map(cells_of, viewer[2:])}
    for page in ("overview", "failures", "performance", "search, no text", "transaction", "map"):
        assert all(re.fullmatch(r"\d+ ms", cell) for cell in found[page][:2]), page
    assert int(found["items taken a second, 3 clients"][0]) > 0
    assert re.fullmatch(r"\d+ MiB", found["memory after all pages"][0])
    assert re.fullmatch(r"\d\.\d\d s", found["start, to the first page"][0])


def test_the_viewer_can_be_measured_alone(tmp_path: pathlib.Path) -> None:
    words = [sys.executable, "-m", "benchmarks", *VIEWED, "--only=viewer"]

    done = run_command(words, environment(tmp_path), cwd=ROOT)

    assert done.code == 0, done.stderr
    (viewer,) = tables(done.stdout)
    check_viewer(viewer)


def test_bench_says_what_is_wrong_with_a_row(tmp_path: pathlib.Path) -> None:
    """A mistyped name costs one line, not a run."""
    words = [sys.executable, "-m", "benchmarks", "--rows", "none,autotrance"]

    done = run_command(words, environment(tmp_path), cwd=ROOT)

    assert done.code == 2
    assert "'autotrance' is none of none,opencensus," in done.stderr


def test_what_is_measured_in_part_is_not_published(tmp_path: pathlib.Path) -> None:
    words = [sys.executable, "-m", "benchmarks", "--write", "--quick"]

    done = run_command(words, environment(tmp_path), cwd=ROOT)

    assert done.code == 2
    assert "--write goes alone" in done.stderr


def test_readme_shows_the_results() -> None:
    readme = publish.README.read_text("utf-8")
    assert (readme.count(BEGIN), readme.count(END)) == (1, 1)
    assert publish.block_of(readme) == publish.block_for(publish.README, ROOT / "benchmarks")
    (image,) = re.findall(r"!\[[^]]*\]\((.*)\)", publish.block_of(readme))
    assert titles_of(ROOT / image) >= {peer.title for peer in PEERS if peer.name != BASELINE}


def test_new_results_replace_the_old_ones_and_nothing_else(tmp_path: pathlib.Path) -> None:
    need(importlib.util.find_spec("matplotlib"), "matplotlib")
    readme, folder = tmp_path / "README.md", tmp_path / "benchmarks"
    readme.write_text(f"before\n\n{BEGIN}\n\nold\n\n{END}\n\nafter\n")

    publish.write(folder, measured())
    publish.update(readme, folder)

    before, block, after = re.split(f"({re.escape(BEGIN)}.*{re.escape(END)})", readme.read_text("utf-8"), flags=re.S)
    assert (before, after) == ("before\n\n", "\n\nafter\n")
    assert "old" not in block
    assert "](benchmarks/results.svg)" in block
    assert "| autotrace " in block
    assert titles_of(folder / "results.svg") >= {"OpenCensus by hand", "autotrace", "Flask", "Django"}


def test_chart_takes_what_costs_nothing(tmp_path: pathlib.Path) -> None:
    """On a scale without a zero; a peer that was not measured is shown without a bar."""
    need(importlib.util.find_spec("matplotlib"), "matplotlib")
    given = samples({BASELINE: [100, 100], BY_HAND: [90, 100]})

    chart.draw(
        tmp_path / "chart.svg", [Peer(BASELINE, "bare"), Peer(BY_HAND, "free"), Peer("x", "absent")], {"flask": given}
    )

    assert titles_of(tmp_path / "chart.svg") >= {"free", "absent"}


def test_what_is_added_is_the_difference_of_neighbours() -> None:
    given = samples({BASELINE: [100, 200, 400], "a": [110, 220, 440]})
    given["a", BARE, "cpu"] = [100.0, 201.0, 410.0]
    assert figures.added(given, "a", TRACED, "cpu") == (19, 10, 30)


def test_ratio_is_that_of_the_same_round() -> None:
    """The machine is four times slower in the last round, which is no business of the ratio."""
    given = samples({BASELINE: [100, 110, 400], BY_HAND: [200, 210, 800], "a": [110, 115, 440]})
    assert figures.ratio(given, "a", BY_HAND, "cpu") == pytest.approx((0.1, 0.05, 0.1))
    assert figures.ratio(given, "absent", BY_HAND, "cpu") is None
    peer = Peer("a", "A")
    assert (
        cells.share(peer, [given, samples({BASELINE: [1, 1], BY_HAND: [2, 2], "a": [1.2, 1.2]})], "cpu") == "10 to 20 %"
    )


def test_a_peer_that_cannot_be_set_up_is_a_row_with_a_note() -> None:
    notes: Notes = {}
    peer = Peer("absent", "Absent", programs=("program-that-nobody-has",), note="It is slow.")

    assert command.set_up(peer, notes) == {}

    assert notes == {("absent", SETUP): "the program program-that-nobody-has is not installed"}
    block = report.block(measured()._replace(peers=[*measured().peers, peer], notes=notes), "chart.svg")
    (row,) = [line for line in block.splitlines() if line.startswith("| Absent ")]
    assert set(cells_of(row)[1:]) == {"-"}
    assert "- Absent: It is slow. Setup: the program program-that-nobody-has is not installed." in block


def test_a_peer_that_breaks_is_noted_and_the_others_are_measured(tmp_path: pathlib.Path) -> None:
    notes: Notes = {}
    given = figures.new_samples()
    broken = Peer("broken", "Broken", launcher=("python", "-c", "import sys; sys.exit('no such framework')"))
    bare = next(peer for peer in PEERS if peer.name == BASELINE)

    for part in (rounds, starts, loads):
        part.measure("flask", [bare, broken], SHORT, tmp_path, given, notes)

    assert notes == {
        ("broken", "flask"): "does not run: no such framework",
        ("broken", STARTS): "gunicorn does not start: no such framework",
        ("broken", LOADS): "gunicorn does not start: no such framework",
    }
    assert {peer for peer, _, _ in given} == {BASELINE}


def samples(cpu: dict[str, list[float]]) -> Samples:
    """Return measurements of some peers, the same for all figures."""
    given = figures.new_samples()
    for peer, values in cpu.items():
        for name in ("cpu", "p50", "p99", "p99.9", "wall p99"):
            given[peer, TRACED, name] = list(values)
    return given


def measured() -> Measured:
    """Return a measurement of three peers with two frameworks."""
    peers = [peer for peer in PEERS if peer.name in (BASELINE, BY_HAND, "autotrace")]
    given = samples({BASELINE: [100, 110], BY_HAND: [400, 420], "autotrace": [130, 139]})
    started = samples({BASELINE: [0.1], "autotrace": [0.2]})
    requests, none = {"flask": given, "django": given}, figures.new_samples()
    return Measured(SHORT, peers, {}, requests, {}, none, started, none, {})


def titles_of(path: pathlib.Path) -> set[str]:
    """Return the texts of an SVG image, which matplotlib keeps beside their outlines."""
    tree = xml.etree.ElementTree.parse(path)  # noqa: S314 - our own file
    assert tree.getroot().tag == f"{SVG}svg"
    return set(re.findall(r"<!-- (.*?) -->", path.read_text("utf-8")))


def tables(text: str) -> list[list[str]]:
    """Return the lines of each Markdown table in a text."""
    return [table.splitlines() for table in re.findall(r"(?m)(?:^\|.*\n)+", text)]


def cells_of(line: str) -> list[str]:
    """Return the cells of a line of a Markdown table."""
    return [cell.strip() for cell in line.strip("|").split("|")]
