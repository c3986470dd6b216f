"""Become a command, with an environment in which every Python below it arms autotrace."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Mapping, NoReturn, Sequence

NOTED_PYTHON = "_AUTOTRACE_PYTHON"
NOT_EXECUTABLE = 126
NOT_FOUND = 127


class StartError(Exception):
    """The command cannot be started; `status` is the exit status that a shell would give."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


def template_directory() -> str:
    """Return the absolute path of the directory whose sitecustomize Python is to find first."""
    import sitecustomize_template

    return os.path.dirname(os.path.abspath(str(sitecustomize_template.__file__)))


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` with what arms autotrace in this Python; a second time changes nothing more."""
    ours = template_directory()
    # Python ignores an empty PYTHONPATH, while an empty entry of a longer one means the current directory.
    entries = environ["PYTHONPATH"].split(os.pathsep) if environ.get("PYTHONPATH") else []
    child = dict(environ)
    child["PYTHONPATH"] = os.pathsep.join([ours] + [entry for entry in entries if entry != ours])
    child[NOTED_PYTHON] = "{}.{}:{}".format(*sys.version_info[:2], sys.prefix)
    return child


def inherited_environment() -> dict[str, str]:
    """Return the environment that this process was started with."""
    environ = dict(os.environ)
    # In the C locale Python sets LC_CTYPE for itself; the command must see the locale that the user chose.
    if environ.get("LC_CTYPE") in ("C.UTF-8", "C.utf8", "UTF-8"):
        try:
            with open("/proc/self/environ", "rb") as started_with:
                if b"\0LC_CTYPE=" not in b"\0" + started_with.read():
                    del environ["LC_CTYPE"]
        except OSError:
            pass
    return environ


def find_program(name: str, environ: Mapping[str, str]) -> str:
    """Return the path of the file that running `name` starts, looked up as a shell does.

    Raises StartError when there is none or when it cannot be executed.
    """
    if os.path.dirname(name):
        candidates = [name]
    else:
        directories = environ.get("PATH", os.defpath).split(os.pathsep)
        candidates = [os.path.join(directory or os.curdir, name) for directory in directories]
    for path in candidates:
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    for path in candidates:
        if os.path.isfile(path):
            raise StartError(f"{path} is not executable{suggest_python(name)}", NOT_EXECUTABLE)
        if os.path.isdir(path) and path == name:
            raise StartError(f"{path} is a directory, not a program", NOT_EXECUTABLE)
    raise StartError(f"{name or repr(name)}: command not found{suggest(name)}", NOT_FOUND)


def suggest(name: str) -> str:
    """Return the end of a message that says how `name`, which is not on PATH, may have been meant."""
    if os.path.isfile(name):
        if name.endswith(".py"):
            return suggest_python(name)
        return f"; for the file in this directory write: autotrace run ./{name}"
    if name.startswith("-"):
        return "; options of autotrace come before the command"
    return "" if os.path.dirname(name) else " on PATH"


def suggest_python(name: str) -> str:
    """Return the end of a message that says how to run `name` when it is Python source."""
    return f"; to run it with Python write: autotrace run python {name}" if name.endswith(".py") else ""


def execute(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become `command`: same process, same signals, same exit status; raises StartError when it cannot."""
    path = find_program(command[0], environ)
    restore_signals()
    try:
        os.execve(path, list(command), environ)  # noqa: S606 - no shell, as the user typed it
    except OSError as error:
        if error.errno == errno.ENOEXEC and is_shell_source(path):
            # A script without a first line that names its interpreter: every shell, and env, hands it to sh.
            os.execve("/bin/sh", ["/bin/sh", path, *command[1:]], environ)  # noqa: S606
        raise StartError(explain(path, error), NOT_EXECUTABLE) from error


def restore_signals() -> None:
    """Undo what Python does to signals at its start; an ignored signal would stay ignored in the command."""
    for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)


def is_shell_source(path: str) -> bool:
    """Tell whether the file at `path`, which the kernel cannot start, is text that is not Python."""
    with open(path, "rb") as program:
        return b"\0" not in program.read(512) and not path.endswith(".py")


def explain(path: str, error: OSError) -> str:
    """Return why the program at `path` did not start, for its user."""
    if error.errno == errno.ENOENT:
        return f"{path} cannot be started: the interpreter in its first line does not exist"
    return f"{path} cannot be started: {error.strerror}{suggest_python(path)}"
