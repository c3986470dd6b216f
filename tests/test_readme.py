"""What the README says is true: its commands are run, its tables and its example are checked."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import pathlib
import re
import shlex
import shutil
import sqlite3
import sys
import textwrap
from datetime import datetime, timezone
from typing import Any, Iterator, NamedTuple
from urllib.parse import urlsplit

import pytest

from autotrace.blacklist import compile_entries
from autotrace.settings import table
from tests import schema
from tests.endpoint import Endpoint
from tests.harness import Completed, environment, exchange, request, run_command, script, serve, wait_until
from tests.local import viewing
from tests.needs import need

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SHIPPED = ("autotrace", "sitecustomize_template", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
PLACEHOLDER = "InstrumentationKey=...;IngestionEndpoint=https://..."
ASSIGNMENT = re.compile(r"[A-Z_]+=")
# Its sampling score is 2.3: kept at the rate of a command in the README, and sampled by its caller.
TRACE = "0" * 31 + "1"


class Command(NamedTuple):
    """A command of a shell block: the block's section, the line, and what the block exported before."""

    section: str
    line: str
    exported: dict[str, str]

    def words(self) -> list[str]:
        return shlex.split(self.line, comments=True)


def commands() -> Iterator[Command]:
    """Yield the commands of all shell blocks."""
    for part in re.split(r"(?m)^#+ ", README):
        for block in blocks("sh", part):
            exported: dict[str, str] = {}
            for line in filter(None, map(str.strip, block.splitlines())):
                command = Command(part.partition("\n")[0], line, dict(exported))
                if command.words()[0] == "export":
                    name, _, value = command.words()[1].partition("=")
                    exported[name] = value
                else:
                    yield command


def blocks(language: str, text: str = README) -> list[str]:
    """Return the contents of the fenced blocks in a language."""
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", text)


def kind(command: Command) -> str:
    """Tell how a command is to be run here."""
    words = [word for word in command.words() if not ASSIGNMENT.match(word)]
    if words[0] in ("make", "pip"):
        return words[0]
    if words[:2] == ["autotrace", "run"] and "--help" not in words:
        return "server"
    if words[:2] in (["autotrace", "flush"], ["autotrace", "view"]):
        return words[1]
    return "finite" if words[0] == "autotrace" else "unknown"


COMMANDS = list(commands())


def chosen(wanted: str) -> Any:
    """Parametrize a test with the commands of a kind."""
    found = [command for command in COMMANDS if kind(command) == wanted]
    return pytest.mark.parametrize("command", found, ids=[command.line for command in found])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A directory with the applications that the README's commands serve, made with its settings in code."""
    folder = tmp_path_factory.mktemp("site")
    for name, source in sources().items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return folder


def sources() -> dict[str, str]:
    """Return the files of the site by name: the packages shop in Django, front in Flask and stock in Pyramid."""
    django, flask, pyramid, span = blocks("python")
    entry = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
    settings = "ALLOWED_HOSTS = ['shop.test']\nROOT_URLCONF = 'shop.urls'\nSECRET_KEY = 'for tests'\nUSE_TZ = True\n"
    return {
        "gunicorn.conf.py": "import os\nbind = os.environ['APP_BIND']\n",
        "manage.py": f"{entry}import sys\nfrom django.core.management import execute_from_command_line\n"
        "execute_from_command_line(sys.argv)\n",
        "shop/__init__.py": "",
        "shop/settings.py": settings + django,
        "shop/urls.py": "from django.http import HttpResponse\nfrom django.urls import path\n"
        "def page(request, number=0):\n    return HttpResponse(f'page {number}')\n"
        "urlpatterns = [path('products/<int:number>', page), path('health', page)]\n",
        "shop/wsgi.py": f"{entry}from django.core.wsgi import get_wsgi_application\n"
        "application = get_wsgi_application()\n",
        "shop/asgi.py": f"{entry}from django.core.asgi import get_asgi_application\n"
        "application = get_asgi_application()\n",
        "front.py": f"from flask import Flask\napp = Flask(__name__)\n{flask}\n"
        "@app.get('/products/<int:number>')\ndef product(number):\n"
        f"{textwrap.indent(span, '    ')}    return f'page {{number}}'\n\n"
        "@app.get('/health')\ndef health():\n    return 'page 0'\n",
        "stock.py": "import os, waitress\nfrom pyramid.config import Configurator\n"
        "from pyramid.response import Response\n\n"
        "def page(request):\n    return Response(f\"page {request.matchdict.get('number', 0)}\")\n\n"
        f"def main(global_config, **settings):\n{textwrap.indent(pyramid, '    ')}"
        "    config.add_route('product', '/products/{number}')\n    config.add_route('health', '/health')\n"
        "    config.add_view(page, route_name='product')\n    config.add_view(page, route_name='health')\n"
        "    return config.make_wsgi_app()\n\n"
        "def serve(app, global_config, **settings):\n    waitress.serve(app, listen=os.environ['APP_BIND'])\n",
        "development.ini": "[app:main]\npaste.app_factory = stock:main\n"
        "[server:main]\npaste.server_runner = stock:serve\n",
    }


def test_every_command_is_run_by_a_test() -> None:
    assert [command.line for command in COMMANDS if kind(command) == "unknown"] == []
    assert {kind(command) for command in COMMANDS} == {"make", "pip", "server", "finite", "flush", "view"}


def test_settings_table_is_the_one_of_the_code() -> None:
    begin, end = re.escape("<!-- settings"), re.escape("<!-- end of settings -->")
    match = re.search(rf"(?s){begin}[^\n]*\n(.*?){end}", README)
    assert match is not None
    assert match[1] == table()


def test_the_other_project_of_this_name_is_never_installed() -> None:
    assert not re.search(r"pip3? install (--?\S+ +)*[\"']?autotrace\b(?!_|-appinsights)", README)


def test_links_within_the_page_lead_somewhere() -> None:
    headings = re.findall(r"(?m)^#+ (.*)$", README)
    anchors = {"#" + heading.lower().replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\((#[^)]*)\)", README)
    assert links
    assert set(links) <= anchors


def test_example_is_a_valid_item() -> None:
    (text,) = blocks("json")
    item = json.loads(text)
    sent = datetime.strptime(item["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.utc)
    assert schema.faults(item, len(text), sent) == []


def rows_of_blacklist() -> list[tuple[str, list[str], list[str]]]:
    """Return the rows of the blacklist table: entry, what it hides, what it does not hide."""
    lines = re.findall(r"(?m)^\| (`.*`) \| (`.*`) \| (`.*`) \|$", README)
    cells = [[re.findall(r"`([^`]*)`", cell) for cell in line] for line in lines]
    return [(entry[0], hidden, shown) for entry, hidden, shown in cells]


@pytest.mark.parametrize(("entry", "hidden", "shown"), rows_of_blacklist())
def test_blacklist_examples(entry: str, hidden: list[str], shown: list[str]) -> None:
    blacklist = compile_entries([entry])
    assert blacklist is not None
    for expected, examples in ((True, hidden), (False, shown)):
        assert {example: blacklist.hides(environ_of(example)) for example in examples} == dict.fromkeys(
            examples, expected
        )


def environ_of(example: str) -> dict[str, str]:
    """Return the WSGI environ of a request that is told by its path, its URL or one of its headers."""
    environ = {"PATH_INFO": "/any", "HTTP_HOST": "shop.test"}
    header = re.fullmatch(r"([A-Za-z-]+): (.*)", example)
    if header:
        environ["HTTP_" + header[1].upper().replace("-", "_")] = header[2]
    elif example.startswith("/"):
        environ["PATH_INFO"] = example
    else:
        environ.update(HTTP_HOST=urlsplit(example).netloc, PATH_INFO=urlsplit(example).path)
    return environ


@chosen("make")
def test_target_exists(command: Command) -> None:
    (target,) = command.words()[1:]
    assert re.search(rf"(?m)^{target}:", (ROOT / "Makefile").read_text())


@chosen("finite")
def test_command_succeeds(command: Command, tmp_path: pathlib.Path) -> None:
    done = run_command(command.words(), environment(tmp_path), cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert "AUTOTRACE_SAMPLER" in done.stdout


@chosen("flush")
def test_what_is_left_is_sent(command: Command, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    done = run_command(command.words(), environment(tmp_path, endpoint), cwd=tmp_path)
    assert (done.code, done.stderr) == (0, "")
    assert "none left" in done.stdout


@chosen("view")
def test_the_pages_show_what_was_recorded(command: Command, site: pathlib.Path, tmp_path: pathlib.Path) -> None:
    need(installed("flask"), "Flask")
    (server,) = [each for each in COMMANDS if kind(each) == "server" and each.section == command.section]
    run_server(server, site, tmp_path, None, {"PYTHONPATH": str(site)})
    with viewing.view(tmp_path, words=command.words()) as viewer:
        assert b"GET /products/&lt;int:number&gt;" in viewer.get("/?range=all").body


@chosen("server")
def test_server_is_traced(command: Command, site: pathlib.Path, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    words = command.words()
    need(all(map(installed, ("django", "flask", "pyramid"))), "the three frameworks")
    need(os.path.exists(script(server_of(words))), server_of(words))
    to_azure = command.section != "Without Azure"
    run_server(command, site, tmp_path, endpoint if to_azure else None, {"PYTHONPATH": str(site)})


def run_server(
    command: Command,
    site: pathlib.Path,
    folder: pathlib.Path,
    endpoint: Endpoint | None,
    variables: dict[str, str],
) -> None:
    """Serve with a command, send a request and a health check, and require the request alone to be recorded."""
    words = command.words()
    # Nothing is chosen.
    env = {"AUTOTRACE_EXPORTER": "", **variables, **command.exported}
    while ASSIGNMENT.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    if endpoint is not None:
        string = env.get("APPLICATIONINSIGHTS_CONNECTION_STRING", PLACEHOLDER)
        env["APPLICATIONINSIGHTS_CONNECTION_STRING"] = string.replace(PLACEHOLDER, endpoint.connection_string)
    port_free = [word.replace("8000", "{port}") for word in words]
    trace = f"traceparent: 00-{TRACE}-00f067aa0ba902b7-01"
    with serve(port_free, folder, env=env, traced=False, apps=site) as server:
        for target in ("/health", "/products/17"):
            answer = exchange(server.port, request("GET", target, trace))
            assert answer.startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")), answer + server.stderr().encode()
        if endpoint is not None:
            assert endpoint.wait_for(1), server.stderr()
        else:
            wait_until(lambda: stored(folder))
    if endpoint is None:
        recorded = stored(folder)
    else:
        assert endpoint.invalid == []
        recorded = [item["data"]["baseData"]["name"] for item in endpoint.requests()]
        spans = [item for item in endpoint.items if item["data"]["baseType"] == "RemoteDependencyData"]
        assert [span["data"]["baseData"]["name"] for span in spans] == ["price"] * ("front" in words)
    assert [re.sub("[<{].*", "", name) for name in recorded] == ["GET /products/"]
    if env.get("AUTOTRACE_LOG_LEVEL") == "info":
        assert re.search(r"(?m)^autotrace: process \d+ traces shop$", server.stderr())


def stored(folder: pathlib.Path) -> list[str]:
    """Return the names of the requests in the store of a home directory."""
    path = folder / ".local/state/autotrace/telemetry.db"
    if not path.exists():
        return []
    with contextlib.closing(sqlite3.connect(path)) as store, contextlib.suppress(sqlite3.OperationalError):
        return [name for (name,) in store.execute("SELECT name FROM requests WHERE operation_Id = ?", [TRACE])]
    return []


def installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def server_of(words: list[str]) -> str:
    """Return the program that `autotrace run` starts."""
    rest = words[words.index("run") + 1 :]
    return next(word for word in rest if os.path.exists(script(word)) or word == rest[-1])


def test_a_new_environment_gets_a_traced_server(site: pathlib.Path, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    run_command([sys.executable, "-m", "venv", str(tmp_path / "venv")], environment(tmp_path), cwd=tmp_path)
    # The home of the user, for the settings of pip and what it keeps of earlier downloads.
    env = {**environment(tmp_path), "HOME": os.path.expanduser("~")}
    env["PATH"] = f"{tmp_path / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    for command in COMMANDS:
        if kind(command) == "pip":
            install(command.line, env, checkout)
    install("pip install django gunicorn", env, checkout)
    first = next(command for command in COMMANDS if kind(command) == "server")
    assert "APPLICATIONINSIGHTS_CONNECTION_STRING" in first.exported
    run_server(first, site, tmp_path / "server", endpoint, {"PATH": env["PATH"]})


def install(line: str, env: dict[str, str], checkout: pathlib.Path) -> None:
    """Run a command of pip in the checkout; without a package index the test cannot go on."""
    done = pip(line, env, checkout)
    if done.code:
        online = pip("pip download --no-deps --dest downloads click", env, checkout).code == 0
        need(online, "a package index for pip")
    assert done.code == 0, done.stderr


def pip(line: str, env: dict[str, str], checkout: pathlib.Path) -> Completed:
    return run_command(["sh", "-c", line], env, 300, checkout)


def copy_of_checkout(folder: pathlib.Path) -> pathlib.Path:
    """Copy what the distribution is built from."""
    folder.mkdir()
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder
