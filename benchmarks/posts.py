"""Items for the viewer, posted by several processes at the same time, as the clients of several servers do."""

from __future__ import annotations

import gzip
import http.client
import json
import multiprocessing
import time
from itertools import islice
from multiprocessing.synchronize import Barrier
from threading import BrokenBarrierError
from typing import Any, Iterator, Sequence

from benchmarks import local_data
from benchmarks.processes import PeerError

CLIENTS = 3
# Items of a post.
BATCH = 500
# Another one than that of the store, so that no id comes twice.
_SEED = local_data.SEED + 1
_PATIENCE = 60.0


def bodies(items: int) -> list[bytes]:
    """Return bodies of posts with about so many items."""
    found = _items()
    return [gzip.compress(json.dumps(list(islice(found, BATCH))).encode(), 6) for _ in range(-(-items // BATCH))]


def _items() -> Iterator[dict[str, Any]]:
    traffic = local_data.Traffic(int(time.time() * 1_000_000), _SEED)
    while True:
        yield from traffic.transaction()


def rate(port: int, found: Sequence[bytes]) -> float:
    """Post bodies to a viewer; return how many items it took a second, raises PeerError."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(CLIENTS + 1)
    processes = [
        context.Process(target=_post, args=(port, found[index::CLIENTS], ready), daemon=True)
        for index in range(CLIENTS)
    ]
    for process in processes:
        process.start()
    try:
        ready.wait(_PATIENCE)
    except BrokenBarrierError:
        raise PeerError("a client of autotrace view does not start") from None
    began = time.perf_counter()
    for process in processes:
        process.join()
    took = time.perf_counter() - began
    if any(process.exitcode for process in processes):
        raise PeerError("autotrace view does not take what is posted")
    return len(found) * BATCH / took


def _post(port: int, found: Sequence[bytes], ready: Barrier) -> None:
    """Be a client: post bodies, one after the other over one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    connection.connect()
    ready.wait(_PATIENCE)
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    for body in found:
        connection.request("POST", "/v2.1/track", body, headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        if (response.status, answer["itemsAccepted"]) != (200, BATCH):
            raise SystemExit(f"autotrace view answers {response.status}: {answer}")
    connection.close()
