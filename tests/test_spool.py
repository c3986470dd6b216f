"""The spool's directory and files: private, bounded, and adopted from processes that are gone."""

from __future__ import annotations

import itertools
import json
import os
import pathlib
import signal
import stat
import threading
import time
from typing import Any, Callable, Iterator

import pytest

from autotrace import guard, spool
from autotrace.sender import Journal
from tests.endpoint import Endpoint
from tests.journals import LIMIT, hurry, journal_of, line, make_journal, numbers, segments


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def journal(tmp_path: pathlib.Path, endpoint: Endpoint) -> Iterator[Journal]:
    """A journal that sends to the endpoint."""
    made = make_journal(tmp_path / "spool", endpoint)
    yield made
    made.flush(2)


def test_a_full_spool_drops_the_oldest_and_says_how_many(
    endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, journal, most in (
        ("disk", make_journal(tmp_path / "spool", endpoint, 4 << 20), 4 << 20),
        ("memory", journal_of(spool.Spool(None, LIMIT), endpoint), 8 << 20),
    ):
        guard._said.clear()
        endpoint.clear()
        endpoint.fail(503, retry_after="1")
        for number in range(240):
            journal.spool.append(line(number, "x" * 8000, 7))
        assert sum(path.stat().st_size for path in segments(tmp_path)) <= most
        assert endpoint.wait_for_posts(1)
        endpoint.heal()
        assert endpoint.wait_until(lambda: 239 in numbers(list(endpoint.items)), 20)
        journal.flush(10)
        arrived = numbers(endpoint.items)
        assert arrived == list(range(240 - len(arrived), 240)), name
        assert most // 60_000 - 20 < len(arrived) <= most // 56_000, name
        said = [text for text in capfd.readouterr().err.splitlines() if "oldest" in text]
        assert said, name
        assert sum(int(text.partition("the ")[2].partition(" ")[0]) for text in said) == 240 - len(arrived), name


def test_the_oldest_are_dropped_also_while_segments_are_taken_over(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = spool.open_spool(str(tmp_path), "destination", 4 << 20)
    ended = threading.Event()
    take_over = spool.take_over

    def slowly(path: str) -> spool.Segment | None:
        taken = take_over(path)
        time.sleep(0.002)
        return taken

    # A thread can lose the processor there for as long.
    monkeypatch.setattr(spool, "take_over", slowly)

    def take_over_and_send() -> None:
        while not ended.is_set():
            made.adopt()
            made.take()
            made.keep()

    sender = threading.Thread(target=take_over_and_send)
    sender.start()
    try:
        for number in range(1000):
            made.append(line(number, "x" * 8000, 7))
    finally:
        ended.set()
        sender.join()
    kept = numbers(taken(made))
    assert kept == list(range(1000 - len(kept), 1000))
    assert made.forget_dropped() == 1000 - len(kept)


def test_code_that_runs_in_the_middle_of_a_line_may_add_one(journal: Journal, endpoint: Endpoint) -> None:
    """As a signal handler that logs does, or a finalizer."""
    count, others = 20_000, itertools.count(20_000)
    added: list[int] = []

    def interrupt(*args: object) -> None:
        # It may be interrupted itself.
        number = next(others)
        journal.spool.append(line(number))
        added.append(number)

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        for number in range(count):
            journal.spool.append(line(number))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    journal.flush(30)
    assert len(added) > 10
    assert sorted(numbers(endpoint.items)) == [*range(count), *sorted(added)]


def test_a_signal_handler_that_raises_leaves_no_line_behind(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that ends what takes too long, at the moment when a segment is full."""

    class TakesTooLongError(Exception):
        pass

    def interrupt(*args: object) -> None:
        raise TakesTooLongError

    made = spool.open_spool(str(tmp_path), "destination", LIMIT)
    files_held = made._files_held

    def meanwhile() -> int:
        signal.raise_signal(signal.SIGALRM)
        return files_held()

    monkeypatch.setattr(made, "_files_held", meanwhile)
    before = signal.signal(signal.SIGALRM, interrupt)
    added = []
    try:
        for number in range(100):
            try:
                made.append(line(number, "x" * 8000, 7))
                added.append(number)
            except TakesTooLongError:
                monkeypatch.undo()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(added) == 99
    assert numbers(taken(made)) == added


def taken(made: spool.Spool) -> list[dict[str, Any]]:
    """Return the items in a spool, which then has none."""
    found = []
    while True:
        made.adopt()
        batch = made.take()
        if batch is None:
            return found
        found += [json.loads(text) for text in batch.lines.splitlines()]
        made.done(batch)


def test_modes_are_private(journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    endpoint.fail(503)
    old = os.umask(0)
    try:
        journal.spool.append(line(1))
    finally:
        os.umask(old)
    paths = [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert {mode for name, mode in modes.items() if not name.endswith(".lines")} == {0o700}
    assert {mode for name, mode in modes.items() if name.endswith(".lines")} == {0o600}


def test_a_directory_of_the_user_keeps_its_mode(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    chosen = tmp_path / "logs"
    chosen.mkdir(mode=0o755)
    (chosen / "destination").mkdir(mode=0o755)
    make_journal(chosen, endpoint)
    assert stat.S_IMODE(chosen.stat().st_mode) == 0o755
    assert stat.S_IMODE((chosen / "destination").stat().st_mode) == 0o700


def link(path: pathlib.Path) -> pathlib.Path:
    """Make a directory, and a link to it."""
    path.mkdir()
    (path.parent / "link").symlink_to(path)
    return path.parent / "link"


def foreign(path: pathlib.Path) -> pathlib.Path:
    """Return a directory of another user."""
    if os.geteuid() != 0:
        return pathlib.Path("/")
    path.mkdir(mode=0o777)
    os.chown(path, 12345, 12345)
    return path


def below_a_file(path: pathlib.Path) -> pathlib.Path:
    """Return a place where no directory can be."""
    path.write_text("a file")
    return path / "spool"


def unwritable(path: pathlib.Path) -> pathlib.Path:
    """Return a directory that this user may not write to."""
    path.mkdir(mode=0o500)
    return path


def file(path: pathlib.Path) -> pathlib.Path:
    """Return a file."""
    path.write_text("a file")
    return path


BAD = {"a link": link, "foreign": foreign, "below a file": below_a_file, "a file": file}
if os.geteuid() != 0:
    # Modes do not stop root.
    BAD["unwritable"] = unwritable


@pytest.mark.parametrize("what", BAD)
def test_directories_that_are_not_ours_are_left_alone(
    what: str, endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    check_left_alone(BAD[what](tmp_path / "spool"), tmp_path, endpoint, capfd)


@pytest.mark.parametrize("what", ["a link", "a file"])
def test_directories_inside_that_are_not_ours_are_left_alone(
    what: str, endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spool").mkdir()
    BAD[what](tmp_path / "spool" / "made").rename(tmp_path / "spool" / "destination")
    check_left_alone(tmp_path / "spool", tmp_path, endpoint, capfd)


def check_left_alone(
    folder: pathlib.Path, tmp_path: pathlib.Path, endpoint: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    """See that telemetry passes by a folder that cannot be used, which is said."""
    before = sorted(tmp_path.rglob("*"))
    journal = make_journal(folder, endpoint)
    journal.spool.append(line(1))
    assert endpoint.wait_for(1)
    journal.flush(2)
    assert sorted(tmp_path.rglob("*")) == before
    assert capfd.readouterr().err.count("\n") == 1, "said in one line"


def test_a_directory_that_vanishes_costs_nothing(journal: Journal, endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    endpoint.fail(503)
    for number in range(30):
        journal.spool.append(line(number, "x" * 8000, 7))
        if number == 5:
            for path in segments(tmp_path):
                path.unlink()
            (tmp_path / "spool" / "destination").rmdir()
    endpoint.heal()
    assert endpoint.wait_for(30)
    assert sorted(numbers(endpoint.items)) == list(range(30))


def leave(folder: pathlib.Path, endpoint: Endpoint, *, count: int) -> pathlib.Path:
    """Leave a segment with unsent lines behind, as a process does that is gone, and return its file."""
    endpoint.fail(503, retry_after="60")
    journal = make_journal(folder, endpoint)
    for number in range(count):
        journal.spool.append(line(number))
    assert endpoint.wait_for_posts(1)
    journal.flush(2)
    endpoint.heal()
    endpoint.clear()
    (path,) = segments(folder)
    return path


HEADER = b"%015d\n"
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], list[int]]] = {
    "none": (lambda content: content, [0, 1, 2]),
    "a truncated last line": (lambda content: content[:-20], [0, 1]),
    "nothing in it": (lambda content: b"", []),
    "a truncated header": (lambda content: content[:7], []),
    "a header alone": (lambda content: content[:16], []),
    "a header beyond the end": (lambda content: HEADER % 999_999 + content[16:], []),
    "a header of nonsense": (lambda content: b"nonsense nonsen\n" + content[16:], [0, 1, 2]),
    "a header of zero": (lambda content: HEADER % 0 + content[16:], [0, 1, 2]),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_segments_of_processes_that_are_gone(what: str, endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    damage, expected = DAMAGE[what]
    path = leave(tmp_path / "spool", endpoint, count=3)
    path.write_bytes(damage(path.read_bytes()))
    # What has just been made is somebody's who is about to write.
    long_ago = time.time() - 120
    os.utime(path, (long_ago, long_ago))
    journal = make_journal(tmp_path / "spool", endpoint)
    journal.spool.append(line(9))
    assert endpoint.wait_for(len(expected) + 1)
    journal.flush(2)
    assert sorted(numbers(endpoint.items)) == [*expected, 9]
    assert not endpoint.invalid
    assert not segments(tmp_path)


def test_what_the_service_would_not_take_any_more_is_dropped_and_said(
    endpoint: Endpoint, tmp_path: pathlib.Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = leave(tmp_path / "spool", endpoint, count=3)
    os.utime(path, (time.time() - 50 * 3600,) * 2)
    journal = make_journal(tmp_path / "spool", endpoint)
    journal.spool.append(line(9))
    assert endpoint.wait_for(1)
    journal.flush(2)
    assert numbers(endpoint.items) == [9]
    assert not segments(tmp_path)
    assert "3 unsent items" in capfd.readouterr().err


def test_strange_files_in_the_spool_are_left_alone(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    journal = make_journal(tmp_path / "spool", endpoint)
    folder = tmp_path / "spool" / "destination"
    (tmp_path / "secret").write_bytes(HEADER % 16 + b'{"secret": 1}\n')
    (folder / "00-link.lines").symlink_to(tmp_path / "secret")
    (folder / "01-directory.lines").mkdir()
    (folder / "README").write_text("hello")
    os.mkfifo(folder / "02-fifo.lines")
    journal.spool.append(line(1))
    assert endpoint.wait_for(1)
    journal.flush(2)
    assert numbers(endpoint.items) == [1]
    assert not endpoint.invalid
    assert (tmp_path / "secret").exists()
    assert (folder / "README").exists()


def test_a_segment_in_use_is_not_adopted(endpoint: Endpoint, tmp_path: pathlib.Path) -> None:
    endpoint.fail(503)
    first, second = (make_journal(tmp_path / "spool", endpoint) for _ in range(2))
    first.spool.append(line(1))
    second.spool.append(line(2))
    assert endpoint.wait_for_posts(3)
    endpoint.heal()
    assert endpoint.wait_for(2)
    first.flush(2)
    second.flush(2)
    assert sorted(numbers(endpoint.items)) == [1, 2]
