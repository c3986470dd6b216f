"""The environments that peers run in: the one at hand, or a virtualenv of the peer's own."""

from __future__ import annotations

import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from typing import Mapping

from benchmarks.peers import FRAMEWORKS, Peer

FOLDER = pathlib.Path(__file__).resolve().parent.parent / ".venv-bench"
SERVERS = (*FRAMEWORKS, "gunicorn")
FOREIGN = ("AUTOTRACE_", "_AUTOTRACE_", "APPLICATIONINSIGHTS_", "APPINSIGHTS_", "OTEL_", "PYTHON", "WIRING_")


class SetupError(Exception):
    """A peer's environment cannot be made; the text is for the user."""


def scripts(peer: Peer) -> pathlib.Path:
    """Return the directory of the python and the console scripts that `peer` runs with, made where needed."""
    if not peer.requires:
        return pathlib.Path(sysconfig.get_path("scripts"))
    home = FOLDER / peer.name
    # The same versions of the frameworks as in the environment at hand, so that the rows can be compared.
    wanted = [[*(f"{name}=={version(name)}" for name in SERVERS), *peer.requires]]
    if peer.unpinned:
        wanted.append(["--no-deps", *peer.unpinned])
    stamp, text = home / "made-of", "\n".join([sys.version, *(" ".join(words) for words in wanted)])
    if not stamp.exists() or stamp.read_text() != text:
        say(f"making {home} for {peer.title}")
        venv.create(home, clear=True, with_pip=True)
        for words in wanted:
            install(home / "bin", words)
        stamp.write_text(text)
    return home / "bin"


def install(where: pathlib.Path, words: list[str]) -> None:
    """Have pip install `words`; raises SetupError with pip's last line."""
    command = [str(where / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it does not say why"]
        raise SetupError(f"pip cannot install {' '.join(words)}: {said[-1]}")


def versions(peer: Peer) -> dict[str, str]:
    """Return the installed versions of what matters for a peer, by distribution name."""
    names = [*SERVERS, *(re.split("[<=>]", word)[0] for word in (*peer.requires, *peer.unpinned))]
    code = "import importlib.metadata, sys; print(*map(importlib.metadata.version, sys.argv[1:]))"
    command = [str(scripts(peer) / "python"), "-c", code, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(names, done.stdout.split()))


def environment(peer: Peer, extra: Mapping[str, str], url: str, key: str, folder: pathlib.Path) -> dict[str, str]:
    """Return the environment variables of a peer's process; `key` tells its items from those of others."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env.update(PATH=f"{scripts(peer)}{os.pathsep}{env.get('PATH', '')}", HOME=str(folder), TMPDIR=str(folder))
    connection = f"InstrumentationKey={key};IngestionEndpoint={url}"
    for name, text in {**peer.environment, **extra}.items():
        env[name] = text.format(connection=connection, url=url, folder=folder)
    return env


def say(text: str) -> None:
    """Tell the user what takes time; the result alone goes to stdout."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201
