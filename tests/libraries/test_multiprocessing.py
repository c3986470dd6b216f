"""multiprocessing: the processes of a pool serve everybody, whichever request forked them; others belong to theirs."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from autotrace.current import CURRENT
from tests import outgoing

outgoing.patch("multiprocessing")
fork = multiprocessing.get_context("fork")


def where() -> str:
    """Return the trace that this process is in, empty for none."""
    current = CURRENT.get()
    return "" if current is None else str(current.trace_id)


def test_pools_belong_to_nobody() -> None:
    found: list[Any] = []

    def view() -> None:
        pools.append(fork.Pool(1))
        found.append(pools[0].apply(where))
        with ProcessPoolExecutor(1, mp_context=fork) as executor:
            found.append(executor.submit(where).result())

    pools: list[Any] = []
    outgoing.record(view)
    found.append(pools[0].apply(where))
    pools[0].terminate()
    pools[0].join()
    assert found == ["", "", ""]


def test_a_process_belongs_to_the_request_that_starts_it() -> None:
    said = fork.SimpleQueue()
    found: list[str] = []

    def view() -> None:
        process = fork.Process(target=lambda: said.put(where()))
        process.start()
        found.append(said.get())
        process.join()

    seen = outgoing.record(view)
    assert found == [seen.request["tags"]["ai.operation.id"]]
