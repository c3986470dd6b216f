"""What a Python process below `autotrace run` shows of the hook: nothing, whatever sitecustomize it has."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

from tests.harness import Completed, environment, run_command, script
from tests.needs import need, other_pythons

LOOK = (
    "import sys; own = sys.modules.get('sitecustomize'); "
    "print(getattr(own, '__file__', None), getattr(own, 'mark', None), sys.path)"
)
ARMED = "import sys; print(any(type(f).__module__ == 'autotrace.bootstrap' for f in sys.meta_path))"


@pytest.fixture(scope="module")
def venv(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A virtual environment of this Python that finds this one's packages behind its own."""
    folder = tmp_path_factory.mktemp("venv")
    run_command([sys.executable, "-m", "venv", "--without-pip", str(folder)], dict(os.environ))
    packages = site_packages(folder)
    ours = [entry for entry in sys.path if entry.endswith("site-packages")]
    root = str(pathlib.Path(__file__).parent.parent)
    (packages / "ours.pth").write_text("\n".join([root, *ours]) + "\n")
    return folder


def site_packages(venv: pathlib.Path) -> pathlib.Path:
    return venv / "lib" / "python{}.{}".format(*sys.version_info[:2]) / "site-packages"


def both(python: str, env: dict[str, str], *arguments: str) -> tuple[Completed, Completed]:
    """Run Python without the launcher, and with the launcher of the same environment."""
    plain = run_command([python, *arguments], env)
    return plain, run_command([python, "-m", "autotrace", "run", python, *arguments], env)


def test_nothing_shows_in_a_bare_python(tmp_path: pathlib.Path) -> None:
    env = environment(tmp_path)
    for arguments in (["-c", "pass"], ["-c", LOOK], ["-V"], ["-m", "site"]):
        plain = run_command([sys.executable, *arguments], env)
        traced = run_command([script("autotrace"), "run", sys.executable, *arguments], env)
        assert traced == plain


def test_the_hook_is_light(tmp_path: pathlib.Path) -> None:
    code = (
        "import sys\n"
        "heavy = {'threading', 'ssl', 'socket', 'logging', 'dataclasses', 'wrapt', 'opencensus'}\n"
        "print(sorted(heavy & set(sys.modules))); import _thread; print(_thread._count())"
    )
    env = environment(tmp_path)
    plain = run_command([sys.executable, "-c", code], env)
    traced = run_command([script("autotrace"), "run", sys.executable, "-c", code], env)
    assert traced == plain
    assert traced.stdout == "[]\n0\n"


HIDDEN = {
    "plain": "mark = 'theirs'\n",
    "prints": "print('hello'); import sys; sys.stderr.write('to stderr\\n'); mark = __name__\n",
    "raises": "raise RuntimeError('theirs broke')\n",
    "lacks a module": "import no_such_module_anywhere\n",
    "exits": "raise SystemExit(7)\n",
    "exits with words": "raise SystemExit('bye')\n",
    "claims to be missing": "raise ImportError('odd', name='sitecustomize')\n",
    "has a syntax error": "def broken(:\n",
    "replaces itself": "import sys, types; sys.modules[__name__] = types.SimpleNamespace(mark='replaced')\n",
}


@pytest.mark.parametrize("text", HIDDEN.values(), ids=HIDDEN)
@pytest.mark.parametrize("place", ["PYTHONPATH", "site-packages", "zip"])
def test_the_hidden_sitecustomize_runs_as_without_us(
    tmp_path: pathlib.Path, venv: pathlib.Path, place: str, text: str
) -> None:
    env = environment(tmp_path)
    in_packages = site_packages(venv) / "sitecustomize.py"
    if place == "PYTHONPATH":
        (tmp_path / "sitecustomize.py").write_text(text)
        env["PYTHONPATH"] = f"{tmp_path}:"
    elif place == "zip":
        env["PYTHONPATH"] = str(tmp_path / "site.zip")
        with zipfile.ZipFile(env["PYTHONPATH"], "w") as archive:
            archive.writestr("sitecustomize.py", text)
    else:
        in_packages.write_text(text)
    python = str(venv / "bin" / "python")
    try:
        plain = run_command([python, "-c", LOOK], env)
        # The launcher is a Python itself, with the same sitecustomize: the child alone is looked at.
        child = hooked(env, str(venv))
        traced = run_command([python, "-c", LOOK], child)
        assert without_frames(traced) == without_frames(plain)
        if "SystemExit" not in text:
            assert traced == plain
            assert run_command([python, "-c", ARMED], child).stdout.endswith("True\n")
    finally:
        in_packages.unlink(missing_ok=True)


def hooked(env: dict[str, str], prefix: str) -> dict[str, str]:
    """Return what the launcher makes of an environment, for the Python at a prefix."""
    template = str(pathlib.Path(__file__).parent.parent / "sitecustomize_template")
    path = os.pathsep.join([template, *([env["PYTHONPATH"]] if "PYTHONPATH" in env else [])])
    return {**env, "PYTHONPATH": path, "_AUTOTRACE_PYTHON": "{}.{}:{}".format(*sys.version_info[:2], prefix)}


def without_frames(done: Completed) -> Completed:
    """Leave out of a traceback the lines on which its last line does not depend."""
    lines = done.stderr.splitlines(keepends=True)
    return done._replace(stderr="".join(line for line in lines if not line.startswith((" ", "Current thread"))))


def test_only_the_first_of_two_hidden_files_runs(tmp_path: pathlib.Path, venv: pathlib.Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("mark = 'first'\n")
    in_packages = site_packages(venv) / "sitecustomize.py"
    in_packages.write_text("print('second')\n")
    try:
        env = {**environment(tmp_path), "PYTHONPATH": str(tmp_path)}
        plain, traced = both(str(venv / "bin" / "python"), env, "-c", LOOK)
        assert traced == plain
        assert "first" in traced.stdout
    finally:
        in_packages.unlink()


def test_usercustomize_still_runs(tmp_path: pathlib.Path) -> None:
    (tmp_path / "usercustomize.py").write_text("print('usercustomize')\n")
    env = {**environment(tmp_path), "PYTHONPATH": str(tmp_path)}
    code = "import sys; print('usercustomize' in sys.modules)"
    # Only outside of a virtual environment does Python look for it.
    base = str(pathlib.Path(sys.base_prefix) / "bin" / "python{}.{}".format(*sys.version_info[:2]))
    need(os.path.exists(base), f"no {base}")
    plain = run_command([base, "-c", code], env)
    traced = run_command([script("autotrace"), "run", sys.executable, "-c", _run([base, "-c", code])], env)
    assert traced == plain
    assert "usercustomize" in traced.stdout


def test_verbose_start_does_not_crash(tmp_path: pathlib.Path) -> None:
    env = {**environment(tmp_path), "PYTHONVERBOSE": "1"}
    done = run_command([script("autotrace"), "run", sys.executable, "-c", "print('up')"], env)
    assert (done.code, done.stdout) == (0, "up\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("hidden", [False, True])
def test_another_python_below_notices_nothing(tmp_path: pathlib.Path, hidden: bool) -> None:
    pythons = other_pythons()
    need(pythons, "no other Python found under pyenv or /usr")
    # Python 2 names the compiled file as soon as there is one.
    env = {**environment(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    if hidden:
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "sitecustomize.py").write_text("import sys; mark = 'theirs'; here = sys.path[0]\n")
        env["PYTHONPATH"] = str(tmp_path / "site")
    for python in pythons.values():
        look = [python, "-c", LOOK]
        plain = run_command([sys.executable, "-c", _run(look)], env)
        traced = run_command([script("autotrace"), "run", sys.executable, "-c", _run(look)], env)
        assert traced == plain, python
        assert (traced.code, "theirs" in traced.stdout) == (0, hidden), python


def _run(words: list[str]) -> str:
    """Return code that runs `words` as a child, which the launcher does not see, and exits as they do."""
    return f"import subprocess, sys; sys.exit(subprocess.call({words!r}))"


def test_another_environment_below_notices_nothing(tmp_path: pathlib.Path) -> None:
    env = environment(tmp_path)
    run_command([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "other")], env)
    look = [str(tmp_path / "other" / "bin" / "python"), "-c", LOOK + "; print(sorted(sys.modules))"]
    plain = run_command([sys.executable, "-c", _run(look)], env)
    traced = run_command([script("autotrace"), "run", sys.executable, "-c", _run(look)], env)
    assert traced == plain
    assert "autotrace" not in traced.stdout.split("\n", 1)[1].replace(str(tmp_path), "")


def test_an_environment_reached_through_a_link_is_the_same(tmp_path: pathlib.Path) -> None:
    (tmp_path / "current").symlink_to(sys.prefix)
    python = str(tmp_path / "current" / "bin" / "python")
    done = run_command([script("autotrace"), "run", python, "-c", ARMED], environment(tmp_path))
    assert done == Completed(0, "True\n", "")


def test_autotrace_that_cannot_be_imported_is_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "autotrace").mkdir()
    (tmp_path / "autotrace" / "__init__.py").write_text("raise OSError('disk\\ngone')\n")
    env = hooked({**environment(tmp_path), "PYTHONPATH": str(tmp_path)}, sys.prefix)
    done = run_command([sys.executable, "-c", "print('up')"], env)
    assert (done.code, done.stdout) == (0, "up\n")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"autotrace: cannot start in {sys.executable} (OSError: disk gone)")


def test_a_closed_stderr_does_not_matter(tmp_path: pathlib.Path) -> None:
    (tmp_path / "autotrace").mkdir()
    (tmp_path / "autotrace" / "__init__.py").write_text("raise OSError('gone')\n")
    (tmp_path / "sitecustomize.py").write_text("print('theirs')\n")
    env = hooked({**environment(tmp_path), "PYTHONPATH": str(tmp_path)}, sys.prefix)
    command = f"exec '{sys.executable}' -c pass 2>&-"
    assert subprocess.check_output(["sh", "-c", command], env=env, text=True) == "theirs\n"  # noqa: S607


def test_children_of_every_kind_are_armed(tmp_path: pathlib.Path) -> None:
    nested = _run([sys.executable, "-c", ARMED])
    done = run_command([script("autotrace"), "run", sys.executable, "-c", nested], environment(tmp_path))
    assert done == Completed(0, "True\n", "")
    spawn = tmp_path / "spawn.py"
    spawn.write_text(
        "import multiprocessing, sys\n"
        "def look():\n"
        "    print(any(type(f).__module__ == 'autotrace.bootstrap' for f in sys.meta_path), flush=True)\n"
        "if __name__ == '__main__':\n"
        "    child = multiprocessing.get_context('spawn').Process(target=look)\n"
        "    child.start(); child.join()\n"
    )
    done = run_command([script("autotrace"), "run", sys.executable, str(spawn)], environment(tmp_path))
    assert done == Completed(0, "True\n", "")
