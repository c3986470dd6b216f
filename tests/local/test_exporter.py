"""Without a connection string: what was answered is in the store, once, and `autotrace run` says where."""

from __future__ import annotations

import os
import pathlib
import signal
import sqlite3
from contextlib import closing, suppress

import pytest

from tests import harness
from tests.harness import Completed, Request, gunicorn, load, run_code, serve, uvicorn, wait_until
from tests.shell import autotrace

STORE = pathlib.Path(".local/state/autotrace/telemetry.db")
ASK = "from flask_app import app; [app.test_client().get(f'/users/{n}') for n in range(%d)]"


# Nothing is chosen.
HERE = {"AUTOTRACE_EXPORTER": ""}


def environment(folder: pathlib.Path) -> dict[str, str]:
    """Return a clean environment in which nothing is chosen."""
    return harness.environment(folder, exporter="")


def paths(folder: pathlib.Path, store: pathlib.Path = STORE) -> list[str]:
    """Return the paths of the requests in the store of a home directory, in their order."""
    if not (folder / store).exists():
        return []
    found = []
    # A file that is being made has no tables yet.
    with closing(sqlite3.connect(folder / store, timeout=10)) as connection, suppress(sqlite3.OperationalError):
        found = connection.execute("SELECT url FROM requests").fetchall()
    return sorted((url.split("/", 3)[3] for (url,) in found), key=lambda path: (len(path), path))


def asked(count: int) -> list[Request]:
    """Spell a load whose requests can be told apart."""
    return [Request("GET", f"/users/{number}") for number in range(count)]


@pytest.mark.parametrize(
    "command",
    [
        gunicorn("flask_app:app", workers=3),
        [*gunicorn("flask_app:app", workers=2, threads=4), "--preload"],
        [*gunicorn("flask_app:app"), "--worker-class=gevent"],
        gunicorn("django_app:application"),
        uvicorn("django_app:asgi_application"),
        gunicorn("pyramid_app:app"),
    ],
    ids=["sync", "gthread preload", "gevent", "django", "uvicorn", "pyramid"],
)
def test_what_is_answered_is_in_the_store_once(command: list[str], tmp_path: pathlib.Path) -> None:
    with serve(command, tmp_path, None, HERE) as server:
        answers = load(server.port, asked(200))
        server.stop()
    assert {answer.status for answer in answers} == {200}
    assert paths(tmp_path) == [f"users/{number}" for number in range(200)]


def test_run_says_where_it_is_and_how_to_look_at_it(tmp_path: pathlib.Path) -> None:
    done = run_code(ASK % 3, environment(tmp_path))
    line = f"autotrace: telemetry is kept on this machine, in {tmp_path / STORE}: see it with autotrace view\n"
    assert done == Completed(0, "", line)
    assert len(paths(tmp_path)) == 3
    assert (tmp_path / STORE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / STORE).parent.stat().st_mode & 0o777 == 0o700


def test_the_file_can_be_chosen(tmp_path: pathlib.Path) -> None:
    done = run_code(ASK % 3, {**environment(tmp_path), "AUTOTRACE_LOCAL_STORE": str(tmp_path / "here.db")})
    assert str(tmp_path / "here.db") in done.stderr
    assert len(paths(tmp_path, pathlib.Path("here.db"))) == 3
    assert not (tmp_path / STORE).exists()


def test_beside_a_connection_string_it_can_be_chosen(tmp_path: pathlib.Path) -> None:
    key = "InstrumentationKey=00000000-1111-2222-3333-444444444444;IngestionEndpoint=http://127.0.0.1:9"
    env = {**environment(tmp_path), "APPLICATIONINSIGHTS_CONNECTION_STRING": key, "AUTOTRACE_EXPORTER": "local"}
    assert run_code(ASK % 3, env).code == 0
    assert len(paths(tmp_path)) == 3


def test_a_connection_string_that_cannot_be_used_leaves_it_here(tmp_path: pathlib.Path) -> None:
    done = run_code(ASK % 3, {**environment(tmp_path), "APPLICATIONINSIGHTS_CONNECTION_STRING": "nonsense"})
    assert done.stderr.count("\n") == 2
    assert "autotrace view" in done.stderr
    assert len(paths(tmp_path)) == 3


def test_the_items_of_a_request_hang_together(tmp_path: pathlib.Path) -> None:
    run_code("from flask_app import app; app.test_client().get('/boom').close()", environment(tmp_path))
    with closing(sqlite3.connect(tmp_path / STORE)) as connection:
        (request,) = connection.execute("SELECT operation_Id, id, resultCode, success FROM requests").fetchall()
        query = "SELECT operation_Id, operation_ParentId, type, message FROM exceptions"
        (exception,) = connection.execute(query).fetchall()
    assert request[2:] == ("500", 0)
    assert exception[:3] == (*request[:2], "ValueError")


def test_what_a_killed_process_left_is_brought_in_by_flush(tmp_path: pathlib.Path) -> None:
    code = ASK % 5 + "; import os; os.kill(os.getpid(), 9)"
    assert run_code(code, environment(tmp_path)).code == -signal.SIGKILL
    before = len(paths(tmp_path))
    done = autotrace(tmp_path, "flush")
    assert done == Completed(0, f"autotrace: {5 - before} items written to {tmp_path / STORE}, none left\n", "")
    assert paths(tmp_path) == [f"users/{number}" for number in range(5)]
    assert autotrace(tmp_path, "flush").stdout.startswith("autotrace: 0 items written to")


def test_what_a_killed_worker_left_is_brought_in_by_the_next_start(tmp_path: pathlib.Path) -> None:
    for _ in range(2):
        with serve(gunicorn("flask_app:app", workers=2), tmp_path, None, HERE) as server:
            load(server.port, asked(50))
            server.kill()
    with serve(gunicorn("flask_app:app"), tmp_path, None, HERE) as server:
        load(server.port, asked(1))
        wait_until(lambda: len(paths(tmp_path)) >= 101, 30)
        server.stop()
    assert len(paths(tmp_path)) == 101


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_leaves_it_in_the_spool(tmp_path: pathlib.Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    env = {**environment(tmp_path), "AUTOTRACE_LOCAL_STORE": str(tmp_path / "closed" / "t.db")}
    done = run_code(ASK % 3, env)
    assert done.code == 0
    assert "telemetry waits in the spool" in done.stderr


def test_another_programs_file_is_left_alone(tmp_path: pathlib.Path) -> None:
    with closing(sqlite3.connect(tmp_path / "orders.db")) as connection:
        connection.execute("CREATE TABLE orders (id)")
        connection.commit()
    before = (tmp_path / "orders.db").read_bytes()
    done = run_code(ASK % 3, {**environment(tmp_path), "AUTOTRACE_LOCAL_STORE": str(tmp_path / "orders.db")})
    assert done.code == 0
    assert "it is the database of another program" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "orders.db").read_bytes() == before
    assert len(paths(tmp_path, pathlib.Path("orders-2.db"))) == 3
