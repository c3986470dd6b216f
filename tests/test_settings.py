"""Settings from the environment: what each variable accepts and what is used when it is not set."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from autotrace import targets
from autotrace.connection_string import Authentication, ConnectionString
from autotrace.expressions import Expression
from autotrace.settings import OPTIONS, Settings, load, table

KEY = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
OTHER_KEY = "ffffffff-4e5f-6071-8293-a4b5c6d7e8f9"
WEST = "https://westeurope-5.in.applicationinsights.azure.com"
STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
IKEY = "APPINSIGHTS_INSTRUMENTATIONKEY"
PORTAL = f"InstrumentationKey={KEY};IngestionEndpoint={WEST}/"

DEFAULTS = {
    "enabled": True,
    "connection_string": None,
    "authentication_string": None,
    "sampler": 1.0,
    "exporter": "local",
    "propagator": "tracecontext",
    "blacklist_paths": ("_ah/health",),
    "blacklist_hostnames": (),
    "role_name": None,
    "role_instance": None,
    "app_version": None,
    "frameworks": ("django", "flask", "pyramid"),
    "libraries": tuple(sorted(targets.names(targets.LIBRARIES))),
    "log_level": "warning",
    "logs": None,
    "spool_dir": None,
    "spool_size": 50,
    "local_store": None,
    "local_days": 7,
    "local_size": 500,
    "flush_on_sigterm": False,
    "url_query": "redact",
    "failed_statuses": ((400, 400), (402, 599)),
    "trusted_proxies": 0,
}

AZURE_EXPORTER = "opencensus.ext.azure.trace_exporter.AzureExporter"

GOOD = [
    ("AUTOTRACE_ENABLED", "enabled", {"1": True, "TRUE": True, "Yes": True, "on": True, " true\n": True}),
    ("AUTOTRACE_ENABLED", "enabled", {"0": False, "False": False, "NO": False, "off": False, "'0'": False}),
    (
        "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
        "authentication_string",
        {"Authorization=AAD": Authentication(), f"Authorization=AAD;ClientId={KEY}": Authentication(KEY)},
    ),
    ("AUTOTRACE_SAMPLER", "sampler", {"always_on": 1.0, "ALWAYS_OFF": 0.0, "0.25": 0.25, "25%": 0.25}),
    ("AUTOTRACE_SAMPLER", "sampler", {"1": 1.0, "0": 0.0, ".5": 0.5, "100%": 1.0, " 12.5 % ": 0.125}),
    (
        "AUTOTRACE_SAMPLER",
        "sampler",
        {
            "opencensus.trace.samplers.ProbabilitySampler(rate=0.5)": Expression(
                "opencensus.trace.samplers.ProbabilitySampler", (), {"rate": 0.5}
            ),
            "shop.Sampler": Expression("shop.Sampler"),
        },
    ),
    ("AUTOTRACE_EXPORTER", "exporter", {"console": "console", "None": "none", "s.E": Expression("s.E")}),
    (
        "AUTOTRACE_EXPORTER",
        "exporter",
        {f'{AZURE_EXPORTER}(endpoint="x;y")': Expression(AZURE_EXPORTER, (), {"endpoint": "x;y"})},
    ),
    ("AUTOTRACE_PROPAGATOR", "propagator", {"B3": "b3", "s.P": Expression("s.P")}),
    ("AUTOTRACE_BLACKLIST_PATHS", "blacklist_paths", {"/a": ("/a",), " a , ,b,": ("a", "b"), ",": ()}),
    (
        "AUTOTRACE_BLACKLIST_PATHS",
        "blacklist_paths",
        {
            "re:^/v[1,2]/(a|b,c){1,2}$,/x": ("re:^/v[1,2]/(a|b,c){1,2}$", "/x"),
            r"re:a\,b,c": ("re:a,b", "c"),
            r"re:\(,c": (r"re:\(", "c"),
            "re:[(],c": ("re:[(]", "c"),
            r"/a\,b,c": ("/a,b", "c"),
            "/a(b,c)": ("/a(b", "c)"),
            "https://example.com/admin,agent:AlwaysOn": ("https://example.com/admin", "agent:AlwaysOn"),
        },
    ),
    ("AUTOTRACE_EXCLUDELIST_PATHS", "blacklist_paths", {"/health": ("/health",)}),
    ("AUTOTRACE_BLACKLIST_HOSTNAMES", "blacklist_hostnames", {"a.b,[::1]:80": ("a.b", "[::1]:80")}),
    ("AUTOTRACE_EXCLUDELIST_HOSTNAMES", "blacklist_hostnames", {"a.b": ("a.b",)}),
    ("AUTOTRACE_ROLE_NAME", "role_name", {" a ": "a", "'\u00e9 1'": "\u00e9 1", "\udcc3\udca9": "\u00e9"}),
    ("AUTOTRACE_ROLE_INSTANCE", "role_instance", {"pod-1": "pod-1"}),
    ("AUTOTRACE_APP_VERSION", "app_version", {"1.2": "1.2"}),
    ("AUTOTRACE_LOGS", "logs", {"warning": 30, "ERROR": 40, "off": None}),
    ("AUTOTRACE_LIBRARIES", "libraries", {"sqlite3,urllib3": ("sqlite3", "urllib3"), ",": ()}),
    ("AUTOTRACE_FRAMEWORKS", "frameworks", {"Flask": ("flask",), "pyramid, django": ("pyramid", "django")}),
    ("AUTOTRACE_LOG_LEVEL", "log_level", {"DEBUG": "debug", "silent": "silent", "info": "info"}),
    ("AUTOTRACE_SPOOL_DIR", "spool_dir", {"/var/spool/a": "/var/spool/a", "/x\udcff": "/x\udcff"}),
    ("AUTOTRACE_SPOOL_SIZE", "spool_size", {"1": 1, "200": 200}),
    ("AUTOTRACE_FLUSH_ON_SIGTERM", "flush_on_sigterm", {"1": True, "off": False}),
    ("AUTOTRACE_URL_QUERY", "url_query", {"Keep": "keep", "drop": "drop", "Page,q": ("Page", "q")}),
    (
        "AUTOTRACE_FAILED_STATUSES",
        "failed_statuses",
        {"500-599": ((500, 599),), "404, 500 - 502": ((404, 404), (500, 502)), ",": ()},
    ),
    ("AUTOTRACE_TRUSTED_PROXIES", "trusted_proxies", {"0": 0, "2": 2}),
]

BLANKS = ["", " ", "\n", "\t \r\n", "\ufeff", '""', "' '"]


def value_of(settings: Settings, field: str) -> object:
    return getattr(settings, field)


def fields_of(settings: Settings) -> dict[str, object]:
    return {field: value_of(settings, field) for field in DEFAULTS}


def test_defaults() -> None:
    settings = load({})
    assert fields_of(settings) == DEFAULTS
    assert settings.problems == ()
    assert dict(settings.sources) == {}
    assert {option.field for option in OPTIONS} == set(DEFAULTS)


@pytest.mark.parametrize(
    ("variable", "field", "text", "value"),
    [(variable, field, text, value) for variable, field, cases in GOOD for text, value in cases.items()],
)
def test_accepted(variable: str, field: str, text: str, value: object) -> None:
    settings = load({variable: text})
    assert settings.problems == ()
    assert value_of(settings, field) == value
    assert type(value_of(settings, field)) is type(value)
    assert dict(settings.sources) == {field: variable}


@pytest.mark.parametrize("text", BLANKS, ids=ascii)
def test_a_blank_value_is_unset(text: str) -> None:
    names = [name for option in OPTIONS for name in (option.variable, *option.aliases)]
    settings = load(dict.fromkeys([*names, "AUTOTRACE_UNKNOWN"], text))
    assert fields_of(settings) == DEFAULTS
    assert settings.problems == ()


def test_the_default_text_says_the_default() -> None:
    for option in OPTIONS:
        # The others say in words what is found out later.
        if option.default_text != "none" and " " not in option.default_text:
            assert option.parse(option.default_text) == DEFAULTS[option.field]


def test_both_names_of_a_list() -> None:
    same = load({"AUTOTRACE_BLACKLIST_PATHS": "/a", "AUTOTRACE_EXCLUDELIST_PATHS": " /a"})
    assert (same.blacklist_paths, same.problems) == (("/a",), ())
    differ = load({"AUTOTRACE_BLACKLIST_PATHS": "/a", "AUTOTRACE_EXCLUDELIST_PATHS": "/b"})
    assert differ.blacklist_paths == ("/a",)
    (problem,) = differ.problems
    assert "AUTOTRACE_EXCLUDELIST_PATHS are both set and differ; AUTOTRACE_BLACKLIST_PATHS is used" in problem
    broken = load({"AUTOTRACE_BLACKLIST_PATHS": "re:(", "AUTOTRACE_EXCLUDELIST_PATHS": "/b"})
    assert broken.blacklist_paths == ("/b",)
    assert broken.sources["blacklist_paths"] == "AUTOTRACE_EXCLUDELIST_PATHS"
    (problem,) = broken.problems
    assert problem.endswith("AUTOTRACE_EXCLUDELIST_PATHS is used")


CREDENTIALS = [
    # environment, key, endpoint, exporter, source
    ({STRING: PORTAL}, KEY, WEST, STRING),
    ({STRING: f'"{PORTAL};"\n'}, KEY, WEST, STRING),
    ({STRING: PORTAL, IKEY: OTHER_KEY}, KEY, WEST, STRING),
    ({IKEY: KEY.upper() + "\n"}, KEY, "https://dc.services.visualstudio.com", IKEY),
    ({IKEY: PORTAL}, KEY, WEST, IKEY),
    ({STRING: " ", IKEY: KEY}, KEY, "https://dc.services.visualstudio.com", IKEY),
]


@pytest.mark.parametrize(("environ", "key", "endpoint", "source"), CREDENTIALS)
def test_credentials(environ: dict[str, str], key: str, endpoint: str, source: str) -> None:
    settings = load(environ)
    assert settings.connection_string == ConnectionString(key, endpoint)
    assert settings.exporter == "azure"
    assert dict(settings.sources) == {"connection_string": source}
    assert settings.problems == ()
    assert KEY[8:] not in repr(settings)


def test_a_broken_connection_string_is_a_problem_and_means_this_machine() -> None:
    settings = load({STRING: "InstrumentationKey=secretsecret"})
    assert (settings.connection_string, settings.exporter) == (None, "local")
    (problem,) = settings.problems
    assert problem.startswith(f"{STRING} is ignored: its InstrumentationKey is not a GUID")
    assert "secretsecret" not in problem


def test_a_broken_connection_string_leaves_the_key() -> None:
    settings = load({STRING: "secretsecret", IKEY: KEY})
    assert settings.connection_string == ConnectionString(KEY, "https://dc.services.visualstudio.com")
    assert (settings.exporter, settings.sources["connection_string"]) == ("azure", IKEY)
    (problem,) = settings.problems
    assert problem.startswith(STRING)
    assert problem.endswith(f"{IKEY} is used")


def test_azure_without_credentials_means_this_machine() -> None:
    settings = load({"AUTOTRACE_EXPORTER": "azure"})
    assert (settings.exporter, dict(settings.sources)) == ("local", {})
    (problem,) = settings.problems
    assert problem.startswith("AUTOTRACE_EXPORTER=azure needs a valid " + STRING)
    assert load({"AUTOTRACE_EXPORTER": "Azure", STRING: PORTAL}).sources["exporter"] == "AUTOTRACE_EXPORTER"


def test_an_exporter_that_was_chosen_stays() -> None:
    assert load({"AUTOTRACE_EXPORTER": "none", STRING: PORTAL}).exporter == "none"
    assert load({"AUTOTRACE_EXPORTER": "none"}).problems == ()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load({}).enabled = False  # type: ignore[misc]


def test_options_say_everything_a_command_line_needs() -> None:
    for option in OPTIONS:
        assert option.field
        assert option.help.endswith((".", ")"))
        assert option.accepts
        assert option.default_text
        assert option.metavar.isupper()
        assert option.secret is option.field.endswith("_string")
    assert "kept on this machine, where autotrace view shows it (local)" in OPTIONS[0].help


def test_table_has_a_row_for_each_setting() -> None:
    lines = table().splitlines()
    assert len(lines) == len(OPTIONS) + 2
    for option, line in zip(OPTIONS, lines[2:]):
        assert f"`{option.variable}`" in line
        assert line.replace("\\|", "").count("|") == 5


def test_loading_settings_loads_nothing_that_costs() -> None:
    code = "import sys, os; from autotrace.settings import load; load(os.environ); print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], env={}, timeout=60, text=True)
    assert set(loaded.split()).isdisjoint({"click", "opencensus", "wrapt", "logging", "ssl", "difflib"})
