"""A local Application Insights: a store of telemetry on this machine, and the pages that show it."""
