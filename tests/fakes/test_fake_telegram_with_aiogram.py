"""The fake Bot API, seen through a client that is not ours."""

import asyncio
import importlib
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person


@pytest.fixture(scope="session")
def other() -> ModuleType:
    return importlib.import_module("tests.fakes.aiogram_client")


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


def client(other: ModuleType, api: FakeTelegram, token: str = TOKEN) -> Any:
    return other.Bot(token, session=other.AiohttpSession(api=other.TelegramAPIServer.from_base(api.url)))


@pytest.fixture
async def bot(other: ModuleType, api: FakeTelegram) -> AsyncIterator[Any]:
    bot = client(other, api)
    yield bot
    await bot.session.close()


@pytest.fixture
def person(api: FakeTelegram) -> Person:
    somebody = api.person()
    somebody.start("LEON")
    return somebody


def keyboard(other: ModuleType, *labels: str) -> Any:
    rows = [[other.InlineKeyboardButton(text=label, callback_data=f"x:{label}")] for label in labels]
    return other.InlineKeyboardMarkup(inline_keyboard=rows)


async def test_another_client_lives_through_a_conversation(
    other: ModuleType, api: FakeTelegram, bot: Any, person: Person
) -> None:
    assert (await bot.get_me()).is_bot
    (update,) = await bot.get_updates()
    assert isinstance(update.message, other.Message)
    assert update.message.text == "/start LEON"
    sent = await bot.send_message(
        person.id, "<b>Hola</b> &amp; adiós", parse_mode="HTML", reply_markup=keyboard(other, "A")
    )
    assert sent.html_text == "<b>Hola</b> &amp; adiós"
    person.press("A")
    (update,) = await bot.get_updates(offset=update.update_id + 1)
    query = update.callback_query
    assert isinstance(query, other.CallbackQuery)
    assert (query.data, query.message and query.message.message_id) == ("x:A", sent.message_id)
    assert await bot.answer_callback_query(query.id, text="Recibido")
    await bot.edit_message_text("Listo", chat_id=person.id, message_id=sent.message_id)
    assert ([note.text for note in person.read()], person.toasts, api.unanswered) == (["Listo"], ["Recibido"], [])
    await bot.delete_message(person.id, sent.message_id)
    assert person.read() == []


async def test_another_client_reads_every_kind_of_update(bot: Any, person: Person) -> None:
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


async def test_another_client_sets_up_the_bot(other: ModuleType, api: FakeTelegram, bot: Any) -> None:
    await bot.set_my_commands([other.BotCommand(command="hoy", description="La de hoy")], language_code="es")
    await bot.set_my_description("Larga", language_code="en")
    await bot.set_my_short_description("Corta")
    assert api.menus == {"es": [("hoy", "La de hoy")]}
    assert (api.descriptions, api.short_descriptions) == ({"en": "Larga"}, {"": "Corta"})
    await bot.set_webhook("https://integra.example/webhooks/telegram", secret_token="abc", max_connections=40)
    assert (await bot.get_webhook_info()).url == "https://integra.example/webhooks/telegram"
    await bot.delete_webhook()
    assert (await bot.get_webhook_info()).url == ""


async def test_an_identical_edit_is_refused_as_not_modified(other: ModuleType, bot: Any, person: Person) -> None:
    sent = await bot.send_message(person.id, "x", reply_markup=keyboard(other, "A"))

    async def edit(text: str) -> None:
        await bot.edit_message_text(
            text, chat_id=person.id, message_id=sent.message_id, reply_markup=keyboard(other, "A")
        )

    with pytest.raises(other.TelegramBadRequest, match="message is not modified"):
        await edit("x")
    await edit("y")


async def test_time_closes_presses_and_deletions(
    other: ModuleType, api: FakeTelegram, bot: Any, person: Person
) -> None:
    person.forge("x")
    api.advance(49 * 3600)
    with pytest.raises(other.TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query(api.unanswered[0])
    with pytest.raises(other.TelegramBadRequest, match="can't be deleted"):
        await bot.delete_message(person.id, person.messages[0].number)


async def test_who_has_blocked_is_out_of_reach(other: ModuleType, bot: Any, person: Person) -> None:
    person.block()
    with pytest.raises(other.TelegramForbiddenError, match="blocked"):
        await bot.send_message(person.id, "x")


async def test_a_stranger_cannot_be_written_to_first(other: ModuleType, api: FakeTelegram, bot: Any) -> None:
    stranger = api.person(555)
    with pytest.raises(other.TelegramBadRequest, match="chat not found"):
        await bot.send_message(stranger.id, "x")


async def test_another_token_is_refused(other: ModuleType, api: FakeTelegram) -> None:
    bot = client(other, api, "123456:another")
    with pytest.raises(other.TelegramUnauthorizedError):
        await bot.get_me()
    await bot.session.close()


async def test_only_one_takes_the_updates(other: ModuleType, api: FakeTelegram, bot: Any) -> None:
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await api.called("getUpdates")
    second = asyncio.create_task(bot.get_updates(timeout=30))
    with pytest.raises(other.TelegramConflictError, match="other getUpdates"):
        await first
    api.person().say("hola")
    assert len(await second) == 1
    await bot.set_webhook("https://integra.example/")
    with pytest.raises(other.TelegramConflictError, match="webhook is active"):
        await bot.get_updates()


async def test_updates_stay_until_they_are_confirmed(api: FakeTelegram, bot: Any) -> None:
    numbers = [api.person().say(text) for text in ("uno", "dos", "tres")]
    assert [update.update_id for update in await bot.get_updates(limit=2)] == numbers[:2]
    assert [update.update_id for update in await bot.get_updates()] == numbers
    assert [update.update_id for update in await bot.get_updates(offset=numbers[1])] == numbers[1:]
    assert [update.update_id for update in await bot.get_updates(offset=-1)] == numbers[2:]
    assert await bot.get_updates(offset=numbers[2] + 1) == []


async def test_kinds_that_were_not_asked_for_do_not_come(api: FakeTelegram, bot: Any) -> None:
    await bot.get_updates(allowed_updates=["callback_query"])
    api.person().say("hola")
    api.person().forge("x")
    assert [update.event_type for update in await bot.get_updates()] == ["callback_query"]


async def test_it_fails_on_command(other: ModuleType, api: FakeTelegram, bot: Any, person: Person) -> None:
    api.fail("sendMessage", status=429, retry_after=7)
    with pytest.raises(other.TelegramRetryAfter) as caught:
        await bot.send_message(person.id, "x")
    assert caught.value.retry_after == 7
    api.fail("sendMessage", status=500)
    with pytest.raises(other.TelegramServerError):
        await bot.send_message(person.id, "x")
    for done in (False, True):
        api.fail("sendMessage", reset=True, done=done)
        with pytest.raises(other.TelegramNetworkError):
            await bot.send_message(person.id, f"{done}")
    assert [note.text for note in person.read()] == ["True"]


async def test_a_request_hangs_until_it_is_let_go(
    other: ModuleType, api: FakeTelegram, bot: Any, person: Person
) -> None:
    release = asyncio.Event()
    fault = api.fail("sendMessage", hang=release, done=True)
    sending = asyncio.create_task(bot.send_message(person.id, "x"))
    await fault.met.wait()
    assert person.last_text() == "x"
    release.set()
    with pytest.raises(other.TelegramNetworkError):
        await sending
