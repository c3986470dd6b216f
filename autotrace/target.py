"""Read from a program file why tracing will not start in it, before it is started."""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from typing import Mapping, NamedTuple, Sequence

from autotrace import launcher

PYTHON_NAME = re.compile(r"(python|pypy|graalpy)\d*(\.\d+)?[a-z]{0,2}(-dbg|-intel64)?")
UWSGI_NAME = re.compile(r"(py)?uwsgi([-_].*)?")
# Scripts by which version managers stand in for every program of an environment that is chosen later.
SHIM = re.compile(rb"""exec ["']?\S*(pyenv|asdf)["']? exec """)
# What pip and uv write where a first line cannot hold the path of Python: shell that is a string to Python.
POLYGLOT = re.compile(r"""\A#!\s*/bin/sh\n(?:'''exec'|"exec") (.+) ["']?\$0["']? ["']?\$@["']?""")


class Interpreter(NamedTuple):
    """The path of Python, None where it is chosen later, and the arguments that it gets."""

    path: str | None
    arguments: Sequence[str]


def obstacles(path: str, command: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """Return one line for each reason why nothing will be traced in `command`, whose program is at `path`."""
    try:
        head = read_head(path)
        python = interpreter(path, head, command, environ)
        if python is None:
            text = "is not a Python program; tracing starts in the Python programs that it starts"
            return [f"{command[0]} {text}"]
        lines = [*ignored_environment(command[0], python), *foreign_environment(command[0], python)]
        return lines or isolated_archive(path, command[0], head)
    except (OSError, ValueError):
        # Whatever cannot be read here is for the system to judge when it starts the command.
        return []


def read_head(path: str) -> bytes:
    """Return the beginning of the file at `path`."""
    with open(path, "rb") as program:
        return program.read(4096)


def interpreter(path: str, head: bytes, command: Sequence[str], environ: Mapping[str, str]) -> Interpreter | None:
    """Return the Python that a program runs in; None when it is not a Python program."""
    if is_uwsgi(path):
        return Interpreter(None, ())
    if is_python(path):
        return Interpreter(path, command[1:])
    if SHIM.search(head):
        return Interpreter(None, ())
    if not head.startswith(b"#!"):
        # Python source without a first line does not start at all, which the launcher says.
        return Interpreter(None, ()) if path.endswith(".py") else None
    text = os.fsdecode(head)
    polyglot = POLYGLOT.match(text)
    if polyglot:
        return of_words(split(polyglot.group(1)), environ)
    first, _, argument = text[2:].partition("\n")[0].strip().partition(" ")
    # The kernel passes all that follows the interpreter as one argument.
    return of_words([first, argument.strip()] if argument.strip() else [first], environ)


def is_python(path: str) -> bool:
    """Tell whether the program at `path` is called like a Python interpreter."""
    return any(PYTHON_NAME.fullmatch(os.path.basename(name)) for name in (path, os.path.realpath(path)))


def is_uwsgi(path: str) -> bool:
    """Tell whether the program at `path` is called like uWSGI, which holds a Python of its own."""
    return any(UWSGI_NAME.fullmatch(os.path.basename(name)) for name in (path, os.path.realpath(path)))


def of_words(words: Sequence[str], environ: Mapping[str, str]) -> Interpreter | None:
    """Return the Python that a script's interpreter line, given in words, starts; OSError for none."""
    words = through_env(list(words), environ)
    if not words:
        return None
    # A path that the shell computes, in an environment that can be moved.
    if "$" in words[0]:
        python = any(is_python(word.strip("'\"")) for word in words)
        return Interpreter(None, [word for word in words if word.startswith("-")]) if python else None
    os.stat(words[0])
    if not is_python(words[0]):
        return None
    return Interpreter(words[0], words[1:])


def through_env(words: list[str], environ: Mapping[str, str]) -> list[str]:
    """Return what `env` would run, with the program's path, for an interpreter line with it; else `words`."""
    if os.path.basename(words[0]) != "env" or len(words) == 1:
        return words
    words = words[1:]
    if words[0].startswith(("-S", "--split-string")):
        words = split(re.sub(r"^(-S|--split-string)[ =]?", "", words[0]) + " " + " ".join(words[1:]))
    while words and (words[0].startswith("-") or "=" in words[0]):
        words = words[2:] if words[0] in ("-u", "-C", "--unset", "--chdir") else words[1:]
    if words and not os.path.dirname(words[0]):
        with suppress(launcher.StartError):
            words[0] = launcher.find_program(words[0], environ)
    return words


def split(text: str) -> list[str]:
    """Split `text` into words as a shell does."""
    import shlex

    return shlex.split(text)


def ignored_environment(name: str, python: Interpreter) -> list[str]:
    """Say that options of Python keep it from reading the environment or from running any sitecustomize."""
    found = "".join(f for f in "IES" if f in python_flags(python.arguments))
    if not found:
        return []
    flags = " and ".join("-" + flag for flag in found)
    return [f"{name} runs Python with {flags}, so nothing is traced in it; run it without {flags}"]


def python_flags(arguments: Sequence[str]) -> str:
    """Return the single-letter options among the arguments of Python, up to its script, -c or -m."""
    found = ""
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word in ("--check-hash-based-pycs", "--jit"):
            del rest[:1]
        elif word.startswith("--") and len(word) > 2:
            continue
        elif not word.startswith("-") or word in ("-", "--"):
            break
        for position, letter in enumerate(word[1:] if not word.startswith("--") else "", 2):
            if letter in "cm":
                return found
            if letter in "WXQ":
                # The value is the rest of the word or the next one.
                del rest[: 1 if position == len(word) else 0]
                break
            found += letter
    return found


def foreign_environment(name: str, python: Interpreter) -> list[str]:
    """Say that a program runs in another Python environment than this one."""
    if python.path is None or is_ours(python.path):
        return []
    return [
        f"{name} is not traced: it runs in {python.path}, and this autotrace belongs to {sys.executable}; "
        "install autotrace-appinsights there and use its autotrace"
    ]


def is_ours(python: str) -> bool:
    """Tell whether the Python at `python` is of our environment; True where that is not known."""
    real = os.path.realpath(python)
    version = re.fullmatch(r"python(\d+\.\d+)", os.path.basename(real))
    if version and version.group(1) != "{}.{}".format(*sys.version_info[:2]):
        return False
    # A stand-in of a version manager, which chooses the interpreter when it runs.
    if not is_python(real) or read_head(real).startswith(b"#!"):
        return True
    prefix = prefix_of(python)
    return prefix is None or os.path.realpath(prefix) == os.path.realpath(sys.prefix)


def prefix_of(python: str) -> str | None:
    """Return what the Python at `python` has as sys.prefix; None when it has no library."""
    for directory in (os.path.dirname(python), os.path.dirname(os.path.dirname(python))):
        if os.path.isfile(os.path.join(directory, "pyvenv.cfg")):
            return directory
    prefix = os.path.dirname(os.path.dirname(os.path.realpath(python)))
    libraries = os.listdir(os.path.join(prefix, "lib"))
    return prefix if any(name.startswith(("python", "pypy")) for name in libraries) else None


def isolated_archive(path: str, name: str, head: bytes) -> list[str]:
    """Say that a PEX file shuts the environment out; other archives that Python runs do not."""
    if b"PK\x03\x04" not in head:
        return []
    import zipfile

    with zipfile.ZipFile(path) as archive:
        if "PEX-INFO" not in archive.namelist():
            return []
    return [
        f"{name} is a PEX file, which shuts the environment out, so nothing is traced in it; build it with "
        f"autotrace-appinsights in it, unpack it with: pex-tools {name} venv --non-hermetic-scripts DIR, "
        "and use DIR/bin/autotrace"
    ]
