"""`python -m benchmarks`: measure all rows and print them as Markdown; `make bench` also writes them down."""

from __future__ import annotations

import argparse
import importlib.util
import pathlib
import sys
import tempfile
from typing import Callable, Sequence, get_type_hints

from benchmarks import busy, calls, loads, publish, report, rounds, starts, viewer
from benchmarks.environments import HERE, SetupError, say, versions
from benchmarks.figures import SETUP, VIEWER, Notes, Plan, Samples, new_samples
from benchmarks.peers import BASELINE, FRAMEWORKS, PEERS, Peer
from benchmarks.processes import PeerError
from benchmarks.report import Measured

# Longer than the second after which peers send, so that sending takes place during requests too.
FULL = Plan(2, 3, 1.5, 0.4, busy=20, starts=3, loads=2, load=10.0, stored=100_000, visits=15, posted=200_000)
QUICK = Plan(1, 1, 1.0, 0.2, busy=1, starts=1, loads=1, load=2.0, stored=2_000, visits=2, posted=4_000)

COUNTS = get_type_hints(Plan)


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what tracing costs.")
    parser.add_argument("--quick", action="store_true", help="smoke test of a minute or two; its figures mean little")
    for option, known in (("rows", names), ("frameworks", list(FRAMEWORKS))):
        help_text = f"comma list of {','.join(known)}; default all"
        parser.add_argument(f"--{option}", type=chosen(known), default=known, metavar="NAMES", help=help_text)
    for name, kind in COUNTS.items():
        default = f"see figures.py; default {getattr(FULL, name)}, with --quick {getattr(QUICK, name)}"
        parser.add_argument(f"--{name}", type=kind, help=default)
    parser.add_argument("--only", choices=[VIEWER], help="measure and print that alone")
    parser.add_argument("--output", type=pathlib.Path, metavar="DIR", help="write the report and the chart there")
    parser.add_argument("--write", action="store_true", help="write them here, and into the README; all rows only")
    options = parser.parse_args(words)
    if options.write and len(words) > 1:
        parser.error("--write goes alone: what is written is measured in full")
    return options


def chosen(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a parser of a comma list of known names."""

    def names(text: str) -> list[str]:
        wanted = text.split(",")
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {','.join(known)}")
        return wanted

    return names


def measure(frameworks: Sequence[str], plan: Plan, peers: Sequence[Peer]) -> Measured:
    """Measure everything."""
    notes: Notes = {}
    found = {peer.title: set_up(peer, notes) for peer in peers}
    able = [peer for peer in peers if (peer.name, SETUP) not in notes]
    requests: dict[str, Samples] = {framework: new_samples() for framework in frameworks}
    called: dict[str, Samples] = {workload.app: new_samples() for workload in calls.WORKLOADS}
    crowded, started, loaded = new_samples(), new_samples(), new_samples()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = pathlib.Path(name)
        for framework, samples in requests.items():
            say(f"measuring requests with {framework}")
            rounds.measure(
                framework, [peer for peer in able if framework in peer.frameworks], plan, folder, samples, notes
            )
        first = frameworks[0]
        able = [peer for peer in able if first in peer.frameworks and (peer.name, first) not in notes]
        say("measuring outgoing calls")
        calls.measure(able, plan, folder, called, notes)
        say("measuring busy threads")
        busy.measure(first, able, plan, folder, crowded, notes)
        say("measuring starts")
        starts.measure(first, able, plan, folder, started, notes)
        say("measuring full load")
        loads.measure(first, able, plan, folder, loaded, notes)
        viewed = show(plan, folder, notes)
    return Measured(plan, peers, found, requests, called, crowded, started, loaded, notes, viewed)


def show(plan: Plan, folder: pathlib.Path, notes: Notes) -> viewer.Viewed | None:
    """Measure the viewer; note why it cannot be."""
    try:
        return viewer.measure(plan, folder)
    except PeerError as error:
        notes["autotrace", VIEWER] = str(error)
        return None


def set_up(peer: Peer, notes: Notes) -> dict[str, str]:
    """Make a peer's environment where needed and return its versions; note why it cannot be made."""
    try:
        return versions(peer)
    except SetupError as error:
        notes[peer.name, SETUP] = str(error)
        return {}


def main() -> None:
    """Run the command."""
    options = parse(sys.argv[1:])
    folder = HERE if options.write else options.output
    if folder and importlib.util.find_spec("matplotlib") is None:
        sys.exit("benchmarks: the chart needs matplotlib: pip install '.[bench]'")
    given = {name: getattr(options, name) for name in COUNTS if getattr(options, name) is not None}
    plan = (QUICK if options.quick else FULL)._replace(**given)
    if options.only:
        notes: Notes = {}
        with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
            viewed = show(plan, pathlib.Path(name), notes)
        if viewed is None:
            sys.exit(f"benchmarks: {notes['autotrace', VIEWER]}")
        sys.stdout.write(viewer.described(viewed) + "\n")
        return
    peers = [peer for peer in PEERS if peer.name == BASELINE or peer.name in options.rows]
    measured = measure(options.frameworks, plan, peers)
    sys.stdout.write(report.whole(measured, publish.CHART))
    if folder:
        publish.write(folder, measured)
    if options.write:
        publish.update(publish.README, HERE)


if __name__ == "__main__":
    main()
