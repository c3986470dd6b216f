"""Applications that do what few do: each case was wrong once."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
from typing import Any

import pytest

from tests.endpoint import Endpoint
from tests.harness import APPS, Completed, environment, run_code, script

CALL = """
import contextvars, io, os, sys
from flask import Flask, Response, current_app, request

def ask(app, path="/", start=lambda status, headers, exc_info=None: None, **more):
    environ = {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "HTTP_HOST": "shop.test",
        "SERVER_NAME": "server.test", "SERVER_PORT": "80", "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr, **more,
    }
    return app(environ, start)

app = Flask("shop")
"""


def run(code: str, folder: pathlib.Path, endpoint: Endpoint | None = None, **env: str) -> Completed:
    """Run code behind CALL under `autotrace run`; without an endpoint its requests are printed on stderr."""
    done = run_code(CALL + code, {**environment(folder, endpoint), **env})
    assert done.code == 0, done.stderr
    return done


def test_a_call_that_is_another_application_s(tmp_path: pathlib.Path) -> None:
    code = """
other = Flask("other")
other.add_url_rule("/hi", view_func=lambda: "hi from the other")
app.wsgi_app = other.wsgi_app
print(b"".join(ask(app, "/hi")).decode())
"""
    assert run(code, tmp_path).stdout == "hi from the other\n"


def test_what_is_outside_of_a_request_stays_while_its_body_is_read(tmp_path: pathlib.Path) -> None:
    code = """
from opencensus.trace import execution_context
from opencensus.trace.samplers import AlwaysOnSampler
from opencensus.trace.tracer import Tracer

@app.route("/")
def view():
    execution_context.set_opencensus_attr("inside", 1)
    return Response(str(n) for n in range(3))

body = ask(app)
outside = Tracer(sampler=AlwaysOnSampler())
with outside.span("whole body") as span:
    for chunk in body:
        print(execution_context.get_opencensus_tracer() is outside, execution_context.get_current_span() is span)
body.close()
"""
    # Then comes the span itself, as its tracer prints it.
    assert run(code, tmp_path).stdout.splitlines()[:3] == ["True True"] * 3


def test_start_response_by_the_names_of_its_parameters(tmp_path: pathlib.Path) -> None:
    code = """
def start(status, response_headers, exc_info=None):
    print(status, response_headers)

class Odd(Flask):
    def wsgi_app(self, environ, start_response):
        start_response("200 OK", response_headers=[])
        return [b"ok"]

ask(Odd("odd"), start=start)
"""
    done = run(code, tmp_path)
    assert done.stdout == "200 OK []\n"
    assert "  200  " in done.stderr


def test_a_context_that_was_copied_within_a_request_of_its_own(tmp_path: pathlib.Path) -> None:
    code = """
kept = []

@app.route("/")
def view():
    return app.test_client().get("/inner").data

@app.route("/inner")
def inner():
    kept.append(contextvars.copy_context())
    return "inner"

app.add_url_rule("/later", view_func=lambda: "later")
list(ask(app))
kept[0].run(lambda: list(ask(app, "/later")))
"""
    said = run(code, tmp_path).stderr
    assert "GET /later" in said
    assert "GET /inner" not in said


def test_a_request_object_of_the_application_s_own_making(tmp_path: pathlib.Path) -> None:
    code = """
@app.route("/made/<name>")
def view(name):
    current_app.request_class(request.environ)
    return name

list(ask(app, "/made/1"))
"""
    assert "GET /made/<name>" in run(code, tmp_path).stderr


def test_the_log_of_a_response_that_cannot_be_made_is_the_application_s_own(tmp_path: pathlib.Path) -> None:
    code = """
app.add_url_rule("/none", "none", lambda: None)

@app.after_request
def fail(response):
    raise ValueError("after the request")

app.add_url_rule("/after", "after", lambda: "after")
for path in ("/none", "/after"):
    list(ask(app, path))
"""
    said = run(code, tmp_path).stderr
    assert "Traceback" in said
    assert "frameworks" not in said
    assert "GET /none  500" in said
    assert "GET /after  500" in said


def test_without_a_host_the_server_s_own_name_counts_each_time(tmp_path: pathlib.Path) -> None:
    code = """
for port in ("8000", "8001"):
    list(ask(app, HTTP_HOST="", SERVER_PORT=port))
"""
    said = run(code, tmp_path).stderr
    assert "http://server.test:8000/" in said
    assert "http://server.test:8001/" in said


@pytest.mark.parametrize("entry", ["%2F", "%20"])
def test_an_empty_path_and_an_entry_of_blanks(entry: str, tmp_path: pathlib.Path) -> None:
    env = {"AUTOTRACE_BLACKLIST_PATHS": entry}
    assert "GET" not in run('list(ask(app, ""))', tmp_path, **env).stderr


FORGOTTEN = """
app.add_url_rule("/", "stream", lambda: Response(str(n) for n in range(3)))
app.add_url_rule("/more", "more", lambda: "more")
list(ask(app, "/more"))
body = ask(app)
next(iter(body))
# A server that forgets close().
del body
"""


@pytest.mark.parametrize(("rest", "count"), [("", 2), ('os.fork(); list(ask(app, "/more"))', 4)])
def test_a_body_that_nobody_closes_is_one_item(
    rest: str, count: int, tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    run(FORGOTTEN + rest, tmp_path, endpoint)
    assert endpoint.wait_for(count)
    assert len(endpoint.items) == len(endpoint.counts()) == count


def test_sigterm_in_the_middle_of_a_write(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    code = """
import signal
app.add_url_rule("/", view_func=lambda: "hello")
list(ask(app))
write = os.pwrite

def interrupted(*args):
    os.pwrite = write
    written = write(*args)
    os.kill(os.getpid(), signal.SIGTERM)
    return written

os.pwrite = interrupted
list(ask(app))
"""
    env: dict[str, Any] = {**environment(tmp_path, endpoint), "AUTOTRACE_FLUSH_ON_SIGTERM": "1"}
    words = [script("autotrace"), "run", sys.executable, "-c", CALL + code]
    assert subprocess.run(words, cwd=APPS, env=env, timeout=20, check=False).returncode == -signal.SIGTERM
    done = subprocess.run([script("autotrace"), "flush"], env=env, timeout=60, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(endpoint.items) == len(endpoint.counts()) == 2


@pytest.mark.parametrize("setting", ["AUTOTRACE_SAMPLER=0.0000001", "AUTOTRACE_BLACKLIST_PATHS=/"])
def test_a_body_of_a_request_that_is_not_recorded_is_still_in_it(setting: str, tmp_path: pathlib.Path) -> None:
    code = """
from opencensus.trace import execution_context

def chunks(name):
    yield str(execution_context.get_opencensus_attr("who")) + " "
    execution_context.set_opencensus_attr("who", name)
    yield str(execution_context.get_opencensus_attr("who")) + " "
    # Sent in this process, as test clients do: a part of this request.
    yield b"".join(ask(app, "/inner")).decode() + "\\n"

app.add_url_rule("/", "outer", lambda: Response(chunks(request.args["name"])))
app.add_url_rule("/inner", "inner", lambda: "inner")

for name in "ab":
    body = ask(app, QUERY_STRING="name=" + name)
    print(b"".join(body).decode(), end="")
    body.close()
print(execution_context.get_opencensus_attr("who"))
"""
    name, _, value = setting.partition("=")
    done = run(code, tmp_path, **{name: value})
    assert done.stdout == "None a inner\nNone b inner\nNone\n"
    assert "/inner" not in done.stderr


@pytest.mark.skipif(sys.version_info < (3, 11), reason="before Python 3.11 a function cannot hide its frame")
@pytest.mark.parametrize("setting", ["AUTOTRACE_SAMPLER=1", "AUTOTRACE_BLACKLIST_PATHS=/", "AUTOTRACE_SAMPLER=1e-9"])
def test_an_exception_that_escapes_shows_no_frame_of_ours(setting: str, tmp_path: pathlib.Path) -> None:
    code = """
import traceback
from werkzeug.middleware.dispatcher import DispatcherMiddleware

app.config["PROPAGATE_EXCEPTIONS"] = True

@app.route("/")
def view():
    raise ValueError("no")

@app.route("/outer")
def outer():
    return ask(app)

@app.route("/body")
def body():
    return Response(1 / 0 for _ in range(2))

def show(path, read=lambda body: body):
    try:
        read(ask(app, path))
    except Exception as error:
        print(type(error).__name__)
        files = {frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)}
        print([file for file in files if "/autotrace/" in file])

for path in ("/", "/outer"):
    show(path)
show("/body", list)
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/none": app})
show("/")
"""
    name, _, value = setting.partition("=")
    done = run(code, tmp_path, **{name: value})
    assert done.stdout.splitlines() == [
        "ValueError",
        "[]",
        "ValueError",
        "[]",
        "ZeroDivisionError",
        "[]",
        "ValueError",
        "[]",
    ]
