"""Https endpoints of a private authority: trusted where a variable names it, and never without."""

from __future__ import annotations

import os
import pathlib
import ssl
import subprocess
from typing import Iterator

import pytest

from autotrace import guard
from autotrace.certificates import tls_context
from autotrace.sender import Answer
from autotrace.transport import Transport
from tests.authority import Authority
from tests.endpoint import Endpoint
from tests.journals import line, numbers
from tests.needs import strange_name

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
FILES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
WAITS = "; telemetry waits in the spool\n"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(guard, "_said", set())
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    tls_context.cache_clear()
    yield
    tls_context.cache_clear()


@pytest.fixture
def authority(tmp_path: pathlib.Path) -> Authority:
    """A private authority."""
    return Authority(tmp_path)


@pytest.fixture
def secure(authority: Authority) -> Iterator[Endpoint]:
    """An https endpoint that it vouches for."""
    with Endpoint(tls=authority.context()) as running:
        yield running


def post(url: str) -> Answer:
    """Post a line with what the environment says now."""
    tls_context.cache_clear()
    transport = Transport(url.rstrip("/"))
    answer = transport.post(line(1), 5)
    transport.close()
    return answer


@pytest.mark.parametrize("variable", FILES)
def test_a_file_of_authorities(
    variable: str, secure: Endpoint, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    transport = Transport(secure.url.rstrip("/"))
    assert [transport.post(line(number), 5) for number in range(3)] == [Answer(True)] * 3
    transport.close()
    assert (numbers(secure.items), secure.connections) == ([0, 1, 2], 1)


@pytest.mark.parametrize("variable", ["SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_directory_of_authorities(
    variable: str, secure: Endpoint, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.file)]
    name = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    authority.file.rename(authority.folder / f"{name}.0")
    monkeypatch.setenv(variable, str(authority.folder))
    assert post(secure.url) == Answer(True)


def test_an_unknown_authority_is_said_once_though_nobody_asked(
    secure: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert post(secure.url) == Answer(False)
    said = capfd.readouterr().err
    assert said.startswith(f"autotrace: cannot send to {secure.url.rstrip('/')}: certificate verify failed (")
    assert said.endswith(f"): name a file with its authority in SSL_CERT_FILE{WAITS}")
    assert said.count("\n") == 1
    assert not secure.posts


def test_the_advice_names_the_variable_that_counts(
    secure: Endpoint,
    authority: Authority,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(Authority(tmp_path / "another").file))
    assert post(secure.url) == Answer(False)
    assert capfd.readouterr().err.endswith(f"): name a file with its authority in CURL_CA_BUNDLE{WAITS}")


@pytest.mark.parametrize("variable", FILES)
def test_a_file_that_is_none_is_said_and_the_system_s_is_used(
    variable: str, secure: Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    reasons = {
        str(tmp_path / "none.pem"): "No such file or directory",
        str(garbage): "it holds no certificate in PEM format",
    }
    for path, reason in reasons.items():
        monkeypatch.setattr(guard, "_said", set())
        monkeypatch.setenv(variable, path)
        assert post(secure.url) == Answer(False), "what the system trusts does not vouch for it"
        said = capfd.readouterr().err.splitlines()
        assert said[0] == f"autotrace: {variable}={path} is ignored: {reason}; the system's certificates are used"
        assert "certificate verify failed" in said[1]
        assert len(said) == 2


def test_the_next_variable_counts_where_one_is_bad(
    secure: Endpoint, authority: Authority, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert post(secure.url) == Answer(True)
    assert capfd.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("variable", "value"), [("SSL_CERT_FILE", ""), ("SSL_CERT_FILE", "/no"), ("SSL_CERT_DIR", "/no")]
)
def test_a_bad_value_leaves_the_system_s_store_in_place(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = trusted()
    if not usual:
        pytest.skip("this Python has its authorities in a directory, which OpenSSL reads when it needs one")
    monkeypatch.setenv(variable, value)
    assert trusted() >= usual


def trusted() -> int:
    """Count the authorities that are trusted."""
    tls_context.cache_clear()
    return int(tls_context(1).cert_store_stats()["x509_ca"])


def test_the_name_has_to_fit(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Endpoint(tls=authority.context("other.test")) as wrong:
        assert post(wrong.url) == Answer(False)
        assert not wrong.posts
    with Endpoint(tls=authority.context("127.0.0.1")) as right:
        assert post(f"https://{strange_name()}:{right.port}") == Answer(False)
        assert post(right.url) == Answer(True)
    said = capfd.readouterr().err
    assert "certificate verify failed (" in said
    assert "SSL_CERT_FILE" not in said, "another authority would not help"


@pytest.mark.filterwarnings("ignore:.*multi-threaded")
def test_a_forked_child_leaves_the_parent_s_connection_alone(
    secure: Endpoint, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    transport = Transport(secure.url.rstrip("/"))
    assert transport.post(line(1), 5) == Answer(True)
    child = os.fork()
    if child == 0:
        transport.abandon()
        os._exit(0 if transport.post(line(2), 5).delivered else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert transport.post(line(3), 5) == Answer(True)
    transport.close()
    assert (numbers(secure.items), secure.connections) == ([1, 2, 3], 2)


def test_old_tls_is_not_spoken(secure: Endpoint, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    context = tls_context(1)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.check_hostname
    assert context.verify_mode == ssl.CERT_REQUIRED


def test_a_context_is_made_once_a_process() -> None:
    assert tls_context(1) is tls_context(1)
    assert tls_context(1) is not tls_context(2)
