"""The console exporter: one readable line an item on stderr."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ..identity import identify
from ..items import Lines

if TYPE_CHECKING:
    from ..calls import Call
    from ..exceptions import Failure
    from ..messages import Message
    from ..recorder import Recording
    from ..settings import Settings


# Characters of a text that are shown: the line is to be read, not kept.
_SHOWN = 200


class ConsoleExporter:
    """Prints what would be sent, as far as a person wants to know it."""

    def __init__(self, settings: Settings, application: str) -> None:
        self._settings = settings
        self._application = application
        self._lines: Lines | None = None

    def request(self, recording: Recording) -> None:
        """Print the request: time, operation, status, duration, URL and operation id."""
        self.line(self._wire().request(recording))

    def line(self, line: bytes) -> None:
        """Print the wire line of a request."""
        self._print(json.loads(line))

    def exception(self, recording: Recording, failure: Failure) -> None:
        """Print a line for an exception."""
        self._print(json.loads(self._wire().exception(recording, failure)))

    def calls(self, recording: Recording, ended: list[Call]) -> None:
        """Print a line for each outgoing call."""
        for line in self._wire().calls(recording, ended):
            self._print(json.loads(line))

    def message(self, recording: Recording | None, message: Message) -> None:
        """Print a line for a log line."""
        self._print(json.loads(self._wire().message(recording, message)))

    def spans(self, recording: Recording, span_datas: list[Any]) -> None:
        """Print a line for each span, and one for each annotation on it."""
        for line in self._wire().spans(recording, span_datas):
            self._print(json.loads(line))

    def _wire(self) -> Lines:
        if self._lines is None:
            settings = self._settings
            identity = identify(settings, "console", self._application, os.environ)
            self._lines = Lines(identity, settings.url_query, settings.failed_statuses, settings.trusted_proxies)
        return self._lines

    def _print(self, item: Any) -> None:
        data = item["data"]["baseData"]
        words = [item["time"][11:23], item["tags"]["ai.cloud.role"]]
        if "exceptions" in data:
            words += ["exception", data["problemId"], data["exceptions"][0]["message"][:_SHOWN]]
        elif "message" in data:
            words += [data["severityLevel"].lower(), data["message"][:_SHOWN]]
        else:
            words += [data["name"][:_SHOWN], data.get("responseCode") or _outcome(data)]
            words += [f"{_milliseconds(data['duration']):.1f} ms", data.get("url") or _asked(data)]
            words.append("" if data["success"] else "FAILED")
        if "ai.operation.id" in item["tags"]:
            words.append(f"operation {item['tags']['ai.operation.id']}")
        line = "  ".join(word for word in words if word)
        # Names and addresses are a stranger's words: no control character of theirs reaches a terminal.
        safe = "".join(character if character.isprintable() else "?" for character in line)
        os.write(2, f"autotrace: {safe}\n".encode("utf-8", "replace"))


def _outcome(data: Any) -> str:
    """Return the kind of a call or span, with its result where it says more than whether it succeeded."""
    kind, code = str(data["type"]), str(data["resultCode"])
    return kind if code == "0" or kind == "InProc" else f"{kind} {code}"


def _asked(data: Any) -> str:
    """Return whom a call asked, and for what; nothing of a span that is no call."""
    target, text = data.get("target", ""), data.get("data", "")
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    # A URL has the target in it.
    return shown if f"//{target}/" in shown else "  ".join(word for word in (target, shown) if word)


def _milliseconds(duration: str) -> float:
    days, _, rest = duration.partition(".")
    hours, minutes, seconds = rest.split(":")
    return (int(days) * 86_400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000


def open_exporter(settings: Settings, application: str, chosen: Any) -> ConsoleExporter:
    """Return an exporter that prints on file descriptor 2."""
    return ConsoleExporter(settings, application)
