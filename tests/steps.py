"""A traced process that does what it is told, step by step, so that the world can change in between."""

from __future__ import annotations

import contextlib
import pathlib
import subprocess
import sys
from typing import Iterator, Mapping

from tests.harness import APPS, script


class Steps:
    """The process; `said` is its stderr once it has ended."""

    def __init__(self, env: Mapping[str, str], stderr: pathlib.Path) -> None:
        self._stderr = stderr
        words = [script("autotrace"), "run", sys.executable, "-W", "ignore", "steps.py"]
        with open(stderr, "wb") as file:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(words, cwd=APPS, env=dict(env), stdin=pipe, stdout=pipe, stderr=file)

    def get(self, first: int, count: int) -> None:
        """Have the application answer numbered requests; it fails when one is not answered with 200."""
        self.do(f"get {first} {count}")

    def do(self, step: str) -> None:
        """Have one line of Python run."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(step.encode() + b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"done\n", self.said()

    def end(self) -> str:
        """Let the process end in an ordinary way; return what it said."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0, self.said()
        return self.said()

    def kill(self) -> None:
        """Kill the process, if it has not ended, and close the pipes to it."""
        self.process.kill()
        self.process.wait(30)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def said(self) -> str:
        """Return its stderr so far."""
        return self._stderr.read_text()


@contextlib.contextmanager
def steps(env: Mapping[str, str], folder: pathlib.Path, name: str = "stderr") -> Iterator[Steps]:
    """Run a process that does steps until the block ends; its stderr goes to a file in `folder`."""
    running = Steps(env, folder / name)
    try:
        yield running
    finally:
        running.kill()
