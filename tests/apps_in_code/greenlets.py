"""A request whose work is done in greenlets: `python greenlets.py gevent`, or `eventlet`, answers it.

Each of its queries is of a table that tells where it was made; those of `outside_...` are made outside of the request.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from typing import Any, Callable

KIND = sys.argv[1]
with warnings.catch_warnings():
    # eventlet says that nobody should use it any more.
    warnings.simplefilter("ignore")
    if KIND == "gevent":
        importlib.import_module("gevent.monkey").patch_all()
    else:
        importlib.import_module("eventlet").monkey_patch()

import sqlite3  # noqa: E402
import threading  # noqa: E402
from concurrent.futures import ThreadPoolExecutor  # noqa: E402
from contextvars import ContextVar, copy_context  # noqa: E402

from flask import Flask  # noqa: E402

app = Flask("shop")
executor = ThreadPoolExecutor(1)
answered = threading.Event()
late: list[Any] = []
own: ContextVar[str] = ContextVar("own", default="nothing")


def query(table: str) -> None:
    """Make a call that is told as `SELECT table`."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"SELECT * FROM (SELECT 1) AS t -- {table}")
    connection.execute(f"CREATE TABLE {table} (x)")
    connection.close()


def query_late(table: str) -> None:
    answered.wait(10)
    query(table)


def with_gevent() -> None:
    import gevent
    from gevent.pool import Group, Pool

    class Own(gevent.Greenlet):
        def _run(self) -> None:
            query("subclass")

    def nested() -> None:
        gevent.spawn(query, "nested").join()

    pool = Pool(2)
    started = [
        gevent.spawn(query, "spawned"),
        gevent.spawn_later(0.01, query, "spawned_later"),
        gevent.spawn(nested),
        Group().spawn(query, "grouped"),
    ]
    subclass = Own()
    subclass.start()
    chosen = gevent.Greenlet(lambda: query(own.get()))
    own.set("chosen")
    chosen.gr_context = copy_context()
    own.set("other")
    chosen.start()
    pool.map(query, ("mapped",))
    list(pool.imap_unordered(query, ("unordered",)))
    gevent.joinall([*started, subclass, chosen])
    late.append(gevent.spawn(query_late, "late").join)


def with_eventlet() -> None:
    import eventlet

    def nested() -> None:
        eventlet.spawn(query, "nested").wait()

    pool = eventlet.GreenPool(2)
    done = eventlet.event.Event()
    for thread in (
        eventlet.spawn(query, "spawned"),
        eventlet.spawn_after(0.01, query, "spawned_later"),
        eventlet.spawn(nested),
        pool.spawn(query, "pooled"),
    ):
        thread.wait()
    pool.spawn_n(query, "pooled_n")
    pool.waitall()
    list(pool.imap(query, ("mapped",)))
    eventlet.spawn_n(lambda: (query("spawned_n"), done.send()))
    done.wait()
    late.append(eventlet.spawn(query_late, "late").wait)


@app.route("/")
def page() -> str:
    globals()[f"with_{KIND}"]()
    thread = threading.Thread(target=query, args=("thread",))
    thread.start()
    thread.join()
    # It starts its thread here, which serves others afterwards.
    executor.submit(query, "submitted").result()
    return "ok"


def main(answer: Callable[..., Any]) -> None:
    """Answer a request, and work on behind it."""
    query("outside_before")
    text = answer(app, "/", {})
    query("outside_after")
    executor.submit(query, "outside_submitted").result()
    answered.set()
    late.pop()()
    sys.stdout.write(f"{text}\n")


main(importlib.import_module("ask").ask)
