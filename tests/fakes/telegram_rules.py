"""Validate Bot API requests against telegram_facts.py and the table of the Bot API in platform_facts.py."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from tests.fakes.platform_facts import bot_api
from tests.fakes.telegram_facts import BUTTONS, BUTTONS_IN_A_ROW, METHODS, OBJECTS, Field


class Refusal(Exception):
    """An error response `{"ok": false, ...}`."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def bad(description: str) -> Refusal:
    """A refusal with status 400."""
    return Refusal(400, f"Bad Request: {description}")


def read_request(method: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Validate a request and return its parameters with their types. Raises Refusal."""
    if method not in METHODS:
        raise Refusal(404, "Not Found")
    given = {name: value for name, value in raw.items() if value is not None}
    known = METHODS[method]
    values = {name: _decoded(known[name].kind, value, name) for name, value in given.items() if name in known}
    if unknown := sorted(given.keys() - known.keys()):
        raise bad(f"unknown parameter {unknown[0]}")
    _check_members(known, values)
    if "reply_markup" in values:
        _check_keyboard(values["reply_markup"])
    if fault := _fault_in_fields(bot_api()["methods"][method], values, method):
        raise bad(fault)
    return values


def type_violation(kind: str, value: object) -> str:
    """Why a value is not of a Bot API type; empty when it is."""
    return _fault(kind, value, kind)


def _decoded(kind: str, value: Any, name: str) -> Any:
    """Decode a form value, which is always text: integers as digits, objects as JSON."""
    if not isinstance(value, str) or kind == "String":
        return value
    if kind == "Integer":
        if not re.fullmatch(r"-?\d{1,19}", value):
            raise bad(f"{name} must be an integer")
        return int(value)
    if kind == "Boolean":
        return value.lower() in ("true", "1")
    try:
        return json.loads(value)
    except ValueError:
        raise bad(f"can't parse {name} JSON object") from None


def _check_members(known: Mapping[str, Field], values: Mapping[str, Any]) -> None:
    for name, fact in known.items():
        if name in values:
            _check_value(fact, values[name], name)
        elif fact.required:
            raise bad(f"parameter {name} is required")


def _check_value(fact: Field, value: Any, name: str) -> None:
    _check_kind(fact.kind, value, name)
    if fact.unit:
        size = value if fact.unit == "value" else len(value.encode() if fact.unit == "bytes" else value)
        if size < fact.least or (fact.most is not None and size > fact.most):
            if name == "callback_data":
                raise bad("BUTTON_DATA_INVALID")
            raise bad(f"{name} is {size} {fact.unit}, allowed are {fact.least} to {fact.most}")
    if fact.pattern and not re.fullmatch(fact.pattern, value):
        raise bad(f"{name} has an unallowed form")


def _check_kind(kind: str, value: Any, name: str) -> None:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            raise bad(f"{name} must be a list")
        for item in value:
            _check_kind(kind.removeprefix("Array of "), item, name)
    elif kind in OBJECTS:
        if not isinstance(value, dict):
            raise bad(f"{name} must be an object")
        if unknown := sorted(value.keys() - OBJECTS[kind].keys()):
            raise bad(f"unknown member {unknown[0]} of {kind}")
        _check_members(OBJECTS[kind], value)
    else:
        expected = {"Integer": int, "String": str, "Boolean": bool}[kind]
        if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
            raise bad(f"{name} must be of type {kind}")


def _check_keyboard(markup: Mapping[str, Any]) -> None:
    rows = markup["inline_keyboard"]
    if sum(map(len, rows)) > BUTTONS or any(len(row) > BUTTONS_IN_A_ROW for row in rows):
        raise bad("reply markup is too long")
    for button in (button for row in rows for button in row):
        if ("callback_data" in button) == ("url" in button):
            raise bad("can't parse inline keyboard button: exactly one action is required")
        if "url" in button and not _is_openable(button["url"]):
            raise bad(f"inline keyboard button URL '{button['url']}' is invalid: Wrong HTTP URL")


def _is_openable(url: str) -> bool:
    """Whether Telegram accepts a button URL: the host needs a dot, so `localhost` is refused, an IP address is not."""
    parts = urlsplit(url)
    return parts.scheme in ("http", "https", "tg") and "." in (parts.hostname or "")


def _fault_in_fields(known: Mapping[str, Any], values: Mapping[str, Any], where: str) -> str:
    for name in sorted(values.keys() - known.keys()):
        return f"{where} has no {name}"
    for name, field in known.items():
        if name not in values:
            if field["required"]:
                return f"{where} lacks {name}"
            continue
        faults = [_fault(kind, values[name], f"{where}.{name}") for kind in field["types"]]
        if all(faults):
            return faults[0]
    return ""


def _fault(kind: str, value: Any, where: str) -> str:
    if kind.startswith("Array of "):
        if not isinstance(value, list):
            return f"{where} is no list"
        found = (_fault(kind.removeprefix("Array of "), item, f"{where}[]") for item in value)
        return next(filter(None, found), "")
    simple = {"Integer": (int,), "String": (str,), "Boolean": (bool,), "Float": (int, float)}
    if kind in simple:
        fits = isinstance(value, simple[kind]) and (kind == "Boolean" or not isinstance(value, bool))
        return "" if fits else f"{where} is no {kind}"
    if subtypes := bot_api()["subtypes"].get(kind):
        faults = [_fault(subtype, value, where) for subtype in subtypes]
        return faults[0] if all(faults) else ""
    if not isinstance(value, dict):
        return f"{where} is no {kind}"
    return _fault_in_fields(bot_api()["types"][kind], value, where)
