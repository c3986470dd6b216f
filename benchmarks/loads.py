"""What arrives of a server's requests at full load while the endpoint is slow, and how long the server takes to stop.

Each peer keeps as much and sends as often as it does by default. After the stop the server starts once more, in the
same directory and for a few requests, as a new release would: what a peer has kept on disk can arrive then.
"""

from __future__ import annotations

import pathlib
import tempfile
import uuid
from typing import Sequence

from benchmarks.figures import LOADS, TRACED, Notes, Plan, Samples
from benchmarks.peers import Peer
from benchmarks.processes import Place, endpoint, noted
from benchmarks.servers import count, get, load, serving, stop

# Seconds that the endpoint takes to answer a post.
DELAY = 0.15
CONNECTIONS = 8
# Threads, because gunicorn's default worker closes each connection.
OPTIONS = ("--threads=4", "--keep-alive=20")
# Requests to the server that starts once more, and the seconds that it has to send what was kept.
AFTERWARDS = 20
PATIENCE = 10.0


def measure(
    framework: str, peers: Sequence[Peer], plan: Plan, folder: pathlib.Path, samples: Samples, notes: Notes
) -> None:
    """Put load on gunicorn with two workers under each peer, in turn."""
    for _ in range(plan.loads):
        for peer in peers:
            with noted(notes, peer, LOADS), tempfile.TemporaryDirectory(dir=folder) as name:
                with endpoint(pathlib.Path(name), DELAY) as place:
                    figures = deliver(peer, framework, plan.load, place)
                for figure, value in figures.items():
                    samples[peer.name, TRACED, figure].append(value)


def deliver(peer: Peer, framework: str, seconds: float, place: Place) -> dict[str, float]:
    """Return what came of `seconds` of load; raises PeerError."""
    key = str(uuid.uuid4())
    with serving(peer, framework, place, key, more=OPTIONS) as server:
        answered = load(server.port, seconds, CONNECTIONS)
        stopped = stop(server.process)
    # The first response is one more.
    answered += 1
    figures: dict[str, float] = {"answered": answered, "stop": stopped}
    if not peer.sends:
        return figures
    figures["arrived"] = count(place, key)["items"]
    with serving(peer, framework, place, key, more=OPTIONS) as server:
        for _ in range(AFTERWARDS):
            get(server.port)
        answered += AFTERWARDS + 1
        count(place, key, answered, PATIENCE)
    return {**figures, "answered in all": answered, **count(place, key)}
