"""The Application Insights exporter: lines into the spool, batches to the ingestion endpoint."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any, Callable
from weakref import WeakSet

from .. import directories, ids, processes, spool
from ..entra import Tokens
from ..identity import identify
from ..items import Lines
from ..recorder import export_late
from ..sender import Journal
from ..transport import Transport

if TYPE_CHECKING:
    from ..calls import Call
    from ..connection_string import ConnectionString
    from ..exceptions import Failure
    from ..messages import Message
    from ..recorder import Recording
    from ..settings import Settings

# Bytes of lines that are written in one piece.
LARGEST_WRITE = 1 << 18


class AzureExporter:
    """Exports one application's items; everything that belongs to a process is made on its first item.

    `request` writes a request's line to the spool.
    """

    request: Callable[[Recording], None]

    def __init__(self, settings: Settings, application: str) -> None:
        if settings.connection_string is None:
            raise ValueError("the azure exporter needs APPLICATIONINSIGHTS_CONNECTION_STRING")
        self._settings = settings
        self._connection = settings.connection_string
        self._application = application
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
        lines = list((self._lines or self._open()).calls(recording, ended))
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
        identity = identify(settings, self._connection.instrumentation_key, self._application, os.environ)
        lines = Lines(identity, settings.url_query, settings.failed_statuses, settings.trusted_proxies)
        destination = destination_of(self._connection)
        append = processes.journal(destination, lambda: self._make_journal(destination)).spool.append
        line_of = lines.request

        def request(recording: Recording) -> None:
            append(line_of(recording))

        self._append, self._lines, self.request = append, lines, request
        return lines

    def _make_journal(self, destination: str) -> Journal:
        base = directories.private_directory(self._settings.spool_dir)
        lines = spool.open_spool(base, destination, self._settings.spool_size << 20)
        return Journal(lines, transport_of(self._settings, self._connection))


_exporters: WeakSet[AzureExporter] = WeakSet()


def _forget_process() -> None:
    for exporter in list(_exporters):
        exporter.forget_process()


ids.on_new_process.append(_forget_process)
processes.before_the_end(export_late)


def transport_of(settings: Settings, connection: ConnectionString) -> Transport:
    """Return what posts to the endpoint of a connection string, with tokens where the settings want them."""
    authentication = settings.authentication_string
    tokens = None if authentication is None else Tokens(authentication, connection.aad_audience)
    return Transport(connection.endpoint, tokens)


def destination_of(connection: ConnectionString) -> str:
    """Return the name of the spool of a connection string, which tells nothing of it.

    Segments of different destinations never mix: whoever adopts one sends it where it was meant to go.
    """
    where = f"{connection.endpoint} {connection.instrumentation_key}"
    return hashlib.sha256(where.encode()).hexdigest()[:16]


def open_exporter(settings: Settings, application: str, chosen: Any) -> AzureExporter:
    """Return the exporter for the connection string of the settings; ValueError without one."""
    return AzureExporter(settings, application)
