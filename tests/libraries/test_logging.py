"""logging: the attributes of records, which records are sent, and what could go wrong with them."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from typing import Any, Callable, Iterator

import pytest
from opencensus.trace import execution_context

from autotrace import logs, settings
from autotrace.recorder import Recorder
from tests.recordings import Kept, Shop, said, visit

log = logging.getLogger("shop.tests")


@pytest.fixture(autouse=True, scope="module")
def patched() -> Iterator[None]:
    """Patch logging with AUTOTRACE_LOGS=debug, and take it back: pytest logs too."""
    methods = {name: vars(logging.Logger)[name] for name in ("makeRecord", "callHandlers")}
    patch = pytest.MonkeyPatch()
    chosen = settings.load({"AUTOTRACE_LOGS": "debug"})
    from autotrace.libraries import logging as ours

    patch.setattr(ours, "process_settings", lambda: chosen)
    ours.patch(logging)
    yield
    patch.undo()
    for name, method in methods.items():
        setattr(logging.Logger, name, method)
    # Not to be sent as this process ends.
    logs._waiting.clear()


@pytest.fixture(autouse=True)
def verbose() -> Iterator[None]:
    log.setLevel(logging.DEBUG)
    yield
    log.setLevel(logging.NOTSET)


def told(view: Callable[[], object], **recorder: Any) -> list[dict[str, Any]]:
    """Return the items of the log lines of a request."""
    kept = Kept()
    shop = Shop(Recorder(kept, **recorder))
    shop.view = view
    visit(shop)
    return [item for item in kept.items() if item["data"]["baseType"] in ("MessageData", "ExceptionData")]


def test_levels_become_severities() -> None:
    def view() -> None:
        for level in (1, 10, 20, 25, 30, 40, 50, 99):
            log.log(level, "at %d", level)

    log.setLevel(1)
    items = told(view)
    assert [(said(item)["message"], said(item)["severityLevel"]) for item in items] == [
        ("at 10", "Verbose"), ("at 20", "Information"), ("at 25", "Information"), ("at 30", "Warning"),
        ("at 40", "Error"), ("at 50", "Critical"), ("at 99", "Critical"),
    ]  # fmt: skip


def test_awkward_records_are_valid_items() -> None:
    class Odd:
        def __str__(self) -> str:
            raise ValueError

    def view() -> None:
        log.info("")
        log.info(Odd())
        log.info("two %s", "is", "not one")
        log.info("x" * 100_000)
        log.info(
            "\udcff", extra={"custom_dimensions": {1: "y" * 9000, "é" * 200: None, "huge": "é" * 9000, "odd": Odd()}}
        )
        log.info("many", extra={"custom_dimensions": {f"key {number}": "z" * 8000 for number in range(20)}})
        log.error("no exception", exc_info=True)
        log.error("given", exc_info=ValueError("given"))
        log.error("a tuple of nothing", exc_info=(None, None, None))

    raising, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        items = told(view)
    finally:
        logging.raiseExceptions = raising
    texts = [said(item).get("message", "") for item in items]
    assert texts[:3] == ["(empty)", "<Odd: ValueError>", "two %s"]
    assert len(texts[3]) == 32_768
    assert texts[4:] == ["?", "many", "no exception", "", "a tuple of nothing"]
    assert said(items[7])["problemId"] == "ValueError"


def test_what_the_application_puts_there_stays() -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    log.addHandler(handler)
    try:
        told(lambda: log.info("mine", extra={"traceId": "mine"}))
        with pytest.raises(KeyError):
            log.info("taken", extra={"message": "mine"})
    finally:
        log.removeHandler(handler)
    assert vars(records[0])["traceId"] == "mine"
    assert vars(records[0])["traceSampled"] is vars(records[0])["samplingDecision"] is True


def test_a_line_hangs_under_the_span_that_it_was_made_in() -> None:
    spans: list[str] = []

    def view() -> None:
        with execution_context.get_opencensus_tracer().span("inner") as span:
            spans.append(span.span_id)
            log.info("inside")

    (item,) = told(view)
    assert item["tags"]["ai.operation.parentId"] == spans[0]


def test_lines_of_what_is_not_kept_are_not_sent() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(traceId)s %(samplingDecision)s"))
    log.addHandler(handler)
    try:
        assert told(lambda: log.error("unsampled"), rate=0.0) == []
    finally:
        log.removeHandler(handler)
    trace_id, decision = stream.getvalue().split()
    assert len(trace_id.strip("0")) > 1
    assert decision == "False"


def test_lines_of_exporters_are_not_sent() -> None:
    def view() -> None:
        execution_context.set_is_exporter(True)
        try:
            logging.getLogger("urllib3").warning("retrying")
        finally:
            execution_context.set_is_exporter(False)
        for name in ("opencensus.ext.azure", "azure.identity", "autotrace"):
            logging.getLogger(name).error("of what sends")

    assert told(view) == []


def test_an_exception_that_is_logged_twice_is_told_once() -> None:
    def view() -> None:
        try:
            raise ValueError("once")
        except ValueError:
            log.exception("first")
            log.exception("second")

    items = told(view)
    assert [item["data"]["baseType"] for item in items] == ["ExceptionData", "MessageData"]
    assert said(items[1])["message"] == "second"


def test_rates_are_those_of_the_request() -> None:
    (item,) = told(lambda: log.info("kept"), sampler=lambda trace_id, remote: 25.0)
    assert item["sampleRate"] == 25.0


def test_records_outside_of_requests_still_reach_their_handlers() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    log.addHandler(handler)
    log.info("outside")
    log.removeHandler(handler)
    assert stream.getvalue() == "outside\n"


def test_a_text_that_logs_itself_is_made_as_often_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Recursive:
        made = 0

        def __str__(self) -> str:
            Recursive.made += 1
            if Recursive.made < 12:
                log.warning("%s", self)
            return "text"

    def view() -> None:
        Recursive.made = 0
        log.warning("%s", Recursive())

    told(view)
    with_us = Recursive.made
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers.__wrapped__)  # type: ignore[attr-defined]
    view()
    # Each handler makes it once more.
    assert with_us == Recursive.made


def test_a_record_without_a_name_is_sent() -> None:
    items = told(lambda: log.handle(logging.makeLogRecord({"msg": "nameless", "levelno": 30})))
    assert [said(item)["message"] for item in items] == ["nameless"]


@pytest.mark.parametrize(
    "env", [{"AUTOTRACE_LOGS": "error"}, {"AUTOTRACE_LOGS": "debug", "AUTOTRACE_EXPORTER": "none"}]
)
def test_the_text_of_what_is_not_sent_is_not_made(env: dict[str, str]) -> None:
    code = """
import logging
from autotrace.libraries import logging as ours
from autotrace.logs import _waiting

class Odd:
    def __str__(self):
        raise SystemExit("asked for its text")

logging.raiseExceptions = True
ours.patch(logging)
logging.getLogger().addHandler(logging.NullHandler())
logging.getLogger("shop").setLevel("DEBUG")
logging.getLogger("shop").warning("%s", Odd())
logging.getLogger("shop").info(Odd(), extra={"custom_dimensions": {"odd": Odd()}})
assert not _waiting
"""
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, **env})


def test_the_text_of_what_is_filtered_is_not_made() -> None:
    class Odd:
        def __str__(self) -> str:
            raise AssertionError

    def view() -> None:
        quiet = logging.getLogger("shop.tests.quiet")
        quiet.addFilter(lambda record: False)
        quiet.propagate = False
        quiet.error(Odd())
        quiet.filters.clear()
        handler = logging.Handler(logging.CRITICAL)
        quiet.addHandler(handler)
        quiet.error(Odd())
        quiet.removeHandler(handler)

    assert told(view) == []
