"""The Pyramid sample as `pserve pserve.ini port=8000` makes it."""

from __future__ import annotations

from typing import Any

import pyramid_app


def main(global_config: dict[str, str], **settings: str) -> Any:
    """Return the application, as PasteDeploy asks for it."""
    return pyramid_app.app
