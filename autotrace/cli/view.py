"""`autotrace view`: the pages that show the telemetry on this machine, and an endpoint for more of it."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace
from typing import NoReturn

import click

from autotrace import guard, settings
from autotrace.cli import page
from autotrace.exporters.local import KEY
from autotrace.local.place import StoreError, path_of

PORT = 5199


@click.command("view")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 is any free port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.", metavar="ADDRESS")
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.option("--store", "chosen", metavar="PATH", help="The file to show.  [default: AUTOTRACE_LOCAL_STORE, or yours]")
def command(port: int, host: str, no_browser: bool, chosen: str | None) -> None:
    """Show the telemetry on this machine in the browser.

    Servers that run without a connection string keep theirs here. Any other Application Insights SDK may send to
    the same address: its connection string is printed. Ctrl-C ends it.
    """
    found = settings.load(os.environ)
    guard.set_level(max(found.log_level, "warning", key=guard.LEVELS.index))
    try:
        found = replace(found, local_store=path_of(os.path.abspath(chosen) if chosen else found.local_store))
        sys.exit(128 + page.serve(found, host, port, not no_browser, say))
    except StoreError as error:
        stop(str(error), 1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            stop(f"port {port} of {host} is in use: choose another one with --port (0 is any free one)", 1)
        stop(f"it cannot listen at {host}, port {port}: {error.strerror or error}", 1)


def say(url: str, file: str) -> None:
    """Say where the pages are, and how to have more on them."""
    click.echo(f"autotrace: {url} shows {file}; Ctrl-C ends it")
    click.echo(f"any Application Insights SDK sends here with InstrumentationKey={KEY};IngestionEndpoint={url}")


def stop(text: str, status: int) -> NoReturn:
    """Say `text` and exit with `status`."""
    click.echo(f"autotrace: {text}", err=True)
    sys.exit(status)
