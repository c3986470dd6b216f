"""A program that answers requests and ends itself: `python ends.py HOW COUNT`."""

from __future__ import annotations

import os
import sys
import threading
import time

from flask import Flask

app = Flask("shop")
app.add_url_rule("/<int:number>", "page", lambda number: str(number))


def answer_all(count: int) -> None:
    """Answer COUNT requests."""
    for number in range(count):
        trace = f"00-{number + 1:032x}-{number + 1:016x}-01"
        assert app.test_client().get(f"/{number}", headers={"traceparent": trace}).status_code == 200


def main(how: str, count: int) -> None:
    """Answer the requests and end."""
    if how == "an exit callback answers":
        import atexit

        atexit.register(answer_all, count)
    elif how == "exit in a thread":
        thread = threading.Thread(target=lambda: (answer_all(count), sys.exit(3)))
        thread.start()
        thread.join()
    elif how == "an exception beside a thread":
        threading.Thread(target=lambda: (time.sleep(0.3), answer_all(count))).start()
        raise RuntimeError("the program broke")
    else:
        answer_all(count)
        if how == "sys.exit":
            sys.exit(5)
        if how == "os._exit":
            os._exit(6)
        if how == "abort":
            os.abort()


main(sys.argv[1], int(sys.argv[2]))
