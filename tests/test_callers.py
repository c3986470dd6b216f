"""Functions in C that are called through ours: what they warn of, what they raise, and who called them."""

from __future__ import annotations

import _thread
import threading
import warnings
from types import FunctionType
from typing import Any

import pytest

from autotrace import callers
from tests import outgoing

warn_through = callers.from_caller(warnings.warn)
int_through = callers.from_caller(int)
MODULE = """
def warn(method):
    method("of a module",
           DeprecationWarning)
"""


def warn(*args: Any) -> None:
    warn_through(*args)


def caught(warn: Any, call: Any) -> list[tuple[str, int, Any]]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call(warn)
    return [(one.filename, one.lineno, one.category) for one in seen]


def module(name: str) -> dict[str, Any]:
    names = {"__name__": name}
    exec(compile(MODULE, f"{name}.py", "exec"), names)  # noqa: S102 - of this file
    return names


def test_a_warning_is_that_of_the_line_that_called() -> None:
    def call(method: Any) -> None:
        method("one")
        for text in ("two", "three"):
            method(text)
        list(map(method, ["four"]))
        shop["warn"](method)

    shop = module("shop")
    ours = caught(warn, call)
    assert ours == caught(warnings.warn, call)
    assert len(ours) == 5
    assert ours[-1] == ("shop.py", 3, DeprecationWarning)


def test_filters_and_what_was_warned_of_belong_to_the_module_that_called() -> None:
    one, other = module("one"), module("other")
    # The same code in another module is another place.
    two = FunctionType(one["warn"].__code__, {**one, "__name__": "two"})
    with warnings.catch_warnings(record=True) as seen:
        warnings.filterwarnings("ignore")
        warnings.filterwarnings("default", module="one")
        warnings.filterwarnings("error", module="other")
        for _ in "ab":
            one["warn"](warn)
            two(warn)
        with pytest.raises(DeprecationWarning, match="of a module") as raised:
            other["warn"](warn)
    assert len(seen) == 1
    assert "__warningregistry__" in one
    assert outgoing.frames_of_ours(raised.value) == []


def test_errors_have_no_frame_of_ours() -> None:
    def method(text: str) -> Any:
        return int_through(text)

    assert method("7") == 7
    with pytest.raises(ValueError, match="seven") as caught:
        method("seven")
    if outgoing.HIDES_FRAMES:
        assert [entry.name for entry in caught.traceback] == [
            "test_errors_have_no_frame_of_ours",
            "method",
        ]


def test_a_thread_of_nothing_else_may_call() -> None:
    done = threading.Event()

    class Text(str):
        def __int__(self) -> int:
            done.set()
            return 7

    _thread.start_new_thread(int_through, (Text("7"),))
    assert done.wait(10)


def test_places_are_forgotten_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autotrace.urls._CACHE_SIZE", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number in range(10):
            module(f"module{number}")["warn"](warn)
    assert len(callers._doors) <= 3
