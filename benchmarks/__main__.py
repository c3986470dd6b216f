"""`python -m benchmarks`: measure all rows and print them as Markdown."""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
from typing import Callable, Sequence

from benchmarks import report, rounds, starts
from benchmarks.environments import SetupError, say, versions
from benchmarks.figures import Plan, Samples, new_samples
from benchmarks.peers import BASELINE, FRAMEWORKS, PEERS, Peer

# Longer than the second after which autotrace sends, so that sending takes place during requests too.
FULL = Plan(generations=2, rounds=4, long=2.0, short=0.5, starts=3)
QUICK = Plan(generations=1, rounds=1, long=1.0, short=0.2, starts=1)

COUNTS = {"generations": int, "rounds": int, "long": float, "short": float, "starts": int}


def parse(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    names = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what tracing costs.")
    parser.add_argument("--quick", action="store_true", help="smoke test of a minute; its figures mean little")
    for option, known in (("rows", names), ("frameworks", list(FRAMEWORKS))):
        help_text = f"comma list of {','.join(known)}; default all"
        parser.add_argument(f"--{option}", type=chosen(known), default=known, metavar="NAMES", help=help_text)
    for name, kind in COUNTS.items():
        default = f"see figures.py; default {getattr(FULL, name)}, with --quick {getattr(QUICK, name)}"
        parser.add_argument(f"--{name}", type=kind, help=default)
    return parser.parse_args(words)


def chosen(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a parser of a comma list of known names."""

    def names(text: str) -> list[str]:
        wanted = text.split(",")
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {','.join(known)}")
        return wanted

    return names


def measure(frameworks: Sequence[str], plan: Plan, peers: Sequence[Peer]) -> str:
    """Measure everything and return the report."""
    found = {peer.title: versions(peer) for peer in peers}
    requests: dict[str, Samples] = {framework: new_samples() for framework in frameworks}
    started = new_samples()
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = pathlib.Path(name)
        for framework, samples in requests.items():
            say(f"measuring requests with {framework}")
            able = [peer for peer in peers if framework in peer.frameworks]
            rounds.measure(framework, able, plan, folder, samples)
        say("measuring starts")
        starts.measure(frameworks[0], peers, plan, folder, started)
    tables = [report.summary(peers, requests, started), report.details(peers, requests)]
    return "\n\n".join([report.heading(plan, found), *tables])


def main() -> None:
    """Run the command."""
    options = parse(sys.argv[1:])
    given = {name: getattr(options, name) for name in COUNTS if getattr(options, name) is not None}
    plan = (QUICK if options.quick else FULL)._replace(**given)
    peers = [peer for peer in PEERS if peer.name == BASELINE or peer.name in options.rows]
    try:
        sys.stdout.write(measure(options.frameworks, plan, peers) + "\n")
    except SetupError as error:
        sys.exit(f"benchmarks: {error}")


if __name__ == "__main__":
    main()
