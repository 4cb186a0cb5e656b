"""The phone with Telegram shows what a user would see, against a product of four lines."""

from collections.abc import AsyncIterator

import pytest

from bot.channels.telegram.channel import Telegram
from handlers.message import Action, Parcel, RenderedButton, UpdateKind
from tests.fakes.telegram import TOKEN, FakeTelegram
from tests.phones.telegram import TelegramPhone


@pytest.fixture
async def phone() -> AsyncIterator[TelegramPhone]:
    async with FakeTelegram() as api:
        telegram = Telegram(TOKEN, api.url)

        async def settle() -> None:
            while api.pending:
                update = telegram.parse(api.pending.pop(0))
                assert update is not None
                if update.kind is UpdateKind.CHOICE:
                    await telegram.send(Parcel(update.address, Action.ACKNOWLEDGE, press=update.press))
                    await telegram.send(Parcel(update.address, Action.REPLACE, text=update.choice, ref=update.ref))
                else:
                    rows = (
                        (RenderedButton("Sí, claro", choice="yes"),),
                        (RenderedButton("Leer más", url="http://127.0.0.1:1/c"),),
                    )
                    await telegram.send(Parcel(update.address, Action.SEND, text=update.text or "¿?", rows=rows))

        async with TelegramPhone(api, settle) as phone:
            yield phone
            assert not api.unanswered
            assert not api.refusals
        await telegram.close()


async def test_start_type_tap_and_read(phone: TelegramPhone) -> None:
    await phone.start("LEON")
    await phone.type("hola")
    assert phone.messages() == ["LEON", "hola"]
    assert phone.buttons() == ["Sí, claro", "Leer más"]
    assert phone.url("Leer") == "http://127.0.0.1:1/c"
    await phone.tap("Sí")
    assert phone.messages() == ["LEON", "yes"]
    await phone.tap("Sí, claro")  # the older message still has the button
    assert phone.messages() == ["yes", "yes"]
    assert phone.buttons() == []
    assert phone.own() == ["/start LEON", "hola"]


async def test_a_missing_button_is_reported_with_those_that_are_there(phone: TelegramPhone) -> None:
    await phone.start()
    with pytest.raises(AssertionError, match=r"no button 'Quizá'; there are .*Sí, claro"):
        await phone.tap("Quizá")
    with pytest.raises(AssertionError, match="opens a page"):
        await phone.tap("Leer más")
    with pytest.raises(AssertionError, match="opens no page"):
        phone.url("Sí")
