"""What the ingestion service says of a telemetry item: which field breaks which rule, in its own words and numbers.

It refuses an item that breaks a rule, and cuts nothing. Fields that it does not know it leaves out without a word.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import sys
from typing import Any, Callable, List, Mapping

from .fields import BASE_TYPES, FIELDS, TAGS, Field
from .rows import microseconds
from .tables import SPELLINGS

# Bytes of an item as it was sent, characters of names and values of its properties.
ITEM_BYTES = 65_536
KEY_LENGTH = 150
VALUE_LENGTH = 8192
# Microseconds that an item may be old, and that the clock of its sender may be ahead.
OLDEST = 48 * 3600 * 1_000_000
NEWEST = 2 * 3600 * 1_000_000

_GUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch
_DURATION = re.compile(r"(?:[0-9]{1,3}\.)?(?:[01]?[0-9]|2[0-3]):[0-5]?[0-9]:[0-5]?[0-9](?:\.[0-9]{1,20})?").fullmatch
_SEVERITIES = ("verbose", "information", "warning", "error", "critical")
_POINTS = ("measurement", "aggregation")
_LARGEST = sys.float_info.max
# Characters of a wrong value that a message shows.
_SHOWN = 80


# A check gets type, name, field and value, and adds what is wrong to the list.
Check = Callable[[str, str, Field, Any, List[str]], None]


def faults(item: Any, size: int, now: int) -> list[str]:
    """Return what is wrong with an item that was `size` bytes long; `now` is in microseconds since 1970."""
    found: list[str] = []
    if size > ITEM_BYTES:
        # What else is wrong with it is not looked for: that could be millions of things.
        return [f"Telemetry item length must not exceed {ITEM_BYTES}"]
    if type(item) is not dict:
        return [f"106: The item is of incorrect type. Expected: object, Actual: {_kind(item)}"]
    _object("Envelope", item, found)
    if type(item.get("iKey")) is str and not _GUID(item["iKey"]):
        found.append("Invalid instrumentation key")
    if item.get("time") and type(item["time"]) is str:
        _moment(item["time"], now, found)
    if type(item.get("tags")) is dict:
        _tags(item["tags"], found)
    data = item.get("data")
    if type(data) is dict:
        _object("Data", data, found)
        base_type, base = _base_type(data), data.get("baseData")
        if type(base_type) is str and base_type not in BASE_TYPES:
            expected = ", ".join(BASE_TYPES)
            found.append(f"106: Field 'baseType' on type 'Data' is unknown. Expected: {expected}, {_actual(base_type)}")
        elif type(base_type) is str and type(base) is dict:
            _object(base_type, base, found)
    return found


def unknown(item: Any) -> list[str]:
    """Say which fields of an item the service would leave out, because it does not know them."""
    found: list[str] = []
    if type(item) is dict:
        _unknown("Envelope", item, found)
        data = item.get("data")
        if type(data) is dict:
            _unknown("Data", data, found)
            base_type = _base_type(data)
            if base_type in BASE_TYPES and type(data.get("baseData")) is dict:
                _unknown(base_type, data["baseData"], found)
    return found


def _base_type(data: Mapping[str, Any]) -> Any:
    said = data.get("baseType")
    return SPELLINGS.get(said, said) if type(said) is str else said


def _unknown(where: str, value: Mapping[str, Any], found: list[str]) -> None:
    for name, entry in value.items():
        field = FIELDS[where].get(name)
        if field is None:
            found.append(f"Field '{_short(name)}' on type '{where}' is not known and not kept")
        elif field.members and type(entry) is list:
            for member in entry:
                if type(member) is dict:
                    _unknown(field.members, member, found)


def _object(where: str, value: Mapping[str, Any], found: list[str]) -> None:
    """Check an object field by field; null is no value."""
    fields, required = _CHECKS[where]
    for name in required:
        entry = value.get(name)
        if not entry and (entry is None or entry == "" or entry == []):
            _missing(where, name, entry, found)
    for name, entry in value.items():
        rule = fields.get(name)
        if rule is None or entry is None:
            continue
        types, limit, check, field = rule
        if type(entry) not in types:
            _incorrect(where, name, field, entry, found)
        elif limit and len(entry) > limit:
            found.append(_too_long(f"Field '{name}'", where, limit, entry))
        elif check is not None:
            check(where, name, field, entry, found)


def _missing(where: str, name: str, entry: Any, found: list[str]) -> None:
    kind = FIELDS[where][name].kind
    if kind != "duration":
        actual = "undefined" if entry is None else ""
        found.append(
            f"109: Field '{name}' on type '{where}' is required but missing or empty. "
            f"Expected: {_WORDS.get(kind, kind)}, Actual: {actual}"
        )
    elif entry is None:
        found.append(_incorrect_text(where, name, "string", "undefined"))


def _incorrect(where: str, name: str, field: Field, value: Any, found: list[str]) -> None:
    found.append(_incorrect_text(where, name, _WORDS.get(field.kind, field.kind), _kind(value)))


def _incorrect_text(where: str, name: str, expected: str, actual: str) -> str:
    return f"106: Field '{name}' on type '{where}' is of incorrect type. Expected: {expected}, Actual: {actual}"


def _too_long(what: str, where: str, limit: int, text: str) -> str:
    return f"100: {what} on type '{where}' is too long. Expected: {limit} characters, Actual: {len(text)}"


def _array(where: str, name: str, field: Field, values: list[Any], found: list[str]) -> None:
    for value in values:
        if type(value) is dict:
            _object(field.members, value, found)
        else:
            found.append(_incorrect_text(where, name, f"array of {field.members}", _kind(value)))


def _integer(where: str, name: str, field: Field, value: Any, found: list[str]) -> None:
    if not (-(2**31) <= value < 2**31 and value == int(value)):
        found.append(_incorrect_text(where, name, "integer of 32 bits", "number"))


def _long(where: str, name: str, field: Field, value: Any, found: list[str]) -> None:
    if not (-(2**63) <= value < 2**63 and value == int(value)):
        found.append(_incorrect_text(where, name, "integer of 64 bits", "number"))


def _line(where: str, name: str, field: Field, value: Any, found: list[str]) -> None:
    if not (-1_000_000 < value < 1_000_000 and value == int(value)):
        found.append(_incorrect_text(where, name, "integer below 1000000", "number"))


def _number(where: str, name: str, field: Field, value: Any, found: list[str]) -> None:
    if not -_LARGEST <= value <= _LARGEST:
        found.append(_incorrect_text(where, name, "finite number", "number"))


def _duration(where: str, name: str, field: Field, value: str, found: list[str]) -> None:
    if not _DURATION(value):
        found.append(
            f"108: Field '{name}' on type '{where}' is not a valid duration string. "
            f"Expected: TimeSpan DD.HH:MM:SS.MMMMMM format, {_actual(value)}"
        )


def _severity(where: str, name: str, field: Field, value: Any, found: list[str]) -> None:
    _one_of(where, name, _SEVERITIES, value, found)


def _point(where: str, name: str, field: Field, value: Any, found: list[str]) -> None:
    _one_of(where, name, _POINTS, value, found)


def _one_of(where: str, name: str, words: tuple[str, ...], value: Any, found: list[str]) -> None:
    if not (value.lower() in words if type(value) is str else 0 <= value < len(words)):
        expected = ", ".join(word.capitalize() for word in words)
        found.append(f"106: Field '{name}' on type '{where}' is unknown. Expected: {expected}, {_actual(value)}")


def _properties(where: str, name: str, field: Field, values: Mapping[str, Any], found: list[str]) -> None:
    for key, text in values.items():
        if type(text) is not str and text is not None:
            found.append(_incorrect_text(where, f"{name}.{_short(key)}", "string", _kind(text)))
        elif text is not None and len(text) > VALUE_LENGTH:
            found.append(_too_long(f"Field '{name}.{_short(key)}'", where, VALUE_LENGTH, text))
        if not 0 < len(key) <= KEY_LENGTH:
            found.append(_key(where, name, key))


def _measurements(where: str, name: str, field: Field, values: Mapping[str, Any], found: list[str]) -> None:
    for key, number in values.items():
        if type(number) not in (int, float) and number is not None:
            found.append(_incorrect_text(where, f"{name}.{_short(key)}", "number", _kind(number)))
        elif number is not None:
            _number(where, f"{name}.{_short(key)}", field, number, found)
        if not 0 < len(key) <= KEY_LENGTH:
            found.append(_key(where, name, key))


def _key(where: str, name: str, key: str) -> str:
    what = f"A key of field '{name}'"
    return _too_long(what, where, KEY_LENGTH, key) if key else f"109: {what} on type '{where}' is empty"


def _tags(tags: Mapping[str, Any], found: list[str]) -> None:
    for tag, text in tags.items():
        if text is None:
            continue
        if type(text) is not str:
            found.append(_incorrect_text("ContextTagKeys", _short(tag), "string", _kind(text)))
        elif len(text) > TAGS.get(tag, ITEM_BYTES):
            found.append(_too_long(f"Field '{tag}'", "ContextTagKeys", TAGS[tag], text))
    address = tags.get("ai.location.ip")
    if address and type(address) is str and not _is_address(address):
        found.append(_incorrect_text("ContextTagKeys", "ai.location.ip", "IP address without a port", _short(address)))


def _moment(text: str, now: int, found: list[str]) -> None:
    try:
        age = now - microseconds(text)
    except (ValueError, OverflowError):
        found.append(
            f"102: Field 'time' on type 'Envelope' is not a valid time string. Expected: date, {_actual(text)}"
        )
        return
    if not -NEWEST <= age <= OLDEST:
        side, sign, most = ("older", "-", OLDEST) if age > 0 else ("newer", "+", NEWEST)
        bound = "min" if age > 0 else "max"
        found.append(
            f"103: Field 'time' on type 'Envelope' is {side} than the allowed {bound} date. "
            f"Expected: now {sign} {most // 1000}ms, Actual: now {sign} {abs(age) // 1000}ms"
        )


@functools.lru_cache(maxsize=1024)
def _is_address(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _kind(value: Any) -> str:
    """Return what the service calls the type of a JSON value."""
    return _NAMES.get(type(value), "undefined")


def _actual(value: Any) -> str:
    return f"Actual: {_short(str(value))}"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


_NAMES = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
_NUMBERS = frozenset((int, float))
# Kind → the types that a value of it has as Python reads JSON, and what is looked at beyond.
KINDS: Mapping[str, tuple[frozenset[type], Check | None]] = {
    "string": (frozenset((str,)), None),
    "boolean": (frozenset((bool,)), None),
    "object": (frozenset((dict,)), None),
    "array": (frozenset((list,)), _array),
    "number": (_NUMBERS, _number),
    "integer": (_NUMBERS, _integer),
    "long": (_NUMBERS, _long),
    "line": (_NUMBERS, _line),
    "duration": (frozenset((str,)), _duration),
    "severity": (frozenset((str, int)), _severity),
    "point": (frozenset((str, int)), _point),
    "properties": (frozenset((dict,)), _properties),
    "measurements": (frozenset((dict,)), _measurements),
}
# What messages call a kind, where that is another word.
_WORDS = {
    **{
        "integer": "number",
        "long": "number",
        "line": "number",
        "duration": "string",
        "severity": "string",
        "point": "string",
    },
    **{"properties": "object", "measurements": "object"},
}
# Type → its fields as they are checked, and the names that must be there.
_CHECKS = {
    where: (
        {name: (*KINDS[field.kind][:1], field.limit, KINDS[field.kind][1], field) for name, field in fields.items()},
        tuple(name for name, field in fields.items() if field.required),
    )
    for where, fields in FIELDS.items()
}
