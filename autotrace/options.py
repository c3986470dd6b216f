"""What a setting is: how it is declared, read from the environment, and refused in one line."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Iterator, Mapping, NamedTuple

from autotrace import values


class Option(NamedTuple):
    """The declaration of one setting; all texts are for users."""

    variable: str
    parse: Callable[[str], Any]
    metavar: str
    default_text: str
    help: str
    accepts: str
    aliases: tuple[str, ...] = ()
    secret: bool = False
    # Whether values may be expressions, whose arguments may be secrets.
    expression: bool = False
    # Accepted words, for the nearest match of a mistyped one.
    words: tuple[str, ...] = ()
    # For comma lists: returns the entry to use, raises ValueError for one that has to be left out.
    check: Callable[[str], object] | None = None
    field: str = ""


def declare(*texts: Any, **more: Any) -> Mapping[str, Option]:
    """Return the metadata of a field; the arguments are those of Option, in its order."""
    return {"option": Option(*texts, **more)}


def read(option: Option, environ: Mapping[str, str], problems: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield the first valid (variable, value) of a setting, if any."""
    texts = {name: values.given(environ, name) for name in (option.variable, *option.aliases)}
    rejected: list[str] = []
    used = f"the default is used: {option.default_text}"
    for variable, text in texts.items():
        if not text:
            continue
        try:
            value = _value(option, variable, text, problems)
        except Exception as error:
            rejected.append(_rejection(option, variable, text, error))
            continue
        used = f"{variable} is used"
        # A connection string and a key are expected to differ.
        if not option.secret:
            others = [name for name in option.aliases if texts[name] not in ("", text) and name != variable]
            problems += [f"{variable} and {name} are both set and differ; {used}" for name in others]
        yield variable, value
        break
    problems += [f"{line}; {used}" for line in rejected]


def _value(option: Option, variable: str, text: str, problems: list[str]) -> Any:
    """Parse one text; list entries that fail the check are left out; raises when none of them passes."""
    value = option.parse(text)
    if option.check is None or not value:
        return value
    kept, dropped = [], []
    for entry in value:
        try:
            kept.append(option.check(entry))
        except Exception as error:
            dropped.append(f"{_rejection(option, variable, entry, error)}; the other entries are used")
    if not kept:
        option.check(value[0])
    if len(dropped) > 3:
        dropped[3:] = [f"{variable}: {len(dropped) - 3} more entries are ignored"]
    problems += dropped
    return tuple(kept)


def _rejection(option: Option, variable: str, text: str, error: Exception) -> str:
    """Say in one line what is wrong with `text` and what is accepted, without a secret."""
    reason = f"it cannot be read ({type(error).__name__})"
    if isinstance(error, ValueError):
        reason = values.shortened(str(error).replace(repr(text), "it"), 160)
    if not option.secret:
        reason += values.nearest(text, option.words)
        variable += "=" + values.shown(text, option.expression)
    return f"{variable} is ignored: {reason}; accepted: {option.accepts}"


def unknown_names(options: Iterable[Option], environ: Mapping[str, str]) -> list[str]:
    """Say of each variable that looks like one of ours and is none what it may have been meant to be."""
    known = tuple(name for option in options for name in (option.variable, *option.aliases))
    return [
        f"{values.shown(name)[1:-1]} is not a setting{values.nearest(name, known)}"
        for name in sorted(environ)
        if name.upper().startswith("AUTOTRACE_") and name not in known and values.given(environ, name)
    ]
