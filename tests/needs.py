"""What a test needs from the machine: without it the test is skipped, or fails where all must be there."""

from __future__ import annotations

import glob
import importlib
import os
import shutil
import socket
import sys
from typing import Any

import pytest


def need(condition: object, reason: str) -> None:
    """Skip the test for `reason` unless `condition` holds; with CI=true that is a failure."""
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"needed here, because CI=true: {reason}")
    pytest.skip(reason)


def strange_name() -> str:
    """Return the name of this machine, which leads to loopback as localhost does, but could be anybody's."""
    name = socket.gethostname()
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            socket.create_connection((name, server.getsockname()[1]), 2).close()
            reason = ""
        except OSError as error:
            reason = f"the host name {name} does not lead to this machine's loopback: {error}"
    need(not reason, reason)
    return name


def other_pythons() -> dict[str, str]:
    """Return the interpreters of other versions that this machine has: version as in "2.7" → path."""
    ours = "{}.{}".format(*sys.version_info[:2])
    versions = ["2.7", *(f"3.{minor}" for minor in range(6, 16))]
    root = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    found = {}
    for version in versions:
        installed = glob.glob(f"{root}/versions/{version}.*/bin/python{version}")
        path = installed[0] if installed else shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")
        if path and version != ours:
            found[version] = path
    return found


def module(name: str) -> Any:
    """Return a module that a test needs, imported; see `need`."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"needed here, because CI=true: {error}")
        pytest.skip(f"{name} is not installed", allow_module_level=True)
