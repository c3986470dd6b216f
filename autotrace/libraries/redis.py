"""redis-py: commands and pipelines, each one call, told without keys and values."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Any

from .. import calls
from ..patching import wrap_method

_PORT = 6379
# What stands behind these is still the name of the command.
_CONTAINER = re.compile(
    "ACL|CLIENT|CLUSTER|COMMAND|CONFIG|DEBUG|FUNCTION|LATENCY|MEMORY|MODULE|PUBSUB|SCRIPT|SLOWLOG|XGROUP|XINFO"
).fullmatch
_WORD = re.compile(r"[A-Z][A-Z0-9_.-]{0,40}").fullmatch
_CODE = re.compile(r"[A-Z]{2,40}").fullmatch
# Where a pipeline keeps its commands.
_QUEUES = ("command_stack", "command_queue", "_command_queue", "_command_stack")
# A command that is longer has arguments in it, and is seldom the same.
_LONGEST_REMEMBERED = 40
# Arguments of a command that are counted out, and commands of a pipeline that are told.
_MOST_ARGUMENTS = 20
_MOST_COMMANDS = 100


def patch(module: Any) -> None:
    """Wrap the clients of `redis.client`; a pipeline that watches keys sends some commands at once."""
    wrap_method(module, "Redis.execute_command", calls.traced, _describe, _code_of)
    wrap_method(module, "Pipeline.immediate_execute_command", calls.traced, _describe, _code_of)
    wrap_method(module, "Pipeline.execute", calls.traced, _describe_pipeline, _code_of)


def patch_asyncio(module: Any) -> None:
    """Wrap the clients of `redis.asyncio.client`."""
    wrap_method(module, "Redis.execute_command", calls.traced_async, _describe, _code_of)
    wrap_method(module, "Pipeline.immediate_execute_command", calls.traced_async, _describe, _code_of)
    wrap_method(module, "Pipeline.execute", calls.traced_async, _describe_pipeline, _code_of)


def patch_cluster(module: Any) -> None:
    """Wrap the clients of `redis.cluster`."""
    wrap_method(module, "RedisCluster.execute_command", calls.traced, _describe, _code_of)
    wrap_method(module, "ClusterPipeline.execute", calls.traced, _describe_pipeline, _code_of)


def patch_asyncio_cluster(module: Any) -> None:
    """Wrap the clients of `redis.asyncio.cluster`."""
    wrap_method(module, "RedisCluster.execute_command", calls.traced_async, _describe, _code_of)
    wrap_method(module, "ClusterPipeline.execute", calls.traced_async, _describe_pipeline, _code_of)


def _describe(client: Any, *args: Any, **options: Any) -> Any:
    call = _begin(client)
    if call is not None:
        call.name, call.data = _told(args)
    return call


def _describe_pipeline(pipeline: Any, *args: Any, **options: Any) -> Any:
    commands = _commands_of(pipeline)
    call = _begin(pipeline) if commands else None
    if call is not None:
        lines = [_told(getattr(command, "args", None) or command[0])[1] for command in commands[:_MOST_COMMANDS]]
        if len(commands) > _MOST_COMMANDS:
            lines.append("...")
        call.name, call.data = "PIPELINE", "\n".join(lines)
    return call


def _commands_of(pipeline: Any) -> Any:
    # In a cluster another object may keep them.
    keeper = getattr(pipeline, "_execution_strategy", pipeline)
    return next(filter(None, (getattr(keeper, name, None) for name in _QUEUES)), ())


def _begin(client: Any) -> Any:
    host, port = _place(client)
    call = calls.begin("redis", host, port)
    if call is not None:
        call.target = calls.target_of(host, port, _PORT) if host else ""
    return call


def _place(client: Any) -> tuple[str, int | None]:
    """Return the host and port of a client's server; of a socket in the file system its name."""
    pool = getattr(client, "connection_pool", None)
    if pool is None:
        cluster = getattr(client, "cluster_client", None) or getattr(client, "_client", None) or client
        node = cluster.nodes_manager.default_node
        return ("", None) if node is None else (str(node.host), int(node.port))
    known = pool.connection_kwargs
    if known.get("path"):
        return os.path.basename(os.fsdecode(known["path"])), None
    host = known.get("host")
    if host is None and getattr(pool, "service_name", None):
        # Sentinels know which host that is.
        return str(pool.service_name), None
    return str(host or "localhost"), int(known.get("port") or _PORT)


def _told(args: Any) -> tuple[str, str]:
    command = args[0]
    text = command if isinstance(command, str) else bytes(command).decode("latin-1")
    tell = _without_values if len(text) <= _LONGEST_REMEMBERED else _without_values.__wrapped__
    return tell(text, min(len(args) - 1, _MOST_ARGUMENTS + 1))


@lru_cache(maxsize=1000)
def _without_values(text: str, count: int) -> tuple[str, str]:
    """Return the name of a command, and that with a `?` for each of its arguments."""
    # Arguments may stand in the same text.
    first, *rest = text.split() or [""]
    name = first.upper() if _WORD(first.upper()) else "?"
    if _CONTAINER(name) and rest and _WORD(rest[0].upper()):
        name = f"{name} {rest.pop(0).upper()}"
    count += len(rest)
    hidden = ["?"] * min(count, _MOST_ARGUMENTS)
    if count > _MOST_ARGUMENTS:
        hidden.append("...")
    return name, " ".join([name, *hidden])


def _code_of(error: Any) -> str:
    """Return the word that a server's error begins with."""
    code = getattr(error, "status_code", None)
    if code is None and any(base.__name__ == "ResponseError" for base in type(error).__mro__):
        # A pipeline puts the command in front of it.
        code = str(error).rpartition(") of pipeline caused error: ")[2].partition(" ")[0]
    return code if isinstance(code, str) and _CODE(code) else ""
