"""logging: records tell the operation that they belong to, and are sent where the settings say so."""

from __future__ import annotations

from functools import wraps
from typing import Any

from .. import guard, logs
from ..applications import process_exporter, process_settings
from ..exceptions import hide_frame
from ..patching import wrap_method

# As OpenCensus's integration names them, in its documentation and in its code.
_TRACE, _SPAN, _DECISIONS = "traceId", "spanId", ("samplingDecision", "traceSampled")


def patch(module: Any) -> None:
    """Wrap `logging.Logger.makeRecord`, and `callHandlers` where records are sent, from AUTOTRACE_LOGS on."""
    wrap_method(module, "Logger.makeRecord", _mark)
    settings = process_settings()
    if settings.logs is not None and settings.exporter != "none":
        logs.wait_with(process_exporter)
        wrap_method(module, "Logger.callHandlers", _send, settings.logs)


def _mark(original: Any) -> Any:
    @wraps(original)
    def makeRecord(*args: Any, **kwargs: Any) -> Any:  # noqa: N802 - the name that it has there
        try:
            record = original(*args, **kwargs)
        except BaseException as error:
            hide_frame(error)
            raise
        try:
            trace_id, span_id, is_kept = logs.attributes()
            # What the application has put there stays.
            add = vars(record).setdefault
            add(_TRACE, trace_id)
            add(_SPAN, span_id)
            for name in _DECISIONS:
                add(name, is_kept)
        except Exception as error:
            guard.failed("marking a log record", error)
        return record

    return makeRecord


def _send(original: Any, level: int) -> Any:
    # Behind the level and the filters of its logger, so that what the application silences is silent; and after its
    # handlers, for they have made the text already.
    @wraps(original)
    def callHandlers(self: Any, record: Any) -> Any:  # noqa: N802 - the name that it has there
        try:
            result = original(self, record)
        except BaseException as error:
            hide_frame(error)
            raise
        try:
            if record.levelno >= level and _reaches_root(self):
                logs.take(record)
        except Exception as error:
            guard.failed("sending a log record", error)
        return result

    return callHandlers


def _reaches_root(logger: Any) -> bool:
    while logger.parent is not None:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True
