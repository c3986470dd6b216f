"""The directories of the spool: this user's own, which nobody else can read."""

from __future__ import annotations

import errno
import os
import stat
import tempfile

from . import guard


def private_directory(chosen: str | None) -> str | None:
    """Return a directory that only this user can read, created where needed; None when none can be had.

    `chosen` is tried alone when given; else the user's state directory, then a directory of this user's under the
    system's temporary directory. A directory of somebody else, or a link, is never used. One that `chosen` finds
    keeps its mode: it may serve other purposes, and what is below it is private.
    """
    temporary = os.path.join(tempfile.gettempdir(), f"autotrace-{os.geteuid()}")
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    # Without HOME and an entry in the user database `~` stays what it is: a name in the application's directory.
    candidates = (
        [chosen] if chosen else [path for path in (os.path.join(state, "autotrace"), temporary) if path[0] == "/"]
    )
    reasons: list[str] = []
    for path in candidates:
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            _make_private(path, keep_mode=path == chosen)
            return path
        except OSError as error:
            reasons.append(f"{path}: {error.strerror or error}")
    guard.warn("no spool directory", f"unsent telemetry is kept in memory only ({'; '.join(reasons)})")
    return None


def make_directory(path: str) -> None:
    """Make a private directory, and the one above it where that is gone; OSError when they cannot be ours."""
    above = os.path.dirname(path)
    os.makedirs(above, mode=0o700, exist_ok=True)
    _make_private(above, keep_mode=True)
    os.makedirs(path, mode=0o700, exist_ok=True)
    _make_private(path)


def _make_private(path: str, *, keep_mode: bool = False) -> None:
    found = os.lstat(path)
    # A directory that was chosen may be root's, as volumes of containers are: what is below it is this user's own.
    owners = (os.geteuid(), 0) if keep_mode else (os.geteuid(),)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
        raise OSError(errno.EPERM, "it is a link or belongs to another user")
    if stat.S_IMODE(found.st_mode) & 0o077 and not keep_mode:
        os.chmod(path, 0o700)
    if not os.access(path, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
