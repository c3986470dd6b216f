"""`autotrace demo`: three sample applications under `autotrace run`, and what was recorded of them."""

from __future__ import annotations

import signal
import sys
from dataclasses import replace
from typing import NoReturn

import click

from autotrace import settings
from autotrace.demo import report, runner, servers
from autotrace.interruption import SIGNALS, Interrupted, interruptible


@click.command("demo")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Where the pages are.  [default: any free one]")
@click.option("--no-browser", is_flag=True, help="Do not open the browser.")
@click.option("--no-page", is_flag=True, help="Only say what was recorded, and end.")
def command(port: int, no_browser: bool, no_page: bool) -> None:
    """Start three sample applications, send them requests and show what was recorded.

    Flask and Pyramid under gunicorn, Django under uvicorn, on free ports of this machine; the first asks the
    others. Then the browser shows what is recorded while requests go on, until Ctrl-C, which stops all servers.
    Nothing is sent anywhere else.
    """
    missing = servers.missing_packages()
    if missing:
        stop(f'the demo needs {", ".join(missing)}: pip install "autotrace-appinsights[demo]"', 1)
    ended = [signal.SIGINT]

    def show(store: str) -> None:
        # Only now: the demo may be without the packages that the pages need.
        from autotrace.cli import page

        # Nothing of the user's is touched.
        found = replace(settings.load({}), local_store=store, spool_dir=f"{store}-spool")
        ended[0] = signal.Signals(page.serve(found, "127.0.0.1", port, not no_browser, say))
        for number in SIGNALS:
            # The servers are stopped now, which nothing disturbs.
            signal.signal(number, signal.SIG_IGN)

    try:
        with interruptible():
            runner.run(click.echo, None if no_page else show)
    except runner.DemoError as error:
        stop(f"the demo failed: {error}", 1)
    except OSError as error:
        stop(f"the demo cannot show its pages at port {port}: {error.strerror or error}", 1)
    except Interrupted as interrupted:
        stop("the demo was interrupted; its servers are stopped", 128 + interrupted.args[0])
    if ended[0] != signal.SIGINT:
        stop("the demo was ended; its servers are stopped", 128 + ended[0])
    click.echo(report.NEXT)


def say(url: str, file: str) -> None:
    """Say where the pages are."""
    click.echo(f"See it in the browser, while requests go on: {url}\nCtrl-C ends the demo.\n")


def stop(text: str, status: int) -> NoReturn:
    """Say `text` and exit with `status`."""
    click.echo(f"autotrace: {text}", err=True)
    sys.exit(status)
