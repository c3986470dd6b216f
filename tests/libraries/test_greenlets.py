"""gevent and eventlet: the greenlets that a request starts belong to it, whoever starts them for it."""

from __future__ import annotations

import importlib.util
import pathlib
import sys

import pytest

from tests import needs
from tests.endpoint import Endpoint
from tests.harness import environment, run_command, script
from tests.recordings import said

APPS = pathlib.Path(__file__).parent.parent / "apps_in_code"
EVERYWHERE = {"spawned", "spawned_later", "nested", "mapped", "late", "thread", "submitted"}
# What eventlet would have answer host names imports trio, which cannot be imported beside it on Python 3.8.
PLAIN = {"EVENTLET_NO_GREENDNS": "yes"}
EXPECTED = {
    "gevent": {*EVERYWHERE, "grouped", "subclass", "chosen", "unordered"},
    "eventlet": {*EVERYWHERE, "pooled", "pooled_n", "spawned_n"},
}


def need(kind: str) -> None:
    # Not imported here: they change the process.
    needs.need(importlib.util.find_spec(kind), f"{kind} is not installed")


@pytest.mark.parametrize("kind", EXPECTED)
def test_greenlets_belong_to_the_request(kind: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    need(kind)
    command = [script("autotrace"), "run", sys.executable, "greenlets.py", kind]
    done = run_command(command, {**environment(tmp_path, endpoint), **PLAIN}, cwd=APPS)
    assert (done.code, done.stdout, done.stderr) == (0, "200 OK ok\n", "")
    assert not endpoint.invalid
    (request,) = endpoint.requests()
    calls = [item for item in endpoint.items if item is not request]
    assert {said(item)["name"] for item in calls} == {"SELECT", *(f"CREATE {table}" for table in EXPECTED[kind])}
    assert len(calls) == 2 * len(EXPECTED[kind])
    for item in calls:
        assert item["tags"]["ai.operation.parentId"] == said(request)["id"]
        assert item["tags"]["ai.operation.id"] == request["tags"]["ai.operation.id"]


@pytest.mark.parametrize("kind", EXPECTED)
def test_greenlets_of_what_is_not_recorded_are_not_either(
    kind: str, tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    need(kind)
    env = {**environment(tmp_path, endpoint), **PLAIN, "AUTOTRACE_SAMPLER": "0"}
    done = run_command([script("autotrace"), "run", sys.executable, "greenlets.py", kind], env, cwd=APPS)
    assert (done.code, done.stdout, done.stderr) == (0, "200 OK ok\n", "")
    assert endpoint.items == []
