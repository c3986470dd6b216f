"""A traced application that does one thing after another, as it is told: each line on stdin is a step.

`get FIRST COUNT` sends requests to itself, anything else is Python. It answers each step with a line on stdout.
"""

from __future__ import annotations

import sys
from typing import Any

names: dict[str, Any] = {}
for line in sys.stdin:
    step, *words = line.split()
    if step == "get":
        from loop import ask
        from pyramid_app import app

        for number in range(int(words[0]), int(words[0]) + int(words[1])):
            assert ask(app, f"/users/{number}", False) == "200 OK"
    else:
        exec(line, names)  # noqa: S102 (a test's own words)
    print("done", flush=True)  # noqa: T201
