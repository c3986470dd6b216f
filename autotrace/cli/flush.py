"""`autotrace flush`: send what processes that are gone have left in the spool."""

from __future__ import annotations

import os
import sys
import time
from typing import NoReturn

import click

from autotrace import guard, segments, settings, spool
from autotrace.directories import private_directory
from autotrace.exporters.azure import destination_of, transport_of
from autotrace.sender import ANSWER_DEADLINE, deliver
from autotrace.spool import Spool
from autotrace.transport import Transport

# Seconds before a post that failed is tried again, doubled each time.
FIRST_DELAY = 1.0


@click.command("flush")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=30.0, show_default=True, help="How long it may take."
)
def command(seconds: float) -> None:
    """Send the telemetry that processes which are gone have left on this machine.

    It goes to the resource of APPLICATIONINSIGHTS_CONNECTION_STRING. What running processes hold is left to
    them. The exit code is 0 when nothing remains, 1 otherwise.
    """
    chosen = settings.load(os.environ)
    if chosen.connection_string is None:
        stop("flush needs the connection string of your servers in APPLICATIONINSIGHTS_CONNECTION_STRING")
    guard.set_level(max(chosen.log_level, "info", key=guard.LEVELS.index))
    base = private_directory(chosen.spool_dir)
    if base is None:
        stop("there is no spool on this machine that this user may read")
    destination = destination_of(chosen.connection_string)
    lines = spool.open_spool(base, destination, chosen.spool_size << 20)
    transport = transport_of(chosen, chosen.connection_string)
    try:
        sent, reason = send(lines, transport, time.monotonic() + seconds)
    finally:
        lines.close()
        transport.close()
    left, held = segments.survey(os.path.join(base, destination))
    click.echo(f"autotrace: {report(sent, left, reason, held, elsewhere(base, destination))}")
    sys.exit(1 if left else 0)


def send(lines: Spool, transport: Transport, end: float) -> tuple[int, str]:
    """Post what nobody else looks after until `end`, a monotonic time; return how many items went, and why not all."""
    sent, delay = 0, FIRST_DELAY
    while True:
        more = lines.adopt()
        batch = lines.take()
        if batch is None:
            if more:
                continue
            return sent, ""
        seconds = end - time.monotonic()
        if seconds <= 0:
            return sent, "the time is up"
        answer = deliver(lines, transport, batch, min(seconds, ANSWER_DEADLINE), well=delay == FIRST_DELAY)
        if answer.delivered:
            sent += batch.lines.count(b"\n") - len(answer.again)
            if not answer.again:
                delay = FIRST_DELAY
                continue
        lines.keep()
        wait = delay if answer.retry_after is None else answer.retry_after
        if time.monotonic() + wait >= end:
            asked = "" if answer.retry_after is None else f", and asks to wait {answer.retry_after:.0f} s"
            return sent, f"the endpoint does not take them now{asked}"
        time.sleep(wait)
        delay *= 2


def elsewhere(base: str, destination: str) -> int:
    """Count the unsent items that other connection strings have left."""
    folders = [entry.path for entry in os.scandir(base) if entry.is_dir(follow_symlinks=False)]
    return sum(segments.survey(folder)[0] for folder in folders if os.path.basename(folder) != destination)


def report(sent: int, left: int, reason: str, held: int, others: int) -> str:
    """Say in one line what was sent and what was not."""
    text = f"{counted(sent)} sent, {left or 'none'} left"
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
