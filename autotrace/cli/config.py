"""`autotrace config`: show every setting, where its value comes from and what is wrong with it."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from typing import Any

import click

from autotrace.cli.printing import printable
from autotrace.options import Option
from autotrace.settings import OPTIONS, Settings, load


@click.command("config")
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object instead of text.")
def command(as_json: bool) -> None:
    """Show every setting: its value, where the value comes from and what it means.

    Secrets are shortened. Problems are written to stderr, and the exit code is 1 when there is one.
    """
    settings = load(os.environ)
    rows = [_row(option, settings) for option in OPTIONS]
    if as_json:
        click.echo(json.dumps({"settings": rows, "problems": settings.problems}, indent=2))
    else:
        click.echo(printable("\n".join(_paragraph(row) for row in rows), sys.stdout.encoding))
    for problem in settings.problems:
        click.echo(printable(f"autotrace: {problem}", sys.stderr.encoding), err=True)
    sys.exit(1 if settings.problems else 0)


def _row(option: Option, settings: Settings) -> dict[str, Any]:
    """Return what is told about one setting, as strings for people and machines alike."""
    return {
        "name": option.field,
        "variable": option.variable,
        "aliases": option.aliases,
        "value": _text(getattr(settings, option.field)),
        "source": settings.sources.get(option.field, "default"),
        "default": option.default_text,
        "accepts": option.accepts,
        "help": option.help,
    }


def _text(value: object) -> str | None:
    """Write a value the way its variable accepts it, secrets shortened; None when there is none."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    # Connection strings and expressions are tuples as well, with a text of their own.
    if type(value) is tuple:
        return ",".join(_entry(entry) for entry in value)
    return str(value)


def _entry(entry: object) -> str:
    if isinstance(entry, tuple):
        low, high = entry
        return str(low) if low == high else f"{low}-{high}"
    return str(entry).replace(",", "\\,")


def _paragraph(row: dict[str, Any]) -> str:
    value = {None: "(not set)", "": "(empty)"}.get(row["value"], row["value"])
    names = ", ".join([row["variable"], *row["aliases"]])
    lines = [f"{row['name']} = {value}", f"    from {row['source']}; set it with {names}"]
    about = f"{row['help']} Accepted: {row['accepts']}. Default: {row['default']}."
    lines += ["    " + line for line in textwrap.wrap(about, 96, break_on_hyphens=False)]
    return "\n".join(lines) + "\n"
