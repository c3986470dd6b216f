"""autotrace: request telemetry for unmodified Django, Flask and Pyramid servers."""

__version__ = "0.1.0"
