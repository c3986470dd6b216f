"""A process that forks while it answers requests: `python busy_forks.py COUNT` prints how many were answered.

A thread answers about a thousand a second. Each of COUNT children answers one and leaves, by `os._exit` or as
programs do.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from flask import Flask

app = Flask("shop")
app.add_url_rule("/<who>/<int:number>", "page", lambda who, number: f"{who} {number}")
AT_ONCE = 16
# Seconds after which a child that waits for a lock which nobody will release is ended.
PATIENCE = 30


def main(count: int) -> None:
    """Fork `count` children, a few at a time, and see that each ends well."""
    over = threading.Event()
    answered = [0]

    def serve() -> None:
        while not over.is_set():
            answer(f"/parent/{answered[0]}")
            answered[0] += 1
            time.sleep(0.001)

    # What the first request imports, no child may find half imported.
    answer("/first/0")
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        children: list[int] = []
        for number in range(count):
            children.append(fork(number))
            if len(children) == AT_ONCE:
                see_end(children.pop(0))
        for child in children:
            see_end(child)
    finally:
        over.set()
        thread.join()
    sys.stdout.write(f"{1 + answered[0] + count}\n")


def answer(path: str) -> None:
    assert app.test_client().get(path).status_code == 200


def fork(number: int) -> int:
    """Fork a child that answers one request and leaves."""
    child = os.fork()
    if child:
        return child
    signal.alarm(PATIENCE)
    answer(f"/child/{number}")
    if number % 2:
        os._exit(0)
    sys.exit()


def see_end(child: int) -> None:
    """Wait for a child and complain when it did not leave by itself."""
    status = os.waitpid(child, 0)[1]
    assert status == 0, f"a child ended with {status}"


main(int(sys.argv[1]))
