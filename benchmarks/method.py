"""How the figures come about, for the readers of the report."""

from __future__ import annotations

from benchmarks import busy, calls, loads, posts, starts
from benchmarks.figures import Plan


def describe(plan: Plan) -> str:
    """Return the text for what was measured by a plan."""
    return METHOD.format(
        turns=plan.generations * plan.rounds,
        programs=plan.starts * starts.PROGRAMS_PER_SERVER,
        requests=starts.REQUESTS,
        threads=busy.THREADS,
        settled=busy.SETTLED,
        connections=loads.CONNECTIONS,
        delay=loads.DELAY * 1000,
        calls=calls.COUNT,
        slice=calls.SLICE,
        slices=calls.SLICES,
        patience=loads.PATIENCE,
        clients=posts.CLIENTS,
        batch=posts.BATCH,
        **plan._asdict(),
    )


METHOD = """\
All figures are medians. One with a sign is what a peer adds to the bare application. Each peer has an environment of
its own, with the same Python, frameworks and gunicorn, and sends what it records to an endpoint on this machine, which
answers as the peer's own service does and counts by id. What is not the tracing of requests is off, as far as the peer
has a setting for it: `benchmarks/peers.py` says what.

- **Requests.** Processes started for each peer and each way to set it: {generations}. Rounds in all: {turns}. In a
  round the peers take turns: the bare application for {short:g} s, right after it the peer for {long:g} s with
  everything recorded, then for {short:g} s each with the path blacklisted, with a tenth sampled, and with nothing
  sampled. What counts is the difference of these neighbours, so it matters little when the machine speeds up or slows
  down. Half of the requests have a `traceparent`; none has one where a tenth is sampled, as peers differ in whether
  they obey the caller.
- **CPU** is that of all threads of the process, until everything is sent. The application is called in its own process
  as a server calls it, without a pause. So that nobody has to wait long and nothing is dropped for want of room, peers
  that send on a timer do so once a second, and peers with a queue have a large one.
- **{threads} threads**: the CPU time of a request to gunicorn with one worker of {threads} threads and Flask, over as
  many kept-alive connections without a pause: that of all its processes, until its next turn {settled:g} s or more
  later. A turn is {short:g} s of requests to the bare application and to each peer; turns: {busy}.
- **Of OpenCensus** is the CPU time that a peer adds, divided by what OpenCensus by hand adds in the same round, for the
  frameworks where this is lowest and highest. Blacklisted, unsampled and p99 are those of the framework where they are
  highest.
- **Latency** of a request is the time from the call to the last byte, but no more than the CPU time that the process
  used meanwhile. Waiting for another thread of the process counts, as that is the peer's doing; standing still while
  another program has the processor does not. Waiting for a disk or a network would not count either, and could hide
  behind it. *wall p99* is plain time: nothing hides from it, and other programs on the machine disturb it.
- **Outgoing calls.** The CPU time of a Flask request that makes {calls} calls, less that of one that makes none, a
  call. What a peer adds is the difference to the bare application of both. A statement goes to SQLite in memory, an
  HTTP call over a kept connection to another process, with `trust_env` off: `requests` reads each variable of the
  environment for each call otherwise, and every launcher adds some. What a peer does not record has no figure. With
  calls, peer and bare application take turns after each {slice} requests, for the speed of a machine changes within a
  second: the figure is the median of {slices} such differences of the thread that answers, and the time of all others a
  request. What that thread does only now and then, such as to collect its oldest garbage, is not in it.
- **Starts.** gunicorn with 2 workers and Flask, from the command to the first response; runs: {starts}. Memory is the
  PSS of all its processes when {requests} requests have been sent. Runs of `python -c pass`: {programs}.
- **Full load, slow endpoint.** gunicorn with 2 workers of 4 threads and Flask gets {load:g} s of requests without a
  pause over {connections} kept-alive connections, while the endpoint answers each post {delay:.0f} ms late; runs:
  {loads}. Queues and intervals are what the peer comes with. Then SIGTERM; *stop* is how long the server takes to end.
  It starts once more in the same place, as a new release would, gets a few requests, and has {patience:.0f} s to send
  what was kept: lost is what has not arrived then. Where the disk goes with the container, what has not arrived by the
  stop is lost.
- **The viewer.** `autotrace view` with a store of an hour's traffic: {stored:,} requests and the calls, exceptions and
  logs that belong to them. One client asks for all its pages in turn over a kept-alive connection; turns: {visits}.
  The time of a page is that to its last byte, and the first visit counts too. Then {clients} processes post {posted:,}
  items in all, {batch} at a time, compressed beforehand. Memory is the RSS of the viewer's process."""
