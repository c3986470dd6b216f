"""`autotrace config` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from autotrace.settings import OPTIONS

KEY = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
WEST = "https://westeurope-5.in.applicationinsights.azure.com"
STRING = "APPLICATIONINSIGHTS_CONNECTION_STRING"
SCRIPT = Path(sys.executable).with_name("autotrace")


def config(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the console script with nothing in its environment that it could take for a setting."""
    names = {option.variable for option in OPTIONS} | {name for option in OPTIONS for name in option.aliases}
    environ = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [str(SCRIPT), "config", *arguments],
        env={**environ, "PYTHONIOENCODING": "utf-8", **variables},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )


def shown(**variables: str) -> dict[str, dict[str, object]]:
    done = config("--json", **variables)
    return {row["name"]: row for row in json.loads(done.stdout)["settings"]}


def test_without_settings() -> None:
    done = config()
    assert (done.returncode, done.stderr) == (0, "")
    for option in OPTIONS:
        assert f"{option.field} = " in done.stdout
        assert option.variable in done.stdout
    text = " ".join(done.stdout.split())
    for option in OPTIONS:
        assert option.help in text
        assert option.accepts in text
    assert "exporter = local" in done.stdout
    assert "connection_string = (not set)" in done.stdout


def test_values_and_sources() -> None:
    variables = {"AUTOTRACE_SAMPLER": "25%", "AUTOTRACE_EXCLUDELIST_PATHS": "/a,/b"}
    done = config(**variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sampler = 0.25\n    from AUTOTRACE_SAMPLER;" in done.stdout
    assert "blacklist_paths = /a,/b\n    from AUTOTRACE_EXCLUDELIST_PATHS;" in done.stdout
    assert "propagator = tracecontext\n    from default;" in done.stdout
    rows = shown(**variables)
    assert (rows["sampler"]["value"], rows["sampler"]["source"]) == ("0.25", "AUTOTRACE_SAMPLER")
    assert (rows["failed_statuses"]["value"], rows["failed_statuses"]["source"]) == ("400,402-599", "default")
    assert rows["enabled"]["value"] == "true"
    assert rows["role_name"]["value"] is None


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_secrets_are_shortened(arguments: list[str]) -> None:
    string = f"InstrumentationKey={KEY};IngestionEndpoint={WEST}/"
    arguments_given = f"connection_string='{string}', max_batch_size=7"
    exporter = f"opencensus.ext.azure.trace_exporter.AzureExporter({arguments_given})"
    done = config(*arguments, **{STRING: string, "AUTOTRACE_EXPORTER": exporter})
    assert done.returncode == 0
    assert KEY[:8] in done.stdout
    assert WEST in done.stdout
    assert KEY[8:] not in done.stdout
    assert "AzureExporter(connection_string=..., max_batch_size=7)" in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_problems_go_to_stderr_and_make_it_fail(arguments: list[str]) -> None:
    variables = {STRING: "secretsecret", "AUTOTRACE_SAMPLR": "1", "AUTOTRACE_LOG_LEVEL": "loud"}
    done = config(*arguments, **variables)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("autotrace: ") for line in lines)
    assert sum("did you mean AUTOTRACE_SAMPLER?" in line for line in lines) == 1
    assert "secretsecret" not in done.stderr + done.stdout
    if arguments:
        assert ["autotrace: " + line for line in json.loads(done.stdout)["problems"]] == lines


def test_what_is_shown_can_be_set_again() -> None:
    variables = {
        "AUTOTRACE_BLACKLIST_PATHS": r"/a\,b,re:^/v[1,2]$,/c",
        "AUTOTRACE_FAILED_STATUSES": "500-599, 404",
        "AUTOTRACE_FRAMEWORKS": "flask",
        "AUTOTRACE_URL_QUERY": "page,q",
        "AUTOTRACE_ENABLED": "no",
        "AUTOTRACE_SAMPLER": "12.5%",
    }
    first = shown(**variables)
    again = shown(**{str(row["variable"]): str(row["value"]) for row in first.values() if row["value"]})
    assert [row["value"] for row in again.values()] == [row["value"] for row in first.values()]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_any_bytes_can_be_shown(encoding: str) -> None:
    done = subprocess.run(
        [str(SCRIPT), "config"],
        env={
            b"PATH": os.fsencode(os.environ["PATH"]),
            b"PYTHONIOENCODING": encoding.encode(),
            b"AUTOTRACE_ROLE_NAME": "Caf\u00e9 \u2603".encode(),
            b"AUTOTRACE_SPOOL_DIR": b"/spool\xff",
            b"AUTOTRACE_LOG_LEVEL": b"\xff\x1b",
        },
        capture_output=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert b"/spool" in done.stdout
    assert b"Caf" in done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert b"\x1b" not in done.stderr
