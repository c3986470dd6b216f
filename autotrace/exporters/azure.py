"""The Application Insights exporter: what is in the spool is posted to the ingestion endpoint."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from ..entra import Tokens
from ..transport import Transport
from .spooled import SpooledExporter

if TYPE_CHECKING:
    from ..connection_string import ConnectionString
    from ..settings import Settings


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


def open_exporter(settings: Settings, application: str, chosen: Any) -> SpooledExporter:
    """Return the exporter for the connection string of the settings; ValueError without one."""
    connection = settings.connection_string
    if connection is None:
        raise ValueError("the azure exporter needs APPLICATIONINSIGHTS_CONNECTION_STRING")
    return SpooledExporter(
        settings,
        application,
        connection.instrumentation_key,
        destination_of(connection),
        lambda: transport_of(settings, connection),
    )
