"""Whole processes in closed networks: every request arrives, through a proxy, a private authority and with tokens."""

from __future__ import annotations

import pathlib
import shutil
import sys
import threading
import time
from typing import Callable, Iterator

import pytest

from tests.authority import Authority
from tests.endpoint import Endpoint
from tests.forward import ForwardProxy
from tests.harness import Completed, Request, environment, gunicorn, load, run_code, run_command, script, serve
from tests.identities import IdentityEndpoint
from tests.journals import segments, stored
from tests.needs import need

COUNT = 200
STRING, AUTHENTICATION = "APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"
CLIENT = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
ENTRA = {AUTHENTICATION: f"Authorization=AAD;ClientId={CLIENT}"}
# What the machine that runs the tests trusts and goes through.
PROXIES = ["http_proxy", "https_proxy", "all_proxy", "no_proxy"]
PLAIN = dict.fromkeys(["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", *PROXIES, *map(str.upper, PROXIES)], "")
ONE = "from flask_app import app; app.test_client().get('/users/%d')"
# Two seconds for the exporter, and the start of Python and Flask on a busy machine.
SOON = 12


@pytest.fixture
def authority(tmp_path: pathlib.Path) -> Authority:
    """A private authority."""
    return Authority(tmp_path)


@pytest.fixture
def secure(authority: Authority) -> Iterator[Endpoint]:
    """An https endpoint that it vouches for."""
    with Endpoint(tls=authority.context()) as running:
        yield running


@pytest.fixture
def identity() -> Iterator[IdentityEndpoint]:
    """An identity endpoint."""
    with IdentityEndpoint() as running:
        yield running


WORKERS = {
    "two workers": gunicorn("flask_app:app", workers=2),
    "gevent": [*gunicorn("flask_app:app"), "--worker-class=gevent"],
}


def deliver(command: list[str], folder: pathlib.Path, endpoint: Endpoint, env: dict[str, str]) -> None:
    """Have a server answer a load, and see that each request arrives once and that nothing is said."""
    with serve(command, folder, endpoint, {**PLAIN, **env}) as server:
        requests = [Request("GET", f"/users/{number}") for number in range(COUNT)]
        assert {answer.status for answer in load(server.port, requests)} == {200}
        code = server.stop()
    assert code == 0
    targets = sorted(item["data"]["baseData"]["url"].rpartition("/")[2] for item in endpoint.requests())
    assert targets == sorted(str(number) for number in range(COUNT)), server.stderr()
    assert not endpoint.invalid
    assert not segments(folder / "spool")
    assert "autotrace" not in server.stderr()


@pytest.mark.parametrize("worker", WORKERS)
def test_a_private_authority(worker: str, tmp_path: pathlib.Path, secure: Endpoint, authority: Authority) -> None:
    deliver(WORKERS[worker], tmp_path, secure, {"REQUESTS_CA_BUNDLE": str(authority.file)})


@pytest.mark.parametrize("worker", WORKERS)
def test_a_proxy(worker: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with ForwardProxy("joe:secret") as proxy:
        env = {STRING: named(endpoint), "http_proxy": f"http://joe:secret@127.0.0.1:{proxy.port}"}
        deliver(WORKERS[worker], tmp_path, endpoint, env)
        assert set(proxy.asked) == {f"http://ingest.test:{endpoint.port}/v2.1/track"}


@pytest.mark.parametrize("worker", WORKERS)
def test_tokens(worker: str, tmp_path: pathlib.Path, endpoint: Endpoint, identity: IdentityEndpoint) -> None:
    # The workers get one each, and the endpoint takes either.
    identity.same = True
    endpoint.token = "token-1"  # noqa: S105
    deliver(WORKERS[worker], tmp_path, endpoint, {**ENTRA, **identity.app_service})
    assert len(identity.asked) <= 2
    assert {asked["client_id"] for asked in identity.asked} == {CLIENT}


@pytest.mark.parametrize("worker", WORKERS)
def test_all_of_it_at_once(
    worker: str, tmp_path: pathlib.Path, secure: Endpoint, authority: Authority, identity: IdentityEndpoint
) -> None:
    identity.same = True
    secure.token = "token-1"  # noqa: S105
    with ForwardProxy("joe:secret") as proxy:
        through = {STRING: named(secure), "https_proxy": f"http://joe:secret@127.0.0.1:{proxy.port}"}
        env = {**ENTRA, **identity.app_service, **through, "SSL_CERT_FILE": str(authority.file)}
        deliver(WORKERS[worker], tmp_path, secure, env)
        assert set(proxy.asked) == {f"ingest.test:{secure.port}"}


def named(endpoint: Endpoint) -> str:
    """Return the connection string of an endpoint under a name that only a proxy can find."""
    return endpoint.connection_string.replace("127.0.0.1", "ingest.test")


def test_telemetry_waits_for_a_token_and_nobody_waits_for_it(
    tmp_path: pathlib.Path, endpoint: Endpoint, identity: IdentityEndpoint
) -> None:
    env = {**environment(tmp_path, endpoint), **ENTRA, **identity.app_service}
    endpoint.token = "token-2"  # noqa: S105
    identity.hang()
    started = time.monotonic()
    done = run_code(ONE % 1, env)
    assert time.monotonic() - started < SOON
    assert (done.code, stored(tmp_path / "spool")) == (0, 1)
    identity.released.set()
    done = run_until(lambda: len(endpoint.items) == 2, ONE % 2, env)
    assert own_lines(done.stderr) == []
    assert sorted(item["data"]["baseData"]["url"][-1] for item in endpoint.requests()) == ["1", "2"]


def test_without_azure_identity_the_line_says_what_to_install(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = {**environment(tmp_path, endpoint), **ENTRA}
    done = run_code("import sys; sys.modules['azure.identity'] = None; " + ONE % 1, env)
    (said,) = own_lines(done.stderr)
    assert f"cannot send to {endpoint.url.rstrip('/')}: a Microsoft Entra token needs azure-identity: " in said
    assert 'pip install "autotrace-appinsights[entra]"' in said
    assert said.endswith("; telemetry waits in the spool")
    assert (done.code, stored(tmp_path / "spool"), endpoint.connections) == (0, 1, 0)


def test_an_identity_that_is_none_is_said_once(
    tmp_path: pathlib.Path, endpoint: Endpoint, identity: IdentityEndpoint
) -> None:
    identity.status = 400
    env = {**environment(tmp_path, endpoint), **ENTRA, **identity.app_service}
    done = run_until(lambda: len(identity.asked) == 2, ONE % 1, env)
    (said,) = own_lines(done.stderr)
    assert "no Microsoft Entra token (" in said
    assert "invalid_scope" in said, "the reason that azure-identity gives"
    assert (done.code, stored(tmp_path / "spool"), endpoint.connections) == (0, 1, 0)


LOUD = """
import logging, sys
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout, format="%(name)s")
before = set(logging.root.handlers), logging.root.level, logging.root.filters[:]
{}
{}
assert (set(logging.root.handlers), logging.root.level, logging.root.filters) == before
logged = [logger for logger in logging.root.manager.loggerDict.values() if getattr(logger, "filters", None)]
assert not logged, logged
assert "azure.identity" in sys.modules
"""


def test_no_log_of_the_application_says_a_word_of_it(
    tmp_path: pathlib.Path, secure: Endpoint, authority: Authority, identity: IdentityEndpoint
) -> None:
    secure.token = "token-1"  # noqa: S105
    env = {**environment(tmp_path, secure), **PLAIN, **ENTRA, **identity.app_service}
    done = run_until(
        lambda: len(secure.items) == 1, ONE % 1, {**env, "SSL_CERT_FILE": str(authority.file)}, around=LOUD
    )
    assert done.code == 0, done.stderr
    assert len(secure.requests()) == 1
    assert done.stdout == ""


@pytest.mark.skipif(sys.version_info < (3, 9), reason="a package below azure-identity warns of Python 3.8")
def test_warnings_as_errors(tmp_path: pathlib.Path, endpoint: Endpoint, identity: IdentityEndpoint) -> None:
    endpoint.token = "token-1"  # noqa: S105
    env = {**environment(tmp_path, endpoint), **ENTRA, **identity.app_service}
    done = run_command([script("autotrace"), "run", sys.executable, "-W", "error", "-X", "dev", "-c", ONE % 1], env)
    assert (done.code, done.stderr) == (0, "")
    assert len(endpoint.requests()) == 1


FORKS = """
import os, signal, sys, time
{}
end = time.monotonic() + 20
hung = forked = 0
while time.monotonic() < end and not hung:
    imported = "azure.identity" in sys.modules
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        import requests
        os._exit(0)
    forked += 1
    hung += os.waitpid(child, 0)[1] != 0
    if imported and "azure.identity._credentials.app_service" in sys.modules:
        break
    time.sleep(0.003)
print(hung)
"""


def test_a_fork_in_the_middle_of_the_import_leaves_no_child_hanging(
    tmp_path: pathlib.Path, endpoint: Endpoint, identity: IdentityEndpoint
) -> None:
    env = {**environment(tmp_path, endpoint), **ENTRA, **identity.app_service}
    code = FORKS.format(ONE % 1)
    done = run_command([script("autotrace"), "run", sys.executable, "-W", "ignore", "-c", code], env)
    assert (done.code, done.stdout) == (0, "0\n"), done.stderr


WAIT = """
import os, time
while not os.path.exists({!r}):
    time.sleep(0.01)
"""


def run_until(met: Callable[[], bool], code: str, env: dict[str, str], around: str = "{}\n{}") -> Completed:
    """Run code under `autotrace run` and keep its process until a condition is met, for half a minute at most.

    `around` is code with two places: for the code, and for the wait.
    """
    flag = pathlib.Path(env["HOME"]) / f"met {time.monotonic()}"

    def watch() -> None:
        end = time.monotonic() + 30
        while not met() and time.monotonic() < end:
            time.sleep(0.01)
        flag.touch()

    threading.Thread(target=watch, daemon=True).start()
    return run_code(around.format(code, WAIT.format(str(flag))), env)


def own_lines(stderr: str) -> list[str]:
    """Return the lines that autotrace said; below azure-identity others speak on Python 3.8."""
    return [line for line in stderr.splitlines() if line.startswith("autotrace: ")]


def test_a_proxy_that_hangs_holds_nobody_up_at_the_end(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with ForwardProxy() as proxy:
        proxy.hang()
        env = {**environment(tmp_path, endpoint), **PLAIN}
        env.update({STRING: named(endpoint), "http_proxy": f"http://127.0.0.1:{proxy.port}"})
        started = time.monotonic()
        done = run_code(ONE % 1, env)
        assert time.monotonic() - started < SOON
        assert (done.code, done.stderr, stored(tmp_path / "spool")) == (0, "", 1)
        proxy.released.set()
        run_until(lambda: len(endpoint.items) == 2, ONE % 2, env)
    assert len(endpoint.requests()) == 2


# A name server that never answers, in a network of the process's own.
SILENT_NAMES = """
import socket, subprocess, sys, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
started = time.monotonic()
code = subprocess.call(sys.argv[1:])
took = time.monotonic() - started
server.settimeout(0.1)
print(code, took, b"slow" in server.recv(512))
"""


def test_a_name_server_that_hangs_holds_nobody_up_at_the_end(tmp_path: pathlib.Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:20 attempts:3\n")
    setup = f"mount --bind {tmp_path / 'resolv.conf'} /etc/resolv.conf && ip link set lo up"
    apart = ["unshare", "--map-root-user", "--mount", "--net", "sh", "-c"]
    may = shutil.which("unshare") and run_command([*apart, setup], environment(tmp_path)).code == 0
    need(may, "network namespaces cannot be made here")
    words = [script("autotrace"), "run", sys.executable, "-c", ONE % 1]
    here = environment(tmp_path, exporter="")
    env = {**here, **PLAIN, STRING: f"InstrumentationKey={CLIENT};IngestionEndpoint=http://slow.test"}
    done = run_command([*apart, f'{setup} && exec "$@"', "sh", sys.executable, "-c", SILENT_NAMES, *words], env)
    code, took, asked = done.stdout.split()
    assert (code, asked) == ("0", "True"), done.stderr
    assert float(took) < SOON
    assert stored(tmp_path / "spool") == 1


def test_the_settings_are_shown_without_secrets(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = {**environment(tmp_path, endpoint), **ENTRA}
    done = run_command([script("autotrace"), "config"], env)
    assert (done.code, done.stderr) == (0, "")
    assert "authentication_string = Authorization=AAD;ClientId=0a1b2c3d...\n" in done.stdout
    assert CLIENT[9:] not in done.stdout
    done = run_command([script("autotrace"), "config"], {**env, AUTHENTICATION: "Authorization=Password;Word=secret"})
    assert done.code == 1
    assert done.stderr.startswith(f"autotrace: {AUTHENTICATION} is ignored: its Authorization is not AAD")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr + done.stdout
