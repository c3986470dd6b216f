"""What a request starts in the background belongs to it: threads, pools, tasks; and to nobody else afterwards."""

from __future__ import annotations

import asyncio
import multiprocessing.pool
import sqlite3
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable

import flask
import pytest
from opencensus.trace import execution_context

from autotrace.current import CURRENT
from autotrace.recorder import Recorder
from tests import outgoing
from tests.recordings import Kept, Shop, said, visit

for name in ("sqlite3", "threading", "concurrent_futures"):
    outgoing.patch(name)


def ask(table: str) -> None:
    """Make a call that is told as `SELECT table`."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE {table} (x)")
    connection.execute(f"SELECT * FROM {table}")
    connection.close()


def asked(view: Callable[[], object]) -> list[str]:
    """Return the tables that a request asked for; all that it says hangs under it."""
    told = outgoing.record(view).said()
    return sorted(one["name"][len("SELECT ") :] for one in told if one["name"].startswith("SELECT"))


def in_thread(function: Callable[..., object], *args: Any) -> None:
    thread = threading.Thread(target=function, args=args)
    thread.start()
    thread.join()


def test_threads_belong_to_the_request() -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            ask("subclass")

    def nested() -> None:
        in_thread(ask, "nested")

    def view() -> None:
        in_thread(ask, "plain")
        in_thread(nested)
        timer = threading.Timer(0, ask, ["timer"])
        for thread in (Worker(), timer):
            thread.start()
            thread.join()
            assert "run" not in vars(thread)

    assert asked(view) == ["nested", "plain", "subclass", "timer"]


def test_a_thread_sees_nothing_else_of_the_request() -> None:
    seen: list[Any] = []

    def view() -> None:
        with flask.Flask("shop").test_request_context("/"):
            in_thread(lambda: seen.append(flask.has_request_context()))

    outgoing.record(view)
    in_thread(lambda: seen.append(CURRENT.get()))
    assert seen == [False, None]


def test_errors_of_threads_and_tasks_stay_as_they_are() -> None:
    def view() -> None:
        with ThreadPoolExecutor(1) as pool:
            with pytest.raises(ZeroDivisionError):
                pool.submit(divmod, 1, 0).result()
            assert pool.submit(dict, a=1, carried=2).result() == {"a": 1, "carried": 2}
            with pytest.raises(TypeError):
                pool.submit()  # type: ignore[call-arg]
        with pytest.raises(RuntimeError):
            pool.submit(int)
        thread = threading.Thread(target=int)
        thread.start()
        with pytest.raises(RuntimeError):
            thread.start()
        thread.join()

    assert asked(view) == []


def test_a_pool_serves_one_request_after_the_other() -> None:
    with ThreadPoolExecutor(1) as pool:
        for table in ("first", "second"):
            # Made of threads that the first request starts.
            assert asked(lambda table=table: pool.submit(ask, table).result()) == [table]  # type: ignore[misc]
        assert pool.submit(CURRENT.get).result() is None
        assert asked(lambda: list(pool.map(ask, ("third", "fourth")))) == ["fourth", "third"]
        assert pool.submit(execution_context.get_current_span).result() is None


def test_a_pool_of_multiprocessing_belongs_to_nobody() -> None:
    pools: list[Any] = []
    assert asked(lambda: pools.append(multiprocessing.pool.ThreadPool(1))) == []
    assert pools[0].apply(CURRENT.get) is None
    pools[0].terminate()


def test_asyncio_tasks_and_its_threads_belong_to_the_request() -> None:
    async def task() -> None:
        ask("task")
        await asyncio.get_running_loop().run_in_executor(None, ask, "executor")

    async def main() -> None:
        await asyncio.gather(task(), task())

    assert asked(lambda: asyncio.run(main())) == ["executor", "executor", "task", "task"]


def test_copied_flask_contexts_belong_to_the_request() -> None:
    app = flask.Flask("shop")

    def view() -> None:
        with app.test_request_context("/copied"):

            @flask.copy_current_request_context
            def work() -> None:
                ask(flask.request.path[1:])

            in_thread(work)
            with ThreadPoolExecutor(1) as pool:
                pool.submit(work).result()

    assert asked(view) == ["copied", "copied"]


def test_a_thread_that_outlives_the_request_still_belongs_to_it() -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))
    answered = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        with execution_context.get_opencensus_tracer().span("late"):
            assert answered.wait(10)
            ask("late")

    def view() -> None:
        threads.append(threading.Thread(target=work))
        threads[0].start()

    shop.view = view
    visit(shop)
    (request,) = kept.items()
    answered.set()
    threads[0].join()
    create, select, span = kept.items()
    assert {item["tags"]["ai.operation.id"] for item in (request, create, select, span)} == {
        request["tags"]["ai.operation.id"]
    }
    assert span["tags"]["ai.operation.parentId"] == said(request)["id"]
    assert select["tags"]["ai.operation.parentId"] == said(span)["id"]


def test_a_forgotten_span_ends_with_its_request_and_no_other() -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))
    release = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        with execution_context.get_opencensus_tracer().span("of the thread"):
            release.wait(10)

    def view() -> None:
        tracer = execution_context.get_opencensus_tracer()
        tracer.start_span("outer")
        tracer.start_span("forgotten")
        threads.append(threading.Thread(target=work))
        threads[0].start()

    shop.view = view
    visit(shop)
    assert [said(item)["name"] for item in kept.items()] == ["forgotten", "outer", "GET /"]
    release.set()
    threads[0].join()
    assert [said(item)["name"] for item in kept.items()] == ["of the thread"]


def test_what_a_request_hides_its_threads_hide() -> None:
    results: list[Future[Any]] = []

    def view() -> None:
        with ThreadPoolExecutor(1) as pool:
            results.append(pool.submit(ask, "unsampled"))
        in_thread(ask, "unsampled")

    kept = Kept()
    shop = Shop(Recorder(kept, rate=0.0))
    shop.view = view
    visit(shop)
    assert kept.items() == []
    assert results[0].exception() is None


def test_what_an_instance_runs_of_its_own_is_run() -> None:
    ran: list[str] = []

    def view() -> None:
        thread = threading.Thread(target=ran.append, args=("target",))
        stock = thread.run
        thread.run = lambda: (ran.append("instance"), stock())  # type: ignore[method-assign]
        thread.start()
        thread.join()
        assert "run" in vars(thread)

    outgoing.record(view)
    assert ran == ["instance", "target"]


def test_a_thread_that_could_not_start_takes_nothing_along(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    thread = threading.Thread(target=lambda: seen.append(CURRENT.get()))

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("can't start new thread")

    def view() -> None:
        with monkeypatch.context() as patched:
            for name in ("_start_new_thread", "_start_joinable_thread"):
                patched.setattr(threading, name, refuse, raising=False)
            with pytest.raises(RuntimeError):
                thread.start()

    outgoing.record(view)
    assert "run" not in vars(thread)
    thread.start()
    thread.join()
    assert seen == [None]


def test_a_thread_that_works_on_for_long_ends_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    shop = Shop(Recorder(kept))
    answered = threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        assert answered.wait(10)
        ask("late")

    def view() -> None:
        threads.append(threading.Thread(target=work))
        threads[0].start()

    monkeypatch.setattr("autotrace.current.AFTERWARDS", -1)
    shop.view = view
    visit(shop)
    answered.set()
    threads[0].join()
    assert [item["data"]["baseType"] for item in kept.items()] == ["RequestData"]
