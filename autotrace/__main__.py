"""`python -m autotrace` is the same as `autotrace`."""

from __future__ import annotations

from autotrace.cli import main

main(prog_name="autotrace")
