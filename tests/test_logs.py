"""Log records of real servers and programs arrive under their operation; what the application prints stays the same."""

from __future__ import annotations

import pathlib
import re
import sys
from typing import Any, Iterator, NamedTuple

import pytest

from tests.endpoint import Endpoint
from tests.harness import Request, environment, gunicorn, load, run_command, script, serve
from tests.recordings import said

APPS = pathlib.Path(__file__).parent / "apps_in_code"
SERVER = [*gunicorn("flask_logs:app"), "--bind=127.0.0.1:{port}"]
PATHS = ("/say/hello", "/thread", "/handled", "/fail", "/fail-silently", "/hidden")


class Left(NamedTuple):
    """What a server left: its items, and its output."""

    items: list[dict[str, Any]]
    stdout: str

    def request(self, name: str) -> dict[str, Any]:
        """Return the request item of an operation."""
        (item,) = (item for item in self.items if said(item).get("name") == name and "url" in said(item))
        return item

    def below(self, name: str) -> list[dict[str, Any]]:
        """Return what hangs under the request of an operation, which must be of that operation."""
        request = self.request(name)
        below = [item for item in self.items if item["tags"].get("ai.operation.parentId") == said(request)["id"]]
        for item in below:
            for tag in ("ai.operation.id", "ai.operation.name"):
                assert item["tags"][tag] == request["tags"][tag]
        return below


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    folder = tmp_path_factory.mktemp("logs")
    with Endpoint() as endpoint:
        with serve(SERVER, folder, endpoint, {"AUTOTRACE_LOGS": "warning"}, apps=APPS) as server:
            load(server.port, [Request("GET", path) for path in PATHS])
        assert not endpoint.invalid
        yield Left(list(endpoint.items), server.stdout())


def test_a_line_hangs_under_its_request(left: Left) -> None:
    (item,) = left.below("GET /say/<word>")
    told = said(item)
    assert (item["data"]["baseType"], told["message"], told["severityLevel"]) == (
        "MessageData",
        "said hello",
        "Warning",
    )
    assert told["properties"]["word"] == "hello"
    assert told["properties"]["logger"] == "shop.till"


def test_a_line_of_a_thread_hangs_under_the_request(left: Left) -> None:
    assert [said(item)["message"] for item in left.below("GET /thread")] == ["in a thread"]


def test_a_handled_exception_is_told_as_one(left: Left) -> None:
    (item,) = left.below("GET /handled")
    assert item["data"]["baseType"] == "ExceptionData"
    assert said(item)["problemId"] == "LookupError at flask_logs.handled"
    assert said(item)["properties"]["message"] == "looked up"
    assert left.request("GET /handled")["data"]["baseData"]["success"] is True


@pytest.mark.parametrize(
    ("path", "message"), [("fail", "cannot sell"), ("fail-silently", "Exception on /fail-silently")]
)
def test_an_exception_is_told_once(left: Left, path: str, message: str) -> None:
    below = left.below(f"GET /{path}")
    failures = [item for item in below if item["data"]["baseType"] == "ExceptionData"]
    assert len(failures) == 1
    assert said(failures[0])["properties"]["message"].startswith(message)
    lines = [said(item)["message"] for item in below if item["data"]["baseType"] == "MessageData"]
    # Flask logs what escapes, which was told already.
    assert lines == (["Exception on /fail [GET]"] if path == "fail" else [])


def test_lines_outside_of_requests_have_no_operation(left: Left) -> None:
    (item,) = (item for item in left.items if said(item).get("message") == "imported")
    assert "ai.operation.id" not in item["tags"]
    assert item["tags"]["ai.cloud.role"] == "shop"


def test_only_what_reaches_the_root_logger_is_sent(left: Left) -> None:
    texts = {said(item)["message"] for item in left.items if item["data"]["baseType"] == "MessageData"}
    assert texts == {"imported", "said hello", "in a thread", "Exception on /fail [GET]"}


def test_formatters_can_print_the_operation(left: Left) -> None:
    request = left.request("GET /say/<word>")
    ids = f"{request['tags']['ai.operation.id']}:{said(request)['id']}:True"
    assert f"WARNING:shop.till:{ids}:said hello\n" in left.stdout
    assert f"WARNING:shop.till:{'0' * 32}:{'0' * 16}:False:imported\n" in left.stdout


def test_without_the_setting_nothing_is_sent_and_the_ids_are_there(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with serve(SERVER, tmp_path, endpoint, apps=APPS) as server:
        load(server.port, [Request("GET", "/say/hello")])
    assert [item["data"]["baseType"] for item in endpoint.items] == ["RequestData"]
    assert re.search(r"WARNING:shop.till:(?!0{32})\w{32}:\w{16}:True:said hello\n", server.stdout())


def test_a_parent_that_only_forks_sends_its_lines_once_at_its_end(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with serve(
        [*SERVER, "--preload", "--workers=2"], tmp_path, endpoint, {"AUTOTRACE_LOGS": "info"}, apps=APPS
    ) as server:
        load(server.port, [Request("GET", "/say/hello")])
        assert "imported" not in {said(item).get("message") for item in endpoint.items}
    texts = [said(item).get("message") for item in endpoint.items]
    assert texts.count("imported") == 1
    assert texts.count("said hello") == 1


@pytest.mark.parametrize("arguments", [[], ["fork"]])
def test_a_program_without_requests_sends_its_lines(
    tmp_path: pathlib.Path, endpoint: Endpoint, arguments: list[str]
) -> None:
    env = {**environment(tmp_path, endpoint), "AUTOTRACE_LOGS": "error"}
    done = run_command([script("autotrace"), "run", sys.executable, str(APPS / "logs.py"), *arguments], env)
    assert done.code == 0
    assert done.stderr == "done 7\nnot of the application\n"
    assert [said(item)["message"] for item in endpoint.items] == ["done 7"]
    assert endpoint.items[0]["tags"]["ai.cloud.role"] == "logs"
