"""The fake Bot API used through aiogram, an independent client."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person


@pytest.fixture(scope="session")
def aiogram() -> ModuleType:
    return importlib.import_module("tests.fakes.aiogram_client")


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


def client(aiogram: ModuleType, api: FakeTelegram, token: str = TOKEN) -> Any:
    return aiogram.Bot(token, session=aiogram.AiohttpSession(api=aiogram.TelegramAPIServer.from_base(api.url)))


@pytest.fixture
async def bot(aiogram: ModuleType, api: FakeTelegram) -> AsyncIterator[Any]:
    bot = client(aiogram, api)
    yield bot
    await bot.session.close()


@pytest.fixture
def person(api: FakeTelegram) -> Person:
    started = api.person()
    started.start("LEON")
    return started


def keyboard(aiogram: ModuleType, *labels: str) -> Any:
    rows = [[aiogram.InlineKeyboardButton(text=label, callback_data=f"x:{label}")] for label in labels]
    return aiogram.InlineKeyboardMarkup(inline_keyboard=rows)


async def test_aiogram_holds_a_conversation(aiogram: ModuleType, api: FakeTelegram, bot: Any, person: Person) -> None:
    assert (await bot.get_me()).is_bot
    (update,) = await bot.get_updates()
    assert isinstance(update.message, aiogram.Message)
    assert update.message.text == "/start LEON"
    sent = await bot.send_message(
        person.id, "<b>Hola</b> &amp; adiós", parse_mode="HTML", reply_markup=keyboard(aiogram, "A")
    )
    assert sent.html_text == "<b>Hola</b> &amp; adiós"
    person.press("A")
    (update,) = await bot.get_updates(offset=update.update_id + 1)
    query = update.callback_query
    assert isinstance(query, aiogram.CallbackQuery)
    assert (query.data, query.message and query.message.message_id) == ("x:A", sent.message_id)
    assert await bot.answer_callback_query(query.id, text="Recibido")
    await bot.edit_message_text("Listo", chat_id=person.id, message_id=sent.message_id)
    assert ([message.text for message in person.read()], person.toasts, api.unanswered) == (["Listo"], ["Recibido"], [])
    await bot.delete_message(person.id, sent.message_id)
    assert person.read() == []


async def test_aiogram_parses_every_kind_of_update(bot: Any, person: Person) -> None:
    person.send_sticker()
    person.send_photo("pie")
    person.send_voice()
    person.say("hola")
    person.edit(person.messages[-1].number, "adiós")
    person.forge("x")
    person.forge(None, person.messages[0], game_short_name="tetris")
    person.forge("x", inline_message_id="AAA")
    person.block()
    person.say("de vuelta")
    kinds = [update.event_type for update in await bot.get_updates()]
    assert kinds == [
        *["message"] * 5, "edited_message", *["callback_query"] * 3, "my_chat_member", "my_chat_member", "message",
    ]  # fmt: skip


async def test_aiogram_sets_up_the_bot(aiogram: ModuleType, api: FakeTelegram, bot: Any) -> None:
    await bot.set_my_commands([aiogram.BotCommand(command="hoy", description="La de hoy")], language_code="es")
    await bot.set_my_description("Larga", language_code="en")
    await bot.set_my_short_description("Corta")
    assert api.menus == {"es": [("hoy", "La de hoy")]}
    assert (api.descriptions, api.short_descriptions) == ({"en": "Larga"}, {"": "Corta"})
    await bot.set_webhook("https://integra.example/webhooks/telegram", secret_token="abc", max_connections=40)
    assert (await bot.get_webhook_info()).url == "https://integra.example/webhooks/telegram"
    await bot.delete_webhook()
    assert (await bot.get_webhook_info()).url == ""


async def test_an_identical_edit_is_refused_as_not_modified(aiogram: ModuleType, bot: Any, person: Person) -> None:
    sent = await bot.send_message(person.id, "x", reply_markup=keyboard(aiogram, "A"))

    async def edit(text: str) -> None:
        await bot.edit_message_text(
            text, chat_id=person.id, message_id=sent.message_id, reply_markup=keyboard(aiogram, "A")
        )

    with pytest.raises(aiogram.TelegramBadRequest, match="message is not modified"):
        await edit("x")
    await edit("y")


async def test_presses_and_messages_expire(aiogram: ModuleType, api: FakeTelegram, bot: Any, person: Person) -> None:
    person.forge("x")
    api.advance(49 * 3600)
    with pytest.raises(aiogram.TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query(api.unanswered[0])
    with pytest.raises(aiogram.TelegramBadRequest, match="can't be deleted"):
        await bot.delete_message(person.id, person.messages[0].number)


async def test_a_user_who_blocked_the_bot_cannot_be_written_to(aiogram: ModuleType, bot: Any, person: Person) -> None:
    person.block()
    with pytest.raises(aiogram.TelegramForbiddenError, match="blocked"):
        await bot.send_message(person.id, "x")


async def test_a_stranger_cannot_be_written_to_first(aiogram: ModuleType, api: FakeTelegram, bot: Any) -> None:
    stranger = api.person(555)
    with pytest.raises(aiogram.TelegramBadRequest, match="chat not found"):
        await bot.send_message(stranger.id, "x")


async def test_a_wrong_token_is_refused(aiogram: ModuleType, api: FakeTelegram) -> None:
    bot = client(aiogram, api, "123456:another")
    with pytest.raises(aiogram.TelegramUnauthorizedError):
        await bot.get_me()
    await bot.session.close()


async def test_only_one_client_may_poll(aiogram: ModuleType, api: FakeTelegram, bot: Any) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await api.called("getUpdates")
    second = asyncio.create_task(bot.get_updates(timeout=30))
    with pytest.raises(aiogram.TelegramConflictError, match="other getUpdates"):
        await first
    api.person().say("hola")
    assert len(await second) == 1
    await bot.set_webhook("https://integra.example/")
    with pytest.raises(aiogram.TelegramConflictError, match="webhook is active"):
        await bot.get_updates()


async def test_updates_are_repeated_until_confirmed(api: FakeTelegram, bot: Any) -> None:
    ids = [api.person().say(text) for text in ("uno", "dos", "tres")]
    assert [update.update_id for update in await bot.get_updates(limit=2)] == ids[:2]
    assert [update.update_id for update in await bot.get_updates()] == ids
    assert [update.update_id for update in await bot.get_updates(offset=ids[1])] == ids[1:]
    assert [update.update_id for update in await bot.get_updates(offset=-1)] == ids[2:]
    assert await bot.get_updates(offset=ids[2] + 1) == []


async def test_only_allowed_kinds_of_updates_are_delivered(api: FakeTelegram, bot: Any) -> None:
    await bot.get_updates(allowed_updates=["callback_query"])
    api.person().say("hola")
    api.person().forge("x")
    assert [update.event_type for update in await bot.get_updates()] == ["callback_query"]


async def test_faults_can_be_injected(aiogram: ModuleType, api: FakeTelegram, bot: Any, person: Person) -> None:
    api.fail("sendMessage", status=429, retry_after=7)
    with pytest.raises(aiogram.TelegramRetryAfter) as caught:
        await bot.send_message(person.id, "x")
    assert caught.value.retry_after == 7
    api.fail("sendMessage", status=500)
    with pytest.raises(aiogram.TelegramServerError):
        await bot.send_message(person.id, "x")
    for done in (False, True):
        api.fail("sendMessage", reset=True, done=done)
        with pytest.raises(aiogram.TelegramNetworkError):
            await bot.send_message(person.id, f"{done}")
    assert [message.text for message in person.read()] == ["True"]


async def test_a_hanging_request_is_released(aiogram: ModuleType, api: FakeTelegram, bot: Any, person: Person) -> None:
    release = asyncio.Event()
    fault = api.fail("sendMessage", hang=release, done=True)
    sending = asyncio.create_task(bot.send_message(person.id, "x"))
    await fault.met.wait()
    assert person.last_text() == "x"
    release.set()
    with pytest.raises(aiogram.TelegramNetworkError):
        await sending
