"""What is measured: a peer is one entry of PEERS, and nothing else lists them."""

from __future__ import annotations

from typing import Mapping, NamedTuple

FRAMEWORKS = ("flask", "django", "pyramid")
BASELINE = "none"


class Peer(NamedTuple):
    """One way to trace a server, or to leave it alone.

    `launcher` are the words in front of the server's command, the first a console script. `requires` is
    installed, and then `unpinned` without its dependencies, beside the frameworks in a virtualenv of the peer's
    own; without them the peer runs in the environment that runs the benchmarks. `apps` is the folder of the
    applications. In the environment variables {connection} is the connection string, {url} the endpoint and
    {folder} a scratch directory; `blacklisted` and `unsampled` are what to add so that the path /users is
    excluded or next to nothing is sampled, None when the peer cannot. `sends` tells that the endpoint gets one
    Application Insights item a request; a peer that sends anything else is waited for `settle` seconds.
    """

    name: str
    title: str
    launcher: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()
    apps: str = "plain"
    environment: Mapping[str, str] = {}
    blacklisted: Mapping[str, str] | None = None
    unsampled: Mapping[str, str] | None = None
    frameworks: tuple[str, ...] = FRAMEWORKS
    sends: bool = True
    settle: float = 0.0


PEERS = (
    Peer(BASELINE, "no launcher", sends=False),
    Peer(
        "opencensus",
        "OpenCensus by hand",
        requires=("opencensus>=0.11.4,<1", "opencensus-ext-azure>=1.1.15,<2"),
        # Their pins stop at Flask 2 and Pyramid 1; their code runs with the current ones.
        unpinned=(
            "opencensus-ext-django==0.8.0",
            "opencensus-ext-flask==0.8.2",
            "opencensus-ext-pyramid==0.7.3",
        ),
        apps="opencensus",
        environment={
            "APPLICATIONINSIGHTS_CONNECTION_STRING": "{connection}",
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
        },
        blacklisted={"WIRING_EXCLUDED": "users"},
        unsampled={"WIRING_RATE": "1e-9"},
    ),
    Peer(
        "autotrace",
        "autotrace",
        launcher=("autotrace", "run"),
        environment={
            "APPLICATIONINSIGHTS_CONNECTION_STRING": "{connection}",
            "AUTOTRACE_SPOOL_DIR": "{folder}/spool",
            # Requests without a pause are more than any server makes.
            "AUTOTRACE_SPOOL_SIZE": "200",
        },
        blacklisted={"AUTOTRACE_BLACKLIST_PATHS": "/users"},
        unsampled={"AUTOTRACE_SAMPLER": "1e-9"},
    ),
)
