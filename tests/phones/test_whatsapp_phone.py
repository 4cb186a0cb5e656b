"""The phone with WhatsApp shows what a user would see, against a product of a few lines."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.fakes.whatsapp import ACCESS_TOKEN, PHONE_NUMBER_ID, FakeWhatsApp
from tests.phones.whatsapp import WhatsAppPhone, plain

LINK = {"display_text": "Leer más", "url": "http://127.0.0.1:1/c"}


def text_message(text: str) -> dict[str, Any]:
    return {"type": "text", "text": {"body": text}}


def interactive_message(kind: str, text: str, action: dict[str, Any]) -> dict[str, Any]:
    return {"type": "interactive", "interactive": {"type": kind, "body": {"text": text}, "action": action}}


def replies(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Echo a typed text with a button and with a link; the word lista gives a list, a press its button's id."""
    if message["type"] != "text":
        reply = message["interactive"]
        return [text_message(reply[reply["type"]]["id"])]
    text = message["text"]["body"]
    if text == "lista":
        rows = [{"id": f"r:{name}", "title": name, "description": f"Sobre {name}"} for name in ("Uno", "Dos")]
        return [interactive_message("list", "Elige", {"button": "Ver", "sections": [{"rows": rows}]})]
    button = {"type": "reply", "reply": {"id": "yes", "title": "Sí, claro"}}
    return [
        interactive_message("cta_url", "Lee", {"name": "cta_url", "parameters": LINK}),
        interactive_message("button", f"*{text}*", {"buttons": [button]}),
    ]


@pytest.fixture
async def phone() -> AsyncIterator[WhatsAppPhone]:
    async with FakeWhatsApp() as api, aiohttp.ClientSession() as session:

        async def settle() -> None:
            while api.pending:
                (message,) = api.pending.pop(0)["entry"][0]["changes"][0]["value"]["messages"]
                for reply in replies(message):
                    body = {"messaging_product": "whatsapp", "recipient": message["from_user_id"], **reply}
                    headers = {"Authorization": f"Bearer {ACCESS_TOKEN}"}
                    url = f"{api.url}/{PHONE_NUMBER_ID}/messages"
                    async with session.post(url, json=body, headers=headers) as response:
                        assert response.status == 200, await response.text()

        async with WhatsAppPhone(api, settle) as phone:
            yield phone
            assert not api.refusals


async def test_start_type_tap_and_read(phone: WhatsAppPhone) -> None:
    await phone.start("LEON")
    assert phone.messages() == ["Lee", "ALTA LEON"]
    assert phone.buttons() == ["Sí, claro"]
    assert phone.url("Leer") == "http://127.0.0.1:1/c"
    await phone.tap("Sí")
    assert phone.messages()[-1] == "yes"
    await phone.tap("Sí, claro")  # the older message still has the button
    assert phone.messages()[-2:] == ["yes", "yes"]
    assert phone.own() == ["ALTA LEON", "Sí, claro", "Sí, claro"]


async def test_rows_of_a_list_are_pressed_like_buttons(phone: WhatsAppPhone) -> None:
    await phone.start()
    await phone.type("lista")
    assert phone.buttons() == ["Uno", "Dos"]
    await phone.tap("Dos")
    await phone.tap("Sobre Uno")
    assert phone.messages()[-2:] == ["r:Dos", "r:Uno"]
    assert phone.own()[0] == "hola"


async def test_a_missing_button_is_reported_with_those_that_are_there(phone: WhatsAppPhone) -> None:
    await phone.start()
    with pytest.raises(AssertionError, match=r"no button 'Quizá'; there are .*Sí, claro"):
        await phone.tap("Quizá")
    with pytest.raises(AssertionError, match="opens a page"):
        await phone.tap("Leer más")
    with pytest.raises(AssertionError, match="opens no page"):
        phone.url("Sí")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("*Hola*, _Ana_.", "Hola, Ana."),
        ("*uno* y *dos*", "uno y dos"),
        ("*_las dos_*", "las dos"),
        ("2*3*4 y a_b_c", "2*3*4 y a_b_c"),
        ("https://x.example/a_b_c?d=_e_f", "https://x.example/a_b_c?d=_e_f"),
        ("*Abre https://x.example/?t=_e_ ya*", "*Abre https://x.example/?t=_e_ ya*"),
        ("* no *", "* no *"),
        ("*una\nlínea*", "*una\nlínea*"),
    ],
)
def test_bold_and_italic_are_shown_without_their_marks(source: str, shown: str) -> None:
    assert plain(source) == shown
