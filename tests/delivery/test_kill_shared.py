"""Eight processes share a spool, some are killed in outages, and those that remain send everything, each item once."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import random
import threading
import time

import pytest

from tests.endpoint import Endpoint
from tests.harness import environment
from tests.journals import segments
from tests.steps import Steps
from tests.traffic import settle

pytestmark = pytest.mark.delivery
PROCESSES, EACH, PHASES = 8, 20, 4
# They look for what others left every ten seconds.
ADOPTED = 25.0


class Workers:
    """Processes that answer requests all the time; `answered` has the numbers of those that they have confirmed."""

    def __init__(self, folder: pathlib.Path, endpoint: Endpoint) -> None:
        self.answered: set[int] = set()
        self._folder = folder
        self._env = environment(folder, endpoint)
        self._starts, self._numbers = itertools.count(), itertools.count(0, EACH)
        self._stop = threading.Event()
        self.processes = [self._start() for _ in range(PROCESSES)]
        self._threads = [threading.Thread(target=self._work, args=(slot,)) for slot in range(PROCESSES)]
        for thread in self._threads:
            thread.start()

    def _start(self) -> Steps:
        return Steps(self._env, self._folder / f"stderr{next(self._starts)}")

    def _work(self, slot: int) -> None:
        while not self._stop.wait(0.02):
            first = next(self._numbers)
            # A killed process confirms nothing.
            with contextlib.suppress(AssertionError, OSError, ValueError):
                self.processes[slot].get(first, EACH)
                self.answered.update(range(first, first + EACH))

    def replace(self, slot: int) -> None:
        """Kill a process and start another one."""
        old = self.processes[slot]
        old.kill()
        self.processes[slot] = self._start()

    def rest(self) -> None:
        """Let all processes be idle."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def test_processes_that_share_a_spool(tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    choose = random.Random(3)  # noqa: S311
    workers = Workers(tmp_path, endpoint)
    try:
        time.sleep(2)
        for _ in range(PHASES):
            endpoint.refuse()
            time.sleep(1.5)
            # Nothing is on its way now: what arrives twice was sent by two processes.
            for slot in choose.sample(range(PROCESSES), 3):
                workers.replace(slot)
            endpoint.accept()
            time.sleep(2)
        endpoint.refuse()
        time.sleep(1.5)
        # The last are not replaced: those that live on have it all.
        dead = choose.sample(range(PROCESSES), 3)
        for slot in dead:
            workers.processes[slot].kill()
        workers.rest()
        endpoint.accept()
        started = time.monotonic()
        result = settle(workers.answered, endpoint, seconds=ADOPTED)
        print(f"all there after {time.monotonic() - started:.1f} s")  # noqa: T201
        assert (result.lost, result.twice) == (0, 0)
        said = [process.end() for slot, process in enumerate(workers.processes) if slot not in dead]
        assert set(said) == {""}
    finally:
        workers.rest()
        for process in workers.processes:
            process.kill()
    assert not segments(tmp_path / "spool")
