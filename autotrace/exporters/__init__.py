"""Where finished requests go. An exporter is one file and one line of EXPORTERS."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Mapping, Protocol

from ..expressions import Expression

if TYPE_CHECKING:
    from ..recorder import Recording
    from ..settings import Settings

# Name in AUTOTRACE_EXPORTER → module whose `open_exporter(settings, application, chosen)` returns an Exporter.
EXPORTERS: Mapping[str, str] = {
    "azure": "autotrace.exporters.azure",
    "console": "autotrace.exporters.console",
}
_OPENCENSUS = "autotrace.exporters.opencensus"


class Exporter(Protocol):
    """Takes what was recorded. Both calls come from request threads, in any process forked after its making."""

    def request(self, recording: Recording) -> None:
        """Export a finished request."""

    def spans(self, recording: Recording, span_datas: list[Any]) -> None:
        """Export OpenCensus SpanData of spans that ended inside a request."""


def default_exporter(settings: Settings) -> str:
    """Return the name of the exporter where none is chosen, or none that works."""
    return "console" if settings.connection_string is None else "azure"


def open_exporter(chosen: Any, settings: Settings, application: str) -> Exporter | None:
    """Return the exporter for a name of EXPORTERS, an OpenCensus expression or an OpenCensus exporter object.

    `none` is None. Nothing is opened yet: files, threads and connections wait for the first item of each process.
    """
    if chosen == "none":
        return None
    module = _OPENCENSUS if isinstance(chosen, Expression) or not isinstance(chosen, str) else EXPORTERS[chosen]
    exporter: Exporter = importlib.import_module(module).open_exporter(settings, application, chosen)
    return exporter
