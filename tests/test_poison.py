"""What is no segment, or no line, in the spool: it keeps nothing else from being sent, and is not posted for ever."""

from __future__ import annotations

import os
import pathlib
import random
import re
import socket
import time

import pytest

from tests.endpoint import Endpoint
from tests.harness import environment
from tests.journals import hurry, line, make_journal, numbers, segments
from tests.needs import need
from tests.steps import steps

HEADER = b"%015d\n"
START = HEADER % 16
# Seeded: the same garbage each time.
GARBAGE = random.Random(7)  # noqa: S311


def garbage(size: int) -> bytes:
    """Return bytes of any kind, some of them ends of lines."""
    return bytes(GARBAGE.choices(range(256), k=size))


def destination(folder: pathlib.Path, endpoint: Endpoint) -> pathlib.Path:
    """Have a process make the spool's directory, and return it."""
    with steps(environment(folder, endpoint), folder) as process:
        process.get(0, 1)
        assert endpoint.wait_for(1)
        process.end()
    endpoint.clear()
    (found,) = (folder / "spool").iterdir()
    return found


def start(folder: pathlib.Path, endpoint: Endpoint, expected: set[int]) -> str:
    """Start a process that finds what was planted; see that the good lines arrive once, and return what it said."""
    with steps(environment(folder, endpoint), folder) as process:
        process.get(0, 1)
        # One more is the process's own.
        everything = endpoint.wait_until(
            lambda: expected <= arrived(endpoint) and len(endpoint.requests()) > len(expected), 20
        )
        assert everything, (sorted(expected - arrived(endpoint)), process.said())
        posts = len(endpoint.posts)
        assert posts < 40
        process.do("import time; time.sleep(1.5)")
        assert len(endpoint.posts) == posts, "what is refused is not posted again"
        said = process.end()
    assert max(endpoint.counts().values()) == 1
    assert arrived(endpoint) == expected
    return said


def arrived(endpoint: Endpoint) -> set[int]:
    """Return the numbers of the planted lines that arrived: their ids are small."""
    return {number for number in numbers(endpoint.requests()) if number < 1_000_000}


PLANTED: dict[str, bytes] = {
    "garbage": START + garbage(300_000),
    "garbage from the first byte": garbage(500_000),
    "zeros": bytes(300_000),
    "zeros behind good lines": START + line(1) + line(2) + bytes(100_000) + b"\n" + line(3),
    "no end of a line": START + b"x" * 900_000,
    "no JSON": START + b"".join(line(number) + b"no JSON\n" for number in range(100)),
    "JSON that is no item": START + b'5\n"text"\n[]\n[1, 2]\nnull\n{}\n' + line(1),
    "empty lines": START + b"\n\n" + line(1) + b"\n" * 5,
    "carriage returns": START + b"a\rb\r\n" + line(1) + b"\r\n" + line(2),
    "a line that is too long for an item": START + line(1) + line(2, "x" * 8000, 20) + line(3),
    "a line of a megabyte": START + line(1) + line(2, "x" * 8000, 130) + line(3),
    "deep JSON": START + b"[" * 50_000 + b"\n" + line(1),
    "a comma": START + line(1)[:-1] + b"," + line(2) + line(3),
    "no UTF-8": START + line(1).replace(b"shop", b"\xff\xfe") + line(2),
}
GOOD: dict[str, set[int]] = {
    "zeros behind good lines": {1, 2, 3},
    "no JSON": set(range(100)),
    "JSON that is no item": {1},
    "empty lines": {1},
    "carriage returns": {1, 2},
    "a line that is too long for an item": {1, 3},
    "a line of a megabyte": {1, 3},
    "deep JSON": {1},
    "a comma": {3},
    "no UTF-8": {2},
}


@pytest.mark.parametrize("what", PLANTED)
def test_a_damaged_segment(
    what: str,
    tmp_path: pathlib.Path,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    hurry(monkeypatch)
    journal = make_journal(tmp_path / "spool", endpoint)
    folder = tmp_path / "spool" / "destination"
    (folder / "00000000000000000001-1.lines").write_bytes(PLANTED[what])
    # Others, before and behind it, are none the worse.
    (folder / "00000000000000000000-1.lines").write_bytes(START + line(1000))
    (folder / "00000000000000000002-1.lines").write_bytes(START + line(1001))
    journal.spool.append(line(1002))
    expected = {*GOOD.get(what, set()), 1000, 1001, 1002}
    assert endpoint.wait_until(lambda: expected <= arrived(endpoint))
    posts = len(endpoint.posts)
    time.sleep(0.5)
    assert len(endpoint.posts) == posts < 20, "what is refused is not posted again"
    journal.flush(2)
    assert arrived(endpoint) == expected
    assert max(endpoint.counts().values()) == 1
    assert not segments(tmp_path / "spool")
    said = capfd.readouterr().err
    assert not re.search(r"failed|Traceback", said)
    assert said.count("\n") <= 2


def test_names_that_say_nothing(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    folder = destination(tmp_path, endpoint)
    names = ["99999999999999999999-5", "0-0", "hello", "", "x-99999999999999999999999", "1-\u00b2", "a b\n", "-1--1"]
    for number, name in enumerate(names):
        (folder / f"{name}.lines").write_bytes(START + line(number))
    assert start(tmp_path, endpoint, set(range(len(names)))) == ""
    assert not segments(tmp_path / "spool")


def test_a_huge_file(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    folder = destination(tmp_path, endpoint)
    with open(folder / "00000000000000000000-1.lines", "wb") as file:
        file.write(START + line(1))
        file.truncate(3 << 30)
    (folder / "00000000000000000001-1.lines").write_bytes(START + line(2))
    said = start(tmp_path, endpoint, {2})
    assert not segments(tmp_path / "spool")
    assert "too large to be one of ours and was removed" in said


def test_what_is_not_ours_is_left_alone(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    folder = destination(tmp_path, endpoint)
    content = START + line(1)
    (tmp_path / "secret").write_bytes(content)
    (folder / "00-link.lines").symlink_to(tmp_path / "secret")
    (folder / "01-directory.lines").mkdir()
    os.mkfifo(folder / "02-fifo.lines")
    with socket.socket(socket.AF_UNIX) as unix:
        # The path of a socket may not be long.
        here = os.open(folder, os.O_RDONLY)
        unix.bind(f"/proc/self/fd/{here}/03-socket.lines")
        os.close(here)
    (folder / "04-writable.lines").write_bytes(content)
    (folder / "04-writable.lines").chmod(0o622)
    os.link(tmp_path / "secret", folder / "05-second-name.lines")
    (folder / "README").write_text("hello")
    strange = {path.name for path in folder.iterdir()}
    (folder / "09.lines").write_bytes(START + line(2))
    said = start(tmp_path, endpoint, {2})
    assert {path.name for path in folder.iterdir()} == strange
    assert said == "autotrace: 04-writable.lines in the spool is left alone: other users may write to it\n"
    assert (folder / "04-writable.lines").read_bytes() == (tmp_path / "secret").read_bytes() == content


def test_what_only_root_can_plant_is_left_alone(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    need(os.geteuid() == 0, "only root gives a file away")
    folder = destination(tmp_path, endpoint)
    (folder / "00-foreign.lines").write_bytes(START + line(1))
    os.chown(folder / "00-foreign.lines", 12345, 12345)
    os.mknod(folder / "01-device.lines", 0o600 | 0o020000, os.makedev(1, 5))
    (folder / "09.lines").write_bytes(START + line(2))
    assert start(tmp_path, endpoint, {2}) == ""
    assert {path.name for path in folder.iterdir()} == {"00-foreign.lines", "01-device.lines"}
