"""The one warning of `autotrace run` where tracing cannot start in the command itself, and no other."""

from __future__ import annotations

import os
import pathlib
import shutil
import sys
import zipfile

import pytest

from tests.harness import Completed, environment, run_command, script
from tests.needs import need, other_pythons
from tests.shell import autotrace, write

PYTHON = sys.executable
# The first lines of a console script in an environment that can be moved, as uv writes them.
RELOCATABLE = """#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")"/'python3' "$0" "$@"
' '''"""
NOT_PYTHON = "autotrace: {} is not a Python program; tracing starts in the Python programs that it starts\n"


def test_a_program_that_is_not_python_is_told_once(tmp_path: pathlib.Path) -> None:
    assert autotrace(tmp_path, "run", "true") == Completed(0, "", NOT_PYTHON.format("true"))
    write(tmp_path, '#!/bin/sh\nexec "$@"\n')
    assert autotrace(tmp_path, "run", "./program", "true").stderr == NOT_PYTHON.format("./program")
    # Below it, tracing starts; below another launcher, nothing is said again.
    armed = "import sys; print(any(type(f).__module__ == 'autotrace.bootstrap' for f in sys.meta_path))"
    done = autotrace(
        tmp_path,
        "run",
        script("autotrace"),
        "run",
        "./program",
        script("autotrace"),
        "run",
        "./program",
        PYTHON,
        "-c",
        armed,
    )
    assert done == Completed(0, "True\n", NOT_PYTHON.format("./program"))


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        (["-I"], "-I"),
        (["-sE"], "-E"),
        (["-bSB"], "-S"),
        (["-SE"], "-E and -S"),
        (["-W", "ignore", "-I"], "-I"),
        (["-Wignore", "-X", "utf8", "-E"], "-E"),
        (["--check-hash-based-pycs", "default", "-S"], "-S"),
        (["-W", "-I"], ""),
        (["-XE"], ""),
        (["-sBu"], ""),
        (["-m", "site", "-I"], ""),
        (["-msite", "-E"], ""),
    ],
)
def test_options_that_keep_tracing_out_are_named(tmp_path: pathlib.Path, arguments: list[str], flags: str) -> None:
    name = pathlib.Path(PYTHON).name
    tail = [] if "site" in "".join(arguments) else ["-c", "pass", "-I", "-E", "-S"]
    done = autotrace(tmp_path, "run", name, *arguments, *tail)
    said = f"autotrace: {name} runs Python with {flags}, so nothing is traced in it; run it without {flags}\n"
    assert [line for line in done.stderr.splitlines(keepends=True) if line.startswith("autotrace")] == [said][
        : bool(flags)
    ]


@pytest.mark.parametrize(
    ("first", "flags"),
    [
        ("#!{python} -E", "-E"),
        ("#! {python} -sI", "-I"),
        ("#!/usr/bin/env -S python3 -E", "-E"),
        ("#!/usr/bin/env -S A=b python3 -W ignore -I", "-I"),
        ("#!/usr/bin/env -S python3 -u", ""),
        ("#!/usr/bin/env python3", ""),
        ("#!{python}", ""),
        ("#!{python} -s", ""),
        ("#!/bin/sh\n'''exec' {python} \"$0\" \"$@\"\n' '''", ""),
        ("#!/bin/sh\n'''exec' \"{python}\" -E \"$0\" \"$@\"\n' '''", "-E"),
        (RELOCATABLE, ""),
    ],
)  # fmt: skip
def test_a_scripts_first_line_is_read(tmp_path: pathlib.Path, first: str, flags: str) -> None:
    write(tmp_path, f"#!/bin/sh\nexec '{PYTHON}' \"$@\"\n", "python3")
    write(tmp_path, first.format(python=PYTHON) + "\nprint('up')\n")
    done = autotrace(tmp_path, "run", "./program")
    said = f"autotrace: ./program runs Python with {flags}, so nothing is traced in it; run it without {flags}\n"
    assert done == Completed(0, "up\n", said if flags else "")


def test_no_warning_for_what_runs_in_our_python(tmp_path: pathlib.Path) -> None:
    armed = "import sys; print(any(type(f).__module__ == 'autotrace.bootstrap' for f in sys.meta_path))"
    for name in ("python", "python3", "python{}.{}".format(*sys.version_info[:2]), PYTHON):
        if shutil.which(name, path=f"{pathlib.Path(PYTHON).parent}"):
            assert autotrace(tmp_path, "run", name, "-c", armed) == Completed(0, "True\n", ""), name
    for name in ("gunicorn", "flask", "django-admin", "uvicorn"):
        need(os.path.exists(script(name)), f"{name} is not installed")
        assert autotrace(tmp_path, "run", name, "--version").stderr == "", name
    (tmp_path / "zipapp" / "x").mkdir(parents=True)
    (tmp_path / "zipapp" / "__main__.py").write_text(armed)
    run_command([PYTHON, "-m", "zipapp", "zipapp", "-p", PYTHON, "-o", "app.pyz"], environment(tmp_path), cwd=tmp_path)
    assert autotrace(tmp_path, "run", "./app.pyz") == Completed(0, "True\n", "")


def test_a_stand_in_of_a_version_manager_is_python(tmp_path: pathlib.Path) -> None:
    write(tmp_path, "#!/bin/sh\nshift\nname=$1; shift\nexec '" + PYTHON + '\' "$@"\n', "pyenv")
    shim = f'#!/bin/sh\nset -e\nprogram="${{0##*/}}"\nexec "{tmp_path}/pyenv" exec "$program" "$@"\n'
    for name in ("python", "gunicorn"):
        write(tmp_path, shim, name)
        assert autotrace(tmp_path, "run", f"./{name}", "-c", "print('up')") == Completed(0, "up\n", "")
    assert "with -I" in autotrace(tmp_path, "run", "./python", "-I", "-c", "pass").stderr


def test_a_program_of_another_environment_is_told(tmp_path: pathlib.Path) -> None:
    run_command([PYTHON, "-m", "venv", "--without-pip", str(tmp_path / "other")], environment(tmp_path))
    foreign = str(tmp_path / "other" / "bin" / "python")
    said = (
        "autotrace: {} is not traced: it runs in " + foreign + ", and this autotrace belongs to {}; "
        "install autotrace-appinsights there and use its autotrace\n"
    )
    ours = pathlib.Path(script("autotrace")).read_text().splitlines()[0][2:]
    write(tmp_path, f"#!{foreign}\nprint('up')\n")
    assert autotrace(tmp_path, "run", "./program") == Completed(0, "up\n", said.format("./program", ours))
    assert autotrace(tmp_path, "run", foreign, "-c", "print('up')") == Completed(0, "up\n", said.format(foreign, ours))


def test_a_python_of_another_version_is_told(tmp_path: pathlib.Path) -> None:
    pythons = other_pythons()
    need(pythons, "no other Python found under pyenv or /usr")
    for python in pythons.values():
        done = autotrace(tmp_path, "run", python, "-c", "print('up')")
        assert (done.code, done.stdout, done.stderr.count("\n")) == (0, "up\n", 1)
        assert f"{python} is not traced" in done.stderr


def test_a_pex_file_is_told(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "app.pex"
    with path.open("wb") as pex:
        pex.write(f"#!{PYTHON}\n".encode())
        with zipfile.ZipFile(pex, "w") as archive:
            archive.writestr("PEX-INFO", "{}")
            archive.writestr("__main__.py", "print('up')")
    path.chmod(0o755)
    done = autotrace(tmp_path, "run", "./app.pex")
    assert (done.code, done.stdout, done.stderr.count("\n")) == (0, "up\n", 1)
    assert done.stderr.startswith("autotrace: ./app.pex is a PEX file")


def test_uwsgi_is_python(tmp_path: pathlib.Path) -> None:
    for name in ("uwsgi", "uwsgi_python3", "pyuwsgi"):
        write(tmp_path, "#!/bin/sh\n", name)
        assert autotrace(tmp_path, "run", f"./{name}", "--ini", "-E") == Completed(0, "", "")
