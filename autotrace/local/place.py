"""Where the store is; apart from the store, because `autotrace run` tells it and has no use for a database."""

from __future__ import annotations

import os

from ..directories import private_directory

FILE_NAME = "telemetry.db"


class StoreError(Exception):
    """The store cannot be used now; the text says why, for a user."""


def path_of(chosen: str | None) -> str:
    """Return the path of the store: `chosen`, else the one of this user; StoreError where there can be none.

    The user's is in a directory that nobody else can read.
    """
    base = None if chosen else private_directory(None)
    if not chosen and base is None:
        raise StoreError("there is no directory for the store that only this user can read")
    return chosen or os.path.join(base or "", FILE_NAME)
