"""The table that `make delivery` ends with: what each server was asked, what arrived, and how long its end took."""

from __future__ import annotations

import signal
from typing import NamedTuple

import pytest


class Row(NamedTuple):
    """A line of the table: counts of items, and seconds to the end without us and with us."""

    name: str
    answered: int
    at_end: int
    arrived: int
    twice: int
    plain: float
    traced: float


_rows: list[Row] = []
# Started in the background by a shell, this process ignores Ctrl-C, and so would all servers that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def rows() -> list[Row]:
    """The rows of the table, for a test to add its own."""
    return _rows


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the table."""
    if not _rows:
        return
    terminalreporter.section("delivery")
    terminalreporter.write_line(f"{'':36} answered  at its end  arrived  twice   end without us  with us")
    for row in _rows:
        counts = f"{row.answered:8}  {row.at_end:10}  {row.arrived:7}  {row.twice:5}"
        terminalreporter.write_line(f"{row.name:36} {counts} {row.plain:14.2f} s {row.traced:6.2f} s")
