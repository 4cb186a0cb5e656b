"""The fake Bot API: what it refuses, and its facts compared with the table of the Bot API."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.fakes import telegram_facts
from tests.fakes.platform_facts import bot_api
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person
from tests.fakes.telegram_html import Unparsable, parse


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


@pytest.fixture
def person(api: FakeTelegram) -> Person:
    started = api.person()
    started.start("LEON")
    return started


BUTTON = {"text": "A", "callback_data": "a"}


def markup(*rows: Any) -> dict[str, Any]:
    return {"inline_keyboard": list(rows)}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("sendMessage", {"chat_id": 100_001}, "parameter text is required"),
    ("sendMessage", {"text": "x"}, "parameter chat_id is required"),
    ("sendMessage", {"chat_id": 1, "text": "x"}, "chat not found"),
    ("sendMessage", {"chat_id": "me", "text": "x"}, "chat_id must be an integer"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "txet": "x"}, "unknown parameter txet"),
    ("sendMessage", {"chat_id": 100_001, "text": 7}, "text must be of type String"),
    ("sendMessage", {"chat_id": 100_001, "text": ""}, "message text is empty"),
    ("sendMessage", {"chat_id": 100_001, "text": " \n"}, "message text is empty"),
    ("sendMessage", {"chat_id": 100_001, "text": "<b></b>", "parse_mode": "HTML"}, "message text is empty"),
    ("sendMessage", {"chat_id": 100_001, "text": "x" * 4097}, "message is too long"),
    ("sendMessage", {"chat_id": 100_001, "text": "1 < 2", "parse_mode": "HTML"}, "can't parse entities"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "parse_mode": "Word"}, "parse_mode"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "reply_markup": "{"}, "can't parse reply_markup"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "reply_markup": {"keyboard": []}}, "unknown member keyboard"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "reply_markup": markup([{"text": "A"}])}, "exactly one action"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "reply_markup": markup([{"callback_data": "a"}])}, "text"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "reply_markup": markup([BUTTON] * 9)}, "too long"),
    ("sendMessage", {"chat_id": 100_001, "text": "x", "reply_markup": markup(*[[BUTTON]] * 101)}, "too long"),
    (
        "sendMessage",
        {"chat_id": 100_001, "text": "x", "reply_markup": markup([{"text": "A", "callback_data": "é" * 33}])},
        "BUTTON_DATA_INVALID",
    ),
    (
        "sendMessage",
        {"chat_id": 100_001, "text": "x", "reply_markup": markup([{"text": "A", "callback_data": ""}])},
        "BUTTON_DATA_INVALID",
    ),
    (
        "sendMessage",
        {"chat_id": 100_001, "text": "x", "reply_markup": markup([{"text": "A", "url": "http://localhost:8080"}])},
        "Wrong HTTP URL",
    ),
    ("editMessageText", {"chat_id": 100_001, "message_id": 9999, "text": "x"}, "message to edit not found"),
    ("editMessageText", {"chat_id": 100_001, "message_id": 101, "text": "x"}, "message can't be edited"),
    ("deleteMessage", {"chat_id": 100_001, "message_id": 9999}, "message to delete not found"),
    ("answerCallbackQuery", {"callback_query_id": "1"}, "query is too old"),
    ("answerCallbackQuery", {"callback_query_id": "1", "text": "x" * 201}, "200"),
    ("getUpdates", {"limit": 101}, "100"),
    ("setWebhook", {"url": "http://integra.example/"}, "HTTPS"),
    ("setWebhook", {"url": "https://integra.example:8080/"}, "ports"),
    ("setWebhook", {"url": "https://integra.example/", "secret_token": "ñ"}, "secret_token"),
    ("setWebhook", {"url": "https://integra.example/", "secret_token": "x" * 257}, "secret_token"),
    ("setMyCommands", {"commands": [{"command": "Hoy", "description": "x"}]}, "command"),
    ("setMyCommands", {"commands": [{"command": "x" * 33, "description": "x"}]}, "32"),
    ("setMyCommands", {"commands": [{"command": "hoy", "description": ""}]}, "description"),
    ("setMyCommands", {"commands": [{"command": "hoy", "description": "x"}] * 101}, "100"),
    ("setMyCommands", {"commands": [], "language_code": "es-MX"}, "language_code"),
    ("setMyDescription", {"description": "x" * 513}, "512"),
    ("setMyShortDescription", {"short_description": "x" * 121}, "120"),
]


@pytest.mark.parametrize(("method", "values", "reason"), REFUSED)
async def test_it_refuses_what_telegram_refuses(
    api: FakeTelegram, person: Person, method: str, values: dict[str, Any], reason: str
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{api.url}/bot{TOKEN}/{method}", json=values) as answer,
    ):
        body = await answer.json()
    assert (answer.status, body["ok"]) == (400, False)
    assert reason in body["description"]
    assert api.refusals
    assert len(person.messages) == 1


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a &lt;b&gt; &amp; &quot;c&quot; &nbsp; & d", 'a <b> & "c" &nbsp; & d'),
        ("<b>a<i>b</i></b>", "ab"),
        ('<a href="https://example.org">x</a>', "x"),
        ("1 > 0", "1 > 0"),
    ],
)
def test_html_is_parsed_as_by_telegram(source: str, text: str) -> None:
    assert parse(source)[0] == text


def test_entities_count_in_utf16_units() -> None:
    assert parse("👍 <b>ñ👍</b>")[1] == [{"type": "bold", "offset": 3, "length": 3}]


@pytest.mark.parametrize(
    "source", ["<b>a", "a</b>", "<b><i>a</b></i>", "1 < 2", "<p>a</p>", "<br/>", "<script>x</script>", "a<"]
)
def test_html_that_telegram_would_not_parse_is_refused(source: str) -> None:
    with pytest.raises(Unparsable):
        parse(source)


UNDOCUMENTED = {  # limits that users of the Bot API met
    "InlineKeyboardButton.text",
    "InlineKeyboardButton.url",
    "getUpdates.timeout",
}


@pytest.mark.parametrize(
    ("owner", "table"),
    [("methods", telegram_facts.METHODS), ("types", telegram_facts.OBJECTS)],
    ids=["methods", "types"],
)
def test_the_facts_match_the_table_of_the_bot_api(
    owner: str, table: dict[str, dict[str, telegram_facts.Field]]
) -> None:
    for name, facts in table.items():
        known = bot_api()[owner][name]
        assert {field for field, fact in known.items() if fact["required"]} == {
            field for field, fact in facts.items() if fact.required
        }, name
        for field, fact in facts.items():
            assert fact.kind in known[field]["types"], (name, field)
            if fact.unit and f"{name}.{field}" not in UNDOCUMENTED:
                assert [fact.least, fact.most] == known[field]["limits"], (name, field)


def test_texts_updates_and_deletions_match_the_table_too() -> None:
    for method in ("sendMessage", "editMessageText"):
        assert bot_api()["methods"][method]["text"]["limits"] == [1, telegram_facts.TEXT_LIMIT]
    assert bot_api()["deletable_hours"] * 3600 == telegram_facts.DELETABLE_SECONDS
    assert set(telegram_facts.UPDATE_KINDS) <= bot_api()["types"]["Update"].keys()
