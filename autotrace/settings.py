"""Every setting, declared once: reading, messages, command line options and documentation follow from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Mapping

from autotrace import connection_string as connection_strings
from autotrace import options, targets, values
from autotrace.connection_string import Authentication, ConnectionString
from autotrace.expressions import Expression
from autotrace.guard import LEVELS

_FRAMEWORKS = tuple(sorted(targets.names(targets.FRAMEWORKS)))
_LIBRARIES = tuple(sorted(targets.names(targets.LIBRARIES)))
_EXPORTERS = ("azure", "local", "console", "none")
_PROPAGATORS = ("tracecontext", "b3")


@dataclass(frozen=True, eq=False)
class Settings:
    """The settings of a process.

    `problems` are lines for a user about what is wrong in the environment, without any secret. `sources`
    names for each field that was set the environment variable that did it.
    """

    connection_string: ConnectionString | None = field(
        default=None,
        metadata=options.declare(
            "APPLICATIONINSIGHTS_CONNECTION_STRING",
            connection_strings.parse,
            "TEXT",
            "none",
            "The Application Insights resource that receives the telemetry, as the Azure portal shows it. "
            "Without a valid one, the telemetry is kept on this machine, where autotrace view shows it (local).",
            "InstrumentationKey=...;IngestionEndpoint=https://...",
            aliases=("APPINSIGHTS_INSTRUMENTATIONKEY",),
            secret=True,
        ),
    )
    authentication_string: Authentication | None = field(
        default=None,
        metadata=options.declare(
            "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
            connection_strings.parse_authentication,
            "TEXT",
            "none",
            "The managed identity whose Microsoft Entra tokens are sent with the telemetry; needs the extra entra: "
            'pip install "autotrace-appinsights[entra]".',
            "Authorization=AAD (the system-assigned identity) or Authorization=AAD;ClientId=... (a user-assigned one)",
            secret=True,
        ),
    )
    sampler: float | Expression = field(
        default=1.0,
        metadata=options.declare(
            "AUTOTRACE_SAMPLER",
            values.sampler,
            "RATE",
            "always_on",
            "Which share of the requests is recorded.",
            "always_on, always_off, a rate such as 0.25 or 25%, or an expression such as "
            "opencensus.trace.samplers.ProbabilitySampler(rate=0.5)",
            expression=True,
            words=("always_on", "always_off"),
        ),
    )
    exporter: str | Expression = field(
        default="local",
        metadata=options.declare(
            "AUTOTRACE_EXPORTER",
            values.word_or_expression(_EXPORTERS),
            "EXPORTER",
            "azure with a valid connection string, else local",
            "Where the telemetry goes: to Azure, into a file on this machine that autotrace view shows, to stderr as "
            "one readable line an item, or nowhere.",
            "azure, local, console, none, or an expression such as "
            "opencensus.ext.azure.trace_exporter.AzureExporter(connection_string='...')",
            expression=True,
            words=_EXPORTERS,
        ),
    )
    propagator: str | Expression = field(
        default="tracecontext",
        metadata=options.declare(
            "AUTOTRACE_PROPAGATOR",
            values.word_or_expression(_PROPAGATORS),
            "FORMAT",
            "tracecontext",
            "Which headers carry the trace between services.",
            "tracecontext (W3C), b3, or an expression such as "
            "opencensus.trace.propagation.google_cloud_format.GoogleCloudFormatPropagator()",
            expression=True,
            words=_PROPAGATORS,
        ),
    )
    blacklist_paths: tuple[str, ...] = field(
        default=("_ah/health",),
        metadata=options.declare(
            "AUTOTRACE_BLACKLIST_PATHS",
            values.entries,
            "LIST",
            "_ah/health",
            "Which requests are not recorded. Replaces the default; a comma alone empties the list.",
            "a comma list of path prefixes (/health, static/), / for the root alone, patterns (/api/*/ping, "
            "re:^/v\\d+/ping$), sites (https://example.com/admin) and user agents (agent:AlwaysOn)",
            aliases=("AUTOTRACE_EXCLUDELIST_PATHS",),
            check=values.blacklist_entry,
        ),
    )
    blacklist_hostnames: tuple[str, ...] = field(
        default=(),
        metadata=options.declare(
            "AUTOTRACE_BLACKLIST_HOSTNAMES",
            values.entries,
            "LIST",
            "none",
            "Which hosts the application may call without a record.",
            "a comma list of host or host:port",
            aliases=("AUTOTRACE_EXCLUDELIST_HOSTNAMES",),
            check=values.host,
        ),
    )
    role_name: str | None = field(
        default=None,
        metadata=options.declare(
            "AUTOTRACE_ROLE_NAME",
            values.name,
            "NAME",
            "found out from the environment and the command",
            "The name of this service in the application map.",
            "text without control characters",
        ),
    )
    role_instance: str | None = field(
        default=None,
        metadata=options.declare(
            "AUTOTRACE_ROLE_INSTANCE",
            values.name,
            "NAME",
            "found out from the environment, else the host name",
            "The name of this machine, pod or instance.",
            "text without control characters",
        ),
    )
    app_version: str | None = field(
        default=None,
        metadata=options.declare(
            "AUTOTRACE_APP_VERSION",
            values.name,
            "VERSION",
            "none",
            "The version of the application, sent with each item.",
            "text without control characters",
        ),
    )
    frameworks: tuple[str, ...] = field(
        default=_FRAMEWORKS,
        metadata=options.declare(
            "AUTOTRACE_FRAMEWORKS",
            values.entries,
            "LIST",
            ",".join(_FRAMEWORKS),
            "Which web frameworks are traced where they are found.",
            "a comma list of " + ", ".join(_FRAMEWORKS),
            words=_FRAMEWORKS,
            check=values.one_of(_FRAMEWORKS),
        ),
    )
    libraries: tuple[str, ...] = field(
        default=_LIBRARIES,
        metadata=options.declare(
            "AUTOTRACE_LIBRARIES",
            values.entries,
            "LIST",
            "all of them",
            "Which libraries are traced where an application uses them. A comma alone empties the list.",
            "a comma list of " + ", ".join(_LIBRARIES),
            words=_LIBRARIES,
            check=values.one_of(_LIBRARIES),
        ),
    )
    logs: int | None = field(
        default=None,
        metadata=options.declare(
            "AUTOTRACE_LOGS",
            values.log_level,
            "LEVEL",
            "off",
            "From which level on the log records that reach the root logger are sent, under the request that they were "
            "made in. Loggers, handlers and levels stay as the application has them.",
            "debug, info, warning, error, critical or off",
            words=values.LOG_LEVELS,
        ),
    )
    failed_statuses: tuple[tuple[int, int], ...] = field(
        default=((400, 400), (402, 599)),
        metadata=options.declare(
            "AUTOTRACE_FAILED_STATUSES",
            values.status_ranges,
            "LIST",
            "400,402-599",
            "Which response statuses mark a request as failed.",
            "a comma list of statuses and ranges such as 400,402-599",
        ),
    )
    url_query: str | tuple[str, ...] = field(
        default="redact",
        metadata=options.declare(
            "AUTOTRACE_URL_QUERY",
            values.url_query,
            "WORD",
            "redact",
            "What is recorded of query strings: keys with each value REDACTED (redact), everything (keep), "
            "nothing (drop), or the values of the listed keys only.",
            "redact, keep, drop or a comma list of keys",
        ),
    )
    trusted_proxies: int = field(
        default=0,
        metadata=options.declare(
            "AUTOTRACE_TRUSTED_PROXIES",
            values.whole_number(0, 100),
            "NUMBER",
            "0",
            "How many proxies in front of the server are believed about the client's address, scheme and "
            "host (X-Forwarded-For, -Proto, -Host).",
            "a whole number from 0 to 100",
        ),
    )
    spool_dir: str | None = field(
        default=None,
        metadata=options.declare(
            "AUTOTRACE_SPOOL_DIR",
            values.directory,
            "PATH",
            "a private directory of this user",
            "The directory that keeps telemetry until it is sent.",
            "an absolute path",
        ),
    )
    spool_size: int = field(
        default=50,
        metadata=options.declare(
            "AUTOTRACE_SPOOL_SIZE",
            values.whole_number(1, 100_000),
            "MB",
            "50",
            "How many megabytes of unsent telemetry are kept before the oldest is dropped.",
            "a whole number from 1 to 100000",
        ),
    )
    local_store: str | None = field(
        default=None,
        metadata=options.declare(
            "AUTOTRACE_LOCAL_STORE",
            values.file,
            "PATH",
            "telemetry.db in a private directory of this user",
            "The file that keeps the telemetry of the exporter local, and that autotrace view shows.",
            "an absolute path of a file, in a directory that exists",
        ),
    )
    local_days: int = field(
        default=7,
        metadata=options.declare(
            "AUTOTRACE_LOCAL_DAYS",
            values.whole_number(1, 3650),
            "DAYS",
            "7",
            "For how many days that file keeps an item.",
            "a whole number from 1 to 3650",
        ),
    )
    local_size: int = field(
        default=500,
        metadata=options.declare(
            "AUTOTRACE_LOCAL_SIZE",
            values.whole_number(1, 100_000),
            "MB",
            "500",
            "How many megabytes that file may take before the oldest items in it are deleted.",
            "a whole number from 1 to 100000",
        ),
    )
    flush_on_sigterm: bool = field(
        default=False,
        metadata=options.declare(
            "AUTOTRACE_FLUSH_ON_SIGTERM",
            values.flag,
            "BOOL",
            "false",
            "Whether a server that SIGTERM would end at once first sends what it has recorded, for two seconds at "
            "most. Without it, the next start or autotrace flush sends the rest.",
            "1, true, yes, on or 0, false, no, off",
        ),
    )
    log_level: str = field(
        default="warning",
        metadata=options.declare(
            "AUTOTRACE_LOG_LEVEL",
            values.one_of(LEVELS),
            "LEVEL",
            "warning",
            "How much autotrace says about itself on stderr.",
            ", ".join(LEVELS),
            words=LEVELS,
        ),
    )
    enabled: bool = field(
        default=True,
        metadata=options.declare(
            "AUTOTRACE_ENABLED",
            values.flag,
            "BOOL",
            "true",
            "Whether requests are traced at all.",
            "1, true, yes, on or 0, false, no, off",
        ),
    )
    problems: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)


OPTIONS: tuple[options.Option, ...] = tuple(
    item.metadata["option"]._replace(field=item.name) for item in fields(Settings) if item.metadata
)


def load(environ: Mapping[str, str]) -> Settings:
    """Read all settings from `environ`; never raises: what is wrong stands in `problems` of the result."""
    found: dict[str, Any] = {}
    sources: dict[str, str] = {}
    problems: list[str] = []
    for option in OPTIONS:
        for variable, value in options.read(option, environ, problems):
            found[option.field], sources[option.field] = value, variable
    reachable = "connection_string" in found
    if found.get("exporter") == "azure" and not reachable:
        needed = "a valid APPLICATIONINSIGHTS_CONNECTION_STRING"
        problems.append(f"{sources.pop('exporter')}=azure needs {needed}; local is used instead")
        del found["exporter"]
    found.setdefault("exporter", "azure" if reachable else "local")
    problems += options.unknown_names(OPTIONS, environ)
    return Settings(**found, problems=tuple(problems), sources=sources)


def table() -> str:
    """Return the settings as a Markdown table."""
    rows = ["| variable | default | accepted | meaning |", "|---|---|---|---|"]
    for option in OPTIONS:
        names = ", ".join(f"`{name}`" for name in (option.variable, *option.aliases))
        cells = [text.replace("|", "\\|").replace("*", "\\*") for text in option[3:6]]
        rows.append(f"| {names} | {cells[0]} | {cells[2]} | {cells[1]} |")
    return "\n".join(rows) + "\n"
