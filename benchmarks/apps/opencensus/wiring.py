"""What OpenCensus is told in the code of all three applications."""

from __future__ import annotations

import os

from opencensus.ext.azure.trace_exporter import AzureExporter
from opencensus.trace.samplers import AlwaysOnSampler, ProbabilitySampler

# The connection string is read from the environment. The stock interval of 15 s would only make the measurement
# longer, as batches of 100 are sent at once; the stock capacity of 8192 is too little for requests without a pause.
exporter = AzureExporter(export_interval=2.0, queue_capacity=100_000)
rate = os.environ.get("WIRING_RATE")
sampler = ProbabilitySampler(rate=float(rate)) if rate else AlwaysOnSampler()
excluded = [path for path in os.environ.get("WIRING_EXCLUDED", "").split(",") if path]
