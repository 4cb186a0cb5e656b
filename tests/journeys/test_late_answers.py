"""Answers that arrive late, on every channel: they belong to the prompt that the person saw, and to their day."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest

from content.library import Library
from storage.learning import record
from tests.cast import Clock
from tests.phones.telegram import TelegramPhone
from tests.phones.webchat import WebchatPhone
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product, running

Phone = TelegramPhone | WebchatPhone | WhatsAppPhone
MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)


async def not_now() -> None:
    """The product is away: what a person does waits at the platform, or with us."""


async def enrol(phone: Phone) -> None:
    """Enrol on Monday at 9:00; the first prompt comes at once."""
    await phone.start("LEON")
    await phone.tap("Acepto")
    await phone.tap("9:00")


@pytest.fixture(params=["webchat", "telegram", "whatsapp"])
async def ana(request: pytest.FixtureRequest, product: Product) -> AsyncIterator[Phone]:
    """Ana's phone, enrolled on Monday at 9:00 with Monday's prompt before her."""
    phone: Phone = getattr(product, request.param)()
    product.meta.auto_statuses = True
    async with phone:
        await enrol(phone)
        yield phone
        too_late = "query is too old"  # to acknowledge a press of yesterday, which is no fault of ours
        assert not [refusal for refusal in product.fake_telegram.refusals if too_late not in refusal]
        assert not product.meta.refusals


async def while_away(phone: Phone, action: str, what: str) -> None:
    """Let the person act while the product handles nothing."""
    settle, phone._settle = phone._settle, not_now
    await getattr(phone, action)(what)
    phone._settle = settle


async def tuesday_nine(product: Product) -> None:
    """Send Tuesday's prompts at 9:00; what waits at the platforms is fetched a minute later."""
    product.clock.move(hours=13)
    await product.app.tick(product.clock())
    product.clock.move(minutes=1)
    await product.settle()


async def answers(product: Product) -> list[tuple[date, str, date]]:
    """Of each answer the day of its prompt, the option, and the day on which it counts."""
    async with product.app.database.read() as tx:
        given = await record.answers_of(tx, 1)
        prompts = await record.prompts_of(tx, [one.prompt_id for one in given])
    return [(prompts[one.prompt_id].day, one.option, one.day) for one in given]


async def show_prompt(phone: Phone) -> None:
    """Read today's prompt; where the reply window is closed, tap the button of the template that was sent instead."""
    await phone.look()
    if phone.buttons() == ["Ver la pregunta"]:
        await phone.tap("Ver la pregunta")


async def test_a_letter_of_monday_evening_is_mondays_answer(ana: Phone, product: Product) -> None:
    product.clock.move(hours=11)
    await while_away(ana, "type", "B")
    await tuesday_nine(product)
    assert await answers(product) == [(MONDAY, "b", MONDAY)]
    await ana.look()
    assert any("Qué hacer" in text for text in ana.messages()[-3:])


async def test_a_letter_below_tuesdays_prompt_is_tuesdays_answer(ana: Phone, product: Product) -> None:
    product.clock.move(hours=11)
    await tuesday_nine(product)
    await show_prompt(ana)
    product.clock.move(minutes=1)
    await ana.type("c")
    assert await answers(product) == [(TUESDAY, "c", TUESDAY)]


async def test_a_press_of_monday_evening_counts_on_monday_where_it_is_known(ana: Phone, product: Product) -> None:
    """Telegram dates no press: handled at once after a receipt on Tuesday, it counts on Tuesday."""
    product.clock.move(hours=11)
    await while_away(ana, "tap", "B")
    await tuesday_nine(product)
    day = TUESDAY if isinstance(ana, TelegramPhone) else MONDAY
    assert await answers(product) == [(MONDAY, "b", day)]


async def test_a_second_letter_is_asked_about_and_a_tap_settles_it(ana: Phone, product: Product) -> None:
    product.clock.move(hours=11)
    await tuesday_nine(product)
    await show_prompt(ana)
    product.clock.move(minutes=1)
    await ana.type("a")
    await ana.type("b")
    assert "Ya habías respondido A" in "\n".join(ana.messages()[-2:])
    assert await answers(product) == [(TUESDAY, "a", TUESDAY)]
    await ana.tap("Lunes 23")
    assert sorted(await answers(product)) == [(MONDAY, "b", TUESDAY), (TUESDAY, "a", TUESDAY)]


async def test_a_quoted_question_is_answered_on_telegram(product: Product) -> None:
    async with product.telegram() as ana:
        await enrol(ana)
        monday = ana.person.read()[-1]
        product.clock.move(hours=11)
        await tuesday_nine(product)
        ana.person.say("B", quoting=monday)
        await product.settle()
    assert await answers(product) == [(MONDAY, "b", TUESDAY)]


async def test_a_quoted_question_is_answered_on_whatsapp(product: Product) -> None:
    product.meta.auto_statuses = True
    async with product.whatsapp() as ana:
        await enrol(ana)
        monday = ana.person.read()[-1]
        product.clock.move(hours=11)
        await tuesday_nine(product)
        await ana.tap("Ver la pregunta")
        ana.person.send("text", {"body": "B"}, shown="B", context=monday.wamid)
        await product.settle()
    assert await answers(product) == [(MONDAY, "b", TUESDAY)]


async def test_a_template_that_only_announces_the_question_does_not_show_it(product: Product) -> None:
    """A letter typed below the announcement cannot answer what the person has not read."""
    product.meta.auto_statuses = True
    async with product.whatsapp() as ana:
        await enrol(ana)
        product.clock.move(hours=11)
        await tuesday_nine(product)
        assert ana.buttons() == ["Ver la pregunta"]
        await ana.type("b")
    assert await answers(product) == [(MONDAY, "b", TUESDAY)]


async def test_a_template_that_holds_the_question_shows_it(
    sqlite_url: str, tmp_path: Path, library: Library, clock: Clock
) -> None:
    """With WHATSAPP_PROMPT=direct the person has read it: a letter below it is its answer."""
    async with running(sqlite_url, tmp_path, library, clock, whatsapp_prompt="direct") as product:
        product.meta.auto_statuses = True
        async with product.whatsapp() as ana:
            await enrol(ana)
            product.clock.move(hours=11)
            await tuesday_nine(product)
            product.clock.move(minutes=1)
            await ana.type("b")
        assert await answers(product) == [(TUESDAY, "b", TUESDAY)]
