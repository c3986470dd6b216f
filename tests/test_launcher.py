"""`autotrace run` as a user meets it: the command runs as if typed alone, mistakes get one helpful line."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest

from tests.harness import Completed, environment, run_command, script
from tests.needs import need
from tests.shell import autotrace, write

TEMPLATE = str(pathlib.Path(__file__).parent.parent / "sitecustomize_template")
PYTHON = sys.executable

# The command line


def test_help_and_version(tmp_path: pathlib.Path) -> None:
    from autotrace import __version__

    assert autotrace(tmp_path, "--version") == Completed(0, f"autotrace, version {__version__}\n", "")
    for words in (["--help"], ["-h"]):
        assert "autotrace run" in autotrace(tmp_path, *words).stdout
    module = run_command([PYTHON, "-m", "autotrace", "--version"], dict(os.environ))
    assert module.stdout == f"autotrace, version {__version__}\n"


def test_every_setting_is_an_option_and_reaches_the_command(tmp_path: pathlib.Path) -> None:
    from autotrace.settings import OPTIONS

    shown = autotrace(tmp_path, "run", "--help").stdout
    for option in OPTIONS:
        flag = "--" + option.field.replace("_", "-")
        assert f"  {flag} {option.metavar}" in shown
        # The environment says the opposite: the option wins.
        look = [PYTHON, "-c", f"import os; print(os.environ['{option.variable}'])"]
        done = autotrace(tmp_path, "run", flag, "off", *look, **{option.variable: "on"})
        assert done.stdout == "off\n", flag


NO_COMMAND = "run needs the command that starts your server, such as: autotrace run gunicorn shop.wsgi"
MISTAKES = [
    ([], 2, NO_COMMAND),
    (["--"], 2, NO_COMMAND),
    (["no-such-command"], 127, "no-such-command: command not found on PATH"),
    ([""], 127, "'': command not found on PATH"),
    (["./nowhere/x"], 127, "./nowhere/x: command not found"),
    (["/"], 126, "/ is a directory, not a program"),
    (["./app.py"], 126, "./app.py is not executable; to run it with Python write: "
                        "autotrace run python ./app.py"),
    (["app.py"], 127, "app.py: command not found; to run it with Python write: autotrace run python app.py"),
    (["./other.py"], 126, "./other.py cannot be started: Exec format error; to run it with Python write: "
                          "autotrace run python ./other.py"),
    (["tool"], 127, "tool: command not found; for the file in this directory write: autotrace run ./tool"),
    (["./tool"], 126, "./tool cannot be started: the interpreter in its first line does not exist"),
    (["--", "--sampler"], 127, "--sampler: command not found; options of autotrace come before the command"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "status", "line"), MISTAKES)
def test_a_command_that_cannot_start_gets_one_line(
    tmp_path: pathlib.Path, words: list[str], status: int, line: str
) -> None:
    write(tmp_path, "print('app')\n", "app.py", 0o644)
    write(tmp_path, "print('app')\n", "other.py")
    write(tmp_path, "#!/no/such/interpreter\n", "tool")
    assert autotrace(tmp_path, "run", *words) == Completed(status, "", f"autotrace: {line}\n")


def test_a_mistyped_option_is_ours_and_one_after_the_command_is_not(tmp_path: pathlib.Path) -> None:
    done = autotrace(tmp_path, "run", "--samplr", "1", PYTHON)
    assert (done.code, done.stdout) == (2, "")
    assert "--sampler" in done.stderr
    assert autotrace(tmp_path, "rnu").code == 2
    assert autotrace(tmp_path, "run", PYTHON, "--help").stdout.startswith("usage: ")
    assert autotrace(
        tmp_path, "run", PYTHON, "-c", "import sys; print(sys.argv[1:])", "--sampler", "--", "-x"
    ).stdout == ("['--sampler', '--', '-x']\n")


def test_problems_of_settings_are_said_once_and_stop_nothing(tmp_path: pathlib.Path) -> None:
    nested = [script("autotrace"), "run", PYTHON, "-c", "print('up')"]
    done = autotrace(tmp_path, "run", *nested, AUTOTRACE_SAMPLER="a lot", AUTOTRACE_SPOOL_SIZE="-3")
    assert (done.code, done.stdout) == (0, "up\n")
    lines = done.stderr.splitlines()
    assert [line.split("=")[0][11:] for line in lines] == ["AUTOTRACE_SAMPLER", "AUTOTRACE_SPOOL_SIZE"]
    silent = autotrace(tmp_path, "run", *nested, AUTOTRACE_SAMPLER="a lot", AUTOTRACE_LOG_LEVEL="silent")
    assert silent == Completed(0, "up\n", "")


def test_a_problem_that_is_new_below_a_launcher_is_said(tmp_path: pathlib.Path) -> None:
    below = f"AUTOTRACE_SAMPLER=more '{script('autotrace')}' run '{PYTHON}' -c pass"
    code = f"import os; os.system({below!r})"
    done = autotrace(tmp_path, "run", PYTHON, "-c", code, AUTOTRACE_SAMPLER="a lot")
    assert ["'a lot'" in line or "'more'" in line for line in done.stderr.splitlines()] == [True, True]


def test_switched_off_the_command_is_untouched(tmp_path: pathlib.Path) -> None:
    look = [PYTHON, "-c", "import os; print(os.environ.get('PYTHONPATH'), '_AUTOTRACE_PYTHON' in os.environ)"]
    assert autotrace(tmp_path, "run", *look, AUTOTRACE_ENABLED="false") == Completed(0, "None False\n", "")
    assert autotrace(tmp_path, "run", "--enabled", "no", *look) == Completed(0, "None False\n", "")
    assert autotrace(tmp_path, "run", "no-such-command", AUTOTRACE_ENABLED="0").code == 127


# The command runs as if it had been typed alone


def test_arguments_input_output_and_exit_code_pass_through(tmp_path: pathlib.Path) -> None:
    code = (
        "import os, sys; data = sys.stdin.buffer.read(); sys.stdout.buffer.write(data[::-1]);"
        "sys.stderr.buffer.write(os.fsencode(repr(sys.argv))); sys.exit(77)"
    )
    words = [PYTHON, "-c", code, "a b", "", "*", "é", b"\xff\xfe"]
    outcomes = []
    for launcher in ([], [script("autotrace"), "run"]):
        done = subprocess.run(
            [*launcher, *words],
            input=bytes(range(256)),
            capture_output=True,
            env=environment(tmp_path),
            timeout=60,
        )
        outcomes.append((done.returncode, done.stdout, done.stderr))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == 77


def test_the_command_has_the_launchers_pid(tmp_path: pathlib.Path) -> None:
    words = [script("autotrace"), "run", PYTHON, "-c", "import os; print(os.getpid())"]
    process = subprocess.Popen(words, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
    stdout, _ = process.communicate(timeout=60)
    assert int(stdout) == process.pid


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_ends_the_command_as_it_would_alone(tmp_path: pathlib.Path, number: signal.Signals) -> None:
    code = "import signal, sys; print('up', flush=True); signal.pause()"
    codes = []
    for launcher in ([], [script("autotrace"), "run"]):
        process = subprocess.Popen(
            [*launcher, PYTHON, "-c", code],
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        with process.stdout:
            process.stdout.readline()
            process.send_signal(number)
            codes.append(process.wait(60))
    assert codes[0] == codes[1] == -number


def test_signals_that_python_ignores_are_not_ignored_in_the_command(tmp_path: pathlib.Path) -> None:
    need(os.path.exists("/proc/self/status"), "no /proc")
    plain = subprocess.check_output(["grep", "SigIgn", "/proc/self/status"], text=True)  # noqa: S607
    assert autotrace(tmp_path, "run", "grep", "SigIgn", "/proc/self/status").stdout == plain


@pytest.mark.parametrize("variables", [{}, {"LC_CTYPE": "C.UTF-8"}, {"LC_ALL": "C"}, {"LANG": "C.UTF-8"}])
def test_the_environment_is_the_users_and_three_variables(tmp_path: pathlib.Path, variables: dict[str, str]) -> None:
    # The C locale is where Python writes a variable of its own into its environment.
    given = {b"HOME": os.fsencode(tmp_path), b"RAW": b"\xff\xfe=\n", b"EMPTY": b"", b"PATH": b"/usr/bin:/bin"}
    given.update({name.encode(): value.encode() for name, value in variables.items()})
    output = subprocess.check_output([script("autotrace"), "run", "env", "-0"], env=given)
    seen = dict(entry.split(b"=", 1) for entry in output.split(b"\0") if entry)
    assert seen.pop(b"PYTHONPATH") == TEMPLATE.encode()
    assert seen.pop(b"_AUTOTRACE_PYTHON").decode() == "{}.{}:{}".format(*sys.version_info[:2], sys.prefix)
    # `env` is not a Python program, which was said.
    assert seen.pop(b"_AUTOTRACE_TOLD")
    assert seen == given


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, TEMPLATE),
        ("", TEMPLATE),
        ("a:b", f"{TEMPLATE}:a:b"),
        ("a:", f"{TEMPLATE}:a:"),
        (":", f"{TEMPLATE}::"),
        (" a b :ö:.", f"{TEMPLATE}: a b :ö:."),
        (TEMPLATE, TEMPLATE),
        (f"{TEMPLATE}:", f"{TEMPLATE}:"),
        (f"a:{TEMPLATE}:b", f"{TEMPLATE}:a:b"),
    ],
)
def test_pythonpath_gets_one_entry_in_front(tmp_path: pathlib.Path, before: str | None, after: str) -> None:
    look = [PYTHON, "-c", "import os, sys; print(os.environ.get('PYTHONPATH')); print(sys.path)"]
    variables = {"PYTHONUTF8": "1"} if before is None else {"PYTHONUTF8": "1", "PYTHONPATH": before}
    done = autotrace(tmp_path, "run", *look, **variables)
    variable, path = done.stdout.splitlines()
    assert variable == after
    assert autotrace(tmp_path, "run", script("autotrace"), "run", *look, **variables) == done
    if TEMPLATE not in (before or ""):
        plain = run_command(look, {**environment(tmp_path), **variables}, cwd=tmp_path)
        assert path == plain.stdout.splitlines()[1]


def test_a_script_without_a_first_line_is_run_by_sh_as_everywhere(tmp_path: pathlib.Path) -> None:
    write(tmp_path, 'echo "$0 $1"; exit 3\n')
    done = autotrace(tmp_path, "run", "./program", "x")
    assert (done.code, done.stdout) == (3, "./program x\n")
