"""celery: publishing is one call, whichever broker, and the message is the one that it was."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from tests import databases, needs, outgoing
from tests.harness import free_port
from tests.recordings import said

celery = needs.module("celery")
module = needs.module("redis")
outgoing.patch("celery")
outgoing.patch("redis")


def make(broker: str, **settings: Any) -> Any:
    app = celery.Celery("shop", broker=broker, set_as_current=False)
    app.conf.update(task_ignore_result=True, **settings)

    @app.task(name="shop.ship", shared=False)  # type: ignore[untyped-decorator,unused-ignore]
    def ship(number: int) -> int:
        return number + 1

    return app


def url_of(database: databases.Database) -> str:
    return f"redis://:@{database.host}:{database.port}/0"


def told(seen: outgoing.Seen) -> list[tuple[str, str, str, str]]:
    return [(one["type"], one["name"], one["target"], one["data"]) for one in seen.said()]


def test_publishing_is_one_call(redis: databases.Database) -> None:
    app = make(url_of(redis))

    def view() -> None:
        app.tasks["shop.ship"].delay(7)
        app.tasks["shop.ship"].apply_async((7,), queue="slow")
        app.send_task("elsewhere.bill", kwargs={"secret": "s3cret"})
        celery.group(app.tasks["shop.ship"].s(number) for number in range(2)).apply_async()

    seen = outgoing.record(view)
    assert "s3cret" not in repr(seen)
    kind, site = "Queue Message | celery", f"127.0.0.1:{redis.port}"
    assert told(seen) == [
        (kind, "shop.ship", f"{site} | celery", "celery"),
        (kind, "shop.ship", f"{site} | slow", "slow"),
        (kind, "elsewhere.bill", f"{site} | celery", "celery"),
        *[(kind, "shop.ship", f"{site} | celery", "celery")] * 2,
    ]
    assert {(one["resultCode"], one["success"]) for one in seen.said()} == {("0", True)}


def test_the_message_stays_as_it_was(redis: databases.Database) -> None:
    app = make(url_of(redis))

    def publish() -> Any:
        app.tasks["shop.ship"].apply_async((7,), task_id="one", queue="same")
        with module.Redis(port=redis.port) as client:
            message = json.loads(client.lpop("same"))
        message["properties"].pop("delivery_tag")
        return message

    inside: list[Any] = []
    outgoing.record(lambda: inside.append(publish()))
    assert inside == [publish()]
    assert "traceparent" not in json.dumps(inside)


def test_where_a_task_goes() -> None:
    queue = needs.module("kombu").Queue("of-kombu")

    def view() -> None:
        app = make("memory://")
        app.send_task("a", queue=queue)
        app.send_task("b", exchange="exchange", routing_key="key")
        app.send_task("c", routing_key="key")
        make("memory://", task_routes={"d": {"queue": "routed"}}).send_task("d")

    assert [(name, target) for _, name, target, _ in told(outgoing.record(view))] == [
        ("a", "of-kombu"),
        ("b", "exchange"),
        ("c", ""),
        ("d", ""),
    ]


def test_credentials_and_usual_ports_go_unsaid() -> None:
    from autotrace.libraries.celery import _broker_of, _place

    def place(url: Any) -> tuple[str, int | None]:
        return _place(_broker_of(make(url)))[:2]

    assert place("amqp://clerk:hunter2@broker.test//") == ("broker.test", 5672)
    assert place("amqp://clerk:hunter2@broker.test:5673//") == ("broker.test", 5673)
    assert place(["redis://:hunter2@one.test/0", "redis://:hunter2@two.test/0"]) == ("one.test", 6379)
    assert place("amqp://a:b@one.test;amqp://a:b@two.test") == ("one.test", 5672)
    assert place("sqs://key:secret@") == ("", None)
    assert place("redis://:hun/ter2@one.test/0") == ("", None)


def test_failures_are_calls_too() -> None:
    once = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
    app = make(f"amqp://127.0.0.1:{free_port()}//", broker_transport_options=once)

    def view() -> None:
        with pytest.raises(Exception, match="refused"):
            app.tasks["shop.ship"].apply_async((7,), retry=False)

    (one,) = outgoing.record(view).said()
    assert (one["name"], one["resultCode"], one["success"]) == ("shop.ship", "OperationalError", False)


def test_tasks_that_run_at_once_are_not_sent(redis: databases.Database) -> None:
    app = make("memory://", task_always_eager=True)

    @app.task(name="shop.count", shared=False)  # type: ignore[untyped-decorator,unused-ignore]
    def count() -> int:
        with module.Redis(port=redis.port) as client:
            return int(client.incr("count"))

    def view() -> None:
        assert count.delay().get() >= 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            app.send_task("elsewhere.bill")

    assert [(kind, name) for kind, name, _, _ in told(outgoing.record(view))] == [
        ("redis", "INCRBY"),
        ("Queue Message | celery", "elsewhere.bill"),
    ]


def test_what_is_called_by_signals_is_the_applications(redis: databases.Database) -> None:
    signals = needs.module("celery.signals")
    app = make(url_of(redis))

    def ask(name: str) -> None:
        with module.Redis(port=redis.port) as client:
            client.incr(name)

    def before(**named: Any) -> None:
        ask("before")
        raise ArithmeticError("celery goes on")

    def after(**named: Any) -> None:
        ask("after")

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    try:
        seen = outgoing.record(lambda: app.tasks["shop.ship"].delay(7))
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)
    # What the task was published with is a part of the last one, as ever.
    assert [name for _, name, _, _ in told(seen)] == ["INCRBY", "INCRBY", "shop.ship"]
    assert {call["tags"]["ai.operation.parentId"] for call in seen.calls} == {said(seen.request)["id"]}


def test_nothing_is_recorded_outside_of_requests(redis: databases.Database) -> None:
    assert make(url_of(redis)).tasks["shop.ship"].delay(7).id
