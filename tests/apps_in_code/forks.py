"""Requests answered by forked processes: `python forks.py` prints how many there were.

The parent answers some, forks children that answer some and end in different ways, and answers more.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from flask import Flask

app = Flask("shop")
app.add_url_rule("/<who>/<int:number>", "page", lambda who, number: f"{who} {number}")
client = app.test_client()


def answer(who: str, count: int) -> int:
    """Answer `count` requests in this process."""
    for number in range(count):
        assert client.get(f"/{who}/{number}").status_code == 200
    return count


def in_child(who: str, count: int, end: str) -> int:
    """Answer requests in a forked child that ends as told: by itself, at once, or killed."""
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        assert status == (signal.SIGKILL if end == "killed" else 0), f"{who} ended with {status}"
        return count
    # A child that waits for a lock which nobody will release ends too.
    signal.alarm(20)
    answer(who, count)
    if end == "grandchild":
        in_child(who + "-grandchild", 1, "exit")
    if end == "at once":
        os._exit(0)
    if end == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit()


def main() -> None:
    """Fork in all the ways there are, before the first request and behind it."""
    total = in_child("early", 5, "exit")
    total += answer("parent", 5)
    total += in_child("ending", 5, "exit")
    # Long enough for the parent's sender to be in the middle of a post when the next children are forked.
    time.sleep(1.2)
    total += sum(in_child(f"at-once-{number}", 1, "at once") for number in range(40))
    total += in_child("killed", 5, "killed")
    total += in_child("grand", 5, "grandchild") + 1
    total += answer("later", 5)
    sys.stdout.write(f"{total}\n")


main()
