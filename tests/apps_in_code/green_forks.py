"""A process of greenlets that answers requests and forks: `python green_forks.py COUNT` prints how many it answered."""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402

from flask import Flask  # noqa: E402

app = Flask("shop")
app.add_url_rule("/<who>/<int:number>", "page", lambda who, number: f"{who} {number}")


def main(count: int) -> None:
    """Answer a request and fork a child that answers one, COUNT times, in all states of the sender."""
    for number in range(count):
        assert app.test_client().get(f"/parent/{number}").status_code == 200
        time.sleep(number % 5 * 0.02)
        child = os.fork()
        if not child:
            assert app.test_client().get(f"/child/{number}").status_code == 200
            if number % 2:
                os._exit(0)
            # Long enough for the parent's greenlet to go on here, if it did.
            time.sleep(0.1)
            sys.exit()
        assert os.waitpid(child, 0)[1] == 0
    sys.stdout.write(f"{2 * count}\n")


main(int(sys.argv[1]))
