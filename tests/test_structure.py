"""The house rules that no reader should have to remember: who may import what, and that one framework is one file."""

from __future__ import annotations

import ast
import pathlib
import re
import subprocess
import sys

import pytest

from autotrace import targets

ROOT = pathlib.Path(__file__).parent.parent / "autotrace"
# Third-party package → the files that may import it, as patterns of paths below autotrace/.
MAY_IMPORT = {
    "click": r"cli/\w+\.py",
    "wrapt": r"patching\.py|registration\.py",
    "opencensus": r"opencensus\.py|spans\.py|propagation\.py|entra\.py|exporters/opencensus\.py",
    "azure": r"entra\.py",
    "flask": r"frameworks/flask\.py|demo/apps/\w+\.py",
    "django": r"frameworks/django\.py|demo/apps/\w+\.py",
    "gevent": r"servers/gevent\.py",
    "jinja2": r"local/web\.py",
    "pyramid": r"frameworks/pyramid\.py|demo/apps/\w+\.py",
    "waitress": r"local/server\.py",
    "requests": r"demo/apps/\w+\.py",
    "werkzeug": r"frameworks/flask\.py",
}
# The path of a request, from the outside in: a module imports only from its own layer and the ones behind it.
LAYERS = (
    ("bootstrap", "registration"),
    ("frameworks", "servers", "libraries"),
    ("applications",),
    ("wsgi", "asgi", "patching", "calls", "callers"),
    ("exporters", "recorder", "recorders", "logs"),
    ("opencensus", "identity", "transport", "processes"),
    ("spans",),
    ("items", "sender", "sampling", "propagation", "connection", "redirects", "entra"),
    ("dependencies", "exceptions", "messages", "synthetic"),
    ("properties", "statements"),
    ("urls", "spool", "current", "ids", "proxies", "certificates", "answers", "times", "limits"),
    ("segments",),
    ("directories",),
    ("settings",),
    ("options",),
    ("values",),
    ("blacklist",),
    ("connection_string", "expressions", "guard", "blocked", "imports", "signals", "targets"),
)
FILES = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py"))


def imports(file: str) -> set[str]:
    """Return the absolute names of the modules that a file imports anywhere, but for type checking alone."""
    path = ROOT / file
    package = ["autotrace", *pathlib.Path(file).parts[:-1]]
    found = set()
    for node in at_run_time(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            found |= {f"{base}.{alias.name}" for alias in node.names} if base == "autotrace" else {base}
    return found


def at_run_time(tree: ast.AST) -> list[ast.AST]:
    """Return the nodes of a tree without the bodies of `if TYPE_CHECKING`."""
    nodes: list[ast.AST] = []
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and ast.dump(child.test) == ast.dump(ast.parse("TYPE_CHECKING", mode="eval").body):
            continue
        nodes += [child, *at_run_time(child)]
    return nodes


@pytest.mark.parametrize("file", FILES)
def test_third_party_packages_are_imported_where_they_belong(file: str) -> None:
    known = {*MAY_IMPORT, "autotrace", "sitecustomize_template"}
    for name in imports(file):
        top = name.partition(".")[0]
        if top in MAY_IMPORT and name != "autotrace":
            assert re.fullmatch(MAY_IMPORT[top], file), f"{file} imports {name}"
        assert top in known or is_standard(top), f"{file} imports {name}"


def is_standard(top: str) -> bool:
    """Tell whether a module comes with Python; the list of Python itself is there from 3.10 on."""
    names = getattr(sys, "stdlib_module_names", None)
    if names is not None:
        return top in names
    code = f"import importlib.util; print(importlib.util.find_spec({top!r}).origin)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    return done.returncode == 0


@pytest.mark.parametrize("file", FILES)
def test_dependencies_point_one_way(file: str) -> None:
    order = {name: level for level, names in enumerate(LAYERS) for name in names}
    own = order.get(pathlib.Path(file).parts[0].replace(".py", ""))
    if own is None:
        return
    for name in imports(file):
        parts = name.split(".")
        if parts[0] == "autotrace" and len(parts) > 1 and parts[1] in order:
            assert order[parts[1]] >= own, f"{file} imports {name}, which is in front of it"


def test_every_target_is_a_function_of_its_file() -> None:
    for _, hook in (*targets.FRAMEWORKS, *targets.SERVERS, *targets.LIBRARIES):
        module, _, function = hook.partition(":")
        tree = ast.parse((ROOT.parent / (module.replace(".", "/") + ".py")).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_hook_loads_nothing_but_itself() -> None:
    code = (
        "import sys; before = set(sys.modules); import autotrace.bootstrap; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    assert set(done.stdout.split()) <= {"__future__", "autotrace", "autotrace.bootstrap", "autotrace.targets"}
