"""What a start costs: an empty program, the first response of a server, and the memory of its processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import pathlib
import signal
import socket
import subprocess
import time
import uuid
from typing import Any, Sequence

from benchmarks import environments
from benchmarks.figures import TRACED, Plan, Samples
from benchmarks.peers import BASELINE, Peer
from benchmarks.processes import HERE, STOP, Place, command, endpoint

PROGRAMS_PER_SERVER = 5
# Enough that both workers have their share, and have sent it.
REQUESTS = 300
PATIENCE = 60.0


def measure(framework: str, peers: Sequence[Peer], plan: Plan, folder: pathlib.Path, samples: Samples) -> None:
    """Start an empty program and gunicorn with two workers under each peer, in turn."""
    with endpoint(folder) as place:
        for _ in range(plan.starts * PROGRAMS_PER_SERVER):
            for peer in peers:
                # A peer that is wired into applications has nothing to do with other programs.
                if peer.launcher or peer.name == BASELINE:
                    samples[peer.name, TRACED, "program"].append(start_program(peer, place))
        for _ in range(plan.starts):
            for peer in peers:
                first, memory = start_server(peer, framework, place)
                samples[peer.name, TRACED, "first"].append(first)
                if memory is not None:
                    samples[peer.name, TRACED, "memory"].append(memory)


def start_program(peer: Peer, place: Place) -> float:
    """Return the seconds that an empty Python program takes."""
    env = environments.environment(peer, {}, place.url, str(uuid.uuid4()), place.folder)
    words = command(peer, "python", "-c", "pass")
    began = time.perf_counter()
    subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    return time.perf_counter() - began


def start_server(peer: Peer, framework: str, place: Place) -> tuple[float, float | None]:
    """Return the seconds to gunicorn's first response, and the MiB of all its processes after some more."""
    port, key = free_port(), str(uuid.uuid4())
    env = environments.environment(peer, {}, place.url, key, place.folder)
    options = [f"--bind=127.0.0.1:{port}", "--workers=2", "--log-level=error"]
    words = command(peer, "gunicorn", *options, f"{framework}_app:app")
    log = place.folder / f"{peer.name}-gunicorn-{key}.log"
    began = time.perf_counter()
    server = spawn(words, log, cwd=HERE / "apps" / peer.apps, env=env)
    try:
        wait_for_response(server, port, log)
        first = time.perf_counter() - began
        for _ in range(REQUESTS):
            get(port)
        wait_for_items(place, key, REQUESTS if peer.sends else 0)
        return first, memory(processes_of(server.pid))
    finally:
        stop(server)


def spawn(words: Sequence[str], log: pathlib.Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a server in a session of its own; all that it says goes to `log`."""
    with open(log, "wb") as output:
        return subprocess.Popen(
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **options,
        )


def wait_for_response(server: subprocess.Popen[bytes], port: int, log: pathlib.Path) -> None:
    """Ask until the server answers."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            return get(port)
        except OSError:
            time.sleep(0.005)
    raise RuntimeError(f"a server does not answer, it said:\n{log.read_text()[-4000:]}")


def get(port: int) -> None:
    """Make one request over a connection of its own, so that both workers get some."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/users/42")
        response = connection.getresponse()
        if response.status != 200 or response.read() != b"user 42":
            raise RuntimeError(f"a server answers {response.status}")
    finally:
        connection.close()


def wait_for_items(place: Place, key: str, items: int) -> None:
    """Wait until the endpoint has what the server's processes send."""
    connection = http.client.HTTPConnection(place.url.partition("//")[2], timeout=PATIENCE)
    try:
        connection.request("GET", f"/count/{key}?items={items}&seconds={STOP}")
        connection.getresponse().read()
    finally:
        connection.close()


def processes_of(session: int) -> list[int]:
    """Return the processes of a session, none where /proc does not tell."""
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        with contextlib.suppress(OSError):
            if name.isdigit() and os.getsid(int(name)) == session:
                found.append(int(name))
    return found


def memory(pids: Sequence[int]) -> float | None:
    """Return the MiB of processes, shared pages counted once (PSS); None where the system does not tell."""
    kilobytes = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                kilobytes += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except (OSError, StopIteration):
            return None
    return kilobytes / 1024 if kilobytes else None


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server, its workers with it."""
    server.terminate()
    try:
        server.wait(STOP)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
