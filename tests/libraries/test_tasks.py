"""Calls in tasks: what a call leaves running is no part of it any more."""

from __future__ import annotations

import asyncio

from autotrace import calls
from tests import outgoing


def test_a_task_that_outlives_its_call_makes_calls_of_its_own() -> None:
    async def sleep() -> None:
        await asyncio.sleep(0.01)

    async def later() -> None:
        await traced_sleep("the task's")

    async def leave_running() -> asyncio.Task[None]:
        return asyncio.create_task(later())

    def describe(name: str = "the first") -> calls.Call | None:
        call = calls.begin("test")
        if call is not None:
            call.name = name
        return call

    async def sleep_as(name: str) -> None:
        await sleep()

    traced_sleep = calls.traced_async(sleep_as, describe)

    async def main() -> None:
        task = await calls.traced_async(leave_running, describe)()
        await task

    seen = outgoing.record(lambda: asyncio.run(main()))
    assert [one["name"] for one in seen.said()] == ["the first", "the task's"]
