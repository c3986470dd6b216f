"""Where finished requests go. An exporter is one file and one line of EXPORTERS."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Mapping, Protocol

from .. import guard
from ..expressions import Expression

if TYPE_CHECKING:
    from ..calls import Call
    from ..exceptions import Failure
    from ..messages import Message
    from ..recorder import Recording
    from ..settings import Settings

# Name in AUTOTRACE_EXPORTER → module whose `open_exporter(settings, application, chosen)` returns an Exporter.
EXPORTERS: Mapping[str, str] = {
    "azure": "autotrace.exporters.azure",
    "local": "autotrace.exporters.local",
    "console": "autotrace.exporters.console",
}
_OPENCENSUS = "autotrace.exporters.opencensus"


class Exporter(Protocol):
    """Takes what was recorded. All calls come from request threads, in any process forked after its making."""

    def request(self, recording: Recording) -> None:
        """Export a finished request."""

    def exception(self, recording: Recording, failure: Failure) -> None:
        """Export what made a request fail, after the request itself."""

    def calls(self, recording: Recording, ended: list[Call]) -> None:
        """Export outgoing calls that have ended, in that order."""

    def message(self, recording: Recording | None, message: Message) -> None:
        """Export a log line, made in a request or in none."""

    def spans(self, recording: Recording, span_datas: list[Any]) -> None:
        """Export OpenCensus SpanData of spans that ended inside a request."""


def open_exporter(chosen: Any, settings: Settings, application: str) -> Exporter | None:
    """Return the exporter for a name of EXPORTERS, an OpenCensus expression or an OpenCensus exporter object.

    `none` is None. Nothing is opened yet: files, threads and connections wait for the first item of each process.
    """
    if chosen == "none":
        return None
    module = _OPENCENSUS if isinstance(chosen, Expression) or not isinstance(chosen, str) else EXPORTERS[chosen]
    exporter: Exporter = importlib.import_module(module).open_exporter(settings, application, chosen)
    return exporter


def open_default(chosen: Any, error: Exception, settings: Settings, application: str) -> Any:
    """Return the exporter that takes the place of `chosen`, which cannot be used for the reason `error`, and say so."""
    name = "azure" if settings.connection_string is not None else "console" if chosen == "local" else "local"
    guard.warn("exporter", f"the exporter {chosen} cannot be used, {name} is: {error}")
    return open_exporter(name, settings, application)
