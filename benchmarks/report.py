"""The measurements as Markdown."""

from __future__ import annotations

import datetime
import os
import platform
from typing import Mapping, Sequence

from benchmarks.figures import BLACKLISTED, TRACED, UNSAMPLED, Plan, Samples, Spread, added, total
from benchmarks.peers import BASELINE, Peer

NOTHING = "-"
LATENCY = ("p50", "p99", "p99.9")
STARTS = {"program": ("s", 2), "first": ("s", 2), "memory": ("MiB", 0)}


def heading(plan: Plan, versions: Mapping[str, Mapping[str, str]]) -> str:
    """Return on what, when and how it was measured; `versions` has those of each peer's packages."""
    today = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    system = f"{platform.system()} {platform.release()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    lines = [
        f"Measured {today}: {os.cpu_count()} cores, {cpu_model()}, {system}, {python}.",
        f"Requests: {plan.generations * plan.rounds} rounds of {plan.long:g} s in {plan.generations} processes, one"
        " after the other without a pause,",
        "half of them with a traceparent. CPU is that of all threads until everything is sent; a latency leaves out",
        "the time in which the process stood still for other programs.",
        f"Starts: {plan.starts} of gunicorn with 2 workers; its memory is the PSS of all processes.",
        "All figures are medians, with ranges in brackets; one with a sign is what is added to the bare application",
        "in the same round.",
        "",
    ]
    for title, found in versions.items():
        lines.append(f"- {title}: " + ", ".join(f"{name} {number}" for name, number in found.items()))
    return "\n".join(lines)


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def summary(peers: Sequence[Peer], frameworks: Mapping[str, Samples], starts: Samples) -> str:
    """Return everything at a glance, a row for each peer; p99 is that of the framework where it is worst."""
    columns = ["CPU µs a request", *(name.capitalize() for name in frameworks), "p99 added"]
    columns += ["`python -c pass`", "first response", "memory"]
    rows = []
    for peer in peers:
        cpu = [cell(peer, shown(peer, samples, TRACED, "cpu"), "", 0) for samples in frameworks.values()]
        latency = [added(samples, peer.name, TRACED, "p99") for samples in frameworks.values()]
        worst = max((found.middle for found in latency if found is not None), default=0.0)
        p99 = NOTHING if peer.name == BASELINE else f"{worst / 1000:+.2f} ms"
        costs = [cell(peer, shown(peer, starts, TRACED, figure), *form) for figure, form in STARTS.items()]
        rows.append([peer.title, *cpu, p99, *costs])
    return table(columns, rows)


def details(peers: Sequence[Peer], frameworks: Mapping[str, Samples]) -> str:
    """Return a row for each framework and peer, in microseconds, with the ranges and what arrived."""
    columns = ["µs a request", "CPU, traced", "blacklisted", "unsampled", *LATENCY, "sent", "lost", "twice"]
    rows = []
    for framework, samples in frameworks.items():
        for peer in peers:
            if (peer.name, TRACED, "cpu") not in samples:
                continue
            figures = [(mode, "cpu", 1) for mode in (TRACED, BLACKLISTED, UNSAMPLED)]
            figures += [(TRACED, name, 0) for name in LATENCY]
            cells = [cell(peer, shown(peer, samples, mode, name), "", digits, True) for mode, name, digits in figures]
            rows.append([f"{framework.capitalize()}, {peer.title}", *cells, *delivery(peer, samples)])
    return table(columns, rows)


def shown(peer: Peer, samples: Samples, mode: str, figure: str) -> Spread | None:
    """Return what a row shows of a figure: the whole for the baseline, what is added for the others."""
    return (total if peer.name == BASELINE else added)(samples, peer.name, mode, figure)


def cell(peer: Peer, value: Spread | None, unit: str, digits: int, ranged: bool = False) -> str:
    """Return a figure as text, with a sign where it is a difference."""
    if value is None:
        return NOTHING
    sign = "" if peer.name == BASELINE else "+"
    text = f"{value.middle:{sign}.{digits}f}" + (f" {unit}" if unit else "")
    return f"{text} ({value.low:.{digits}f} to {value.high:.{digits}f})" if ranged else text


def delivery(peer: Peer, samples: Samples) -> list[str]:
    """Return how many items a peer owed, how many never arrived, and how many arrived again."""
    if not peer.sends:
        return [NOTHING] * 3
    sent, items, again = (sum(samples[peer.name, TRACED, name]) for name in ("sent", "items", "again"))
    return [f"{sent:.0f}", f"{sent - items:.0f}", f"{again:.0f}"]


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table whose columns line up as text too."""
    lines = [list(columns), *map(list, rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    lines.insert(1, ["-" * width for width in widths])
    padded = [[text.ljust(width) for text, width in zip(line, widths)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)
