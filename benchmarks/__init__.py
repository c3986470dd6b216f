"""What tracing costs a server, measured side by side: `python -m benchmarks`."""
