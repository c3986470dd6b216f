"""What an application does when its response is closed belongs to the request, which is over by then."""

from __future__ import annotations

import pathlib
import sys

import pytest

from tests import needs
from tests.endpoint import Endpoint
from tests.harness import environment, run_command, script
from tests.recordings import said

APPS = pathlib.Path(__file__).parent / "apps_in_code"
# The tables that are asked for before the request's own item is written, and behind it.
EXPECTED = {
    "flask /": (["view", "torn_down"], ["on_close", "added_late"]),
    "flask /stream": (["view", "torn_down"], ["on_close"]),
    "django /": (["view"], ["on_close"]),
    "django /stream": (["view"], ["on_close"]),
    "django /broken": (["view"], ["on_close"]),
    "asgi /": (["view"], ["on_close"]),
    "pyramid /": (["view", "response_callback", "on_close"], ["closed"]),
}


@pytest.mark.parametrize("case", EXPECTED)
def test_calls_at_the_close_belong_to_the_request(case: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    needs.module(case.partition(" ")[0].replace("asgi", "django"))
    command = [sys.executable, "-W", "ignore", "closing.py", *case.split()]
    done = run_command([script("autotrace"), "run", *command], environment(tmp_path, endpoint), cwd=APPS)
    answer = "ArithmeticError('in a receiver')" if "broken" in case else "200 OK ok" if "asgi" not in case else "200 ok"
    assert (done.code, done.stdout, done.stderr) == (0, f"{answer}\n", "")
    assert not endpoint.invalid
    (request,) = endpoint.requests()
    place = endpoint.items.index(request)
    parts = [
        [said(item)["name"][len("SELECT ") :] for item in items if said(item)["name"].startswith("SELECT")]
        for items in (endpoint.items[:place], endpoint.items[place:])
    ]
    assert tuple(parts) == EXPECTED[case]
    for item in endpoint.items:
        if item is not request:
            assert item["tags"]["ai.operation.id"] == request["tags"]["ai.operation.id"]
            assert item["tags"]["ai.operation.parentId"] == said(request)["id"]


@pytest.mark.parametrize("framework", ["flask", "django"])
def test_what_is_not_recorded_is_not_at_the_close(framework: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    for variable, value in (("AUTOTRACE_SAMPLER", "0"), ("AUTOTRACE_BLACKLIST_PATHS", "/")):
        env = {**environment(tmp_path, endpoint), variable: value}
        command = [script("autotrace"), "run", sys.executable, "-W", "ignore", "closing.py", framework]
        done = run_command(command, env, cwd=APPS)
        assert (done.code, done.stdout, done.stderr) == (0, "200 OK ok\n", "")
    assert endpoint.items == []
