"""Disks that fail, mounted where a test wants them."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
from typing import Iterator

from tests.needs import need


def run(*words: str) -> bool:
    """Run a command and tell whether it worked."""
    with contextlib.suppress(OSError):
        return subprocess.run(words, capture_output=True, check=False).returncode == 0
    return False


@contextlib.contextmanager
def mounted(folder: pathlib.Path, *options: str) -> Iterator[None]:
    """Mount a file system on a new folder until the block ends; `options` are those of the mount command."""
    need(os.geteuid() == 0, "only root mounts a disk")
    folder.mkdir(exist_ok=True)
    need(run("mount", *options, str(folder)), f"mount {' '.join(options)} works here")
    try:
        yield
    finally:
        run("umount", "--lazy", str(folder))


def small_disk(folder: pathlib.Path, options: str) -> contextlib.AbstractContextManager[None]:
    """Mount a disk in memory, of a size as in "size=1m"."""
    return mounted(folder, "-t", "tmpfs", "-o", options, "tmpfs")


@contextlib.contextmanager
def disk_that_breaks(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Mount a disk of 8 megabytes; it turns read-only, even for open files, once something is written to the path."""
    image = folder.with_suffix(".image")
    with open(image, "wb") as file:
        file.truncate(8 << 20)
    need(run("mkfs.ext4", "-q", "-F", str(image)), "mkfs.ext4 makes a file system")
    with mounted(folder, "-o", "loop,errors=remount-ro", str(image)):
        mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
        device = next(words[0] for words in mounts if words[1] == str(folder))
        trigger = pathlib.Path("/sys/fs/ext4", os.path.basename(device), "trigger_fs_error")
        need(trigger.exists(), "ext4 can be told to fail")
        yield trigger
