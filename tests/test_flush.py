"""`autotrace flush` sends what processes that are gone have left, and says what it could not send."""

from __future__ import annotations

import pathlib
import threading
import time

import pytest

from tests.endpoint import Endpoint
from tests.harness import Completed, Request, environment, load, run_code, serve, waitress
from tests.journals import segments, stored
from tests.shell import autotrace

COUNT = 5
LEAVE = f"from flask_app import app; [app.test_client().get(f'/users/{{n}}') for n in range({COUNT})]"


def leave(folder: pathlib.Path, endpoint: Endpoint) -> None:
    """Have a process record some requests while the endpoint is down."""
    endpoint.refuse()
    assert run_code(LEAVE, environment(folder, endpoint)) == Completed(0, "", "")
    assert stored(folder / "spool") == COUNT


def flush(folder: pathlib.Path, endpoint: Endpoint, *words: str) -> Completed:
    """Run `autotrace flush` with the endpoint's connection string."""
    return autotrace(folder, "flush", *words, APPLICATIONINSIGHTS_CONNECTION_STRING=endpoint.connection_string)


def test_what_is_left_is_sent_once(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    leave(tmp_path, endpoint)
    endpoint.accept()
    assert flush(tmp_path, endpoint) == Completed(0, f"autotrace: {COUNT} items sent, none left\n", "")
    assert not segments(tmp_path / "spool")
    assert flush(tmp_path, endpoint) == Completed(0, "autotrace: 0 items sent, none left\n", "")
    assert len(endpoint.requests()) == len(endpoint.counts()) == COUNT


@pytest.mark.parametrize("trouble", ["refused", "503", "429 for an hour"])
def test_what_cannot_be_sent_stays_and_why_is_said(trouble: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    leave(tmp_path, endpoint)
    if trouble != "refused":
        endpoint.accept()
        endpoint.fail(int(trouble[:3]), retry_after="3600" if "hour" in trouble else None)
    began = time.monotonic()
    # An answer that names a time later than the limit ends it at once.
    done = flush(tmp_path, endpoint, "--seconds", "60" if "hour" in trouble else "2")
    assert time.monotonic() - began < 15
    assert done.code == 1
    asked = ", and asks to wait 3600 s" if "hour" in trouble else ""
    line = f"autotrace: 0 items sent, {COUNT} left: the endpoint does not take them now{asked}\n"
    assert done.stdout == line
    assert done.stderr.startswith("autotrace: ")
    assert stored(tmp_path / "spool") == COUNT
    endpoint.heal()
    endpoint.accept()
    assert flush(tmp_path, endpoint).code == 0
    assert len(endpoint.requests()) == len(endpoint.counts()) == COUNT


def test_an_endpoint_that_comes_back_in_time_gets_all(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    leave(tmp_path, endpoint)
    back = threading.Timer(1.5, endpoint.accept)
    back.start()
    assert flush(tmp_path, endpoint).code == 0
    back.join()
    assert len(endpoint.requests()) == COUNT


def test_items_that_the_endpoint_wants_again_are_left(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    leave(tmp_path, endpoint)
    endpoint.accept()
    endpoint.judge = lambda item: (429, "later") if item["data"]["baseData"]["url"].endswith("/3") else None
    done = flush(tmp_path, endpoint, "--seconds", "2")
    assert (done.code, done.stdout) == (
        1, f"autotrace: {COUNT - 1} items sent, 1 left: the endpoint does not take them now\n",
    )  # fmt: skip
    assert stored(tmp_path / "spool") == 1


def test_what_a_running_process_holds_is_left_to_it(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.fail(503)
    with serve(waitress("flask_app:app"), tmp_path, endpoint) as server:
        load(server.port, [Request("GET", f"/users/{number}") for number in range(COUNT)])
        done = flush(tmp_path, endpoint)
        held = f"{COUNT} items of running processes, which send them"
        assert done == Completed(0, f"autotrace: 0 items sent, none left; {held}\n", "")
        endpoint.heal()
        assert endpoint.wait_for(COUNT)
    assert len(endpoint.counts()) == len(endpoint.requests()) == COUNT


def test_what_is_for_another_resource_is_told_and_stays(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    leave(tmp_path, endpoint)
    endpoint.accept()
    with Endpoint("99999999-1111-2222-3333-444444444444") as other:
        done = flush(tmp_path, other)
        said = f"autotrace: 0 items sent, none left; {COUNT} items for other connection strings\n"
        assert done == Completed(0, said, "")
        assert not other.posts
    assert stored(tmp_path / "spool") == COUNT


def test_a_connection_string_that_cannot_be_used_is_said(tmp_path: pathlib.Path) -> None:
    done = autotrace(tmp_path, "flush", APPLICATIONINSIGHTS_CONNECTION_STRING="InstrumentationKey=none")
    line = "the connection string in APPLICATIONINSIGHTS_CONNECTION_STRING cannot be used: autotrace config says why"
    assert done == Completed(1, "", f"autotrace: {line}\n")
    assert not (tmp_path / "spool").exists()
