"""A process with one thread that answers requests and forks: `python quiet_forks.py COUNT` prints how many it did.

With a word more, it has a second thread from the middle on.
"""

from __future__ import annotations

import os
import sys
import threading

from flask import Flask

app = Flask("shop")
app.add_url_rule("/<who>/<int:number>", "page", lambda who, number: f"{who} {number}")


def answer(path: str) -> None:
    assert app.test_client().get(path).status_code == 200


def main(count: int) -> None:
    """Answer a request and fork a child that answers one, COUNT times."""
    for number in range(count):
        if number == count // 2 and sys.argv[2:]:
            threading.Thread(target=threading.Event().wait, daemon=True).start()
        answer(f"/parent/{number}")
        child = os.fork()
        if not child:
            answer(f"/child/{number}")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    sys.stdout.write(f"{2 * count}\n")


main(int(sys.argv[1]))
