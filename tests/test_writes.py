"""Whether other threads run while a line is written: not in its microseconds, but where the disk takes its time."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

from autotrace import writes
from tests.needs import need

# A C library whose writes at an offset take `delay` microseconds, whichever way Python comes to them.
SLOW_DISK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>
int delay = 0;
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    usleep(delay);
    return syscall(SYS_pwrite64, fd, data, size, offset);
}
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return pwrite(fd, data, size, offset); }
"""
# How often another thread ran while each of some lines was added.
SCRIPT = """
import ctypes, sys, threading, time
from autotrace.spool import Spool

# Nobody takes the lock by force.
sys.setswitchinterval(60)
spool = Spool(sys.argv[1], 100 << 20)
spool.append(b"first\\n")
ran = 0

def run():
    global ran
    while True:
        ran += 1
        time.sleep(0.0001)

threading.Thread(target=run, daemon=True).start()
while not ran:
    time.sleep(0.001)
ctypes.c_int.in_dll(ctypes.CDLL(None), "delay").value = int(sys.argv[2])
for _ in range(5):
    before = ran
    spool.append(b"line\\n")
    print(ran - before)
"""


@pytest.fixture(scope="module")
def slow_disk(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A library to be loaded first, with a disk that takes its time."""
    need(sys.platform == "linux", "the library that slows writes down is for Linux")
    compiler = shutil.which("cc") or ""
    need(compiler, "no C compiler (cc) to make a slow disk with")
    source = tmp_path_factory.mktemp("slow") / "slow.c"
    source.write_text(SLOW_DISK)
    library = source.with_suffix(".so")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    return library


def runs(library: pathlib.Path, folder: pathlib.Path, microseconds: int) -> list[int]:
    """Return how often another thread ran while each of five lines was added to a spool."""
    words = [sys.executable, "-c", SCRIPT, str(folder / "spool"), str(microseconds)]
    env = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=True)
    written = [path.read_bytes() for path in (folder / "spool").iterdir()]
    assert [lines[16:] for lines in written] == [b"first\n" + b"line\n" * 5]
    return [int(line) for line in done.stdout.split()]


def test_a_quick_write_does_not_hand_the_interpreter_to_another_thread(
    slow_disk: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    assert runs(slow_disk, tmp_path, 2_000)[:2] == [0, 0]


def test_a_disk_that_takes_its_time_holds_up_the_other_threads_once(
    slow_disk: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    first, *others = runs(slow_disk, tmp_path, 100_000)
    assert first == 0
    assert all(others)


def test_lines_are_written_without_ctypes_as_well(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert writes.keeping is not writes.letting_go
    for missing in (None, _Executable()):
        monkeypatch.setitem(sys.modules, "ctypes", missing)
        write = writes._keeping()
        assert write is writes.letting_go
        with open(tmp_path / "file", "wb") as file:
            assert write(file.fileno(), b"line\n", 5, 16) == 5
        assert (tmp_path / "file").read_bytes() == bytes(16) + b"line\n"


class _Executable:
    """What ctypes is like where memory must not be executable."""

    def __getattr__(self, name: str) -> Any:
        raise MemoryError
