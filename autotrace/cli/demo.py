"""`autotrace demo`: three sample applications under `autotrace run`, and what was recorded of them."""

from __future__ import annotations

import signal
import sys
from typing import Any, NoReturn

import click

from autotrace.demo import runner, servers

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal asks for the end; its argument is the signal's number. Only the command catches it."""


@click.command("demo")
def command() -> None:
    """Start three sample applications, send them requests and show what was recorded.

    Flask and Pyramid under gunicorn, Django under uvicorn, on free ports of this machine. Nothing is sent
    anywhere else. It takes a few seconds, and all servers are stopped at the end.
    """
    missing = servers.missing_packages()
    if missing:
        stop(f'the demo needs {", ".join(missing)}: pip install "autotrace-appinsights[demo]"', 1)
    try:
        for number in SIGNALS:
            # What nohup had ignored stays ignored.
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, interrupt)
        runner.run(click.echo)
    except runner.DemoError as error:
        stop(f"the demo failed: {error}", 1)
    except Interrupted as interrupted:
        stop("the demo was interrupted; its servers are stopped", 128 + interrupted.args[0])


def interrupt(number: int, frame: Any) -> NoReturn:
    """Leave through every `finally`, which stops the servers; another signal does not disturb that."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(number)


def stop(text: str, status: int) -> NoReturn:
    """Say `text` and exit with `status`."""
    click.echo(f"autotrace: {text}", err=True)
    sys.exit(status)
