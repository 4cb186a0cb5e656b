"""The fake Bot API used through aiogram, an independent client, in a process of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import pytest_asyncio

from tests.fakes.aiogram_process import AiogramProcess, ClientError, aiogram_process
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.fakes.telegram_chats import Person

Bot = Callable[..., Coroutine[Any, Any, Any]]
"""Makes a call of the Bot API with its parameters by name, and returns aiogram's result."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def aiogram() -> AsyncIterator[AiogramProcess]:
    """One process per worker: aiogram takes four seconds to import."""
    async with aiogram_process() as process:
        yield process


@pytest.fixture
async def api() -> AsyncIterator[FakeTelegram]:
    async with FakeTelegram() as fake:
        yield fake


def client(aiogram: AiogramProcess, api: FakeTelegram, token: str = TOKEN) -> Bot:
    return lambda method, **arguments: aiogram.call(api.url, token, method, arguments)


@pytest.fixture
def bot(aiogram: AiogramProcess, api: FakeTelegram) -> Bot:
    return client(aiogram, api)


@pytest.fixture
def person(api: FakeTelegram) -> Person:
    started = api.person()
    started.start("LEON")
    return started


def keyboard(*labels: str) -> dict[str, Any]:
    return {"inline_keyboard": [[{"text": label, "callback_data": f"x:{label}"}] for label in labels]}


async def test_aiogram_holds_a_conversation(api: FakeTelegram, bot: Bot, person: Person) -> None:
    assert (await bot("getMe")).is_bot
    (update,) = await bot("getUpdates")
    assert (update.kind, update.event.type) == ("message", "Message")
    assert update.event.text == "/start LEON"
    sent = await bot(
        "sendMessage", chat_id=person.id, text="<b>Hola</b> &amp; adiós", parse_mode="HTML", reply_markup=keyboard("A")
    )
    assert sent.html_text == "<b>Hola</b> &amp; adiós"
    person.press("A")
    (update,) = await bot("getUpdates", offset=update.update_id + 1)
    query = update.event
    assert query.type == "CallbackQuery"
    assert (query.data, query.message.message_id) == ("x:A", sent.message_id)
    assert await bot("answerCallbackQuery", callback_query_id=query.id, text="Recibido")
    await bot("editMessageText", text="Listo", chat_id=person.id, message_id=sent.message_id)
    assert ([message.text for message in person.read()], person.toasts, api.unanswered) == (["Listo"], ["Recibido"], [])
    await bot("deleteMessage", chat_id=person.id, message_id=sent.message_id)
    assert person.read() == []


async def test_aiogram_parses_every_kind_of_update(bot: Bot, person: Person) -> None:
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
    kinds = [update.kind for update in await bot("getUpdates")]
    assert kinds == [
        *["message"] * 5, "edited_message", *["callback_query"] * 3, "my_chat_member", "my_chat_member", "message",
    ]  # fmt: skip


async def test_aiogram_sets_up_the_bot(api: FakeTelegram, bot: Bot) -> None:
    await bot("setMyCommands", commands=[{"command": "hoy", "description": "La de hoy"}], language_code="es")
    await bot("setMyDescription", description="Larga", language_code="en")
    await bot("setMyShortDescription", short_description="Corta")
    assert api.menus == {"es": [("hoy", "La de hoy")]}
    assert (api.descriptions, api.short_descriptions) == ({"en": "Larga"}, {"": "Corta"})
    await bot("setWebhook", url="https://integra.example/webhooks/telegram", secret_token="abc", max_connections=40)
    assert (await bot("getWebhookInfo")).url == "https://integra.example/webhooks/telegram"
    await bot("deleteWebhook")
    assert (await bot("getWebhookInfo")).url == ""


async def test_an_identical_edit_is_refused_as_not_modified(bot: Bot, person: Person) -> None:
    sent = await bot("sendMessage", chat_id=person.id, text="x", reply_markup=keyboard("A"))

    async def edit(text: str) -> None:
        await bot(
            "editMessageText", text=text, chat_id=person.id, message_id=sent.message_id, reply_markup=keyboard("A")
        )

    with pytest.raises(ClientError, match=r"TelegramBadRequest: .*message is not modified"):
        await edit("x")
    await edit("y")


async def test_presses_and_messages_expire(api: FakeTelegram, bot: Bot, person: Person) -> None:
    person.forge("x")
    api.advance(49 * 3600)
    with pytest.raises(ClientError, match=r"TelegramBadRequest: .*query is too old"):
        await bot("answerCallbackQuery", callback_query_id=api.unanswered[0])
    with pytest.raises(ClientError, match=r"TelegramBadRequest: .*can't be deleted"):
        await bot("deleteMessage", chat_id=person.id, message_id=person.messages[0].number)


async def test_a_user_who_blocked_the_bot_cannot_be_written_to(bot: Bot, person: Person) -> None:
    person.block()
    with pytest.raises(ClientError, match=r"TelegramForbiddenError: .*blocked"):
        await bot("sendMessage", chat_id=person.id, text="x")


async def test_a_stranger_cannot_be_written_to_first(api: FakeTelegram, bot: Bot) -> None:
    stranger = api.person(555)
    with pytest.raises(ClientError, match=r"TelegramBadRequest: .*chat not found"):
        await bot("sendMessage", chat_id=stranger.id, text="x")


async def test_a_wrong_token_is_refused(aiogram: AiogramProcess, api: FakeTelegram) -> None:
    bot = client(aiogram, api, "123456:another")
    with pytest.raises(ClientError, match="TelegramUnauthorizedError"):
        await bot("getMe")


async def test_only_one_client_may_poll(api: FakeTelegram, bot: Bot) -> None:
    first = asyncio.create_task(bot("getUpdates", timeout=30))
    await api.called("getUpdates")
    second = asyncio.create_task(bot("getUpdates", timeout=30))
    with pytest.raises(ClientError, match=r"TelegramConflictError: .*other getUpdates"):
        await first
    api.person().say("hola")
    assert len(await second) == 1
    await bot("setWebhook", url="https://integra.example/")
    with pytest.raises(ClientError, match=r"TelegramConflictError: .*webhook is active"):
        await bot("getUpdates")


async def test_updates_are_repeated_until_confirmed(api: FakeTelegram, bot: Bot) -> None:
    ids = [api.person().say(text) for text in ("uno", "dos", "tres")]
    assert [update.update_id for update in await bot("getUpdates", limit=2)] == ids[:2]
    assert [update.update_id for update in await bot("getUpdates")] == ids
    assert [update.update_id for update in await bot("getUpdates", offset=ids[1])] == ids[1:]
    assert [update.update_id for update in await bot("getUpdates", offset=-1)] == ids[2:]
    assert await bot("getUpdates", offset=ids[2] + 1) == []


async def test_only_allowed_kinds_of_updates_are_delivered(api: FakeTelegram, bot: Bot) -> None:
    await bot("getUpdates", allowed_updates=["callback_query"])
    api.person().say("hola")
    api.person().forge("x")
    assert [update.kind for update in await bot("getUpdates")] == ["callback_query"]


async def test_faults_can_be_injected(api: FakeTelegram, bot: Bot, person: Person) -> None:
    api.fail("sendMessage", status=429, retry_after=7)
    with pytest.raises(ClientError, match="TelegramRetryAfter") as caught:
        await bot("sendMessage", chat_id=person.id, text="x")
    assert caught.value.retry_after == 7
    api.fail("sendMessage", status=500)
    with pytest.raises(ClientError, match="TelegramServerError"):
        await bot("sendMessage", chat_id=person.id, text="x")
    for done in (False, True):
        api.fail("sendMessage", reset=True, done=done)
        with pytest.raises(ClientError, match="TelegramNetworkError"):
            await bot("sendMessage", chat_id=person.id, text=f"{done}")
    assert [message.text for message in person.read()] == ["True"]


async def test_a_hanging_request_is_released(api: FakeTelegram, bot: Bot, person: Person) -> None:
    release = asyncio.Event()
    fault = api.fail("sendMessage", hang=release, done=True)
    sending = asyncio.create_task(bot("sendMessage", chat_id=person.id, text="x"))
    await fault.met.wait()
    assert person.last_text() == "x"
    release.set()
    with pytest.raises(ClientError, match="TelegramNetworkError"):
        await sending
