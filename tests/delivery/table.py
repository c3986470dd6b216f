"""The servers of the delivery suite: how each is started, and how it is ended in an ordinary way."""

from __future__ import annotations

import pathlib
import signal
import sys
from typing import Mapping, NamedTuple, Sequence

from tests.harness import APPS, gunicorn, script, waitress, wsgiref

# gunicorn's last release with an eventlet worker, which `make delivery` puts beside the environment's own.
OLD_GUNICORN = pathlib.Path(sys.prefix) / "gunicorn-with-eventlet"
DJANGO_ASGI = "django_app:asgi_application"


# Has a gunicorn say when a worker is ready; see gunicorn.conf.py.
READY = {"APP_READY": "1"}


class Case(NamedTuple):
    """A server: its command, what has to be installed for it, and the signal that ends it.

    `leaves` tells that it may end without an exit callback: what it did not send by then is in the spool. `group`
    sends the signal to the whole process group, as a terminal does for Ctrl-C. `keep` means that it keeps
    connections. `ready` stands in the server's error output once for each worker that is ready, `workers` times.
    """

    command: Sequence[str]
    needs: Sequence[pathlib.Path] = ()
    end: int = signal.SIGTERM
    leaves: bool = False
    group: bool = False
    env: Mapping[str, str] = {}
    keep: bool = True
    ready: str = ""
    workers: int = 1


def console_script(name: str, *words: str, leaves: bool = False) -> Case:
    """A server that is a console script of this environment."""
    return Case([script(name), *words], [pathlib.Path(script(name))], leaves=leaves)


def gunicorn_with(app: str, *options: str, end: int = signal.SIGTERM) -> Case:
    """A gunicorn of two workers, with options of the row's own."""
    return Case([*gunicorn(app, workers=2), *options], end=end, env=READY, ready="worker ready", workers=2)


def eventlet() -> Case:
    """A gunicorn with eventlet workers."""
    command = [sys.executable, "-m", "gunicorn", *gunicorn("flask_app:app", workers=2)[1:], "--worker-class=eventlet"]
    env = {**READY, "PYTHONPATH": str(OLD_GUNICORN)}
    return Case(command, [OLD_GUNICORN], env=env, ready="worker ready", workers=2)


def uwsgi(*options: str, end: int = signal.SIGINT) -> Case:
    """A uWSGI with a master. A worker that it ends in the middle of anything runs no exit callback."""
    words = ["--master", "--http-socket=127.0.0.1:{port}", "--module=flask_app:app", *options]
    # One that is still importing the application would end with an error.
    workers = 2 if {"--lazy-apps", "--processes=2"} <= {*options} else 1
    case = console_script("uwsgi", *words, leaves=True)
    return case._replace(end=end, keep=False, ready="WSGI app 0", workers=workers)


def uvicorn(*options: str) -> Case:
    words = ["--host=127.0.0.1", "--port={port}", "--timeout-keep-alive=20", "--http=h11", *options, DJANGO_ASGI]
    return console_script("uvicorn", *words)


def hypercorn(*options: str) -> Case:
    return console_script("hypercorn", "--bind=127.0.0.1:{port}", "--worker-class=asyncio", *options, DJANGO_ASGI)


def interrupted(case: Case) -> Case:
    """The same server, ended by Ctrl-C."""
    return case._replace(end=signal.SIGINT, leaves=False, group=True)


# Without a reloader these die of SIGTERM by its default action; with one, they kill what serves.
WAITRESS = Case(waitress("pyramid_app:app"), leaves=True)
FLASK_RUN = console_script("flask", "--app=flask_app", "run", "--port={port}", leaves=True)
FLASK_DEBUG = console_script("flask", "--app=flask_app", "--debug", "run", "--port={port}", leaves=True)
RUNSERVER = Case([sys.executable, "manage.py", "runserver", "{port}"], leaves=True)
# pserve does not look for modules in the current directory.
PYRAMID = {"PYTHONPATH": str(APPS)}
PSERVE = console_script("pserve", "pserve.ini", "port={port}", leaves=True)._replace(env=PYRAMID)
PSERVE_RELOAD = console_script("pserve", "--reload", "pserve.ini", "port={port}", leaves=True)._replace(env=PYRAMID)
SCRIPTS = {
    server: Case([sys.executable, "script.py", server, "{port}"], leaves=True)
    for server in ("app.run", "waitress.serve", "wsgiref")
}

CASES: dict[str, Case] = {
    "gunicorn sync": gunicorn_with("flask_app:app"),
    "gunicorn sync, SIGINT": gunicorn_with("flask_app:app", end=signal.SIGINT),
    "gunicorn sync, SIGQUIT": gunicorn_with("flask_app:app", end=signal.SIGQUIT),
    "gunicorn gthread": gunicorn_with("django_app:application", "--threads=4"),
    "gunicorn gevent": gunicorn_with("flask_app:app", "--worker-class=gevent"),
    "gunicorn eventlet": eventlet(),
    "gunicorn preload": gunicorn_with("pyramid_app:app", "--preload"),
    "gunicorn max-requests": gunicorn_with("flask_app:app", "--max-requests=20"),
    "gunicorn max-requests preload": gunicorn_with("flask_app:app", "--max-requests=20", "--preload"),
    "waitress": WAITRESS,
    "waitress, Ctrl-C": interrupted(WAITRESS),
    "uvicorn": uvicorn(),
    "uvicorn, Ctrl-C": interrupted(uvicorn()),
    "uvicorn 2 workers": uvicorn("--workers=2"),
    "hypercorn": hypercorn(),
    "hypercorn, Ctrl-C": interrupted(hypercorn()),
    # When its first worker has ended it sends the others another SIGTERM, which ends one that is past its handlers.
    "hypercorn 2 workers": hypercorn("--workers=2")._replace(leaves=True),
    "daphne": console_script("daphne", "--bind=127.0.0.1", "--port={port}", DJANGO_ASGI),
    "flask run": FLASK_RUN,
    "flask run, Ctrl-C": interrupted(FLASK_RUN),
    "flask run --debug": FLASK_DEBUG,
    "flask run --debug, Ctrl-C": interrupted(FLASK_DEBUG),
    "runserver": RUNSERVER,
    "runserver, Ctrl-C": interrupted(RUNSERVER),
    "pserve": PSERVE,
    "pserve, Ctrl-C": interrupted(PSERVE),
    "pserve --reload": PSERVE_RELOAD,
    "pserve --reload, Ctrl-C": interrupted(PSERVE_RELOAD),
    "a script that ends itself": Case(wsgiref("flask_app:app")),
    **{name: ended
       for server in ("app.run", "waitress.serve", "wsgiref")
       for name, ended in ((f"{server} in a script", SCRIPTS[server]),
                           (f"{server} in a script, Ctrl-C", interrupted(SCRIPTS[server])))},
    **{f"uwsgi{mode}{more}": uwsgi(*mode.split(), *more.split(), end=end)
       for mode in ("", " --enable-threads", " --lazy-apps", " --skip-atexit")
       for more, end in (("", signal.SIGINT), (" --processes=2", signal.SIGINT), (" --die-on-term", signal.SIGTERM))},
}  # fmt: skip
