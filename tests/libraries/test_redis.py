"""redis-py, with and without asyncio: commands and pipelines are told without keys and values."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from typing import Any

import pytest

from tests import databases, needs, outgoing
from tests.harness import free_port

redis = needs.module("redis")
outgoing.patch("redis")


def url_of(database: databases.Database) -> str:
    return f"redis://{database.host}:{database.port}/0"


def told(seen: outgoing.Seen) -> list[tuple[str, str, str]]:
    return [(one["name"], one["data"], one["resultCode"]) for one in seen.said()]


def test_commands_are_told_without_keys_and_values(redis: databases.Database) -> None:
    def view() -> None:
        with client(redis) as running:
            running.set("key-s3cret", "value-s3cret")
            assert running.get("key-s3cret") == b"value-s3cret"
            running.config_get("maxmemory")
            running.execute_command("SET key-s3cret other-s3cret")
            running.execute_command(b"del", "key-s3cret")
            running.mset({f"key-{number}-s3cret": number for number in range(30)})

    seen = outgoing.record(view)
    assert "s3cret" not in repr(seen)
    assert {(one["type"], one["target"], one["success"]) for one in seen.said()} == {
        ("redis", f"127.0.0.1:{redis.port}", True)
    }
    assert told(seen) == [
        ("SET", "SET ? ?", "0"),
        ("GET", "GET ?", "0"),
        ("CONFIG GET", "CONFIG GET ?", "0"),
        ("SET", "SET ? ?", "0"),
        ("DEL", "DEL ?", "0"),
        ("MSET", "MSET " + "? " * 20 + "...", "0"),
    ]


def test_errors_keep_their_words(redis: databases.Database) -> None:
    def view() -> None:
        with client(redis) as running:
            running.set("text", "s3cret")
            with pytest.raises(module.ResponseError, match="WRONGTYPE"):
                running.lpush("text", "s3cret")
            with pytest.raises(module.ResponseError, match="WRONGTYPE"):
                running.pipeline().lpush("text", "s3cret").execute()
            with pytest.raises(module.ResponseError):
                running.execute_command("NONSENSE", "s3cret")
        with module.Redis(port=free_port(), **hasty()) as nobody, pytest.raises(module.ConnectionError):
            nobody.get("text")

    seen = outgoing.record(view)
    assert "s3cret" not in repr(seen)
    assert [(one["name"], one["success"]) for one in seen.said()] == [
        ("SET", True),
        ("LPUSH", False),
        ("PIPELINE", False),
        ("NONSENSE", False),
        ("GET", False),
    ]
    codes = [code for _, _, code in told(seen)]
    assert codes[:3] == ["0", "WRONGTYPE", "WRONGTYPE"]
    # Old versions throw the word away.
    assert codes[3] in ("ERR", "ResponseError")
    assert codes[4] == "ConnectionError"


def test_pipelines_are_one_call(redis: databases.Database) -> None:
    def view() -> None:
        with client(redis) as running:
            with running.pipeline() as pipeline:
                pipeline.set("a", 1).incr("a").get("a")
                assert pipeline.execute() == [True, 2, b"2"]
                # Nothing is sent.
                assert pipeline.execute() == []
            with running.pipeline(transaction=False) as pipeline:
                for _ in range(150):
                    pipeline.ping()
                pipeline.execute()
            with running.pipeline() as pipeline:
                pipeline.watch("a")
                pipeline.get("a")
                pipeline.multi()
                pipeline.set("a", 3)
                pipeline.execute()
            running.register_script("return 1")(client=running)

    names = told(outgoing.record(view))
    assert names[0] == ("PIPELINE", "SET ? ?\nINCRBY ? ?\nGET ?", "0")
    assert names[1] == ("PIPELINE", "PING\n" * 100 + "...", "0")
    assert [name for name, _, _ in names[2:5]] == ["WATCH", "GET", "PIPELINE"]
    assert names[4][1] == "SET ? ?"
    assert names[5][0] == "EVALSHA"


def test_asyncio(redis: databases.Database) -> None:
    redis_asyncio = needs.module("redis.asyncio")

    async def run() -> None:
        running = redis_asyncio.from_url(url_of(redis))
        await running.set("key-s3cret", 1)
        async with running.pipeline() as pipeline:
            assert await pipeline.incr("key-s3cret").get("key-s3cret").execute() == [2, b"2"]
            await pipeline.watch("key-s3cret")
            await pipeline.unwatch()
        with pytest.raises(module.ResponseError):
            await running.lpush("key-s3cret", 1)
        waiting = asyncio.create_task(running.blpop("nothing", 0))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert sum(await asyncio.gather(*(running.incr(f"at-once-{number}") for number in range(20)))) >= 20
        await running.connection_pool.disconnect()

    seen = outgoing.record(lambda: asyncio.run(run()))
    assert "s3cret" not in repr(seen)
    names = told(seen)
    assert names[:6] == [
        ("SET", "SET ? ?", "0"),
        ("PIPELINE", "INCRBY ? ?\nGET ?", "0"),
        ("WATCH", "WATCH ?", "0"),
        ("UNWATCH", "UNWATCH", "0"),
        ("LPUSH", "LPUSH ? ?", "WRONGTYPE" if names[4][2] == "WRONGTYPE" else "ResponseError"),
        ("BLPOP", "BLPOP ? ?", "CancelledError"),
    ]
    assert names[6:] == [("INCRBY", "INCRBY ? ?", "0")] * 20


def test_blocking_commands_and_subscriptions(redis: databases.Database) -> None:
    def view() -> None:
        with client(redis) as running:
            later = threading.Timer(0.1, lambda: client(redis).rpush("queue", "job"))
            later.start()
            assert running.blpop("queue", 5)[1] == b"job"
            later.join()
            with running.pubsub() as subscription:
                subscription.subscribe("news")
                running.publish("news", "s3cret")
                end = time.monotonic() + 5
                kinds: list[str] = []
                while "message" not in kinds and time.monotonic() < end:
                    message = subscription.get_message(timeout=0.1)
                    kinds += [message["type"]] if message else []
                assert kinds == ["subscribe", "message"]

    # The thread's belong to the request where threads are patched.
    names = [name for name, _, _ in told(outgoing.record(view))]
    assert [name for name in names if name != "RPUSH"] == ["BLPOP", "PUBLISH"]


def test_health_checks_are_no_calls(redis: databases.Database) -> None:
    def view() -> None:
        with client(redis, health_check_interval=0.01, client_name="shop") as running:
            running.get("a")
            time.sleep(0.05)
            running.get("a")

    assert [name for name, _, _ in told(outgoing.record(view))] == ["GET", "GET"]


def test_targets() -> None:
    with databases.redis("--unixsocket", "redis.sock") as running:
        with client(running) as asking:
            path = asking.config_get("dir")["dir"] + "/redis.sock"
        by_path = module.Redis(unix_socket_path=path)
        by_url = module.from_url(f"redis://:pass-s3cret@localhost:{running.port}/1")

        def view() -> None:
            assert by_path.ping()
            # No server without passwords minds one, or all do: it depends on the versions.
            with contextlib.suppress(module.RedisError):
                by_url.ping()

        told = outgoing.record(view).said()
    assert [one["name"] for one in told] == ["PING", "PING"]
    assert [one["target"] for one in told] == ["redis.sock", f"localhost:{running.port}"]
    assert "s3cret" not in repr(told)


def test_the_usual_port_goes_unsaid() -> None:
    def view() -> None:
        far = module.Redis(host="192.0.2.1", socket_connect_timeout=0.01, **hasty())
        for running in (far, module.from_url("redis://", **hasty())):
            # Whether anybody listens there or not.
            with contextlib.suppress(module.RedisError):
                running.ping()
            running.close()

    assert [one["target"] for one in outgoing.record(view).said()] == ["192.0.2.1", "localhost"]


# Of some versions, about what they do themselves.
@pytest.mark.filterwarnings("ignore:Call to '__init__' function:DeprecationWarning")
def test_clusters() -> None:
    needs.module("redis.cluster")
    redis_asyncio = needs.module("redis.asyncio")
    with databases.redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as running:
        with client(running) as node:
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            end = time.monotonic() + 10
            while b"cluster_state:ok" not in raw(node.execute_command("CLUSTER INFO")) and time.monotonic() < end:
                time.sleep(0.05)
        cluster = module.RedisCluster(host="127.0.0.1", port=running.port)

        def view() -> None:
            cluster.set("key-s3cret", 1)
            pipeline = cluster.pipeline()
            pipeline.incr("key-s3cret")
            pipeline.get("key-s3cret")
            assert pipeline.execute() == [2, b"2"]
            asyncio.run(run())

        async def run() -> None:
            own = redis_asyncio.RedisCluster(host="127.0.0.1", port=running.port)
            await own.initialize()
            await own.set("key-s3cret", 1)
            assert await own.pipeline().incr("key-s3cret").execute() == [2]
            await (own.aclose if hasattr(own, "aclose") else own.close)()

        seen = outgoing.record(view)
        cluster.close()
    assert "s3cret" not in repr(seen)
    assert {one["target"] for one in seen.said()} == {f"127.0.0.1:{running.port}"}
    names = [(name, data) for name, data, _ in told(seen) if name in ("SET", "PIPELINE")]
    assert names == [
        ("SET", "SET ? ?"),
        ("PIPELINE", "INCRBY ? ?\nGET ?"),
        ("SET", "SET ? ?"),
        ("PIPELINE", "INCRBY ? ?"),
    ]


def raw(answer: Any) -> bytes:
    return answer if isinstance(answer, bytes) else repr(answer).replace("': '", ":").encode()


def test_nothing_is_recorded_outside_of_requests(redis: databases.Database) -> None:
    with client(redis) as running:
        running.set("a", 1)
        assert running.get("a") == b"1"


module = redis


def client(database: databases.Database, **options: Any) -> Any:
    return module.Redis(host=database.host, port=database.port, **options)


def hasty() -> dict[str, Any]:
    """Return the options of a client that tries once only, as old ones do."""
    try:
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        return {}
    return {"retry": Retry(NoBackoff(), 0)}
