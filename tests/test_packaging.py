"""Wheel, source distribution and editable install: each gives a working `autotrace`, and only that."""

from __future__ import annotations

import pathlib
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import pytest

from autotrace import __version__

ROOT = pathlib.Path(__file__).parent.parent
SHIPPED = ("autotrace", "sitecustomize_template", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
BUILD = "import setuptools.build_meta as backend, sys; print(getattr(backend, 'build_' + sys.argv[1])(sys.argv[2]))"


def run(*command: object, cwd: pathlib.Path) -> str:
    """Run a command that has to succeed and return what it printed."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Return a copy of what the project ships: building leaves files behind."""
    folder = tmp_path_factory.mktemp("source")
    for name in SHIPPED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def build(kind: str, source: pathlib.Path) -> pathlib.Path:
    """Build a distribution with the project's own backend and return its file."""
    (source / "dist").mkdir(exist_ok=True)
    return source / "dist" / run(sys.executable, "-c", BUILD, kind, source / "dist", cwd=source).split()[-1]


def install(folder: pathlib.Path, *what: object) -> pathlib.Path:
    """Install into a fresh environment that sees this one's packages, without its autotrace; return its bin folder."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    site = next((folder / "lib").glob("python*")) / "site-packages"
    packages = folder.parent / "packages"
    packages.mkdir(exist_ok=True)
    for found in pathlib.Path(sysconfig.get_paths()["purelib"]).iterdir():
        if "autotrace" not in found.name and "sitecustomize" not in found.name and not (packages / found.name).exists():
            (packages / found.name).symlink_to(found)
    (site / "packages.pth").write_text(f"{packages}\n")
    pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "--quiet"]
    run(*pip, "--no-deps", "--no-build-isolation", "--no-index", *what, cwd=folder.parent)
    return folder / "bin"


def check(binaries: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """See that the command runs and that its hook patches a framework."""
    assert __version__ in run(binaries / "autotrace", "--version", cwd=tmp_path)
    code = "import flask, sys; print(flask.Flask.wsgi_app.__wrapped__.__name__, 'autotrace' in sys.modules)"
    python = binaries / "python"
    assert run(binaries / "autotrace", "run", python, "-c", code, cwd=tmp_path) == "wsgi_app True\n"


def test_wheel(source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    wheel = build("wheel", source)
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        "autotrace",
        "sitecustomize_template",
    }
    assert {"autotrace/py.typed", "sitecustomize_template/sitecustomize.py"} <= set(names)
    assert any(name.endswith("LICENSE") for name in names)
    check(install(tmp_path / "environment", wheel), tmp_path)


def test_source_distribution(source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    archive = build("sdist", source)
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"setup.cfg", "pyproject.toml", "README.md", "LICENSE", "autotrace/py.typed"} <= names
    check(install(tmp_path / "environment", archive), tmp_path)


def test_editable(source: pathlib.Path, tmp_path: pathlib.Path) -> None:
    check(install(tmp_path / "environment", "--editable", source), tmp_path)
