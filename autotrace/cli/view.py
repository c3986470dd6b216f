"""`autotrace view`: the pages that show the telemetry on this machine, and an endpoint for more of it."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import click

from autotrace import guard, settings
from autotrace.local.access import Access
from autotrace.local.store import Store, StoreError, default_path

PORT = 5199
KEY = "00000000-0000-0000-0000-000000000000"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Seconds between looks at what processes that are gone have left.
COLLECT_INTERVAL = 5.0


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
    access = Access(host)
    try:
        path = os.path.abspath(chosen) if chosen else getattr(found, "local_store", None) or default_path()
        store = Store(path, getattr(found, "local_days", 7), getattr(found, "local_size", 500))
        serve(path, store, access, host, port, not no_browser, found)
    except StoreError as error:
        stop(str(error), 1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            stop(f"port {port} of {host} is in use: choose another one with --port (0 is any free one)", 1)
        stop(f"it cannot listen at {host}, port {port}: {error.strerror or error}", 1)


def serve(
    path: str, store: Store, access: Access, host: str, port: int, browser: bool, found: settings.Settings
) -> None:
    """Serve until a signal comes; OSError when the address cannot be had, StoreError when the store cannot."""
    # Only now: a mistyped option is told at once.
    from autotrace.local.application import Viewer
    from autotrace.local.ingestion import Ingestion
    from autotrace.local.server import Server, listen

    sockets = listen(host, port)
    ingestion = Ingestion(store)
    file = ingestion.prepare()
    server = Server(Viewer(path, ingestion, access), sockets)
    received: list[int] = []

    def end(number: int, frame: Any) -> None:
        if received:
            # Whoever asks twice does not want to wait.
            os._exit(128 + number)
        received.append(number)
        server.stop()

    for number in SIGNALS:
        # What nohup had ignored stays ignored.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)
    shown = f"[{host}]" if ":" in host else host
    url = f"http://{shown}:{server.port}/"
    click.echo(f"autotrace: {url} shows {file}; Ctrl-C ends it")
    click.echo(f"any Application Insights SDK sends here with InstrumentationKey={KEY};IngestionEndpoint={url}")
    sys.stdout.flush()
    if access.is_open:
        click.echo("autotrace: warning: everybody who reaches this address can read and write telemetry", err=True)
    threading.Thread(target=collect, args=(found,), daemon=True).start()
    if browser:
        threading.Thread(target=open_browser, args=(url,), daemon=True).start()
    server.run()
    ingestion.close()
    sys.exit(128 + received[0])


def collect(found: settings.Settings) -> None:
    """Bring into the store, again and again, what processes that are gone have left in the spool; never raises."""
    try:
        bring = import_module("autotrace.exporters.local").collect
    except (ImportError, AttributeError):
        return
    while True:
        try:
            bring(found)
        except Exception as error:
            guard.failed("collecting what is left in the spool", error)
        time.sleep(COLLECT_INTERVAL)


def open_browser(url: str) -> None:
    """Open the browser where there is one with windows: another one would take the terminal."""
    import webbrowser

    with suppress(webbrowser.Error, OSError):
        browser = webbrowser.get()
        if "BROWSER" in os.environ or type(browser) is not webbrowser.GenericBrowser:
            browser.open(url)


def stop(text: str, status: int) -> NoReturn:
    """Say `text` and exit with `status`."""
    click.echo(f"autotrace: {text}", err=True)
    sys.exit(status)
