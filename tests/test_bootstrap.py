"""How the first import of a web framework is caught: patched, whoever imports it, and never in its way."""

from __future__ import annotations

import importlib.util
import pathlib
import re
import sys
import zipfile

import pytest

from tests.harness import Completed, environment, run_code, run_command, script
from tests.needs import need

# Whether the methods of a framework are wrapped, as a program can see it.
STATE = """
import sys
def state():
    import flask, django.core.handlers.wsgi as wsgi
    return hasattr(flask.Flask.wsgi_app, "__wrapped__"), hasattr(wsgi.WSGIHandler.__call__, "__wrapped__")
def finders():
    kinds = [type(finder) for finder in sys.meta_path]
    return [kind.__name__ for kind in kinds if kind.__module__.startswith("autotrace")]
"""


FRAMEWORKS = ["flask", "django.core.handlers.wsgi", "django.core.handlers.asgi", "pyramid.router"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_nothing_of_ours_watches_after_the_first_framework(tmp_path: pathlib.Path, framework: str) -> None:
    done = run_code(f"{STATE}print(finders()); import {framework}; print(finders())", environment(tmp_path))
    # Pyramid itself may warn about setuptools.
    assert (done.code, done.stdout, "autotrace:" in done.stderr) == (0, "['Watcher']\n[]\n", False)


def test_every_framework_is_patched_whichever_comes_first(tmp_path: pathlib.Path) -> None:
    for order in ("flask, django.core.handlers.wsgi", "django.core.handlers.wsgi, flask"):
        done = run_code(f"{STATE}import {order}; print(*state())", environment(tmp_path))
        assert done == Completed(0, "True True\n", "")


def test_a_framework_imported_by_a_startup_file_is_patched(tmp_path: pathlib.Path) -> None:
    # A .pth file runs before the hook, which may then find frameworks that are already there.
    code = "import flask; from autotrace import bootstrap; bootstrap.arm(); bootstrap.arm()\n"
    done = run_code(f"{code}{STATE}print(*state(), finders())", environment(tmp_path), traced=False)
    assert done == Completed(0, "True True []\n", "")


def test_two_threads_that_import_two_frameworks_get_both_patched(tmp_path: pathlib.Path) -> None:
    code = f"""{STATE}
import threading
# Python 3.13.0 itself sometimes fails when two threads import this one at once.
import collections.abc
start = threading.Barrier(3)
def load(*names):
    start.wait()
    for name in names:
        __import__(name)
# The third imports what the patching itself needs, in the middle of it.
threads = [
    threading.Thread(target=load, args=("flask",)),
    threading.Thread(target=load, args=("django.core.handlers.wsgi",)),
    threading.Thread(target=load, args=("inspect", "importlib.metadata", "wrapt", "json")),
]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(*state(), finders())
"""
    for _ in range(5):
        assert run_code(code, environment(tmp_path)) == Completed(0, "True True []\n", "")


@pytest.mark.parametrize("module", ["flask.app", "django.core.handlers.wsgi", "pyramid.router"])
def test_a_patched_module_shows_its_own_loader_and_source(tmp_path: pathlib.Path, module: str) -> None:
    code = f"""
import importlib, importlib.util, inspect, pkgutil, sys
before = importlib.util.find_spec("{module}")
print(before.origin, before.loader.get_filename("{module}"), before.loader.is_package("{module}"))
module = importlib.import_module("{module}")
print(module.__loader__, module.__spec__, inspect.getsource(module)[:200])
print(pkgutil.get_data("{module}", "__init__.py")[:80])
importlib.reload(module)
print(module.__spec__)
"""
    plain, traced = (run_code(code, environment(tmp_path), traced=traced) for traced in (False, True))
    assert without_addresses(traced) == without_addresses(plain)
    assert plain.code == 0


def without_addresses(done: Completed) -> Completed:
    return done._replace(stdout=re.sub(r"0x[0-9a-f]+", "0x", done.stdout))


def test_looking_for_a_framework_is_not_importing_it(tmp_path: pathlib.Path) -> None:
    look = "import importlib.util as u; u.find_spec('pyramid.router'); "
    code = f"{STATE}{look}print(finders(), 'wrapt' in sys.modules)"
    assert run_code(code, environment(tmp_path)).stdout == "['Watcher'] False\n"


def test_a_missing_framework_is_missing_as_without_us(tmp_path: pathlib.Path) -> None:
    code = "import sys; sys.path[:] = [e for e in sys.path if 'site-packages' not in e]; import flask.app"
    plain, traced = (run_code(code, environment(tmp_path), traced=traced) for traced in (False, True))
    assert traced == plain
    assert "No module named 'flask'" in traced.stderr


def test_a_framework_that_fails_to_import_fails_as_without_us(tmp_path: pathlib.Path) -> None:
    package = tmp_path / "flask"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "app.py").write_text("raise KeyError('theirs')\n")
    env = {**environment(tmp_path), "PYTHONPATH": str(tmp_path)}
    code = "import sys\ntry: import flask.app\nexcept KeyError as e: print(e, 'flask.app' in sys.modules)\n"
    assert run_code(code * 2, env) == Completed(0, "'theirs' False\n" * 2, "")


@pytest.mark.parametrize("broken", ["wrapt", "autotrace.registration", "autotrace.applications"])
def test_a_defect_of_ours_is_one_line_and_no_more(tmp_path: pathlib.Path, broken: str) -> None:
    code = f"{STATE}sys.modules['{broken}'] = None; print(*state(), finders())"
    done = run_code(code, environment(tmp_path))
    assert (done.code, done.stdout) == (0, "False False []\n")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("autotrace: ")


def test_a_framework_in_a_zip_is_patched(tmp_path: pathlib.Path) -> None:
    bundle = tmp_path / "bundle.zip"
    with zipfile.ZipFile(bundle, "w") as archive:
        archive.writestr("flask/__init__.py", "")
        archive.writestr("flask/app.py", "from pyramid.router import Router\nprint(__loader__)\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import flask.app; from pyramid.router import Router;"
        "print(hasattr(Router.__call__, '__wrapped__'), type(flask.app.__loader__).__name__);"
        "print(flask.app.__spec__.origin)"
    )
    words = [script("autotrace"), "run", sys.executable, "-c", code, str(bundle)]
    done = run_command(words, environment(tmp_path))
    assert done.code == 0, done.stderr
    assert done.stdout.splitlines()[1:] == ["True zipimporter", f"{bundle}/flask/app.py"]


def test_gevent_patches_before_anything_of_ours_is_imported(tmp_path: pathlib.Path) -> None:
    need(importlib.util.find_spec("gevent"), "gevent is not installed")
    code = f"from gevent.monkey import patch_all; patch_all()\n{STATE}print(*state(), finders())"
    assert run_code(code, environment(tmp_path)) == Completed(0, "True True []\n", "")


def test_azure_functions_is_left_alone(tmp_path: pathlib.Path) -> None:
    env = {**environment(tmp_path), "FUNCTIONS_WORKER_RUNTIME": "python"}
    done = run_code(f"{STATE}print(*state(), finders())", env)
    assert (done.code, done.stdout) == (0, "False False []\n")
    assert done.stderr == "autotrace: nothing is traced in Azure Functions, whose host owns the process\n"
