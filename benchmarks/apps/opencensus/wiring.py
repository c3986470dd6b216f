"""What OpenCensus is told in the code of all three applications."""

from __future__ import annotations

import os

from opencensus.ext.azure.trace_exporter import AzureExporter
from opencensus.trace.samplers import AlwaysOnSampler, ProbabilitySampler

# The connection string is read from the environment. Without the variables the interval and the capacity are those
# that the exporter comes with.
exporter = AzureExporter(
    export_interval=float(os.environ.get("WIRING_INTERVAL", "15")),
    queue_capacity=int(os.environ.get("WIRING_CAPACITY", "8192")),
)
rate = os.environ.get("WIRING_RATE")
sampler = ProbabilitySampler(rate=float(rate)) if rate else AlwaysOnSampler()
excluded = [path for path in os.environ.get("WIRING_EXCLUDED", "").split(",") if path]
