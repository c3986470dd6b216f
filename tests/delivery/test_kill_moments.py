"""A process is killed in the middle of each step of its spool: nothing is lost, and next to nothing comes twice."""

from __future__ import annotations

import pathlib
import signal

import pytest

from tests.endpoint import Endpoint
from tests.harness import environment, run_code
from tests.journals import segments
from tests.traffic import settle

pytestmark = pytest.mark.delivery
# The process kills itself before, after or halfway through a call of a function on a segment, counted from 1. It notes
# each request that was answered. Segments are full after some two hundred.
CODE = """
import fcntl, os, signal, sys, time
from flask_app import app

module, name, moment, wanted = {module}, {name!r}, {moment!r}, {count}
original, calls = getattr(module, name), 0

def call(*args, **kwargs):
    global calls
    calls += 1
    if calls == wanted:
        if moment == "halfway":
            original(args[0], args[1][: len(args[1]) // 2], *args[2:])
        elif moment == "after":
            original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)

answered = os.open({answered!r}, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
client = app.test_client()
client.get("/users/0")
os.write(answered, b"0\\n")
# From here on, what is called is called for the spool.
setattr(module, name, call)
for number in range(1, 1000):
    assert client.get("/users/%d" % number).status_code == 200
    os.write(answered, b"%d\\n" % number)
    if {pauses} and number % 100 == 0:
        # So that all is sent, and the segment is used again.
        time.sleep(1.5)
"""
SEND = "import time; from flask_app import app; app.test_client().get('/users/{number}'); time.sleep(1.5)"
# Function, moment, and which of its calls: in the middle of a line, and in each step of a new segment.
WRITING = [
    ("os", "pwrite", "halfway", 100), ("os", "pwrite", "before", 1), ("os", "pwrite", "after", 1),
    ("os", "open", "before", 1), ("os", "open", "after", 1), ("fcntl", "flock", "before", 1),
    ("fcntl", "flock", "after", 1), ("os", "close", "before", 1), ("os", "open", "after", 3),
]  # fmt: skip
# Of sending: the cut of a delivered segment, the note of it, the removal of a file.
SENDING = [
    ("os", "ftruncate", "before", 2), ("os", "ftruncate", "after", 2), ("os", "unlink", "before", 1),
    ("os", "pwrite", "before", 150), ("os", "pwrite", "halfway", 200),
]  # fmt: skip


def kill_and_start(
    folder: pathlib.Path, endpoint: Endpoint, where: tuple[str, str, str, int], pauses: bool
) -> tuple[set[int], str]:
    """Have a process killed at a moment; return the numbers of the answered requests."""
    module, name, moment, count = where
    answered = folder / "answered"
    env = {**environment(folder, endpoint), "AUTOTRACE_SPOOL_SIZE": "2"}
    values = {"module": module, "name": name, "moment": moment, "count": count, "pauses": pauses}
    done = run_code(CODE.format(**values, answered=str(answered)), env)
    assert done.code == -signal.SIGKILL, done.stderr
    numbers = {int(word) for word in answered.read_text().split()}
    endpoint.accept()
    run_code(SEND.format(number=5000), env)
    return {*numbers, 5000}, done.stderr


def name_of(where: object) -> str:
    return " ".join(map(str, where)) if isinstance(where, tuple) else str(where)


@pytest.mark.parametrize("where", WRITING, ids=name_of)
def test_a_kill_while_writing(where: tuple[str, str, str, int], tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.refuse()
    answered, stderr = kill_and_start(tmp_path, endpoint, where, pauses=False)
    result = settle(answered, endpoint, seconds=10)
    assert (result.lost, result.twice) == (0, 0)
    assert not endpoint.invalid
    # Of a kill between the making of a file and its first byte the file is left, which goes a minute later.
    assert not any(path.stat().st_size for path in segments(tmp_path / "spool"))
    assert stderr == ""


@pytest.mark.parametrize("where", SENDING, ids=name_of)
def test_a_kill_while_sending(where: tuple[str, str, str, int], tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    answered, stderr = kill_and_start(tmp_path, endpoint, where, pauses=True)
    result = settle(answered, endpoint, seconds=10)
    assert result.lost == 0
    # Only what was accepted and not noted yet.
    assert result.twice <= max(len(post.items) for post in endpoint.posts)
    assert not endpoint.invalid
    assert not segments(tmp_path / "spool")
    assert stderr == ""
