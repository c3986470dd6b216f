"""The environments that peers run in: the one at hand, or a virtualenv of the peer's own."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import version
from typing import Mapping

from benchmarks.peers import FRAMEWORKS, Peer

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parent / ".venv-bench"
SERVERS = (*FRAMEWORKS, "gunicorn", "requests")
FOREIGN = (
    *("AUTOTRACE_", "_AUTOTRACE_", "APPLICATIONINSIGHTS_", "APPINSIGHTS_", "WIRING_"),
    *("OTEL_", "DD_", "_DD_", "NEW_RELIC_", "ELASTIC_APM_", "PYTHON", "DJANGO_"),
)
# Some peers want to know it before the application starts.
APPLICATIONS = {"django": {"DJANGO_SETTINGS_MODULE": "django_settings"}}


class SetupError(Exception):
    """A peer's environment cannot be made; the text is for the user."""


def scripts(peer: Peer) -> pathlib.Path:
    """Return the directory of the python and the console scripts that `peer` runs with, made where needed."""
    for program in peer.programs:
        if shutil.which(program) is None:
            raise SetupError(f"the program {program} is not installed")
    if not peer.requires:
        return pathlib.Path(sysconfig.get_path("scripts"))
    home = FOLDER / peer.name
    # The pip that comes with an old Python settles for old releases of some peers. The frameworks are those of the
    # environment at hand, so that the rows can be compared.
    wanted = [["--upgrade", "pip"], [*(f"{name}=={version(name)}" for name in SERVERS), *peer.requires]]
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
    """Return the installed versions of what matters for a peer, by distribution name; raises SetupError."""
    names = [*SERVERS, *(re.split("[<=>]", word)[0] for word in (*peer.requires, *peer.unpinned))]
    code = "import importlib.metadata, sys; print(*map(importlib.metadata.version, sys.argv[1:]))"
    command = [str(scripts(peer) / "python"), "-c", code, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(zip(names, done.stdout.split()))


def environment(peer: Peer, framework: str, extra: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables of a peer's process: its own, the `extra` ones and those of a framework.

    `names` fills their braces, see peers.py; {connection}, {port} and {here} follow from the others.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env.update(PATH=f"{scripts(peer)}{os.pathsep}{env.get('PATH', '')}", HOME=names["folder"], TMPDIR=names["folder"])
    env.update(APPLICATIONS.get(framework, {}))
    known = {
        "connection": "InstrumentationKey={key};IngestionEndpoint={url}".format(**names),
        "port": names["url"].rpartition(":")[2],
        "here": str(HERE),
        **names,
    }
    for name, text in {**peer.environment, **extra}.items():
        env[name] = text.format(**known)
    return env


def say(text: str) -> None:
    """Tell the user what takes time; the result alone goes to stdout."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201
