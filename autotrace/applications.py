"""What one application's requests are recorded with: the environment's settings over the application's own."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, Mapping

from . import guard, identity, imports, logs, opencensus, settings, values
from .blacklist import compile_entries
from .exporters import open_default, open_exporter
from .expressions import Expression
from .propagation import EXTRACTS, Extract, FromOpenCensus, tracecontext
from .recorder import Recorder
from .settings import Settings

# Keys of an application's OPENCENSUS dict, as OpenCensus documents them → field of Settings.
_KEYS = {
    "SAMPLER": "sampler",
    "EXPORTER": "exporter",
    "PROPAGATOR": "propagator",
    "BLACKLIST_PATHS": "blacklist_paths",
    "EXCLUDELIST_PATHS": "blacklist_paths",
    "BLACKLIST_HOSTNAMES": "blacklist_hostnames",
    "EXCLUDELIST_HOSTNAMES": "blacklist_hostnames",
}


@lru_cache(maxsize=None)
def process_settings() -> Settings:
    """Return the settings of this process's environment."""
    return settings.load(os.environ)


def build_recorder(application: str, in_code: Any, middleware: str | None) -> Recorder | None:
    """Return the recorder of an application, None when its requests are not recorded.

    `in_code` is its own OPENCENSUS setting, any value. `middleware` names the OpenCensus middleware that it already
    uses: such an application is left to it, so that no request is counted twice.
    """
    # The first request may come while another thread forks.
    with imports.whole():
        return _build(application, in_code, middleware)


def _build(application: str, in_code: Any, middleware: str | None) -> Recorder | None:
    if middleware:
        guard.warn(
            "middleware" + application,
            f"{application} already uses {middleware} of OpenCensus: its requests are left to that",
        )
        return None
    chosen = _choose(process_settings(), _trace_settings(in_code))
    exporter = _open(chosen["exporter"], application)
    if exporter is None:
        return None
    rule = _sampling(chosen["sampler"])
    constant = isinstance(rule, float)
    logs.use(exporter)
    guard.warn(f"tracing {application}", f"process {os.getpid()} traces {application}", "info")
    return Recorder(
        exporter,
        blacklist=compile_entries(chosen["blacklist_paths"]),
        rate=rule if constant else 100.0,
        sampler=None if constant else rule,
        extract=_propagation(chosen["propagator"]),
        hidden_hosts=chosen["blacklist_hostnames"],
    )


def process_exporter() -> Any:
    """Return an exporter for what no application's request is near to, None where nothing is exported."""
    with imports.whole():
        return _open(process_settings().exporter, identity.program())


def _trace_settings(in_code: Any) -> Mapping[str, Any]:
    """Return the TRACE part of an OPENCENSUS setting; versions before 0.4 had its keys at the top."""
    trace = in_code.get("TRACE", in_code) if isinstance(in_code, Mapping) else in_code
    if trace is None:
        return {}
    if not isinstance(trace, Mapping):
        guard.warn("in code", "OPENCENSUS in the application's settings is ignored: it is no dictionary")
        return {}
    return trace


def _choose(environment: Settings, trace: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each field that an application may set: the environment's where it says something."""
    chosen = {field: getattr(environment, field) for field in _KEYS.values()}
    for key, field in _KEYS.items():
        value = trace.get(key)
        if value is None or field in environment.sources:
            continue
        try:
            chosen[field] = _parse(field, value)
        except Exception as error:
            guard.warn(f"in code {key}", f"OPENCENSUS {key} in the application's settings is ignored: {error}")
    return chosen


def _parse(field: str, value: Any) -> Any:
    """Return an in-code value as Settings has it; an object stays what it is. Raises for what makes no sense."""
    if field in ("blacklist_paths", "blacklist_hostnames"):
        entries = values.entries(value) if isinstance(value, str) else tuple(map(str, value))
        return _entries(entries) if field == "blacklist_paths" else tuple(map(values.host, entries))
    if isinstance(value, (int, float)):
        # A rate, which the parser checks.
        value = str(float(value))
    if not isinstance(value, str):
        return value() if isinstance(value, type) else value
    option = next(option for option in settings.OPTIONS if option.field == field)
    return option.parse(value)


def _entries(entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the blacklist entries that can be used; ValueError for a single one that cannot."""
    usable = []
    for entry in entries:
        try:
            compile_entries([entry])
            usable.append(entry)
        except ValueError as error:
            if len(entries) == 1:
                raise
            guard.warn(f"in code {entry}", f"an entry of OPENCENSUS BLACKLIST_PATHS is ignored: {error}")
    return tuple(usable)


def _open(chosen: Any, application: str) -> Any:
    try:
        return open_exporter(chosen, process_settings(), application)
    except Exception as error:
        return open_default(chosen, error, process_settings(), application)


def _sampling(chosen: Any) -> Any:
    """Return a rate in percent or a `recorder.Sampler`; what cannot be used keeps everything."""
    if isinstance(chosen, (int, float)):
        return 100.0 * chosen
    try:
        return opencensus.sampling_rule(chosen.load() if isinstance(chosen, Expression) else chosen)
    except Exception as error:
        guard.warn("sampler", f"the sampler {chosen} cannot be used, every request is recorded: {error}")
        return 100.0


def _propagation(chosen: Any) -> Extract:
    if isinstance(chosen, str):
        return EXTRACTS[chosen]
    try:
        return FromOpenCensus(chosen.load() if isinstance(chosen, Expression) else chosen)
    except Exception as error:
        guard.warn("propagator", f"the propagator {chosen} cannot be used, tracecontext is: {error}")
        return tracecontext
