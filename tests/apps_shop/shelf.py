"""The shelf of the shop (Pyramid): nothing is ever on it."""

from __future__ import annotations

import sqlite3
from typing import Any

from pyramid.config import Configurator


def look(request: Any) -> Any:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE shelf (id int)")
    connection.close()
    raise LookupError(f"number {request.matchdict['number']} is not on the shelf")


with Configurator(package="shelf") as config:
    config.add_route("shelf", "/shelf/{number}")
    config.add_view(look, route_name="shelf")
    app = config.make_wsgi_app()
