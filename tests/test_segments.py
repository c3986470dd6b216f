"""Segments of the spool: when one is begun, held, let go of and dropped, and a disk that knows no locks or breaks."""

from __future__ import annotations

import errno
import fcntl
import os
import pathlib
import time
from typing import Iterator

import pytest

from autotrace import sender, spool
from autotrace.segments import take_over
from autotrace.sender import Journal
from tests.endpoint import Endpoint
from tests.journals import hurry, line, make_journal, numbers, segments
from tests.traffic import said_lost

MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)
    monkeypatch.setattr(sender, "ADOPT_INTERVAL", 0.1)


@pytest.fixture
def journal(tmp_path: pathlib.Path, endpoint: Endpoint) -> Iterator[Journal]:
    """A journal that sends to the endpoint."""
    made = make_journal(tmp_path / "spool", endpoint)
    yield made
    made.flush(2)


def wait_until_idle(journal: Journal, seconds: float = 20.0) -> None:
    """Wait until a journal has nothing to send."""
    end = time.monotonic() + seconds
    while journal.spool.has_lines():
        assert time.monotonic() < end
        time.sleep(0.01)


def descriptor(folder: pathlib.Path) -> int:
    """Return this process's file descriptor of the only segment in a folder."""
    (path,) = segments(folder)
    return next(int(name) for name in os.listdir("/proc/self/fd") if links_to(name, path))


def links_to(name: str, path: pathlib.Path) -> bool:
    """Tell whether a descriptor of this process is that of a file."""
    try:
        return os.readlink(f"/proc/self/fd/{name}") == str(path)
    except OSError:
        return False


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_file_system_without_locks(
    number: int,
    tmp_path: pathlib.Path,
    endpoint: Endpoint,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """No such file system can be had here: the call alone is made to fail as it does there."""

    def refuse(fd: int, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    journal = make_journal(tmp_path / "spool", endpoint)
    for first in range(0, 3000, 1000):
        for each in range(first, first + 1000):
            journal.spool.append(line(each))
        assert endpoint.wait_for(first + 1000)
    journal.flush(2)
    assert numbers(endpoint.items) == list(range(3000))
    assert not segments(tmp_path)
    said = capfd.readouterr().err
    assert said == f"autotrace: unsent telemetry is kept in memory only: {os.strerror(number)}\n"


def test_a_disk_that_cannot_be_read(
    journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.refuse()
    journal.spool.append(line(1))
    broken = descriptor(tmp_path)
    # A directory can be opened, and not be read.
    os.dup2(os.open(tmp_path, os.O_RDONLY), broken)
    endpoint.accept()
    journal.spool.append(line(2))
    assert endpoint.wait_for(1)
    journal.flush(2)
    # The first one is still on the disk, for a start that can read it.
    after = make_journal(tmp_path / "spool", endpoint)
    after.spool.append(line(3))
    assert endpoint.wait_for(3)
    after.flush(2)
    assert sorted(numbers(endpoint.items)) == [1, 2, 3]
    assert "reading unsent telemetry failed" in capfd.readouterr().err


def test_a_disk_that_takes_no_notes(
    journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    endpoint.refuse()
    for number in range(20):
        journal.spool.append(line(number))
    (path,) = segments(tmp_path)
    os.dup2(os.open(path, os.O_RDONLY), descriptor(tmp_path))
    endpoint.accept()
    assert endpoint.wait_for(20)
    journal.spool.append(line(20))
    assert endpoint.wait_for(21)
    wait_until_idle(journal)
    time.sleep(0.3)
    assert numbers(endpoint.items) == list(range(21)), "what was sent is not sent again"
    assert "the disk does not take the note that telemetry was delivered" in capfd.readouterr().err


def test_what_is_too_old_is_dropped_while_the_process_runs(
    journal: Journal,
    endpoint: Endpoint,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(spool, "ROTATION", 0.2)
    monkeypatch.setattr(sender, "ADOPT_INTERVAL", 0.5)
    endpoint.fail(503)
    for number in range(5):
        journal.spool.append(line(number))
    # The first post that fails notes in the file that nothing was delivered.
    assert endpoint.wait_for_posts(2)
    (old,) = segments(tmp_path)
    os.utime(old, (time.time() - 50 * 3600,) * 2)
    end = time.monotonic() + 10
    while old.exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    journal.spool.append(line(5))
    endpoint.heal()
    assert endpoint.wait_for(1)
    assert numbers(endpoint.items) == [5]
    assert said_lost(capfd.readouterr().err) == 5


def test_a_segment_is_not_written_for_long(
    journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "ROTATION", 0.3)
    endpoint.refuse()
    end = time.monotonic() + 10
    number = 0
    while len(segments(tmp_path)) < 4:
        assert time.monotonic() < end
        journal.spool.append(line(number))
        number += 1
        time.sleep(0.02)
    endpoint.accept()
    assert endpoint.wait_for(number)
    assert sorted(numbers(endpoint.items)) == list(range(number))


def test_a_process_without_lines_leaves_no_file_for_long(
    journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "ROTATION", 0.3)
    journal.spool.append(line(1))
    assert endpoint.wait_for(1)
    end = time.monotonic() + 10
    while segments(tmp_path):
        assert time.monotonic() < end
        time.sleep(0.02)
    journal.spool.append(line(2))
    assert endpoint.wait_for(2)


def test_siblings_send_what_a_process_let_go_of(
    journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is behind holds a few full segments; the others help with the rest."""
    endpoint.fail(503, retry_after="3600")
    journal.spool.append(line(0))
    assert endpoint.wait_for_posts(1)
    for number in range(1, 15_000):
        journal.spool.append(line(number, "x" * 500))
    assert len(segments(tmp_path)) > spool.HELD_MOST + 2
    endpoint.heal()
    sibling = make_journal(tmp_path / "spool", endpoint)
    sibling.spool.append(line(20_000))
    assert endpoint.wait_for(1000)
    wait_until_idle(sibling)
    arrived = sorted(numbers(endpoint.items))
    # Not the oldest, nor the newest: the process itself has these.
    assert 0 not in arrived
    assert 14_999 not in arrived
    assert len(set(arrived)) == len(arrived)
    journal.flush(2)
    sibling.spool.append(line(20_001))
    assert endpoint.wait_for(15_002)
    sibling.flush(2)
    assert sorted(numbers(endpoint.items)) == [*range(15_000), 20_000, 20_001]


def test_what_is_dropped_on_its_way_is_counted_only_if_it_is_lost(
    endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    journal = make_journal(tmp_path / "spool", endpoint, MEGABYTE)
    endpoint.delay(1.0)
    for number in range(1000):
        journal.spool.append(line(number))
    # The first batch is on its way, and is pushed out by those that follow.
    time.sleep(0.5)
    for number in range(1000, 6000):
        journal.spool.append(line(number))
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= MEGABYTE
    assert endpoint.wait_until(lambda: 5999 in numbers(endpoint.items), 20)
    journal.flush(5)
    arrived = numbers(endpoint.items)
    assert arrived[0] == 0
    assert len(set(arrived)) == len(arrived)
    assert said_lost(capfd.readouterr().err) == 6000 - len(arrived) > 0


def test_a_segment_that_is_begun_is_taken_by_nobody(tmp_path: pathlib.Path) -> None:
    # As it is between the moment when its process makes it and the one when it locks it.
    path = tmp_path / "00000000000000000001-1.lines"
    path.touch(0o600)
    assert take_over(str(path)) is None
    assert path.exists()
    an_hour_ago = time.time() - 3600
    os.utime(path, (an_hour_ago, an_hour_ago))
    assert take_over(str(path)) is None
    assert not path.exists()
