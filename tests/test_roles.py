"""Each service is one node of the application map, whatever serves it: its name is the application's, or its host's."""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import pytest

from tests.endpoint import Endpoint
from tests.harness import Request, gunicorn, load, serve, uvicorn, waitress

BIND = "--bind=127.0.0.1:{port}"
SERVERS = {
    "gunicorn": ([*gunicorn("flask_app:app", workers=2), BIND], "flask_app"),
    "uvicorn": (uvicorn("django_app:asgi_application", workers=2), "django_app"),
    "waitress": (waitress("pyramid_app:app"), "pyramid_app"),
    "python -m flask": ([sys.executable, "-m", "flask", "--app=flask_app:app", "run", "--port={port}"], "flask_app"),
    "python -m uvicorn": ([sys.executable, "-m", "uvicorn", *uvicorn("django_app:asgi_application")[1:]], "django_app"),
}
PLATFORMS = {
    "App Service": ({"WEBSITE_SITE_NAME": "till", "WEBSITE_INSTANCE_ID": "4f1c"}, "till", "4f1c"),
    "Container Apps": ({"CONTAINER_APP_NAME": "till", "CONTAINER_APP_REPLICA_NAME": "till--7"}, "till", "till--7"),
    "Kubernetes": (
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "till-7c9f6b5d4-x2x9z"}, "till", "till-7c9f6b5d4-x2x9z"
    ),
    "OpenTelemetry": ({"OTEL_SERVICE_NAME": "till", "HOSTNAME": "vm"}, "till", "vm"),
    "ours": ({"AUTOTRACE_ROLE_NAME": "till", "AUTOTRACE_ROLE_INSTANCE": "a", "WEBSITE_SITE_NAME": "site"}, "till", "a"),
}  # fmt: skip


def nodes(command: list[str], folder: pathlib.Path, endpoint: Endpoint, env: dict[str, str]) -> set[tuple[Any, Any]]:
    """Return the roles and instances that a server's requests name."""
    with serve(command, folder, endpoint, env) as server:
        load(server.port, [Request("GET", f"/ok/{number}") for number in range(40)])
        assert endpoint.wait_until(lambda: len(endpoint.requests()) == 40)
    return {(item["tags"]["ai.cloud.role"], item["tags"]["ai.cloud.roleInstance"]) for item in endpoint.items}


@pytest.mark.parametrize("server", SERVERS)
def test_a_service_is_one_node_under_every_server(server: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    command, role = SERVERS[server]
    assert nodes(command, tmp_path, endpoint, {"AUTOTRACE_ROLE_INSTANCE": "here"}) == {(role, "here")}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_names_the_node(platform: str, tmp_path: pathlib.Path, endpoint: Endpoint) -> None:
    env, role, instance = PLATFORMS[platform]
    assert nodes(SERVERS["gunicorn"][0], tmp_path, endpoint, env) == {(role, instance)}
