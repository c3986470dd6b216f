"""Log records as telemetry: what is kept of one, and the fields of a MessageData (version 2 of the schema)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Mapping, NamedTuple

from . import times
from .limits import MESSAGE_LIMIT, clean
from .properties import text_of, texts

if TYPE_CHECKING:
    from .exceptions import Failure

# The first level of each severity, highest first; the numbers are those of the logging module.
_SEVERITIES = ((50, "Critical"), (40, "Error"), (30, "Warning"), (20, "Information"))


class Message(NamedTuple):
    """A log line: made at `moment` (nanoseconds since 1970), under the span or request `parent_id`, None for nothing.

    `failure` is the exception that it tells of, `properties` are texts within their limits.
    """

    moment: int
    text: str
    severity: str
    properties: Mapping[str, str]
    parent_id: str | None = None
    failure: Failure | None = None


def of_record(record: Any, parent_id: str | None, failure: Failure | None) -> Message:
    """Return what is kept of a `logging.LogRecord`.

    Its text is what a handler has made of it, where one has. A dict `custom_dimensions` among its extras becomes
    properties, as with OpenCensus's AzureLogHandler.
    """
    text = vars(record).get("message")
    if not isinstance(text, str):
        text = text_of_record(record)
    said: dict[Any, Any] = {
        "logger": record.name,
        "level": record.levelname,
        "module": record.module,
        "fileName": record.pathname,
        "lineNumber": record.lineno,
        "process": record.processName,
    }
    extra = vars(record).get("custom_dimensions")
    if isinstance(extra, dict):
        said = {**extra, **said}
    return Message(int(record.created * 1e9), text, severity_of(record.levelno), texts(said), parent_id, failure)


def of_annotation(annotation: Any, span_id: str) -> Message:
    """Return an annotation of an OpenCensus span as a line below that span."""
    attributes = getattr(annotation.attributes, "attributes", None) or {}
    moment = int(times.parse(annotation.timestamp).timestamp() * 1e6) * 1000
    return Message(moment, text_of(annotation.description), "Information", texts(attributes), span_id)


def text_of_record(record: Any) -> str:
    """Return the text of a record; arguments that do not fit leave the text without them."""
    try:
        return str(record.getMessage())
    except Exception:
        return text_of(record.msg)


def severity_of(level: int) -> str:
    """Return the service's word for a level of the logging module."""
    return next((severity for lowest, severity in _SEVERITIES if level >= lowest), "Verbose")


def details(message: Message) -> dict[str, Any]:
    """Return a log line as the fields of a MessageData."""
    text = clean(message.text, MESSAGE_LIMIT)
    # The service refuses an empty one.
    return {"ver": 2, "message": text if text.strip() else "(empty)", "severityLevel": message.severity}
