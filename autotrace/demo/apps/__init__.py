"""The sample applications: ordinary ones, which know nothing of tracing."""
