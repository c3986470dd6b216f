"""Outgoing calls are exported with the end of their request: each once, whatever runs beside it, and not much later."""

from __future__ import annotations

import pathlib
import threading
import time
from typing import Any

from autotrace.calls import begin
from autotrace.recorder import Recorder
from tests.endpoint import Endpoint
from tests.harness import environment, run_code
from tests.recordings import Kept, Shop, visit


def call(number: int) -> None:
    """Make a call that ends at once."""
    made = begin("Http", "stock", 80)
    assert made is not None
    made.name = f"GET /{number}"
    made.finish()


def names(kept: Kept) -> list[str]:
    """Return the names of the calls that were exported since the last time."""
    return [
        item["data"]["baseData"]["name"] for item in kept.items() if item["data"]["baseType"] == "RemoteDependencyData"
    ]


def test_they_come_in_their_order_in_front_of_the_request() -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))
    shop.view = lambda: [call(number) for number in range(100)]
    visit(shop)
    items = kept.items()
    assert [item["data"]["baseData"]["name"] for item in items[:-1]] == [f"GET /{number}" for number in range(100)]
    assert items[-1]["data"]["baseType"] == "RequestData"


def test_a_request_that_goes_on_does_not_keep_them() -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))
    early: list[list[str]] = []

    def view() -> None:
        call(1)
        time.sleep(1.1)
        call(2)
        early.append(names(kept))
        for number in range(3, 36):
            call(number)
        early.append(names(kept))

    shop.view = view
    visit(shop)
    assert early[0] == ["GET /1", "GET /2"]
    assert early[1] == [f"GET /{number}" for number in range(3, 35)]
    assert names(kept) == ["GET /35"]


def test_none_is_lost_to_a_thread_that_ends_beside_the_request() -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))
    for turn in range(200):
        threads: list[threading.Thread] = []

        def view(turn: int = turn, threads: list[threading.Thread] = threads) -> None:
            from contextvars import copy_context

            for number in range(4):
                thread = threading.Thread(target=copy_context().run, args=(call, turn * 10 + number))
                threads.append(thread)
                thread.start()

        shop.view = view
        visit(shop)
        for thread in threads:
            thread.join()
    assert sorted(names(kept)) == sorted(f"GET /{turn * 10 + number}" for turn in range(200) for number in range(4))


FORK = """
import os, urllib.request
from flask import Flask
app = Flask("shop")
@app.route("/")
def view():
    call("before")
    child = os.fork()
    if child == 0:
        call("in the child")
        import autotrace.processes
        autotrace.processes.flush_all()
        os._exit(0)
    os.waitpid(child, 0)
    call("behind")
    return ""
def call(name):
    try:
        urllib.request.urlopen("http://127.0.0.1:9/" + name.replace(" ", "-"))
    except OSError:
        pass
app.test_client().get("/")
"""


def test_a_fork_in_the_middle_of_a_request_repeats_none(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    done = run_code(FORK, environment(tmp_path, endpoint))
    assert (done.code, done.stderr) == (0, "")
    found: list[Any] = [
        item["data"]["baseData"]["name"]
        for item in endpoint.items
        if item["data"]["baseType"] == "RemoteDependencyData"
    ]
    assert sorted(found) == ["GET /before", "GET /behind", "GET /in-the-child"]
