"""What keeps telemetry from leaving until somebody changes something."""

from __future__ import annotations


class BlockedError(Exception):
    """A way to the endpoint that is closed and will not open by itself.

    The text says why and what to do, in words that may stand in a log; each `topic` is said once in a process.
    """

    def __init__(self, topic: str, text: str) -> None:
        super().__init__(text)
        self.topic = topic
