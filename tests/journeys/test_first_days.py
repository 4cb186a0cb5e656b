"""User journeys on every channel: enrolling, answering, pausing, leaving."""

from collections.abc import AsyncIterator

import pytest

from storage.learning import record
from tests.conftest import count_enrolled
from tests.phones.telegram import TelegramPhone
from tests.phones.webchat import WebchatPhone
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product

Phone = TelegramPhone | WebchatPhone | WhatsAppPhone


@pytest.fixture(params=["webchat", "telegram", "whatsapp"])
async def ana(request: pytest.FixtureRequest, product: Product) -> AsyncIterator[Phone]:
    """Ana's phone, with the browser chat, Telegram or WhatsApp."""
    channel_phone: Phone = getattr(product, request.param)()
    async with channel_phone as phone:
        yield phone
        assert not product.fake_telegram.refusals, "Telegram would have refused a request"
        assert not product.fake_telegram.unanswered, "a press was never acknowledged"
        assert not product.meta.refusals, "WhatsApp would have refused a request"


async def test_with_a_code_the_first_scenario_is_three_taps_away(ana: Phone) -> None:
    await ana.start("LEON")
    assert "Aviso de privacidad" in ana.messages()[-1]
    assert "Municipio de León" in ana.messages()[-1]
    await ana.tap("Acepto")
    await ana.tap("9:00")
    assert ana.buttons() == ["A", "B", "C"]
    await ana.tap("B")
    feedback = ana.messages()[-1]
    assert "LGRA, artículo" in feedback or "artículo" in feedback
    assert "Qué hacer" in feedback


async def test_without_a_code_it_is_four_taps(ana: Phone) -> None:
    await ana.start()
    await ana.tap("1.")
    await ana.tap("Acepto")
    await ana.tap("10:00")
    assert ana.buttons() == ["A", "B", "C"]


async def test_confidence_is_optional_and_recorded_once(ana: Phone, product: Product) -> None:
    await _enrol(ana)
    await ana.tap("A")
    await ana.tap("Adiviné")
    assert "Anotado: Adiviné" in ana.messages()[-1]
    assert "Con seguridad" not in ana.buttons()
    async with product.app.database.read() as tx:
        (answer,) = await record.answers_of(tx, 1)
    assert answer.confidence == "guess"


async def test_one_prompt_is_sent_on_the_next_working_day_at_the_chosen_hour(ana: Phone, product: Product) -> None:
    await _enrol(ana)
    await ana.tap("A")
    product.clock.move(hours=23)  # Tuesday 8:00
    assert await product.tick() == 0
    product.clock.move(hours=1)
    assert await product.tick() == 1
    assert await product.tick() == 0
    await _show_prompt(ana)
    assert ana.buttons() == ["A", "B", "C"]


async def test_no_prompt_is_sent_at_weekends_or_at_night(ana: Phone, product: Product) -> None:
    await _enrol(ana)
    product.clock.move(days=5)  # Saturday
    assert await product.tick() == 0
    product.clock.move(days=2, hours=11)  # Monday 20:00
    assert await product.tick() == 0


async def test_english_from_the_first_message(ana: Phone) -> None:
    await ana.start("LEON")
    await ana.tap("English")
    assert "Privacy notice" in ana.messages()[-1]
    await ana.tap("I accept")
    await ana.tap("9:00")
    await ana.tap("A")
    assert "What to do" in ana.messages()[-1]


async def test_refusing_the_privacy_notice_stores_nothing(ana: Phone, product: Product) -> None:
    await ana.start("LEON")
    await ana.tap("No acepto")
    assert "no te registramos" in ana.messages()[-1]
    async with product.app.database.read() as tx:
        assert await count_enrolled(tx) == 0


async def test_leaving_deletes_the_personal_data(ana: Phone, product: Product) -> None:
    await _enrol(ana)
    await ana.tap("A")
    await ana.type("quiero salir")
    await ana.type("¡Salir!")
    await ana.tap("Sí, darme de baja")
    assert "borramos" in ana.messages()[-1]
    await ana.type("/misdatos")
    assert ana.messages()[-1] == "No tienes registro. De los mensajes de este chat queda la dirección ocho días."
    product.clock.move(days=1)
    assert await product.tick() == 0


async def test_a_pause_ends_after_its_days(ana: Phone, product: Product) -> None:
    await _enrol(ana)
    await ana.type("/pausa")
    await ana.tap("7 días")
    product.clock.move(days=1)
    assert await product.tick() == 0
    product.clock.move(days=6)
    assert await product.tick() == 1


async def test_a_prompt_does_not_interrupt_a_self_assessment(ana: Phone, product: Product) -> None:
    await _enrol(ana)
    await ana.tap("A")
    await ana.type("/consulta")
    await ana.tap("Empezar")
    await ana.tap("No")
    await ana.tap("No")
    product.clock.move(days=1)
    await product.tick()
    await _show_prompt(ana)
    assert ana.buttons() == ["A", "B", "C"]
    await ana.tap("B")
    await ana.tap("Sí")  # the newest "Sí" button still belongs to the third question
    assert "Pregunta 4 de 14" in "\n".join(ana.messages())


async def test_a_self_assessment_ends_in_an_outcome_with_articles_and_a_way_to_ask(ana: Phone) -> None:
    await _enrol(ana)
    await ana.type("/consulta")
    await ana.tap("Empezar")
    for _ in range(14):
        if "Sí" not in ana.buttons():
            break
        await ana.tap("Sí")
    text = "\n".join(ana.messages())
    assert "Es posible que ya exista un conflicto" in text
    assert "artículo 58" in text
    assert ana.buttons()[0] == "Preguntar a UEIPCI"


async def test_an_album_of_pictures_gets_one_answer(product: Product) -> None:
    async with product.telegram() as ana:
        await _enrol(ana)
        before = len(ana.messages())
        ana.person.send_album(10)
        await product.settle()
        assert len(ana.messages()) == before + 1


async def _enrol(phone: Phone) -> None:
    await phone.start("LEON")
    await phone.tap("Acepto")
    await phone.tap("9:00")


async def _show_prompt(phone: Phone) -> None:
    """Read today's prompt; where the reply window is closed, tap the button of the template that was sent instead."""
    await phone.look()
    if phone.buttons() == ["Ver la pregunta"]:
        await phone.tap("Ver la pregunta")
