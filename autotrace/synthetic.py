"""Requests that no user made: those of availability tests, crawlers and monitors. The portal can leave them out.

The headers are those of Application Insights' availability tests, the user agents those that Microsoft's SDK for .NET
counts as such.
"""

from __future__ import annotations

import re

AVAILABILITY = "Application Insights Availability Monitoring"
AGENT = "Bot"
USER_LIMIT, SESSION_LIMIT = 128, 64
_is_robot = re.compile("search|spider|crawl|bot|monitor|alwayson", re.IGNORECASE).search


def tags_of(run: str | None, location: str | None, agent: str) -> dict[str, str]:
    """Return the tags that mark a synthetic request, none for another.

    `run` and `location` are the headers SyntheticTest-RunId and SyntheticTest-Location, None where they are missing.
    Each run of a test is a session, of a user who is the same nowhere else.
    """
    if run and location:
        return {
            "ai.operation.syntheticSource": AVAILABILITY,
            "ai.user.id": f"{location}_{run}"[:USER_LIMIT],
            "ai.session.id": run[:SESSION_LIMIT],
        }
    return {"ai.operation.syntheticSource": AGENT} if _is_robot(agent) else {}
