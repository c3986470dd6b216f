"""Who this process is on the application map: cloud role and role instance."""

from __future__ import annotations

import os
import re
import sys
from typing import Mapping

from . import __version__
from .items import Identity
from .settings import Settings

_ROLE_VARIABLES = ("OTEL_SERVICE_NAME", "WEBSITE_SITE_NAME", "CONTAINER_APP_NAME", "K8S_DEPLOYMENT_NAME")
_INSTANCE_VARIABLES = ("WEBSITE_INSTANCE_ID", "CONTAINER_APP_REPLICA_NAME", "POD_NAME", "HOSTNAME")
# What a Deployment appends to its name for a pod: a ReplicaSet hash and five characters.
_POD_SUFFIX = re.compile(r"-[a-z0-9]{6,10}-[a-z0-9]{5}$")


def identify(settings: Settings, key: str, application: str, environ: Mapping[str, str]) -> Identity:
    """Return this process's identity; `application` is the name that the framework knows the application by."""
    return Identity(
        key=key,
        role=settings.role_name or _first(environ, _ROLE_VARIABLES) or _deployment(environ) or application or "python",
        instance=settings.role_instance or _first(environ, _INSTANCE_VARIABLES) or os.uname().nodename,
        version=settings.app_version,
        sdk=f"py{sys.version_info[0]}.{sys.version_info[1]}:autotrace:{__version__}",
        pid=os.getpid(),
    )


def program() -> str:
    """Return the name of what this process runs, as far as its command line tells."""
    name = os.path.basename(sys.argv[0] if getattr(sys, "argv", None) else "")
    return "" if name in ("-c", "-m") else name[:-3] if name.endswith(".py") else name


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    return next((environ[name].strip() for name in names if environ.get(name, "").strip()), None)


def _deployment(environ: Mapping[str, str]) -> str | None:
    """Return the name of the Kubernetes Deployment, told from the pod's host name."""
    if "KUBERNETES_SERVICE_HOST" not in environ:
        return None
    pod = environ.get("POD_NAME") or environ.get("HOSTNAME") or ""
    name, found = _POD_SUFFIX.subn("", pod)
    return name if found else None
