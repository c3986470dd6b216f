"""What is said of losses adds up, whichever threads count them."""

from __future__ import annotations

import re
import sys
import threading

import pytest

from autotrace import guard


def test_numbers_of_several_threads_add_up(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(guard, "_losses", {})
    monkeypatch.setattr(guard, "_PAUSE", 0.0)

    def lose() -> None:
        for _ in range(20_000):
            guard.lost("some", "{count} items are gone", 1)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=lose) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    guard.say_lost(at_end=True)
    assert sum(map(int, re.findall(r"(\d+) items are gone", capfd.readouterr().err))) == 80_000
