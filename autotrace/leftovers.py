"""What processes that are gone have left in a spool, sent by somebody else: a command, or the viewer."""

from __future__ import annotations

import time

from .sender import ANSWER_DEADLINE, Transport, deliver
from .spool import Spool

# Seconds before a post that failed is tried again, doubled each time.
FIRST_DELAY = 1.0


def send(lines: Spool, transport: Transport, end: float) -> tuple[int, str]:
    """Post what nobody else looks after until `end`, a monotonic time; return how many items went, and why not all.

    Both are closed then.
    """
    try:
        return _send(lines, transport, end)
    finally:
        lines.close()
        transport.close()


def _send(lines: Spool, transport: Transport, end: float) -> tuple[int, str]:
    sent, delay = 0, FIRST_DELAY
    while True:
        more = lines.adopt()
        batch = lines.take()
        if batch is None:
            if more:
                continue
            return sent, ""
        seconds = end - time.monotonic()
        if seconds <= 0:
            return sent, "the time is up"
        answer = deliver(lines, transport, batch, min(seconds, ANSWER_DEADLINE), well=delay == FIRST_DELAY)
        if answer.delivered:
            sent += batch.lines.count(b"\n") - len(answer.again)
            if not answer.again:
                delay = FIRST_DELAY
                continue
        lines.keep()
        wait = delay if answer.retry_after is None else answer.retry_after
        if time.monotonic() + wait >= end:
            asked = "" if answer.retry_after is None else f", and asks to wait {answer.retry_after:.0f} s"
            return sent, f"the endpoint does not take them now{asked}"
        time.sleep(wait)
        delay *= 2
