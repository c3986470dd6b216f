"""A store as a busy hour leaves it: three services that call each other, their databases, failures and logs.

    python -m benchmarks.local_data PATH [REQUESTS]

The same seed gives the same requests; only their times move with the clock, or with `end`.
"""

from __future__ import annotations

import math
import random
import sys
import time
from typing import Any, Iterator, NamedTuple

from autotrace.local import rows
from autotrace.local.store import Row, Store

SEED = 5
HOUR = 3_600_000_000
# Rows of one transaction of SQLite.
_BATCH = 5_000
_KEY = "00000000-0000-0000-0000-000000000000"


class Call(NamedTuple):
    """An outgoing call: of a type, to a target, by name, with its data; `to` is the operation that answers it."""

    type: str
    target: str
    name: str
    data: str
    typical: float
    to: str | None = None


class Operation(NamedTuple):
    """What a service answers: its role and name, the milliseconds of its own that are typical, its calls in order.

    `weak` is how often it fails by itself, of 1.
    """

    role: str
    name: str
    path: str
    typical: float
    calls: tuple[Call, ...]
    weak: float
    error: tuple[str, str, str] = ("ValueError", "invalid literal for int() with base 10: 'x'", "parsed")


def _http(port: int, method: str, path: str, to: str) -> Call:
    return Call("Http", f"{to}:{port}", f"{method} {path}", f"http://{to}:{port}{path}", 0, f"{to} {method} {path}")


def _sql(kind: str, target: str, statement: str, typical: float) -> Call:
    verb, table = statement.split()[0], statement.split(" FROM " if " FROM " in statement else " INTO ")[1].split()[0]
    return Call(kind, target, f"{verb} {table}", statement, typical)


_SESSION = Call("redis", "cache:6379", "GET", "GET", 0.4)
_FORGET = Call("redis", "cache:6379", "DEL", "DEL", 0.5)
_TEMPLATE = _sql("sqlite", "shop.sqlite3", "SELECT body, seen FROM banners WHERE place = ?", 0.3)
_LIST = _sql("postgresql", "db|catalogue", "SELECT id, name, price FROM products ORDER BY name LIMIT %s", 9)
_ONE = _sql("postgresql", "db|catalogue", "SELECT id, name, price FROM products WHERE id = %s", 1.2)
_SIMILAR = _sql("postgresql", "db|catalogue", "SELECT id FROM products WHERE name ILIKE %s", 70)
_LEFT = _sql("sqlite", "stock.sqlite3", "SELECT quantity FROM shelves WHERE sku = ?", 0.6)
_TAKE = _sql("sqlite", "stock.sqlite3", "INSERT INTO reservations VALUES (?, ?)", 4)
_ORDER = _sql("sqlite", "shop.sqlite3", "INSERT INTO orders VALUES (?, ?, ?)", 5)

_PRODUCTS = _http(8001, "GET", "/products", "catalogue")
_PRODUCT = _http(8001, "GET", "/products/{id}", "catalogue")
_SEARCH = _http(8001, "GET", "/search", "catalogue")
_STOCK = _http(8002, "GET", "/stock/{sku}", "stock")
_RESERVE = _http(8002, "POST", "/reservations", "stock")

_LOCKED = ("sqlite3.OperationalError", "database is locked", "reserve")
_MISSING = ("KeyError", "'price'", "price_of")
_SLOW = ("psycopg.errors.QueryCanceled", "canceling statement due to statement timeout", "similar")

OPERATIONS = {
    f"{one.role} {one.name}": one
    for one in (
        Operation("shop", "GET /", "/", 6, (_SESSION, _TEMPLATE, _PRODUCTS), 0.006),
        Operation("shop", "GET /products/{id}", "/products/17", 4, (_SESSION, _PRODUCT), 0.016, _MISSING),
        Operation("shop", "GET /search", "/search?q=REDACTED", 5, (_SESSION, _SEARCH), 0.006),
        Operation("shop", "POST /cart", "/cart", 3, (_SESSION, _TEMPLATE), 0.012),
        Operation("shop", "POST /orders", "/orders", 12, (_SESSION, _PRODUCT, _ORDER, _FORGET), 0.01, _MISSING),
        Operation("shop", "GET /health", "/health", 0.5, (), 0.0),
        Operation("catalogue", "GET /products", "/products", 5, (_LIST,), 0.003),
        Operation("catalogue", "GET /products/{id}", "/products/17", 3, (_ONE, _STOCK), 0.008, _MISSING),
        Operation("catalogue", "GET /search", "/search", 8, (_SIMILAR, _ONE), 0.03, _SLOW),
        Operation("stock", "GET /stock/{sku}", "/stock/A-17", 2, (_LEFT, _TAKE), 0.012, _LOCKED),
    )
}
# What comes from outside, and how often.
_ENTRIES = {
    **{"shop GET /": 30, "shop GET /products/{id}": 34, "shop GET /search": 12},
    **{"shop POST /cart": 14, "shop POST /orders": 7, "shop GET /health": 3},
}
# Clients ask for what is not there.
_UNKNOWN = 0.006


class Traffic:
    """Makes items; `end` is the last moment, in microseconds since 1970. Another seed makes others, with other ids."""

    def __init__(self, end: int, seed: int = SEED) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._end = end
        self.requests = 0

    def transaction(self) -> Iterator[dict[str, Any]]:
        """Yield the items of one request from outside and of all that it led to."""
        entry = self._random.choices(list(_ENTRIES), list(_ENTRIES.values()))[0]
        moment, trouble = self._moment()
        items: list[dict[str, Any]] = []
        context = {"ai.operation.id": self._id(32)}
        if entry.endswith("/health"):
            context["ai.operation.syntheticSource"] = "Bot"
        self._serve(items, OPERATIONS[entry], moment, None, context, trouble)
        yield from items

    def _moment(self) -> tuple[int, float]:
        """Return when something begins, and how much worse than usual everything is then."""
        while True:
            place = self._random.random()
            load = 0.55 + 0.25 * math.sin(place * 9) + (0.2 if 0.72 < place < 0.78 else 0)
            if self._random.random() < load:
                return self._end - int((1 - place) * (HOUR - 10_000_000)), 8.0 if 0.55 < place < 0.6 else 1.0

    def _serve(
        self, items: list[dict[str, Any]], operation: Operation, start: int, parent: str | None,
        context: dict[str, str], trouble: float,
    ) -> tuple[float, str]:  # fmt: skip
        """Add a request and what it caused; return its milliseconds and its status."""
        self.requests += 1
        chance = self._random.random
        own, made, took = self._id(16), len(items), self._lasting(operation.typical) / 2
        tags = {
            **context,
            **{"ai.operation.name": operation.name, "ai.device.type": "PC", "ai.internal.sdkVersion": "py3.12:auto:1"},
            **{"ai.cloud.role": operation.role, "ai.cloud.roleInstance": f"{operation.role}-1"},
        }
        inner = {**tags, "ai.operation.parentId": own}
        if parent is not None:
            tags["ai.operation.parentId"] = parent
        status = "404" if parent is None and "{" in operation.name and chance() < _UNKNOWN else "200"
        if status == "200":
            for call in operation.calls:
                spent, code = self._call(items, call, start + int(took * 1000), inner, context, trouble)
                took += spent
                if code == "500" and chance() < 0.7:
                    status = "502"
                    items.append(self._log(start + int(took * 1000), inner, f"{call.name} answered {code}", "Error"))
                    break
        took += self._lasting(operation.typical) / 2
        if status == "200" and chance() < operation.weak * trouble:
            status = "500"
            items.append(self._exception(start + int(took * 1000), inner, operation))
        if chance() < 0.1:
            items.append(self._log(start + int(took * 900), inner, f"answered in {took:.1f} ms", "Information"))
        base = {
            **{"ver": 2, "id": own, "name": operation.name, "url": f"http://{operation.role}{operation.path}"},
            **{"duration": _duration(took), "responseCode": status, "success": status < "400"},
            "properties": {"process.pid": "4711"},
        }
        items.insert(made, _item("Request", start, tags, base))
        return took, status

    def _call(
        self, items: list[dict[str, Any]], call: Call, start: int, inner: dict[str, str], context: dict[str, str],
        trouble: float,
    ) -> tuple[float, str]:  # fmt: skip
        own, made = self._id(16), len(items)
        if call.to is not None:
            answered, code = self._serve(items, OPERATIONS[call.to], start + 300, own, context, trouble)
            took = answered + 0.6
        else:
            took = self._lasting(call.typical) * (trouble if call.type == "postgresql" else 1)
            code = "0" if call.type == "redis" or self._random.random() > 0.0005 * trouble else "1"
        base = {
            **{"ver": 2, "id": own, "name": call.name, "duration": _duration(took), "resultCode": code},
            **{"success": code in ("0", "200"), "type": call.type, "target": call.target, "data": call.data},
            "properties": {"process.pid": "4711"},
        }
        items.insert(made, _item("RemoteDependency", start, inner, base))
        return took, code

    def _lasting(self, typical: float) -> float:
        """Return milliseconds around a typical duration: half are shorter, one in a hundred is four times as long."""
        return typical * self._random.lognormvariate(0, 0.6)

    def _id(self, digits: int) -> str:
        return f"{self._random.getrandbits(digits * 4) | 1:0{digits}x}"

    def _log(self, moment: int, tags: dict[str, str], message: str, level: str) -> dict[str, Any]:
        base = {"ver": 2, "message": message, "severityLevel": level, "properties": {"logger": "shop.views"}}
        return _item("Message", moment, tags, base)

    def _exception(self, moment: int, tags: dict[str, str], operation: Operation) -> dict[str, Any]:
        kind, message, function = operation.error
        modules = (f"{operation.role}.models.{function}", f"{operation.role}.views.answer", "flask.app.dispatch")
        frames = [
            {"level": level, "method": method, "assembly": method.split(".")[0], "line": 41 + level}
            for level, method in enumerate(modules)
        ]
        for frame in frames:
            frame["fileName"] = f"/srv/{'/'.join(str(frame['method']).split('.')[:-1])}.py"
        chain = [{"id": 1, "typeName": kind, "message": message, "hasFullStack": True, "parsedStack": frames}]
        base = {"ver": 2, "severityLevel": "Error", "problemId": f"{kind} at {modules[0]}", "exceptions": chain}
        return _item("Exception", moment, tags, base)


def _duration(milliseconds: float) -> str:
    seconds, rest = divmod(int(milliseconds * 10_000), 10_000_000)
    return f"0.{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:07d}"


def _item(kind: str, moment: int, tags: dict[str, str], base: dict[str, Any]) -> dict[str, Any]:
    return {
        **{"ver": 1, "name": f"Microsoft.ApplicationInsights.{kind}", "time": rows.timestamp(moment), "iKey": _KEY},
        **{"tags": tags, "data": {"baseType": f"{kind}Data", "baseData": base}},
    }


def fill(path: str, requests: int, end: int | None = None) -> None:
    """Write at least so many requests, and what belongs to them, into the store at `path`; they span the hour to `end`.

    `end` is in microseconds since 1970, and now by default.
    """
    store = Store(path, days=7, megabytes=4096)
    traffic = Traffic(int(time.time() * 1_000_000) if end is None else end)
    waiting: list[Row] = []
    while traffic.requests < requests:
        waiting += map(rows.row_of, traffic.transaction())
        if len(waiting) >= _BATCH:
            store.write(waiting, 30)
            waiting.clear()
    store.write(waiting, 30)
    store.close()


if __name__ == "__main__":
    fill(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100_000)
