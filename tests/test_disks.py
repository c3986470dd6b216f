"""The disk fails: the application does not notice, what fits into memory arrives, and what is lost is said."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil

import pytest

from tests.disks import disk_that_breaks, mounted, small_disk
from tests.endpoint import Endpoint
from tests.harness import environment
from tests.journals import segments, stored, unsent
from tests.steps import Steps, steps
from tests.traffic import account, said_lost, settle

MEMORY = "autotrace: unsent telemetry is kept in memory only"
# More than the small disks here take, and less than the memory may.
MANY = 4000


def send(env: dict[str, str], folder: pathlib.Path, first: int) -> str:
    """Start a process that sends what others left; return what it said."""
    with steps(env, folder, "next") as process:
        process.get(first, 1)
        # The first look for what others left comes with the first post.
        process.do("import time; time.sleep(1.5)")
        return process.end()


@pytest.mark.parametrize("what", ["size=1m", "size=1m,nr_inodes=2", "size=1m,nr_inodes=1", "size=4k"])
def test_a_full_disk(what: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = environment(tmp_path, endpoint)
    endpoint.refuse()
    with small_disk(tmp_path / "spool", what), steps(env, tmp_path) as process:
        process.get(0, MANY)
        if what == "size=1m":
            assert stored(tmp_path / "spool") > 1000, "what fits is on the disk"
        endpoint.accept()
        result = settle(range(MANY), endpoint, seconds=20)
        said = process.end()
    assert (result.lost, result.twice) == (0, 0)
    assert said.count("\n") == 1
    assert said.startswith(MEMORY)
    assert said.endswith(": No space left on device\n") or "nr_inodes=1" in what


def test_a_full_disk_at_the_end_of_a_process(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = environment(tmp_path, endpoint)
    endpoint.refuse()
    with small_disk(tmp_path / "spool", "size=1m"):
        with steps(env, tmp_path) as process:
            process.get(0, MANY)
            said = process.end()
        endpoint.accept()
        said += send(env, tmp_path, MANY)
        result = account(range(MANY), endpoint)
    assert result.twice == 0
    assert 1000 < result.arrived < MANY
    assert said_lost(said) == result.lost


def test_a_disk_that_has_room_again(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = environment(tmp_path, endpoint)
    endpoint.refuse()
    with small_disk(tmp_path / "spool", "size=2m"):
        filled = tmp_path / "spool" / "other"
        with contextlib.suppress(OSError):
            filled.write_bytes(b"x" * (3 << 20))
        with steps(env, tmp_path) as process:
            process.get(0, 100)
            filled.unlink()
            assert not segments(tmp_path / "spool")
            # The memory takes a segment's worth.
            process.get(100, 2500)
            assert unsent(tmp_path / "spool") > 500
            endpoint.accept()
            assert settle(range(2600), endpoint, seconds=20).lost == 0
            process.end()


def test_a_disk_that_is_read_only(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = environment(tmp_path, endpoint)
    with mounted(tmp_path / "spool", "-t", "tmpfs", "-o", "ro", "tmpfs"), steps(env, tmp_path) as process:
        process.get(0, 200)
        assert settle(range(200), endpoint).lost == 0
        said = process.end()
    assert said.count("\n") == 1
    assert said.startswith(MEMORY)


def test_a_disk_that_turns_read_only(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = environment(tmp_path, endpoint)
    with disk_that_breaks(tmp_path / "spool") as trigger, steps(env, tmp_path) as process:
        process.get(0, 100)
        assert endpoint.wait_for(100)
        endpoint.refuse()
        process.get(100, 100)
        trigger.write_text("1")
        process.get(200, 100)
        endpoint.accept()
        assert settle(range(300), endpoint, seconds=20).lost == 0
        process.get(300, 100)
        assert settle(range(400), endpoint, seconds=20).lost == 0
        said = process.end()
        assert account(range(400), endpoint).twice == 0
    assert f"{MEMORY}: Read-only file system" in said
    assert "the disk does not take the note that telemetry was delivered" in said
    assert said.count("\n") == 2


def test_a_directory_that_is_removed(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env = environment(tmp_path, endpoint)
    endpoint.refuse()
    with steps(env, tmp_path) as process:
        process.get(0, 100)
        shutil.rmtree(tmp_path / "spool")
        # More than what is left of the segment.
        process.get(100, 2500)
        assert unsent(tmp_path / "spool") > 500, "it was made anew"
        assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o700
        said = process.end()
    endpoint.accept()
    said += send(env, tmp_path, 2600)
    result = settle(range(2601), endpoint, seconds=0)
    assert result.twice == 0
    assert said_lost(said) == result.lost > 0, "what was in the removed file ends with the process"


def someone_else(folder: pathlib.Path) -> None:
    """Make a directory of another user."""
    if os.geteuid() != 0:
        pytest.skip("only root gives a directory away")
    folder.mkdir(mode=0o777)
    os.chown(folder, 12345, 12345)


def link(folder: pathlib.Path) -> None:
    """Make a link to a directory."""
    (folder.parent / "elsewhere").mkdir()
    folder.symlink_to(folder.parent / "elsewhere")


@pytest.mark.parametrize("make", [someone_else, link])
def test_a_directory_that_is_not_ours(make: object, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    assert callable(make)
    make(tmp_path / "spool")
    with steps(environment(tmp_path, endpoint), tmp_path) as process:
        process.get(0, 100)
        assert settle(range(100), endpoint).lost == 0
        said = process.end()
    assert list((tmp_path / "spool").iterdir()) == []
    assert said.count("\n") == 1
    assert said.startswith(MEMORY)


def test_files_that_may_not_grow(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.refuse()
    with steps(environment(tmp_path, endpoint), tmp_path) as process:
        process.do("import resource; _, most = resource.getrlimit(resource.RLIMIT_FSIZE)")
        process.do("resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, most))")
        process.get(0, 1000)
        assert max(path.stat().st_size for path in segments(tmp_path)) <= 100_000
        assert unsent(tmp_path / "spool") == 1000, "in more files"
        assert process.said() == ""
        # What is said of it fits.
        process.do("resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))")
        process.get(1000, 1000)
        endpoint.accept()
        result = settle(range(2000), endpoint, seconds=20)
        said = process.end()
    assert (result.lost, result.twice) == (0, 0)
    assert said == f"{MEMORY}: File too large\n"


HOG = "import os; held = []; exec('try:\\n while True: held.append(os.dup(0))\\nexcept OSError: pass')"
FREE = "[os.close(fd) for fd in held]; held.clear()"


def exhaust(process: Steps) -> None:
    """Let the application use all the file descriptors that it may have."""
    process.do("import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))")
    process.do(HOG)


def test_no_file_descriptors_are_left(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.refuse()
    with steps(environment(tmp_path, endpoint), tmp_path) as process:
        process.get(0, 100)
        exhaust(process)
        process.get(100, MANY)
        endpoint.accept()
        process.do(FREE)
        result = settle(range(MANY + 100), endpoint, seconds=30)
        said = process.end()
    assert (result.lost, result.twice) == (0, 0)
    assert said == f"{MEMORY}: Too many open files\n"


def test_no_file_descriptors_are_left_for_the_first_request(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    with steps(environment(tmp_path, endpoint), tmp_path) as process:
        # The application is loaded, and has answered nothing.
        process.do("import loop, pyramid_app")
        exhaust(process)
        process.get(0, 100)
        process.do(FREE)
        process.get(100, 100)
        result = settle(range(100, 200), endpoint, seconds=20)
        said = process.end()
    # Not even what records them could be loaded.
    assert (result.lost, result.twice) == (0, 0)
    assert "starting a request failed" in said
    assert "Too many open files" in said


def test_a_large_spool_takes_few_file_descriptors(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    endpoint.fail(503)
    env = {**environment(tmp_path, endpoint), "AUTOTRACE_SPOOL_SIZE": "1000"}
    with steps(env, tmp_path) as process:
        process.get(0, 40_000)
        held = len(os.listdir(f"/proc/{process.process.pid}/fd"))
        assert len(segments(tmp_path / "spool")) > 20
        assert held < 20
        endpoint.heal()
        result = settle(range(40_000), endpoint, seconds=60)
        assert process.end() == ""
    assert (result.lost, result.twice) == (0, 0)
