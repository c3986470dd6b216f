"""Where requests go: the console, nowhere, and OpenCensus's own exporters, in real servers."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any, Iterator

import pytest
from opencensus.trace import execution_context

from autotrace import calls
from autotrace.exporters import open_exporter
from autotrace.recorder import Recorder
from autotrace.settings import load as settings_of
from tests.endpoint import Endpoint
from tests.harness import Request, environment, gunicorn, load, run_code, serve
from tests.recordings import Shop, visit

# OpenCensus is final, and Python 3.12 deprecates what its spans call.
pytestmark = pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")
APPS = pathlib.Path(__file__).parent / "apps_in_code"
LINE = re.compile(
    r"autotrace: \d\d:\d\d:\d\d\.\d\d\d  (?P<role>\S+)  (?P<name>.+?)  (?P<code>\d+|InProc)  [\d.]+ ms"
    r"(  (?P<url>http\S+))?(?P<failed>  FAILED)?  operation (?P<operation>[0-9a-f]{32})"
)
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PRINT = "opencensus.trace.print_exporter.PrintExporter()"


def asked(count: int) -> list[Request]:
    """Spell a load whose requests can be told apart."""
    return [Request("GET", f"/users/{number}") for number in range(count)]


def test_the_console_has_one_readable_line_a_request(tmp_path: pathlib.Path) -> None:
    requests = [
        Request("GET", "/users/7?token=SECRET", {"traceparent": f"00-{TRACE}-{SPAN}-01"}),
        Request("GET", "/boom"),
        Request("GET", "/missing"),
        Request("GET", "/span"),
    ]
    env = {"AUTOTRACE_ROLE_NAME": "cart"}
    with serve(gunicorn("flask_app:app"), tmp_path, None, env) as server:
        load(server.port, requests, connections=1)
        server.stop()
    lines = [line for line in server.stderr().splitlines() if line.startswith("autotrace")]
    # Behind the request that it made fail.
    why = lines.pop(2)
    assert why[25:].startswith("cart  exception  ValueError at flask_app."), why
    found = [match.groupdict() for match in map(LINE.fullmatch, lines) if match]
    assert len(found) == len(lines) == 5, server.stderr()
    assert [(line["name"], line["code"], bool(line["failed"])) for line in found] == [
        ("GET /users/<int:id>", "200", False),
        ("GET /boom", "500", True),
        ("GET (unmatched)", "404", True),
        ("x", "InProc", False),
        ("GET /span", "200", False),
    ]
    assert found[0]["url"] == f"http://127.0.0.1:{server.port}/users/7?token=REDACTED"
    assert found[0]["operation"] == TRACE
    assert found[3]["operation"] == found[4]["operation"]
    assert {line["role"] for line in found} == {"cart"}
    assert "SECRET" not in server.stderr()


def test_no_control_character_reaches_the_console(capfd: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[2J\x07\r\nautotrace: forged\u202e\u2028\x9b\x7f\udc80"

    def view() -> None:
        with execution_context.get_opencensus_tracer().span(evil):
            pass

    settings = settings_of({})
    exporter = open_exporter("console", settings, "role" + evil)
    assert exporter is not None
    shop = Shop(Recorder(exporter))
    shop.view, shop.status = view, "200 OK"
    bytes_of_evil = evil.encode("utf-8", "replace").decode("latin-1")
    visit(shop, "/" + evil, PATH_INFO="/" + bytes_of_evil, QUERY_STRING=bytes_of_evil, HTTP_HOST=bytes_of_evil)
    shown = capfd.readouterr().err
    assert shown.count("\n") == 2
    assert shown.isascii() or all(character.isprintable() or character == "\n" for character in shown)
    assert all(line.startswith("autotrace: ") and "operation" in line for line in shown.splitlines())


def shown_of(view: Any, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines of a request on the console, without times and operation ids."""
    exporter = open_exporter("console", settings_of({}), "role")
    assert exporter is not None
    shop = Shop(Recorder(exporter))
    shop.view = view
    visit(shop)
    lines = capfd.readouterr().err.splitlines()
    return [
        re.sub(r"  [\d.]+ ms|  operation \w{32}$", "", line[len("autotrace: 00:00:00.000  role  ") :]) for line in lines
    ]


def call(kind: str, name: str, target: str, data: str, code: str = "0") -> None:
    """Make a call of these texts, which fails with any other code."""
    made = calls.begin(kind)
    assert made is not None
    made.name, made.target, made.data, made.code, made.success = name, target, data, code, code in ("0", "200")
    made.finish()


def test_the_console_tells_whom_a_call_asked_and_for_what(capfd: pytest.CaptureFixture[str]) -> None:
    def view() -> None:
        call("sqlite", "SELECT item", "shop.db", "SELECT * FROM item WHERE name = ?")
        call("postgresql", "SELECT missing", "db.test:5433 | shop", "SELECT * FROM missing", "42P01")
        call("Http", "GET /price", "price.test:8000", "http://price.test:8000/price?key=REDACTED", "200")
        call("redis", "GET", "", "GET ?")
        call("Queue Message | celery", "shop.ship", "broker.test | celery", "")
        call("mysql", "SELECT " + "x" * 500, "db.test", "SELECT\x1b[2J " + "y" * 500)

    *shown, long, request = shown_of(view, capfd)
    assert shown == [
        "SELECT item  sqlite  shop.db  SELECT * FROM item WHERE name = ?",
        "SELECT missing  postgresql 42P01  db.test:5433 | shop  SELECT * FROM missing  FAILED",
        "GET /price  Http 200  http://price.test:8000/price?key=REDACTED",
        "GET  redis  GET ?",
        "shop.ship  Queue Message | celery  broker.test | celery",
    ]
    assert long == f"SELECT {'x' * 193}  mysql  db.test  SELECT?[2J {'y' * 189}..."
    assert request.startswith("GET /  200  http://")


def test_none_leaves_nothing_anywhere(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with serve(gunicorn("flask_app:app"), tmp_path, endpoint, {"AUTOTRACE_EXPORTER": "none"}) as server:
        assert {answer.status for answer in load(server.port, asked(10))} == {200}
        server.stop()
    assert not endpoint.posts
    assert not (tmp_path / "spool").exists()
    assert "autotrace" not in server.stderr()


def test_the_print_exporter_prints_and_nothing_else_does(tmp_path: pathlib.Path) -> None:
    with serve(gunicorn("flask_app:app"), tmp_path, None, {"AUTOTRACE_EXPORTER": PRINT}) as server:
        load(server.port, asked(10))
        server.stop()
    assert server.stdout().count("SpanData(") == len(server.stdout().splitlines()) == 10
    assert "autotrace" not in server.stderr()


def test_the_file_exporter_writes_every_request(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "traces"
    expression = f"opencensus.trace.file_exporter.FileExporter(file_name={str(file)!r}, file_mode='a')"
    with serve(gunicorn("flask_app:app"), tmp_path, None, {"AUTOTRACE_EXPORTER": expression}) as server:
        load(server.port, [*asked(10), Request("GET", "/boom"), Request("GET", "/span")], connections=1)
        server.stop()
    traces = list(read_objects(file.read_text()))
    spans = [span for trace in traces for span in trace["spans"]]
    names = [span["displayName"]["value"] for span in spans]
    assert sorted(names) == sorted(["GET /users/<int:id>"] * 10 + ["GET /boom", "GET /span", "x"])
    (boom,) = [span for span in spans if span["displayName"]["value"] == "GET /boom"]
    assert boom["status"]["code"] == 2
    by_name = {span["displayName"]["value"]: span for span in spans}
    assert by_name["x"]["parentSpanId"] == by_name["GET /span"]["spanId"]


def read_objects(text: str) -> Iterator[dict[str, Any]]:
    """Yield JSON objects that stand one behind the other."""
    decoder, position = json.JSONDecoder(), 0
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        yield value


def azure(endpoint: Endpoint) -> str:
    """The expression of the stock exporter, as its documentation has it."""
    options = f"connection_string='{endpoint.connection_string}', export_interval=0.5, enable_local_storage=False"
    return f"opencensus.ext.azure.trace_exporter.AzureExporter({options})"


@pytest.mark.parametrize("options", [["--workers=1"], ["--workers=2"], ["--workers=2", "--preload"]], ids=" ".join)
def test_the_stock_azure_exporter_sends_each_request_once(
    options: list[str], tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    command = [gunicorn("flask_app:app")[0], *options, "--threads=4", "flask_app:app"]
    # A connection string for the default exporter too: only the chosen one may send.
    with serve(command, tmp_path, endpoint, {"AUTOTRACE_EXPORTER": azure(endpoint)}) as server:
        load(server.port, asked(40), connections=4)
        assert endpoint.wait_for(40)
        server.stop()
    requests = endpoint.requests()
    assert len(requests) == 40
    assert max(endpoint.counts().values()) == 1
    assert {item["data"]["baseData"]["name"] for item in requests} == {"GET /users/<int:id>"}
    assert {item["data"]["baseData"]["responseCode"] for item in requests} == {"200"}
    urls = {item["data"]["baseData"]["url"].rpartition("/")[2] for item in requests}
    assert urls == {str(number) for number in range(40)}
    assert not (tmp_path / "spool").exists()
    assert "autotrace" not in server.stderr()


def test_threads_that_come_first_together_share_one_exporter(tmp_path: pathlib.Path) -> None:
    env = {"AUTOTRACE_EXPORTER": "probe.FileLines()", "PROBE_FILE": str(tmp_path / "spans"), "APP_CASE": "nothing"}
    command = [*gunicorn("flask_in_code:create_app()", threads=8), "--bind=127.0.0.1:{port}"]
    with serve(command, tmp_path, None, env, apps=APPS) as server:
        load(server.port, asked(100), connections=8)
        server.stop()
    spans = [json.loads(line) for line in (tmp_path / "spans").read_text().splitlines()]
    paths = [span["attributes"]["http.path"] for span in spans]
    assert sorted(paths) == sorted(f"/users/{number}" for number in range(100))


FAILING = {
    "of nowhere": "nowhere.Exporter(key='SECRET-KEY')",
    "that is none": "collections.OrderedDict()",
    "that cannot be made": "opencensus.ext.azure.trace_exporter.AzureExporter(connection_string='SECRET-KEY')",
}


@pytest.mark.parametrize("what", FAILING)
def test_the_default_takes_the_place_of_an_exporter_that_cannot_be_used(
    what: str, tmp_path: pathlib.Path, endpoint: Endpoint
) -> None:
    env = {**environment(tmp_path, endpoint), "AUTOTRACE_EXPORTER": FAILING[what]}
    code = (
        "from flask_app import app; import time; "
        "print([app.test_client().get('/users/7').status_code for _ in range(3)]); time.sleep(1)"
    )
    done = run_code(code, env)
    assert (done.code, done.stdout) == (0, "[200, 200, 200]\n")
    lines = [line for line in done.stderr.splitlines() if "autotrace" in line]
    assert len(lines) == 1
    assert "cannot be used" in lines[0]
    assert "SECRET-KEY" not in done.stderr
    assert len(endpoint.requests()) == 3
    assert not endpoint.invalid


def test_a_process_that_ends_at_once_still_exports(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    code = "from flask_app import app; app.test_client().get('/users/7')"
    env = {**environment(tmp_path), "AUTOTRACE_EXPORTER": PRINT}
    done = run_code(code, env)
    assert done.code == 0
    assert done.stdout.count("SpanData(") == 1
    # The stock exporter takes its time to exist, and Python 3.12 starts no thread for it at the end of a process.
    done = run_code(code, {**env, "AUTOTRACE_EXPORTER": azure(endpoint)})
    assert done.code == 0
    arrived = len(endpoint.requests())
    assert arrived == 1 or "cannot be used" in done.stderr
