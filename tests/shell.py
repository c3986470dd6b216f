"""Running `autotrace` as a user does in a directory of the test's own."""

from __future__ import annotations

import pathlib

from tests.harness import Completed, environment, run_command, script


def autotrace(folder: pathlib.Path, *words: object, **variables: str) -> Completed:
    """Run `autotrace WORDS...` in `folder`, with `variables` over a clean environment."""
    command = [script("autotrace"), *map(str, words)]
    return run_command(command, {**environment(folder), **variables}, cwd=folder)


def write(folder: pathlib.Path, text: str, name: str = "program", mode: int = 0o755) -> None:
    """Write a file into `folder`, by default one that can be executed."""
    (folder / name).write_text(text)
    (folder / name).chmod(mode)
