"""`autotrace demo`: three sample applications under `autotrace run`, and what was recorded of them."""

from __future__ import annotations

import sys
from typing import NoReturn

import click

from autotrace.demo import runner, servers


@click.command("demo")
@click.option("--no-page", is_flag=True, help="Only say what was recorded, and end.")
@click.option("--no-browser", is_flag=True, help="Serve the pages, but open no browser.")
def command(no_page: bool, no_browser: bool) -> None:
    """Start three sample applications, send them requests and show what was recorded.

    Flask and Pyramid under gunicorn, Django under uvicorn, on free ports of this machine; the first asks the
    others. Then a browser shows the telemetry while requests go on, until Ctrl-C, which stops all servers. Nothing
    is sent anywhere else.
    """
    missing = servers.missing_packages()
    if missing:
        stop(f'the demo needs {", ".join(missing)}: pip install "autotrace-appinsights[demo]"', 1)
    shown = []
    try:
        with interruptible():
            runner.run(click.echo, None if no_page else lambda store: show(store, shown, browser=not no_browser))
    except runner.DemoError as error:
        stop(f"the demo failed: {error}", 1)
    except Interrupted as interrupted:
        if interrupted.args[0] != signal.SIGINT or not shown:
            stop("the demo was interrupted; its servers are stopped", 128 + interrupted.args[0])
        click.echo("The demo has ended; its servers are stopped.")
