"""SQL that psycopg and psycopg2 put together from objects: its text, without asking them or what they hold.

Their own `as_string` calls the application's adapters with the values, and may need a connection.
"""

from __future__ import annotations

from typing import Any, Iterable

_DEEPEST = 20


def text_of(query: Any, depth: int = 0) -> str:
    """Return the text of a `sql.Composable` or of a template string; empty for anything else. Values are `?`."""
    if depth > _DEEPEST:
        return ""
    names = {base.__name__ for base in type(query).__mro__}
    if "Template" in names:
        return _template(query, depth)
    if "Composable" not in names:
        return ""
    # The name in psycopg, and in psycopg2.
    held = query._obj if hasattr(query, "_obj") else query._wrapped
    if "Composed" in names:
        return "".join(text_of(one, depth + 1) for one in held)
    if "SQL" in names:
        return str(held)
    if "Identifier" in names:
        return _identifier([held] if isinstance(held, str) else held)
    if "Placeholder" in names:
        return f"%({held})s" if held else "%s"
    return "?"


def _template(template: Any, depth: int) -> str:
    parts = [template.strings[0]]
    for one, behind in zip(template.interpolations, template.strings[1:]):
        if one.format_spec == "i" and isinstance(one.value, str):
            parts.append(_identifier([one.value]))
        else:
            parts.append(text_of(one.value, depth + 1) or "?")
        parts.append(behind)
    return "".join(parts)


def _identifier(names: Iterable[str]) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in names)
