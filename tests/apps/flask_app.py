"""The Flask sample: `gunicorn flask_app:app` runs it; `mounted` has the routes once more under /mounted."""

from __future__ import annotations

import time

import bodies
from flask import Flask, Response, abort, redirect, request, send_file
from werkzeug.middleware.dispatcher import DispatcherMiddleware


def create_app() -> Flask:
    """Build one application with every route of the test bed."""
    flask = Flask(__name__, static_folder=bodies.STATIC)
    add_pages(flask)
    add_bodies(flask)
    add_errors(flask)
    return flask


def add_pages(flask: Flask) -> None:
    """Add the routes that answer with a small page."""
    for path in ("/health", "/admin", "/administrators"):
        flask.add_url_rule(path, path.strip("/"), lambda: request.path)
    flask.add_url_rule("/span", "span", bodies.child_span)
    flask.add_url_rule("/attribute", "attribute", bodies.attribute)

    @flask.route("/")
    def index() -> str:
        return "hello"

    @flask.route("/users/<int:id>")
    def user(id: int) -> str:
        return f"user {id}"

    @flask.route("/redirect")
    def leave() -> Response:
        return redirect("/users/1")

    @flask.route("/slow")
    def slow() -> str:
        time.sleep(float(request.args.get("s", "0.2")))
        return "slow"


def add_bodies(flask: Flask) -> None:
    """Add the routes whose bodies are streams, files or the request's own."""

    @flask.route("/stream")
    def stream() -> Response:
        args = request.args
        return Response(bodies.stream(int(args.get("chunks", "3")), float(args.get("pause", "0.02"))))

    @flask.route("/stream-gate")
    def stream_gate() -> Response:
        return Response(bodies.gated_stream())

    @flask.route("/stream-boom")
    def stream_boom() -> Response:
        return Response(bodies.broken_stream())

    @flask.route("/file")
    def file() -> Response:
        return send_file(bodies.FILE)

    @flask.route("/echo", methods=["POST"])
    def echo() -> Response:
        return Response(request.get_data(), content_type="application/octet-stream")


def add_errors(flask: Flask) -> None:
    """Add the routes that fail, each in its own way."""

    @flask.before_request
    def gate() -> None:
        if request.path == "/middleware-boom":
            raise RuntimeError("the gate broke")

    @flask.route("/middleware-boom")
    def middleware_boom() -> str:
        return "never"

    @flask.route("/boom")
    def boom() -> str:
        raise ValueError("boom in the view")

    @flask.route("/odd")
    def odd() -> str:
        raise bodies.Odd("odd in the view")

    @flask.route("/forbidden")
    def forbidden() -> str:
        abort(403)

    @flask.route("/handled")
    def handled() -> str:
        raise bodies.HandledError("handled by a page")

    @flask.errorhandler(bodies.HandledError)
    def sorry(error: bodies.HandledError) -> Response:
        return f"sorry: {error}", 500


app = create_app()
mounted = create_app()
mounted.wsgi_app = DispatcherMiddleware(mounted.wsgi_app, {"/mounted": create_app()})
