"""`autotrace flush`: send what processes that are gone have left in the spool."""

from __future__ import annotations

import os
import sys
import time
from typing import NoReturn

import click

from autotrace import guard, leftovers, segments, settings, spool
from autotrace.cli.printing import printable
from autotrace.directories import private_directory
from autotrace.local.place import StoreError, path_of
from autotrace.sender import Transport
from autotrace.settings import Settings

VARIABLE = "APPLICATIONINSIGHTS_CONNECTION_STRING"


@click.command("flush")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="How long it may take."
)
def command(seconds: float) -> None:
    """Send the telemetry that processes which are gone have left on this machine.

    It goes to the resource of APPLICATIONINSIGHTS_CONNECTION_STRING, or without one into the store that autotrace
    view shows. What running processes hold is left to them. The exit code is 0 when nothing remains, 1 otherwise.
    """
    chosen = settings.load(os.environ)
    if chosen.connection_string is None and os.environ.get(VARIABLE, "").strip():
        stop(f"the connection string in {VARIABLE} cannot be used: autotrace config says why")
    guard.set_level(max(chosen.log_level, "info", key=guard.LEVELS.index))
    base = private_directory(chosen.spool_dir)
    if base is None:
        stop("there is no spool on this machine that this user may read")
    try:
        destination, transport, where = way_of(chosen)
    except StoreError as error:
        stop(str(error))
    lines = spool.open_spool(base, destination, chosen.spool_size << 20)
    sent, reason = leftovers.send(lines, transport, time.monotonic() + seconds)
    left, held = segments.survey(os.path.join(base, destination))
    text = report(f"{counted(sent)} {where}", left, reason, held, elsewhere(base, destination))
    click.echo(printable(f"autotrace: {text}", sys.stdout.encoding))
    sys.exit(1 if left else 0)


def way_of(chosen: Settings) -> tuple[str, Transport, str]:
    """Return the spool's name, what it is sent with, and what is said of it; StoreError where there is no store."""
    if chosen.connection_string is not None:
        from autotrace.exporters import azure

        connection = chosen.connection_string
        return azure.destination_of(connection), azure.transport_of(chosen, connection), "sent"
    from autotrace.exporters import local

    return local.destination_of(chosen), local.transport_of(chosen), f"written to {path_of(chosen.local_store)}"


def elsewhere(base: str, destination: str) -> int:
    """Count the unsent items that other connection strings have left."""
    folders = [entry.path for entry in os.scandir(base) if entry.is_dir(follow_symlinks=False)]
    return sum(segments.survey(folder)[0] for folder in folders if os.path.basename(folder) != destination)


def report(done: str, left: int, reason: str, held: int, others: int) -> str:
    """Say in one line what was `done` and what was not."""
    text = f"{done}, {left or 'none'} left"
    if left and reason:
        text += f": {reason}"
    if held:
        text += f"; {counted(held)} of running processes, which send them"
    if others:
        text += f"; {counted(others)} for other connection strings"
    return text


def counted(number: int) -> str:
    """Return a number of items in words."""
    return f"{number} item{'s' * (number != 1)}"


def stop(text: str) -> NoReturn:
    """Say `text` and exit with 1."""
    click.echo(f"autotrace: {text}", err=True)
    sys.exit(1)
