"""Facts about the platforms' interfaces as data, so that the fakes check requests where the descriptions are missing.

`python -m tests.fakes.platform_facts` writes them from the machine-readable descriptions in ../shared/specs: names,
types, what is required, limits. No sentence of a description is kept.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tests.fakes.telegram_facts import METHODS

FACTS = Path(__file__).parent / "facts"
SPECS = Path(__file__).resolve().parents[2].parent / "shared" / "specs"
SOURCES = {"telegram": "telegram-bot-api.json", "whatsapp_messages": "whatsapp-messages.schema.json"}
"""By table: the description that it is written from."""
SPECS_MISSING = "../shared/specs NOT FOUND: the tables of the platforms' facts are not compared with the descriptions"

LINE = 80  # characters, without the name of the member
Json = Mapping[str, Any]

# Of the types that Telegram sends, those that the fake sends.
SENT_TYPES = (
    *("Update", "Message", "User", "Chat", "MessageEntity", "PhotoSize", "Sticker", "Voice", "Video", "Document"),
    *("CallbackQuery", "MaybeInaccessibleMessage", "InaccessibleMessage"),
    *("ChatMemberUpdated", "ChatMember", "ChatMemberOwner", "ChatMemberAdministrator", "ChatMemberMember"),
    *("ChatMemberRestricted", "ChatMemberLeft", "ChatMemberBanned"),
)
_SIZES = re.compile(r"\b(\d+)-(\d+) (characters|bytes)|\b[Vv]alues between (\d+)-(\d+)|, (\d+)-(\d+)\. Defaults")
_MOST = re.compile(r"At most (\d+) \w+ can be")

# Members of a JSON schema that say how a value has to be, and nothing to its reader.
_RULES = (
    *("$schema", "$ref", "$defs", "type", "enum", "const", "pattern", "format", "required", "properties", "items"),
    *("additionalProperties", "oneOf", "anyOf", "allOf", "not", "if", "then", "else", "propertyNames"),
    *("minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "minimum", "maximum", "minProperties"),
    *("maxProperties", "prefixItems", "unevaluatedProperties", "dependentRequired"),
)
_BY_NAME = ("properties", "$defs")  # their members are named freely


def load(name: str) -> dict[str, Any]:
    """The committed table of a platform."""
    table: dict[str, Any] = json.loads((FACTS / f"{name}.json").read_text("utf-8"))
    return table


def described(name: str) -> Json | None:
    """The table as its description says now; None where the description is missing."""
    file = SPECS / SOURCES[name]
    return WRITERS[name](json.loads(file.read_text("utf-8"))) if file.is_file() else None


# ---------------------------------------------------------------- the Bot API


def telegram(spec: Json) -> Json:
    """Methods that we call, and the types of their parameters and of what the fake sends: fields by name."""
    methods = {name: _fields(spec["methods"][name]) for name in METHODS}
    types = spec["types"]
    used = {*_reachable(types, methods.values()), *SENT_TYPES}
    return {
        "version": spec["version"],
        "methods": methods,
        "types": {name: _fields(types[name]) for name in sorted(used) if "subtypes" not in types[name]},
        "subtypes": {name: types[name]["subtypes"] for name in sorted(used) if "subtypes" in types[name]},
        "deletable_hours": int(
            re.findall(r"(\d+) hours", " ".join(spec["methods"]["deleteMessage"]["description"]))[0]
        ),
    }


def _fields(definition: Json) -> Json:
    return {field["name"]: _field(field) for field in definition.get("fields", ())}


def _field(field: Json) -> Json:
    facts = {"types": field["types"], "required": field["required"]}
    return facts | ({"limits": limits} if (limits := _limits(field["description"])) else {})


def _limits(description: str) -> list[int]:
    """The least and the most that a description allows; empty where it names no range."""
    if found := _SIZES.search(description):
        return [int(number) for number in found.groups() if number and number.isdecimal()]
    return [0, int(found[1])] if (found := _MOST.search(description)) else []


def element(kind: str) -> str:
    """`kind`, or what it is an array of."""
    return kind.rpartition("Array of ")[2]


def _reachable(types: Json, fields: Iterable[Json]) -> Iterator[str]:
    """The types of these fields, of their own fields, and so on."""
    seen: set[str] = set()
    waiting = [kind for known in fields for field in known.values() for kind in field["types"]]
    while waiting:
        name = element(waiting.pop())
        if name in types and name not in seen:
            seen.add(name)
            yield name
            waiting += [kind for field in types[name].get("fields", ()) for kind in field["types"]]
            waiting += types[name].get("subtypes", ())


# ---------------------------------------------------------------- the Cloud API


def whatsapp_messages(schema: Json) -> Json:
    """Meta's schema of a message without titles, descriptions and examples."""
    kept = {name: value for name, value in schema.items() if name in _RULES}
    named = {name: {member: _rules(inner) for member, inner in kept[name].items()} for name in _BY_NAME if name in kept}
    return {name: named.get(name, _rules(value)) for name, value in kept.items()}


def _rules(value: Any) -> Any:
    if isinstance(value, dict):
        return whatsapp_messages(value)
    return [_rules(item) for item in value] if isinstance(value, list) else value


WRITERS = {"telegram": telegram, "whatsapp_messages": whatsapp_messages}


@cache
def bot_api() -> Json:
    """The committed facts of the Bot API."""
    return load("telegram")


def write() -> None:
    """Write the tables from the descriptions. Raises AssertionError where they are missing."""
    FACTS.mkdir(exist_ok=True)
    for name in SOURCES:
        table = described(name)
        assert table is not None, SPECS_MISSING
        (FACTS / f"{name}.json").write_text(_text(table) + "\n", "utf-8")


def _text(value: Any, depth: int = 0) -> str:
    """JSON in which short objects and lists have one line each."""
    short = json.dumps(value, ensure_ascii=False)
    if len(short) + depth <= LINE or not isinstance(value, dict | list):
        return short
    parts = (
        [f"{json.dumps(name)}: {_text(inner, depth + 1)}" for name, inner in value.items()]
        if isinstance(value, dict)
        else [_text(inner, depth + 1) for inner in value]
    )
    pad, (first, last) = "\n" + " " * depth, "{}" if isinstance(value, dict) else "[]"
    return first + ",".join(f"{pad} {part}" for part in parts) + pad + last


if __name__ == "__main__":
    write()
