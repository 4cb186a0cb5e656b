"""The fake Bot API: seen through a client that is not ours, and held against the Bot API's own description."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramNetworkError,
    TelegramRetryAfter,
    TelegramServerError,
    TelegramUnauthorizedError,
)
from aiogram.types import BotCommand, CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message

from tests.fakes import telegram_facts, telegram_rules
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person
from tests.fakes.telegram_html import Unparsable, parse


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


def client(api: FakeTelegram, token: str = TOKEN) -> Bot:
    return Bot(token, session=AiohttpSession(api=TelegramAPIServer.from_base(api.url)))


@pytest.fixture
async def bot(api: FakeTelegram) -> AsyncIterator[Bot]:
    bot = client(api)
    yield bot
    await bot.session.close()


@pytest.fixture
def person(api: FakeTelegram) -> Person:
    somebody = api.person()
    somebody.start("LEON")
    return somebody


def keyboard(*labels: str) -> InlineKeyboardMarkup:
    rows = [[InlineKeyboardButton(text=label, callback_data=f"x:{label}")] for label in labels]
    return InlineKeyboardMarkup(inline_keyboard=rows)


async def test_another_client_lives_through_a_conversation(api: FakeTelegram, bot: Bot, person: Person) -> None:
    assert (await bot.get_me()).is_bot
    (update,) = await bot.get_updates()
    assert isinstance(update.message, Message)
    assert update.message.text == "/start LEON"
    sent = await bot.send_message(person.id, "<b>Hola</b> &amp; adiós", parse_mode="HTML", reply_markup=keyboard("A"))
    assert sent.html_text == "<b>Hola</b> &amp; adiós"
    person.press("A")
    (update,) = await bot.get_updates(offset=update.update_id + 1)
    query = update.callback_query
    assert isinstance(query, CallbackQuery)
    assert (query.data, query.message and query.message.message_id) == ("x:A", sent.message_id)
    assert await bot.answer_callback_query(query.id, text="Recibido")
    await bot.edit_message_text("Listo", chat_id=person.id, message_id=sent.message_id)
    assert ([note.text for note in person.read()], person.toasts, api.unanswered) == (["Listo"], ["Recibido"], [])
    await bot.delete_message(person.id, sent.message_id)
    assert person.read() == []


async def test_another_client_reads_every_kind_of_update(bot: Bot, person: Person) -> None:
    person.send_sticker()
    person.send_photo("pie")
    person.send_voice()
    person.say("hola")
    person.edit(person.notes[-1].number, "adiós")
    person.forge("x")
    person.forge(None, person.notes[0], game_short_name="tetris")
    person.forge("x", inline_message_id="AAA")
    person.block()
    person.say("de vuelta")
    kinds = [update.event_type for update in await bot.get_updates()]
    assert kinds == [
        *["message"] * 5, "edited_message", *["callback_query"] * 3, "my_chat_member", "my_chat_member", "message",
    ]  # fmt: skip


async def test_another_client_sets_up_the_bot(api: FakeTelegram, bot: Bot) -> None:
    await bot.set_my_commands([BotCommand(command="hoy", description="La de hoy")], language_code="es")
    await bot.set_my_description("Larga", language_code="en")
    await bot.set_my_short_description("Corta")
    assert api.menus == {"es": [("hoy", "La de hoy")]}
    assert (api.descriptions, api.short_descriptions) == ({"en": "Larga"}, {"": "Corta"})
    await bot.set_webhook("https://integra.example/webhooks/telegram", secret_token="abc", max_connections=40)
    assert (await bot.get_webhook_info()).url == "https://integra.example/webhooks/telegram"
    await bot.delete_webhook()
    assert (await bot.get_webhook_info()).url == ""


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
    assert len(person.notes) == 1


async def test_an_identical_edit_is_refused_as_not_modified(bot: Bot, person: Person) -> None:
    sent = await bot.send_message(person.id, "x", reply_markup=keyboard("A"))

    async def edit(text: str) -> None:
        await bot.edit_message_text(text, chat_id=person.id, message_id=sent.message_id, reply_markup=keyboard("A"))

    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await edit("x")
    await edit("y")


async def test_time_closes_presses_and_deletions(api: FakeTelegram, bot: Bot, person: Person) -> None:
    person.forge("x")
    api.advance(49 * 3600)
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query(api.unanswered[0])
    with pytest.raises(TelegramBadRequest, match="can't be deleted"):
        await bot.delete_message(person.id, person.notes[0].number)


async def test_who_has_blocked_is_out_of_reach(bot: Bot, person: Person) -> None:
    person.block()
    with pytest.raises(TelegramForbiddenError, match="blocked"):
        await bot.send_message(person.id, "x")


async def test_a_stranger_cannot_be_written_to_first(api: FakeTelegram, bot: Bot) -> None:
    stranger = api.person(555)
    with pytest.raises(TelegramBadRequest, match="chat not found"):
        await bot.send_message(stranger.id, "x")


async def test_another_token_is_refused(api: FakeTelegram) -> None:
    other = client(api, "123456:another")
    with pytest.raises(TelegramUnauthorizedError):
        await other.get_me()
    await other.session.close()


async def test_only_one_takes_the_updates(api: FakeTelegram, bot: Bot) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await api.called("getUpdates")
    second = asyncio.create_task(bot.get_updates(timeout=30))
    with pytest.raises(TelegramConflictError, match="other getUpdates"):
        await first
    api.person().say("hola")
    assert len(await second) == 1
    await bot.set_webhook("https://integra.example/")
    with pytest.raises(TelegramConflictError, match="webhook is active"):
        await bot.get_updates()


async def test_updates_stay_until_they_are_confirmed(api: FakeTelegram, bot: Bot) -> None:
    numbers = [api.person().say(text) for text in ("uno", "dos", "tres")]
    assert [update.update_id for update in await bot.get_updates(limit=2)] == numbers[:2]
    assert [update.update_id for update in await bot.get_updates()] == numbers
    assert [update.update_id for update in await bot.get_updates(offset=numbers[1])] == numbers[1:]
    assert [update.update_id for update in await bot.get_updates(offset=-1)] == numbers[2:]
    assert await bot.get_updates(offset=numbers[2] + 1) == []


async def test_kinds_that_were_not_asked_for_do_not_come(api: FakeTelegram, bot: Bot) -> None:
    await bot.get_updates(allowed_updates=["callback_query"])
    api.person().say("hola")
    api.person().forge("x")
    assert [update.event_type for update in await bot.get_updates()] == ["callback_query"]


async def test_it_fails_on_command(api: FakeTelegram, bot: Bot, person: Person) -> None:
    api.fail("sendMessage", status=429, retry_after=7)
    with pytest.raises(TelegramRetryAfter) as caught:
        await bot.send_message(person.id, "x")
    assert caught.value.retry_after == 7
    api.fail("sendMessage", status=500)
    with pytest.raises(TelegramServerError):
        await bot.send_message(person.id, "x")
    for done in (False, True):
        api.fail("sendMessage", reset=True, done=done)
        with pytest.raises(TelegramNetworkError):
            await bot.send_message(person.id, f"{done}")
    assert [note.text for note in person.read()] == ["True"]


async def test_a_request_hangs_until_it_is_let_go(api: FakeTelegram, bot: Bot, person: Person) -> None:
    release = asyncio.Event()
    fault = api.fail("sendMessage", hang=release, done=True)
    sending = asyncio.create_task(bot.send_message(person.id, "x"))
    await fault.met.wait()
    assert person.last_text() == "x"
    release.set()
    with pytest.raises(TelegramNetworkError):
        await sending


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("a &lt;b&gt; &amp; &quot;c&quot; &nbsp; & d", 'a <b> & "c" &nbsp; & d'),
        ("<b>a<i>b</i></b>", "ab"),
        ('<a href="https://example.org">x</a>', "x"),
        ("1 > 0", "1 > 0"),
    ],
)
def test_html_is_read_as_telegram_reads_it(source: str, text: str) -> None:
    assert parse(source)[0] == text


def test_entities_count_in_utf16_units() -> None:
    assert parse("👍 <b>ñ👍</b>")[1] == [{"type": "bold", "offset": 3, "length": 3}]


@pytest.mark.parametrize(
    "source", ["<b>a", "a</b>", "<b><i>a</b></i>", "1 < 2", "<p>a</p>", "<br/>", "<script>x</script>", "a<"]
)
def test_html_that_telegram_would_not_parse_is_refused(source: str) -> None:
    with pytest.raises(Unparsable):
        parse(source)


def _fields(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {field["name"]: field for field in definition.get("fields", [])}


def test_our_facts_are_those_of_the_bot_api() -> None:
    spec = telegram_rules.spec()
    if spec is None:
        pytest.skip(telegram_rules.SPEC_MISSING)
    tables = [(spec["methods"], telegram_facts.METHODS), (spec["types"], telegram_facts.OBJECTS)]
    for described, table in tables:
        for name, facts in table.items():
            fields = _fields(described[name])
            required = {field["name"] for field in fields.values() if field["required"]}
            assert required == {field for field, fact in facts.items() if fact.required}, name
            for field, fact in facts.items():
                assert fact.kind in fields[field]["types"], (name, field)
                assert fact.says in fields[field]["description"], (name, field)
    assert telegram_facts.DELETABLE_SAYS in " ".join(spec["methods"]["deleteMessage"]["description"])
    assert set(telegram_facts.UPDATE_KINDS) <= set(_fields(spec["types"]["Update"]))
