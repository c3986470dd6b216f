"""What is measured: a peer is one entry of PEERS, and nothing else lists them."""

from __future__ import annotations

from typing import Mapping, NamedTuple

FRAMEWORKS = ("flask", "django", "pyramid")
# The applications with outgoing calls, see calls.py.
CALLS = ("statements", "requests")
# The peers that others are compared with.
BASELINE, BY_HAND = "none", "opencensus"


class Peer(NamedTuple):
    """One way to trace a server, or to leave it alone.

    `launcher` are the words in front of the server's command, the first a console script. `requires` is
    installed, and then `unpinned` without its dependencies, beside the frameworks in a virtualenv of the peer's
    own; without them the peer runs in the environment that runs the benchmarks. `programs` have to be on PATH.
    `apps` is the folder of the applications.

    The environment variables in `environment` make a peer record each request and nothing else, and send it to the
    endpoint. Those in `hurried` come on top of it where requests are made without a pause: they make a peer send
    once a second, so that nobody has to wait for its next interval, and keep more than it does by default.
    `blacklisted` and `sampled` are what to add so that the path /users is excluded, or that {rate} of the requests
    are sampled; None when the peer cannot. In all of them {connection} is the connection string of Application
    Insights, {url}, {port} and {certificate} are the endpoint's, {key} is the process's own, {folder} is a scratch
    directory and {here} that of the benchmarks.

    `calls` are the applications with outgoing calls of calls.py whose calls the peer records.

    `sends` tells that the endpoint can count one item a request. `settle` is how many seconds after a request its
    item is sent at the latest, where the endpoint cannot tell. `note` is what a reader of its figures has to know.
    """

    name: str
    title: str
    launcher: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    apps: str = "plain"
    environment: Mapping[str, str] = {}
    hurried: Mapping[str, str] = {}
    blacklisted: Mapping[str, str] | None = None
    sampled: Mapping[str, str] | None = None
    frameworks: tuple[str, ...] = FRAMEWORKS
    calls: tuple[str, ...] = CALLS
    sends: bool = True
    settle: float = 1.5
    note: str = ""


OTEL = (
    "opentelemetry-distro",
    "opentelemetry-instrumentation-django",
    "opentelemetry-instrumentation-flask",
    "opentelemetry-instrumentation-pyramid",
    "opentelemetry-instrumentation-requests",
    "opentelemetry-instrumentation-sqlite3",
    "opentelemetry-instrumentation-wsgi",
)
# Off: metrics and logs.
OTEL_TRACES = {
    "OTEL_SERVICE_NAME": "shop",
    "OTEL_TRACES_SAMPLER": "always_on",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}
OTEL_HURRIED = {"OTEL_BSP_SCHEDULE_DELAY": "1000", "OTEL_BSP_MAX_QUEUE_SIZE": "100000"}
OTEL_BLACKLISTED = {"OTEL_PYTHON_EXCLUDED_URLS": "users"}
OTEL_SAMPLED = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "{rate}"}

PEERS = (
    Peer(BASELINE, "no launcher", sends=False, settle=0.0),
    Peer(
        BY_HAND,
        "OpenCensus by hand",
        requires=("opencensus>=0.11.4,<1", "opencensus-ext-azure>=1.1.15,<2"),
        # Their pins stop at Flask 2 and Pyramid 1; their code runs with the current ones.
        unpinned=(
            "opencensus-ext-django==0.8.0",
            "opencensus-ext-flask==0.8.2",
            "opencensus-ext-pyramid==0.7.3",
            "opencensus-ext-requests==0.8.0",
        ),
        apps="opencensus",
        # It has no integration for sqlite3.
        calls=("requests",),
        # Off: statistics about the exporter itself.
        environment={
            "APPLICATIONINSIGHTS_CONNECTION_STRING": "{connection}",
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        },
        hurried={"WIRING_INTERVAL": "1", "WIRING_CAPACITY": "100000"},
        blacklisted={"WIRING_EXCLUDED": "users"},
        sampled={"WIRING_RATE": "{rate}"},
    ),
    Peer(
        "otel-otlp",
        "opentelemetry-instrument (OTLP)",
        launcher=("opentelemetry-instrument",),
        # Without a lower bound pip may rather take releases of 2022.
        requires=(*OTEL, "opentelemetry-exporter-otlp-proto-http>=1.33"),
        environment={
            **OTEL_TRACES,
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}/{key}",
        },
        hurried=OTEL_HURRIED,
        blacklisted=OTEL_BLACKLISTED,
        sampled=OTEL_SAMPLED,
    ),
    Peer(
        "otel-azure",
        "opentelemetry-instrument (Azure)",
        launcher=("opentelemetry-instrument",),
        requires=(*OTEL, "azure-monitor-opentelemetry-exporter>=1.0.0b40"),
        # Off as well: statistics about the exporter itself, an item for each batch that repeats the resource, and
        # settings from Microsoft's servers.
        environment={
            **OTEL_TRACES,
            "OTEL_TRACES_EXPORTER": "azure_monitor_opentelemetry_exporter",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": "{connection}",
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "APPLICATIONINSIGHTS_SDKSTATS_DISABLED": "true",
            "APPLICATIONINSIGHTS_OPENTELEMETRY_RESOURCE_METRIC_DISABLED": "true",
            "APPLICATIONINSIGHTS_CONTROLPLANE_DISABLED": "true",
        },
        hurried=OTEL_HURRIED,
        blacklisted=OTEL_BLACKLISTED,
        sampled=OTEL_SAMPLED,
    ),
    Peer(
        "ddtrace",
        "ddtrace-run",
        launcher=("ddtrace-run",),
        requires=("ddtrace>=2",),
        # Off: telemetry about the tracer, settings from the agent, crash reports, and the place in the code that
        # each span tells for Datadog's debugger.
        environment={
            "DD_SERVICE": "{key}",
            "DD_TRACE_AGENT_URL": "{url}",
            "DD_TRACE_SAMPLE_RATE": "1",
            # The default is 100 traces a second.
            "DD_TRACE_RATE_LIMIT": "-1",
            "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
            "DD_REMOTE_CONFIGURATION_ENABLED": "false",
            "DD_CRASHTRACKING_ENABLED": "false",
            "DD_CODE_ORIGIN_FOR_SPANS_ENABLED": "false",
        },
        sampled={"DD_TRACE_SAMPLE_RATE": "{rate}"},
        note="No setting excludes a path. What is not sampled is dropped by its agent, so the application sends it.",
    ),
    Peer(
        "newrelic",
        "newrelic-admin",
        launcher=("newrelic-admin", "run-program"),
        requires=("newrelic>=10",),
        # Its agent speaks TLS only, and openssl makes the endpoint's certificate.
        programs=("openssl",),
        # Off, in the file: all but transactions and their spans.
        environment={
            "NEW_RELIC_CONFIG_FILE": "{here}/newrelic.ini",
            "NEW_RELIC_LICENSE_KEY": "0" * 40,
            "NEW_RELIC_HOST": "127.0.0.1",
            "NEW_RELIC_PORT": "{port}",
            "NEW_RELIC_CA_BUNDLE_PATH": "{certificate}",
            "NEW_RELIC_DISTRIBUTED_TRACING_SAMPLER_ROOT": "always_on",
            "NEW_RELIC_DISTRIBUTED_TRACING_SAMPLER_REMOTE_PARENT_SAMPLED": "always_on",
            "NEW_RELIC_DISTRIBUTED_TRACING_SAMPLER_REMOTE_PARENT_NOT_SAMPLED": "always_on",
        },
        sampled={
            "NEW_RELIC_DISTRIBUTED_TRACING_SAMPLER_ROOT": "always_off",
            "NEW_RELIC_DISTRIBUTED_TRACING_SAMPLER_ROOT_TRACE_ID_RATIO_BASED_RATIO": "{rate}",
            "NEW_RELIC_DISTRIBUTED_TRACING_SAMPLER_REMOTE_PARENT_NOT_SAMPLED": "always_off",
        },
        sends=False,
        note="Not counted: its agent sends sums, and a choice of at most 10,000 requests and 2,000 spans a minute."
        " No variable excludes a path. What is not sampled is missing among the spans, not in the sums.",
    ),
    Peer(
        "elasticapm",
        "elasticapm-run",
        launcher=("elasticapm-run",),
        requires=("elastic-apm>=6.15",),
        # Off: metrics, settings from the server, and the question in which cloud it runs.
        environment={
            "ELASTIC_APM_SERVICE_NAME": "{key}",
            "ELASTIC_APM_SERVER_URL": "{url}",
            "ELASTIC_APM_TRANSACTION_SAMPLE_RATE": "1.0",
            "ELASTIC_APM_METRICS_INTERVAL": "0s",
            "ELASTIC_APM_BREAKDOWN_METRICS": "false",
            "ELASTIC_APM_CENTRAL_CONFIG": "false",
            "ELASTIC_APM_CLOUD_PROVIDER": "none",
            # Off: one span for several calls.
            "ELASTIC_APM_SPAN_COMPRESSION_ENABLED": "false",
        },
        hurried={"ELASTIC_APM_API_REQUEST_TIME": "1s"},
        blacklisted={"ELASTIC_APM_TRANSACTION_IGNORE_URLS": "/users*"},
        sampled={"ELASTIC_APM_TRANSACTION_SAMPLE_RATE": "{rate}"},
        frameworks=("flask", "django"),
        note="Does not trace Pyramid.",
    ),
    Peer(
        "autotrace",
        "autotrace",
        launcher=("autotrace", "run"),
        environment={
            "APPLICATIONINSIGHTS_CONNECTION_STRING": "{connection}",
            "AUTOTRACE_SPOOL_DIR": "{folder}/spool",
        },
        hurried={"AUTOTRACE_SPOOL_SIZE": "200"},
        blacklisted={"AUTOTRACE_BLACKLIST_PATHS": "/users"},
        sampled={"AUTOTRACE_SAMPLER": "{rate}"},
    ),
)
