"""The Flask sample as a program that serves itself: `python script.py SERVER PORT`."""

from __future__ import annotations

import sys
from wsgiref.simple_server import make_server

import waitress
from flask_app import app


def main(server: str, port: int) -> None:
    """Serve until a signal ends the program."""
    if server == "app.run":
        app.run("127.0.0.1", port)
    elif server == "waitress.serve":
        waitress.serve(app, host="127.0.0.1", port=port)
    elif server == "wsgiref":
        make_server("127.0.0.1", port, app).serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
