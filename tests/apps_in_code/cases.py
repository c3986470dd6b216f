"""The OPENCENSUS settings of the samples, by name; each is made anew where it is used."""

from __future__ import annotations

import os
from typing import Any, Callable

import probe
from opencensus.trace.propagation.b3_format import B3FormatPropagator
from opencensus.trace.propagation.google_cloud_format import GoogleCloudFormatPropagator
from opencensus.trace.samplers import AlwaysOffSampler, AlwaysOnSampler, ProbabilitySampler

OFF, ON = "opencensus.trace.samplers.AlwaysOffSampler()", "opencensus.trace.samplers.AlwaysOnSampler()"
NEVER = "opencensus.trace.samplers.ProbabilitySampler(rate=0)"
B3 = "opencensus.trace.propagation.b3_format.B3FormatPropagator()"

CASES: dict[str, Callable[[], Any]] = {
    "nothing": lambda: None,
    "empty": lambda: {},
    "sampler off, string": lambda: {"TRACE": {"SAMPLER": OFF}},
    "sampler off, flat": lambda: {"SAMPLER": OFF},
    "sampler off, object": lambda: {"TRACE": {"SAMPLER": AlwaysOffSampler()}},
    "sampler off, class": lambda: {"TRACE": {"SAMPLER": AlwaysOffSampler}},
    "sampler off, word": lambda: {"TRACE": {"SAMPLER": "always_off"}},
    "sampler off, number": lambda: {"TRACE": {"SAMPLER": 0}},
    "sampler on, object": lambda: {"TRACE": {"SAMPLER": AlwaysOnSampler()}},
    "sampler by rate, string": lambda: {"TRACE": {"SAMPLER": NEVER}},
    "sampler by rate, object": lambda: {"TRACE": {"SAMPLER": ProbabilitySampler(0)}},
    "sampler of its own": lambda: {"TRACE": {"SAMPLER": probe.EverySecond()}},
    "exporter, string": lambda: {"TRACE": {"EXPORTER": "probe.FileLines(label='string')"}},
    "exporter, flat": lambda: {"EXPORTER": "probe.FileLines(label='flat')"},
    "exporter, object": lambda: {"TRACE": {"EXPORTER": probe.FileLines("object")}},
    "exporter, class": lambda: {"TRACE": {"EXPORTER": probe.FileLines}},
    "exporter, none": lambda: {"TRACE": {"EXPORTER": "none"}},
    "exporter, print": lambda: {"TRACE": {"EXPORTER": "opencensus.trace.print_exporter.PrintExporter()"}},
    "exporter that raises": lambda: {"TRACE": {"EXPORTER": probe.RaisingExporter("raises")}},
    "propagator, word": lambda: {"TRACE": {"PROPAGATOR": "b3"}},
    "propagator, string": lambda: {"TRACE": {"PROPAGATOR": B3}},
    "propagator, flat": lambda: {"PROPAGATOR": B3},
    "propagator, object": lambda: {"TRACE": {"PROPAGATOR": B3FormatPropagator()}},
    "propagator of Google": lambda: {"TRACE": {"PROPAGATOR": GoogleCloudFormatPropagator()}},
    "propagator of its own": lambda: {"TRACE": {"PROPAGATOR": probe.CustomPropagator()}},
    "propagator that raises": lambda: {"TRACE": {"PROPAGATOR": probe.RaisingPropagator()}},
    "blacklist": lambda: {"TRACE": {"BLACKLIST_PATHS": ["/health", "admin"]}},
    "blacklist, flat": lambda: {"BLACKLIST_PATHS": ["/health", "admin"]},
    "blacklist, text": lambda: {"TRACE": {"BLACKLIST_PATHS": "/health, admin"}},
    "blacklist, tuple": lambda: {"TRACE": {"BLACKLIST_PATHS": ("health", "/admin/")}},
    "blacklist, empty": lambda: {"TRACE": {"BLACKLIST_PATHS": []}},
    "excludelist": lambda: {"TRACE": {"EXCLUDELIST_PATHS": ["/health", "admin"]}},
    "blacklist with one bad entry": lambda: {"TRACE": {"BLACKLIST_PATHS": ["/health", "re:(", "admin"]}},
    "everything": lambda: {
        "TRACE": {
            "SAMPLER": probe.EverySecond(),
            "EXPORTER": "probe.FileLines(label='everything')",
            "PROPAGATOR": B3,
            "BLACKLIST_PATHS": ["/health", "admin"],
        }
    },
    "nonsense: a word": lambda: "garbage",
    "nonsense: TRACE of a word": lambda: {"TRACE": "garbage"},
    "nonsense: sampler word": lambda: {"TRACE": {"SAMPLER": "sometimes"}},
    "nonsense: sampler of nowhere": lambda: {"TRACE": {"SAMPLER": "nowhere.Sampler()"}},
    "nonsense: sampler that is none": lambda: {"TRACE": {"SAMPLER": object()}},
    "nonsense: sampling rate": lambda: {"TRACE": {"SAMPLER": 7}},
    "nonsense: sampler that raises": lambda: {"TRACE": {"SAMPLER": probe.RaisingSampler()}},
    "nonsense: exporter word": lambda: {"TRACE": {"EXPORTER": "somewhere"}},
    "nonsense: exporter that is none": lambda: {"TRACE": {"EXPORTER": object()}},
    "nonsense: exporter azure without a key": lambda: {"TRACE": {"EXPORTER": "azure"}},
    "nonsense: propagator word": lambda: {"TRACE": {"PROPAGATOR": "pigeon"}},
    "nonsense: propagator that is none": lambda: {"TRACE": {"PROPAGATOR": object()}},
    "nonsense: blacklist number": lambda: {"TRACE": {"BLACKLIST_PATHS": 5}},
    "nonsense: blacklist expression": lambda: {"TRACE": {"BLACKLIST_PATHS": ["re:("]}},
    "failing: exporter of nowhere": lambda: {"TRACE": {"EXPORTER": "nowhere.Exporter(key='SECRET-KEY')"}},
    "failing: exporter that breaks": lambda: {"TRACE": {"EXPORTER": "probe.BrokenExporter()"}},
}


def chosen() -> Any:
    """Return the settings of the case that APP_CASE names."""
    return CASES[os.environ["APP_CASE"]]()
