"""The measurements as Markdown: the block that the README shows, and the whole report."""

from __future__ import annotations

import datetime
import os
import platform
from statistics import median
from typing import Iterable, Iterator, Mapping, NamedTuple, Sequence

from benchmarks import busy, calls, viewer
from benchmarks.cells import NOTHING, arrivals, figure, number, share, table, worst
from benchmarks.figures import BLACKLISTED, TENTH, TRACED, UNSAMPLED, Notes, Plan, Samples
from benchmarks.method import describe
from benchmarks.peers import BASELINE, Peer

BEGIN, END = "<!-- bench: written by make bench -->", "<!-- end of bench -->"
MODES = (BLACKLISTED, TENTH, UNSAMPLED)
LATENCY = ("p50", "p99", "p99.9", "wall p99")
STARTS = {"program": ("s", 2), "first": ("s", 2), "memory": ("MiB", 0)}


class Measured(NamedTuple):
    """All that was measured: requests by framework, calls by application, busy threads, starts, loads, the viewer.

    `versions` are by peer title; `viewer` is None when it was not measured.
    """

    plan: Plan
    peers: Sequence[Peer]
    versions: Mapping[str, Mapping[str, str]]
    requests: Mapping[str, Samples]
    calls: Mapping[str, Samples]
    busy: Samples
    starts: Samples
    loads: Samples
    notes: Notes
    viewer: viewer.Viewed | None = None


def whole(measured: Measured, chart: str) -> str:
    """Return the report; `chart` is where the chart lies, seen from it."""
    parts = ["# What tracing costs", block(measured, chart)]
    parts += ["## Requests", "µs a request, with the lowest and the highest round in brackets.", details(measured)]
    parts += ["## How it was measured", describe(measured.plan), "## Versions"]
    parts.append("\n".join(f"- {title}: {listed(found)}" for title, found in measured.versions.items()))
    return "\n\n".join(parts) + "\n"


def block(measured: Measured, chart: str) -> str:
    """Return everything at a glance, between the markers."""
    parts = [BEGIN, machine(), summary(measured), outgoing(measured), delivery(measured)]
    parts.append(viewer.described(measured.viewer) if measured.viewer else "")
    parts.append("\n".join(notes(measured)))
    return "\n\n".join([*filter(None, parts), f"![CPU time and latency that each peer adds]({chart})", END])


def machine() -> str:
    """Return when and on what it was measured."""
    today = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    system = f"{platform.system()} {platform.release()}"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"Measured {today}: {os.cpu_count()} cores, {cpu_model()}, {system}, {python}."


def cpu_model() -> str:
    """Return the processor's name as the system tells it."""
    try:
        with open("/proc/cpuinfo") as info:
            return next(line.partition(":")[2].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def summary(measured: Measured) -> str:
    """Return the costs, a row for each peer; a column that is not a framework's has the one where it is worst."""
    frameworks = measured.requests
    columns = ["CPU µs a request", *map(str.capitalize, frameworks), busy.TITLE, "of OpenCensus"]
    columns += [BLACKLISTED, UNSAMPLED, "p99 µs", "`python -c pass`", "first response", "memory"]
    columns += ["sent", "lost", "twice"]
    rows = []
    for peer in measured.peers:
        row = [peer.title, *(figure(peer, samples, TRACED, "cpu", "", 0) for samples in frameworks.values())]
        row += [figure(peer, measured.busy, TRACED, "cpu", "", 0), share(peer, frameworks.values(), "cpu")]
        row += [worst(peer, frameworks.values(), mode, "cpu", "", 1) for mode in (BLACKLISTED, UNSAMPLED)]
        row.append(worst(peer, frameworks.values(), TRACED, "p99", "", 0))
        row += [figure(peer, measured.starts, TRACED, name, *form) for name, form in STARTS.items()]
        rows.append([*row, *arrivals(peer, list(frameworks.values()))])
    return table(columns, rows)


def outgoing(measured: Measured) -> str:
    """Return what an outgoing call costs, a row for each peer; "" when that was not measured, or Flask was not."""
    without = measured.requests.get("flask")
    if not without or not measured.calls:
        return ""
    rows = []
    for peer in measured.peers:
        costs = [calls.cost(peer, measured.calls[workload.app], without) for workload in calls.WORKLOADS]
        cells = [NOTHING if one is None else number(one, "", 1, signed=peer.name != BASELINE) for one in costs]
        rows.append([peer.title, *cells])
    return table(["CPU µs an outgoing call", *(workload.title for workload in calls.WORKLOADS)], rows)


def delivery(measured: Measured) -> str:
    """Return what arrived at full load with a slow endpoint, a row for each peer; "" when it was not measured."""
    columns = ["full load, slow endpoint", "arrived by the stop", "after the next start", "lost", "twice", "stop"]
    rows = []
    for peer in measured.peers:
        found = {key[2]: values for key, values in measured.loads.items() if key[0] == peer.name}
        if found:
            counts = arrived({name: sum(values) for name, values in found.items()}) if peer.sends else [NOTHING] * 4
            rows.append([peer.title, *counts, f"{median(found['stop']):.1f} s"])
    return table(columns, rows) if rows else ""


def arrived(sums: Mapping[str, float]) -> list[str]:
    """Return the cells that tell what had arrived when, what never did, and what came again."""
    lost = sums["answered in all"] - sums["items"]
    percent = f" ({lost / sums['answered in all']:.1%})" if lost else ""
    first = f"{sums['arrived']:.0f} of {sums['answered']:.0f}"
    return [
        first,
        f"{sums['items']:.0f} of {sums['answered in all']:.0f}",
        f"{lost:.0f}{percent}",
        f"{sums['again']:.0f}",
    ]


def notes(measured: Measured) -> Iterator[str]:
    """Yield what a reader has to know about some rows, one line a peer."""
    for peer in measured.peers:
        texts = [
            peer.note,
            *(f"{where}: {text}." for (name, where), text in measured.notes.items() if name == peer.name),
        ]
        texts += [f"{mode}: {items:.0f} items arrive." for mode, items in strays(peer, measured.requests.values())]
        told = " ".join(text[0].upper() + text[1:] for text in texts if text)
        if told:
            yield f"- {peer.title}: {told}"


def strays(peer: Peer, frameworks: Iterable[Samples]) -> Iterator[tuple[str, float]]:
    """Yield the ways to set a peer that should send nothing, and how many items they did send."""
    for mode in (BLACKLISTED, UNSAMPLED):
        items = sum(sum(samples.get((peer.name, mode, "items"), [])) for samples in frameworks)
        if items:
            yield mode, items


def details(measured: Measured) -> str:
    """Return a row for each framework and peer, with the ranges and what arrived."""
    columns = ["µs a request", f"CPU, {TRACED}", *MODES, *LATENCY, "sent", "lost", "twice"]
    figures = [(mode, "cpu", 1) for mode in (TRACED, *MODES)] + [(TRACED, name, 0) for name in LATENCY]
    rows = []
    for framework, samples in measured.requests.items():
        for peer in measured.peers:
            if (peer.name, TRACED, "cpu") in samples:
                cells = [figure(peer, samples, mode, name, "", digits, True) for mode, name, digits in figures]
                rows.append([f"{framework.capitalize()}, {peer.title}", *cells, *arrivals(peer, [samples])])
    return table(columns, rows)


def listed(versions: Mapping[str, str]) -> str:
    """Return the versions of packages in one line."""
    return ", ".join(f"{name} {number}" for name, number in versions.items()) or NOTHING
