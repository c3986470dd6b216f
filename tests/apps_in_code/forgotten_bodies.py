"""Bodies that nobody closes, collected at every point of another request; how many is printed."""

from __future__ import annotations

import faulthandler
import gc
import sys
from typing import Any, Iterator

import odd
from flask import Flask, Response

# More than there are points in the first request of a process.
BODIES = 1000
app = Flask("forgotten")


@app.route("/stream/<number>")
def stream(number: str) -> Response:
    def generate() -> Iterator[bytes]:
        yield b"1"
        yield b"2"

    return Response(generate())


@app.route("/plain/<number>")
def plain(number: str) -> str:
    return "ok"


class Cycle:
    """Keeps a body in a cycle of references, which only the garbage collector ends."""

    def __init__(self, body: Any) -> None:
        self.body = body
        self.itself = self


def main() -> None:
    # A request that waits for itself is told apart from a slow one.
    faulthandler.dump_traceback_later(30, exit=True)
    bodies = [begin(number) for number in range(BODIES)]
    gc.disable()
    # What there is until here need not be looked at again, so that a collection takes no time.
    gc.freeze()
    forgotten = 0

    def forget(frame: Any, event: str, argument: Any) -> None:
        nonlocal forgotten
        ours = str(frame.f_globals.get("__name__", "")).startswith("autotrace")
        if bodies and ours and event in ("call", "c_call"):
            forgotten += 1
            Cycle(bodies.pop(0))
            gc.collect()

    # The very first items of the process: all that is made for them is made now.
    for number in range(4):
        sys.setprofile(forget)
        odd.ask(app, f"/plain/{number}")
        sys.setprofile(None)
    odd.ask(app, "/plain/last")
    sys.stdout.write(str(forgotten))


def begin(number: int) -> Any:
    """Have a streamed answer begun; return the body as the server holds it."""
    body = app(odd.environ(f"/stream/{number}"), lambda *args: None)
    next(iter(body))
    return body


if __name__ == "__main__":
    main()
