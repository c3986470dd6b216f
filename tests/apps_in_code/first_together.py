"""Threads that make the first request of their process together: `python first_together.py` runs several processes."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import odd
from flask import Flask

THREADS, PROCESSES = 16, 4
app = Flask("together")
app.add_url_rule("/<number>", "view", lambda number: "ok")


class Counted:
    """An exporter that says when it is made, and what it gets."""

    def __init__(self) -> None:
        self.write("made")

    def export(self, span_datas: list[Any]) -> None:
        for data in span_datas:
            self.write(data.attributes["http.path"])

    def write(self, word: str) -> None:
        with open(os.environ["PROBE_FILE"], "a") as file:
            file.write(f"{os.getpid()} {word}\n")


def together() -> None:
    barrier = threading.Barrier(THREADS)

    def ask(number: int) -> None:
        barrier.wait()
        odd.ask(app, f"/{number}")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    sys.setswitchinterval(1e-5)
    for _ in range(PROCESSES):
        child = os.fork()
        if child == 0:
            together()
            sys.exit()
        if os.waitpid(child, 0)[1]:
            sys.exit("a child failed")
