"""Refusals that may pass silence no one: people who are not reached, unknown codes, and a clock that was wrong once."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession
from sqlalchemy import select, update

from content.library import Library
from handlers.learning import daily
from storage import schema
from storage.channels import channel_facts
from storage.database import Database
from storage.people import addresses, refusals
from tests.cast import Clock
from tests.phones.whatsapp import WhatsAppPhone
from tests.product import Product, running

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOT_ON_WHATSAPP, NAME_NOT_APPROVED, THROTTLED = 131026, 131037, 130429
FOR_EVER = 100_000
TAP = "Ver la pregunta"


@pytest.fixture
async def shop(
    database: Database, database_url: str, tmp_path: Path, library: Library, clock: Clock
) -> AsyncIterator[Product]:
    """The whole product, on each database."""
    assert database is not None, "emptied"
    async with running(database_url, tmp_path, library, clock) as product:
        product.meta.pair_rate = False  # its clock is ours, which some of these tests set back
        yield product


async def enrol(product: Product, *numbers: int) -> list[WhatsAppPhone]:
    """People on WhatsApp who are asked at 9:00; it is Tuesday, 15 minutes after that, and they wrote yesterday."""
    phones = [product.whatsapp(number) for number in numbers]
    for phone in phones:
        await phone.start("LEON")
        await phone.tap("Acepto")
        await phone.tap("9:00")
    product.clock.move(days=1, minutes=15)
    return phones


def refuse(product: Product, code: int) -> None:
    """Let WhatsApp refuse every message from now on."""
    product.meta.fail("messages", code=code, times=FOR_EVER)


def accept(product: Product) -> None:
    product.meta.faults.clear()


def prompts(phone: WhatsAppPhone) -> int:
    """How often a template announced a prompt."""
    return sum(TAP in [label.text for label in note.labels] for note in phone.person.read())


async def faults(product: Product) -> list[str]:
    """Why prompts did not leave."""
    rows = schema.deliveries
    statement = select(rows.c.fault).where(rows.c.kind == "prompt", rows.c.fault.is_not(None)).order_by(rows.c.id)
    async with product.app.database.read() as tx:
        return list((await tx.scalars(statement)).all())


async def ready(product: Product) -> tuple[int, list[str]]:
    """The status of /health/ready, and what is degraded."""
    async with ClientSession() as session, session.get(f"{product.address}/health/ready") as answer:
        return answer.status, (await answer.json())["degraded"]


# ---------------------------------------------------------------- people who are not reached


async def test_a_person_who_was_not_reached_once_is_asked_on_the_next_day(shop: Product) -> None:
    (ana,) = await enrol(shop, 1001)
    refuse(shop, NOT_ON_WHATSAPP)
    assert await shop.tick() == 1
    accept(shop)
    assert (prompts(ana), await faults(shop)) == (0, [refusals.NOT_REACHED])
    async with shop.app.database.read() as tx:
        assert await refusals.count_waiting(tx, shop.clock().date()) == {"whatsapp": 1}
    shop.clock.move(hours=2)
    assert await shop.tick() == 0
    shop.clock.move(days=1, hours=-2)
    assert await shop.tick() == 1
    assert prompts(ana) == 1
    shop.clock.move(days=1)
    assert await shop.tick() == 1
    async with shop.app.database.read() as tx:
        found = await addresses.find(tx, "whatsapp", "MX.1001")
        assert found is not None
        assert not found.has_refusals, "what arrived ended the series"


async def test_repeated_refusals_silence_a_person_until_they_write(shop: Product) -> None:
    (ana,) = await enrol(shop, 1001)
    refuse(shop, NOT_ON_WHATSAPP)
    asked_on = []
    for day in range(28):
        before = len(shop.meta.calls)
        await shop.tick()
        if len(shop.meta.calls) > before:
            asked_on.append(day)
        shop.clock.move(days=1)
    assert asked_on == [0, 1, 3, 7, 14], "Tuesday, Wednesday, Friday, Tuesday, Tuesday"
    accept(shop)
    await ana.type("hola")
    assert ana.messages()
    shop.clock.move(days=1)
    assert await shop.tick() == 1
    assert prompts(ana) == 1


async def test_what_did_not_reach_a_person_is_sent_with_the_reply_when_they_write(shop: Product) -> None:
    (ana,) = await enrol(shop, 1001)
    await ana.type("ayuda")
    before = len(ana.messages())
    refuse(shop, NOT_ON_WHATSAPP)
    await ana.type("avance")
    accept(shop)
    assert len(ana.messages()) == before, "the reply waits"
    shop.clock.move(hours=3)
    await ana.type("ayuda")
    assert len(ana.messages()) == before + 2, "it holds up nothing, and is not lost"
    async with shop.app.database.read() as tx:
        assert await refusals.count_waiting(tx, shop.clock().date()) == {}


async def test_a_block_silences_at_once(shop: Product) -> None:
    phone = shop.telegram()
    await phone.start("LEON")
    await phone.tap("Acepto")
    await phone.tap("9:00")
    shop.clock.move(days=1)
    phone.person.has_blocked = True
    assert await shop.tick() == 1
    async with shop.app.database.read() as tx:
        found = await addresses.find(tx, "telegram", str(phone.person.id))
    assert found is not None
    assert not found.is_reachable


# ---------------------------------------------------------------- codes that no table knows


async def test_an_unknown_code_on_every_prompt_pauses_prompts_and_loses_none(shop: Product) -> None:
    phones = await enrol(shop, 1001, 1002, 1003, 1004)
    refuse(shop, NAME_NOT_APPROVED)
    assert await shop.tick() == 4
    assert await ready(shop) == (200, ["whatsapp prompt"])
    shop.clock.move(minutes=10)
    calls = len(shop.meta.calls)
    await shop.tick()
    assert (len(shop.meta.calls), await ready(shop)) == (calls, (200, ["whatsapp prompt"]))
    shop.clock.move(minutes=6)
    await shop.tick()
    assert len(shop.meta.calls) == calls + 3, "three are tried, one by one, and it pauses for half an hour"
    shop.clock.move(minutes=29)
    await shop.tick()
    assert len(shop.meta.calls) == calls + 3
    accept(shop)
    shop.clock.move(minutes=2)
    await shop.tick()
    assert [prompts(phone) for phone in phones] == [1, 1, 1, 1]
    assert await ready(shop) == (200, [])
    shop.clock.move(hours=2)
    await shop.tick()
    assert [prompts(phone) for phone in phones] == [1, 1, 1, 1]


async def test_an_unknown_code_reported_later_pauses_prompts_and_each_is_sent_again(shop: Product) -> None:
    phones = await enrol(shop, 1001, 1002, 1003, 1004)
    assert await shop.tick() == 4
    for phone in phones:
        await shop.meta.report(phone.person.read()[-1], "failed", NAME_NOT_APPROVED)
    await shop.settle()
    assert await ready(shop) == (200, ["whatsapp prompt"])
    shop.meta.auto_statuses = True
    shop.clock.move(minutes=14)
    await shop.tick()
    assert [prompts(phone) for phone in phones] == [1, 1, 1, 1]
    shop.clock.move(minutes=2)
    await shop.tick()
    assert [prompts(phone) for phone in phones] == [2, 2, 2, 1], "three are tried, and looked after"
    shop.clock.move(minutes=1)
    await shop.tick()
    assert [prompts(phone) for phone in phones] == [2, 2, 2, 2]
    assert await ready(shop) == (200, [])
    shop.clock.move(hours=2)
    await shop.tick()
    assert [prompts(phone) for phone in phones] == [2, 2, 2, 2]


async def test_failures_among_messages_that_arrived_pause_nothing(shop: Product) -> None:
    phones = await enrol(shop, 1001, 1002, 1003, 1004, 1005)
    assert await shop.tick() == 5
    *bad, good = phones
    for phone in bad[:2]:
        await shop.meta.report(phone.person.read()[-1], "failed", NAME_NOT_APPROVED)
    await shop.meta.report(good.person.read()[-1], "delivered")
    for phone in bad[2:]:
        await shop.meta.report(phone.person.read()[-1], "failed", NAME_NOT_APPROVED)
    await shop.settle()
    assert await ready(shop) == (200, [])
    shop.clock.move(hours=1)
    await shop.tick()
    assert [prompts(phone) for phone in phones] == [1] * 5, "what was bad by itself is not sent again"


async def test_who_watches_sees_what_pauses_and_who_is_tried_again(shop: Product) -> None:
    await enrol(shop, 1001, 1002, 1003)
    refuse(shop, NAME_NOT_APPROVED)
    await shop.tick()
    async with ClientSession() as session, session.get(f"{shop.address}/metrics") as answer:
        text = await answer.text()
    assert 'integra_kind_paused{channel="whatsapp",kind="prompt"} 1.0' in text
    accept(shop)
    refuse(shop, NOT_ON_WHATSAPP)
    shop.clock.move(minutes=20)
    await shop.settle()
    async with ClientSession() as session, session.get(f"{shop.address}/metrics") as answer:
        text = await answer.text()
    assert 'integra_recipients_retrying{channel="whatsapp"} 3.0' in text


# ---------------------------------------------------------------- one tick with a wrong clock


@pytest.mark.parametrize("is_sent", [True, False], ids=["sent", "planned only"])
async def test_one_tick_in_the_next_year_silences_no_one(shop: Product, is_sent: bool) -> None:
    (ana,) = await enrol(shop, 1001)
    beto = shop.telegram()
    await beto.start("LEON")
    await beto.tap("Acepto")
    await beto.tap("9:00")
    today = shop.clock.moment
    shop.clock.moment = today + 364 * DAY
    planned = await shop.tick() if is_sent else await shop.app.scheduler.plan(shop.clock())
    assert planned == 2
    shop.clock.moment = today + DAY
    before = prompts(ana), len(beto.messages())
    assert await shop.tick() == 2
    assert (prompts(ana), len(beto.messages())) == (before[0] + 1, before[1] + 1)
    shop.clock.move(minutes=15)
    assert await shop.tick() == 0, "once"
    shop.clock.move(days=1)
    assert await shop.tick() == 2


async def test_one_tick_of_the_day_before_takes_no_prompt_of_today_away(shop: Product) -> None:
    (ana,) = await enrol(shop, 1001)
    refuse(shop, THROTTLED)
    assert await shop.tick() == 1
    shop.clock.move(days=-1)
    await shop.app.scheduler.tick(shop.clock())
    shop.clock.move(days=1, minutes=15)
    accept(shop)
    assert await shop.tick() == 1, "planned again"
    assert prompts(ana) == 1
    shop.clock.move(days=1)
    assert await shop.tick() == 1


async def test_templates_of_a_wrong_clock_use_up_no_limit(shop: Product) -> None:
    (ana,) = await enrol(shop, 1001)
    shop.meta.set_messaging_limit(1)
    await shop.settle()
    today = shop.clock.moment
    shop.clock.moment = today + 364 * DAY
    assert await shop.tick() == 1
    shop.clock.moment = today
    async with shop.app.database.write() as tx:
        await tx.execute(update(schema.addresses).values(deferred_on=(today + 364 * DAY).date()))
        assert (await channel_facts.recipient_limit(tx, "whatsapp")).recipients == 1
    assert await shop.tick() == 1
    assert prompts(ana) == 2


async def test_a_lease_of_a_wrong_clock_holds_up_no_one(shop: Product) -> None:
    (ana,) = await enrol(shop, 1001)
    async with shop.app.database.write() as tx:
        work = shop.app.scheduler._work(tx, shop.clock())
        (group, outside) = await daily.find_due(work)
        assert await daily.plan_prompts(work, outside) + await daily.plan_prompts(work, group) == 1
        lease = {"state": "claimed", "worker": "dead", "lease_until": shop.clock() + 364 * DAY}
        await tx.execute(update(schema.deliveries).where(schema.deliveries.c.kind == "prompt").values(**lease))
    await shop.tick()
    assert prompts(ana) == 1
