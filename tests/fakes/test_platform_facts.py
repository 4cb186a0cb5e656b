"""The tables of the platforms' facts: equal to their descriptions, free of their sentences, and strict."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.fakes import platform_facts, telegram_facts, telegram_rules
from tests.fakes.platform_facts import SOURCES, SPECS_MISSING, bot_api, element, load


@pytest.mark.parametrize("name", SOURCES)
def test_a_table_equals_its_description(name: str) -> None:
    described = platform_facts.described(name)
    if described is None:
        pytest.skip(SPECS_MISSING)
    assert load(name) == json.loads(json.dumps(described)), "run `python -m tests.fakes.platform_facts`"


def strings(value: Any) -> Iterator[str]:
    """Every string in a JSON value, names of members too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from strings(item)


@pytest.mark.parametrize("name", SOURCES)
def test_a_table_has_no_sentence_of_others(name: str) -> None:
    found = {element(text) for text in strings(load(name)) if text != load(name).get("version")}
    assert len(found) > 100
    assert [text for text in found if " " in text] == []


def test_what_a_description_says_is_taken_over_as_it_says_it() -> None:
    words = {
        "The text, 1-4096 characters after it": [1, 4096],
        "One of 1-64 bytes": [1, 64],
        "A value. Values between 1-100 are": [1, 100],
        "How many, 1-100. Defaults to 40": [1, 100],
        "At most 100 commands can be": [0, 100],
        "From 2 to 7 or so; 24-hour clock": [],
    }
    for text, limits in words.items():
        field = platform_facts._field({"types": ["String"], "required": False, "description": text})
        assert field.get("limits", []) == limits, text


def test_every_type_in_use_is_in_the_table() -> None:
    known = bot_api()["types"].keys() | bot_api()["subtypes"].keys() | {"Integer", "String", "Boolean", "Float"}
    assert bot_api()["methods"].keys() == telegram_facts.METHODS.keys()
    named = {
        element(kind)
        for method in bot_api()["methods"].values()
        for field in method.values()
        for kind in field["types"]
    }
    assert named <= known
    assert telegram_facts.OBJECTS.keys() <= known


@pytest.mark.parametrize(
    ("kind", "value", "fault"),
    [
        ("User", {"id": 1, "is_bot": False, "first_name": "Ana"}, ""),
        ("User", {"id": 1, "is_bot": False}, "User lacks first_name"),
        ("User", {"id": "1", "is_bot": False, "first_name": "Ana"}, "User.id is no Integer"),
        ("User", {"id": True, "is_bot": False, "first_name": "Ana"}, "User.id is no Integer"),
        ("User", {"id": 1, "is_bot": 0, "first_name": "Ana"}, "User.is_bot is no Boolean"),
        ("User", {"id": 1, "is_bot": False, "first_name": "Ana", "nick": "A"}, "User has no nick"),
        ("Array of String", "x", "Array of String is no list"),
        ("Array of String", ["x", 1], "Array of String[] is no String"),
        ("ChatMember", {"status": "left", "user": {"id": 1}}, "ChatMember.user lacks is_bot"),
        ("Update", [], "Update is no Update"),
    ],
)
def test_by_the_table_a_value_of_another_type_is_seen(kind: str, value: object, fault: str) -> None:
    found = telegram_rules.type_violation(kind, value)
    assert found.startswith(fault) if fault else found == ""


def test_the_rules_of_a_message_are_a_schema_that_refuses() -> None:
    schema = load("whatsapp_messages")
    Draft202012Validator.check_schema(schema)
    message = {"messaging_product": "whatsapp", "to": "+524771000001", "type": "text", "text": {"body": "hola"}}
    assert Draft202012Validator(schema).is_valid(message)
    changes: list[dict[str, Any]] = [{"text": {}}, {"text": {"body": "x" * 4097}}, {"to": 1}, {"type": "song"}]
    for change in changes:
        assert not Draft202012Validator(schema).is_valid(copy.deepcopy(message) | change), change
