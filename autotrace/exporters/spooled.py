"""What exporters with a spool have in common: items become lines, lines go into the spool, a thread empties it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Callable
from weakref import WeakSet

from .. import directories, ids, processes, spool
from ..identity import identify
from ..items import Lines
from ..recorder import export_late
from ..sender import Journal, Transport

if TYPE_CHECKING:
    from ..calls import Call
    from ..exceptions import Failure
    from ..messages import Message
    from ..recorder import Recording
    from ..settings import Settings

# Bytes of lines that are written in one piece.
LARGEST_WRITE = 1 << 18


class SpooledExporter:
    """Exports one application's items; everything that belongs to a process is made on its first item.

    `key` is the instrumentation key in the items, `destination` names the spool, and `open_transport` makes what its
    lines are sent with. `request` writes a request's line to the spool.
    """

    request: Callable[[Recording], None]

    def __init__(
        self, settings: Settings, application: str, key: str, destination: str, open_transport: Callable[[], Transport]
    ) -> None:
        self._settings = settings
        self._application = application
        self._key = key
        self._destination = destination
        self._open_transport = open_transport
        self.forget_process()
        _exporters.add(self)

    def forget_process(self) -> None:
        """Begin anew with the next item: this is another process now."""
        self._lines: Lines | None = None
        self.request = self._first_request

    def line(self, line: bytes) -> None:
        """Write a line of a request to the spool as it is."""
        if self._lines is None:
            self._open()
        self._append(line)

    def exception(self, recording: Recording, failure: Failure) -> None:
        """Write an exception line."""
        lines = self._lines or self._open()
        self._append(lines.exception(recording, failure))

    def calls(self, recording: Recording, ended: list[Call]) -> None:
        """Write a dependency line for each call."""
        lines = (self._lines or self._open()).calls(recording, ended)
        whole = b"".join(lines)
        # One write for all, but for what would make a segment of its own.
        for part in [whole] if len(whole) <= LARGEST_WRITE else lines:
            self._append(part)

    def message(self, recording: Recording | None, message: Message) -> None:
        """Write the line of a log line."""
        lines = self._lines or self._open()
        self._append(lines.message(recording, message))

    def spans(self, recording: Recording, span_datas: list[Any]) -> None:
        """Write a dependency line for each span, and a message line for each annotation on it."""
        lines = self._lines or self._open()
        for line in lines.spans(recording, span_datas):
            self._append(line)

    def _first_request(self, recording: Recording) -> None:
        self._open()
        self.request(recording)

    def _open(self) -> Lines:
        settings = self._settings
        identity = identify(settings, self._key, self._application, os.environ)
        lines = Lines(identity, settings.url_query, settings.failed_statuses, settings.trusted_proxies)
        append = processes.journal(self._destination, self._make_journal).spool.append
        line_of = lines.request

        def request(recording: Recording) -> None:
            append(line_of(recording))

        self._append, self._lines, self.request = append, lines, request
        return lines

    def _make_journal(self) -> Journal:
        return Journal(spool_of(self._settings, self._destination), self._open_transport())


def spool_of(settings: Settings, destination: str) -> spool.Spool:
    """Return the spool of a destination, in this user's own directory or in memory."""
    base = directories.private_directory(settings.spool_dir)
    return spool.open_spool(base, destination, settings.spool_size << 20)


_exporters: WeakSet[SpooledExporter] = WeakSet()


def _forget_process() -> None:
    for exporter in list(_exporters):
        exporter.forget_process()


ids.on_new_process.append(_forget_process)
processes.before_the_end(export_late)
