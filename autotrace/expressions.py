"""Parses a dotted call with literal arguments, such as `package.Name(rate=0.5)`, without evaluating it."""

from __future__ import annotations

import ast
import importlib
import keyword
import re
import warnings
from types import MappingProxyType
from typing import Any, Mapping, NamedTuple

MAX_LENGTH = 8192  # characters; the longest sensible argument is a connection string of 4096
_MAX_PARTS = 32
_MAX_BRACKETS = 50
_MAX_CODE = 1000

# Plain text, compiled at the first use: most processes parse no expression.
_PATH = r"\w+(?:\.\w+)+"
_STRING = r"(?s)'(?:[^'\\]|\\.)*'" + r'|"(?:[^"\\]|\\.)*"'
_CONTAINERS = (ast.List, ast.Tuple, ast.Dict, ast.Set)
_LITERAL_NODES = (*_CONTAINERS, ast.Constant, ast.UnaryOp, ast.UAdd, ast.USub, ast.Load)
_NOT_LITERAL = "its arguments are not literals such as 0.5, 'text' or [1, 2] in one pair of parentheses"


class Expression(NamedTuple):
    """A call that `load` makes: the dotted `path` of a callable and its literal arguments."""

    path: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = MappingProxyType({})

    def __repr__(self) -> str:
        """Return the call with its strings hidden: they may be secrets."""
        given = [_show(value) for value in self.args]
        given += [f"{name}={_show(value)}" for name, value in self.kwargs.items()]
        return f"{self.path}({', '.join(given)})"

    def load(self) -> object:
        """Import the path, call what it names and return the result.

        Raises ImportError when the path cannot be imported, ValueError when it names nothing callable or
        when the call fails; each with one line that contains no string argument.
        """
        target = _find(self.path)
        if not callable(target):
            raise ValueError(f"{self.path} is not callable")
        try:
            return target(*self.args, **self.kwargs)
        except (Exception, SystemExit) as error:
            reason = _without_secrets(_one_line(error), [*self.args, *self.kwargs.values()])
        # Raised here and not in the handler: a chained traceback would show the unmasked message.
        raise ValueError(f"{self.path}(...) failed with {reason}")


def parse(text: str) -> Expression:
    """Parse `package.Name` or `package.Name(literal, key=literal)`; a bare name is a call without arguments.

    Raises ValueError with one line that repeats no argument.
    """
    text = text.strip()
    if len(text) > MAX_LENGTH:
        raise ValueError(f"it is longer than {MAX_LENGTH} characters")
    path, parenthesis, arguments = text.partition("(")
    path = path.strip()
    _check_path(path)
    if not parenthesis:
        return Expression(path)
    return Expression(path, *_literals("f(" + arguments))


def _check_path(path: str) -> None:
    if not re.fullmatch(_PATH, path):
        raise ValueError("it is not a dotted name such as package.Name, with or without (literal arguments)")
    parts = path.split(".")
    if len(parts) > _MAX_PARTS:
        raise ValueError(f"its name has more than {_MAX_PARTS} parts")
    for part in parts:
        if not part.isidentifier() or keyword.iskeyword(part):
            raise ValueError("its name has a part that is not a Python name")
        if part.startswith("__"):
            raise ValueError("its name has a part that begins with two underscores")


def _literals(text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the call `text`; raises ValueError unless each is a literal."""
    call = _syntax_tree(text)
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ValueError("it is more than a name and one pair of parentheses")
    names = [item.arg for item in call.keywords]
    if None in names or len(set(names)) < len(names):
        raise ValueError("an argument is unpacked with ** or given twice")
    try:
        args = tuple(_literal(value) for value in call.args)
        return args, {str(item.arg): _literal(item.value) for item in call.keywords}
    except (ValueError, TypeError, MemoryError, RecursionError):
        pass
    raise ValueError(_NOT_LITERAL)


def _syntax_tree(text: str) -> ast.expr:
    # Parsers of old interpreters complain on stderr about deep nesting, or worse.
    code = re.sub(_STRING, "", text)
    if len(code) > _MAX_CODE or sum(map(code.count, "([{")) > _MAX_BRACKETS:
        raise ValueError(f"it has over {_MAX_BRACKETS} brackets or {_MAX_CODE} characters outside strings")
    try:
        with warnings.catch_warnings():
            # A strange escape in a string is no reason to write on the application's stderr.
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        pass
    raise ValueError(_NOT_LITERAL)


def _literal(node: ast.expr) -> Any:
    # literal_eval alone would let `1+2j` and `set()` pass.
    if all(isinstance(part, _LITERAL_NODES) for part in ast.walk(node)):
        return ast.literal_eval(node)
    raise TypeError


def _find(path: str) -> object:
    """Import the longest prefix of `path` that is a module and return the attribute that the rest names."""
    parts = path.split(".")
    for count in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:count])
        try:
            found: object = importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or ""
            if name == missing or name.startswith(missing + "."):
                continue
            raise ImportError(f"{path}: importing {name} failed: no module named {missing!r}") from None
        except (Exception, SystemExit) as error:
            raise ImportError(f"{path}: importing {name} failed with {_one_line(error)}") from None
        for position, part in enumerate(parts[count:], count):
            try:
                found = getattr(found, part)
            except Exception:
                raise ImportError(f"{path}: {'.'.join(parts[:position])} has no {part!r}") from None
        return found
    raise ImportError(f"{path}: no module named {parts[0]!r}")


def _show(value: object) -> str:
    return repr(value) if value is None or isinstance(value, (bool, int, float)) else "..."


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def _without_secrets(message: str, values: list[Any]) -> str:
    """Hide every string of `values`, also nested ones and their parts, in `message`."""
    for value in values:
        if isinstance(value, dict):
            message = _without_secrets(message, [*value.keys(), *value.values()])
        elif isinstance(value, (list, tuple, set)):
            message = _without_secrets(message, list(value))
        elif isinstance(value, (str, bytes)):
            text = value if isinstance(value, str) else value.decode("latin-1")
            pieces = [text, *(piece for piece in re.split(r"[;=\s]", text) if len(piece) >= 8)]
            for piece in filter(str.strip, pieces):
                message = message.replace(piece, "...")
    return message
