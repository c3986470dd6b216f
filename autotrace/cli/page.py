"""Serving the pages of a store until a signal ends it, for the commands that do."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Any, Callable

from autotrace import guard
from autotrace.exporters import local
from autotrace.interruption import handled
from autotrace.local.access import Access
from autotrace.settings import Settings

# Seconds between looks at what processes that are gone have left, and that the end waits for the last one.
COLLECT_INTERVAL, GRACE = 5.0, 1.0


def serve(found: Settings, host: str, port: int, browser: bool, say: Callable[[str, str], object]) -> int:
    """Serve the store of the settings until a signal comes, and return its number.

    `say` gets the URL and the path of the file that is shown, once the pages can be had. OSError when the address
    cannot be had, StoreError when the store cannot.
    """
    # Only now: a mistyped option is told at once.
    from autotrace.local.application import Viewer
    from autotrace.local.ingestion import Ingestion
    from autotrace.local.server import Server, listen

    access = Access(host)
    store = local.store_of(found)
    sockets = listen(host, port)
    ingestion = Ingestion(store)
    file = ingestion.prepare()
    server = Server(Viewer(store.path, ingestion, access), sockets)
    ended = threading.Event()
    collector = threading.Thread(target=collect, args=(found, ended), daemon=True)
    received: list[int] = []

    def end(number: int, frame: Any) -> None:
        received.append(number)
        server.stop()

    with handled(end):
        url = f"http://{f'[{host}]' if ':' in host else host}:{server.port}/"
        say(url, file)
        sys.stdout.flush()
        if access.is_open:
            guard.warn("open", "warning: everybody who reaches this address can read and write telemetry")
        collector.start()
        if browser:
            threading.Thread(target=open_browser, args=(url,), daemon=True).start()
        server.run()
        ended.set()
        ingestion.close()
        # The store may be deleted now: nothing of it must come back.
        collector.join(GRACE)
    return received[0]


def collect(found: Settings, ended: threading.Event) -> None:
    """Bring into the store what processes that are gone have left in the spool, again and again; never raises."""
    while not ended.is_set():
        try:
            local.collect(found)
        except Exception as error:
            guard.failed("collecting what is left in the spool", error)
        ended.wait(COLLECT_INTERVAL)


def open_browser(url: str) -> None:
    """Open the browser where there is one with windows: another one would take the terminal."""
    import webbrowser

    with suppress(webbrowser.Error, OSError):
        browser = webbrowser.get()
        if "BROWSER" in os.environ or type(browser) is not webbrowser.GenericBrowser:
            browser.open(url)
