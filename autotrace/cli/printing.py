"""Texts for a terminal or a pipe, whatever letters it has."""

from __future__ import annotations


def printable(text: str, encoding: str | None) -> str:
    """Escape what a terminal or pipe of `encoding` cannot take."""
    # Paths may hold bytes that are no text in any encoding.
    return text.encode(encoding or "utf-8", "backslashreplace").decode(encoding or "utf-8")
