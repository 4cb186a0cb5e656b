"""The daily prompt: who is due and when, expiry, and its content."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from content.text import LANGUAGES
from handlers.context import WorkContext
from handlers.learning import daily
from handlers.message import UpdateKind
from storage import schema
from storage.people import closures, servants
from storage.people.closures import Closure
from tests.cast import ANA, BETO, MONDAY_NINE
from tests.handlers.conversation import INSTALLATION, Talk, choices, text_of


async def test_the_daily_prompt_is_planned_once_however_often_the_clock_ticks(talk: Talk) -> None:
    await talk.enrol(ANA, hour=10)
    talk.clock.move(days=1)  # Tuesday 9:00
    assert await talk.tick() == 0
    talk.clock.move(hours=1)
    assert [await talk.tick() for _ in range(3)] == [1, 0, 0]
    replies = await talk.unread(ANA)
    assert len(replies) == 1
    assert choices(replies) == [f"answer:{await talk.prompt(ANA)}:{letter}" for letter in "abc"]
    talk.clock.move(hours=2)
    assert await talk.tick() == 0


async def test_a_prompt_requested_before_the_hour_is_not_sent_again(talk: Talk) -> None:
    await talk.enrol(ANA, hour=12)
    talk.clock.move(days=1)
    prompt = text_of(await talk.command(ANA, "hoy"))
    assert text_of(await talk.command(ANA, "hoy")) == prompt
    talk.clock.move(hours=4)
    assert await talk.tick() == 0


async def test_each_servant_is_sent_the_prompt_at_their_own_hour(talk: Talk) -> None:
    await talk.enrol(ANA, hour=9)
    await talk.enrol(BETO, hour=11)
    talk.clock.move(days=1)
    planned = []
    for _ in range(4):
        planned.append(await talk.tick())
        talk.clock.move(hours=1)
    assert planned == [1, 0, 1, 0]


MOMENTS = {
    "Saturday": ("2026-11-28T16:00", 0),
    "Sunday": ("2026-11-29T16:00", 0),
    "a rest day (25 December)": ("2026-12-25T16:00", 0),
    "before the hour": ("2026-11-24T14:59", 0),
    "at the hour": ("2026-11-24T15:00", 1),
    "late, but before the sending hours end": ("2026-11-25T00:59", 1),  # 18:59 of the 24th
    "when the sending hours have ended": ("2026-11-25T01:00", 0),  # 19:00
    "at night, when UTC is a day ahead": ("2026-11-25T05:30", 0),
}


async def test_no_prompt_is_planned_on_days_off_or_outside_sending_hours(talk: Talk) -> None:
    for name, (moment, planned) in MOMENTS.items():
        async with talk.database.write() as tx:
            for table in ("addresses", "prompts", "servants"):
                await tx.exec_driver_sql(f"DELETE FROM {table}")
        talk.clock.moment = MONDAY_NINE
        await talk.enrol(ANA)
        talk.clock.moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)
        assert await talk.tick() == planned, name


async def test_no_prompt_is_planned_while_the_institution_is_closed(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.enrol(BETO)
    known = await talk.servant(ANA)
    assert known is not None
    talk.clock.move(days=1)
    async with talk.database.write() as tx:
        await closures.store(tx, [Closure(known.institution_id, talk.now.date())])
    assert await talk.tick() == 1
    assert await talk.unread(BETO)
    talk.clock.move(days=1)
    async with talk.database.write() as tx:
        await closures.store(tx, [Closure(None, talk.now.date())])
    assert await talk.tick() == 0


CLOSED = {  # on Tuesday 24 November 2026, a day before or after it; whether Ana of LEON gets a prompt that day
    "her institution": ("LEON", 0, False),
    "her institution, the day before": ("LEON", -1, True),
    "another institution": ("SALUD", 0, True),
    "all institutions": (None, 0, False),
    "all institutions, the day after": (None, 1, True),
}


@pytest.mark.parametrize("hour", [9, 18])  # at 18:00 the next day has begun in UTC
@pytest.mark.parametrize("name", CLOSED)
async def test_who_is_closed_on_a_day_gets_no_prompt_that_day(talk: Talk, name: str, hour: int) -> None:
    code, days, is_planned = CLOSED[name]
    await talk.enrol(ANA)
    talk.clock.move(days=1, hours=hour - 9)
    async with talk.database.write() as tx:
        institution = await servants.institution_by_code(tx, code) if code else None
        day = date(2026, 11, 24 + days)
        await closures.store(tx, [Closure(institution.id if institution else None, day)])
    assert await talk.tick() == int(is_planned)


async def test_a_pause_ends_on_its_day(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.press(ANA, "profile:pause:7")
    planned = []
    for _ in range(8):
        talk.clock.move(days=1)
        planned.append(await talk.tick())
    assert planned == [0, 0, 0, 0, 0, 0, 1, 1]  # Monday to Monday
    await talk.press(ANA, "profile:pause:0")
    talk.clock.move(days=1)
    assert await talk.tick() == 0
    await talk.press(ANA, "profile:resume")
    assert await talk.tick() == 1


async def test_a_prompt_expires_in_the_evening(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.clock.move(days=1)
    await talk.tick()
    async with talk.database.read() as tx:
        rows = schema.deliveries
        (row,) = (await tx.execute(select(rows.c.deadline, rows.c.key).where(rows.c.kind == "prompt"))).all()
    assert row.deadline.astimezone(INSTALLATION.timezone).isoformat() == "2026-11-24T19:00:00-06:00"
    assert row.key.startswith("daily:2026-11-24:")


async def test_a_servant_who_is_no_longer_due_is_skipped(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.enrol(BETO)
    talk.clock.move(days=1)
    async with talk.database.read() as tx:
        (found,) = await daily.find_due(WorkContext(tx, talk.library, INSTALLATION, talk.now))
    await talk.press(ANA, "profile:pause:7")
    planned = []
    for group in [*found.batches(1), found]:
        async with talk.database.write() as tx:
            planned.append(await daily.plan_prompts(WorkContext(tx, talk.library, INSTALLATION, talk.now), group))
    assert planned == [0, 1, 0]
    assert await talk.unread(BETO)


async def test_todays_prompt_can_be_requested_on_a_day_off(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.clock.move(days=5)  # Saturday
    assert choices(await talk.command(ANA, "hoy"))[0].startswith("answer:")
    number = await talk.prompt(ANA)
    await talk.press(ANA, f"answer:{number}:a")
    assert text_of(await talk.command(ANA, "hoy")) == talk.phrase("prompt.answered_today")


async def test_an_unanswered_scenario_is_not_repeated(talk: Talk) -> None:
    await talk.enrol(ANA)
    for _ in range(7):
        talk.clock.move(days=1)
        await talk.tick()
    async with talk.database.read() as tx:
        planned = (await tx.scalars(select(schema.prompts.c.scenario_id))).all()
    assert len(planned) == len(set(planned)) == 6


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_prompt_is_in_the_servants_language(talk: Talk, language: str) -> None:
    await talk.enrol(ANA, language=language)
    talk.clock.move(days=1)
    await talk.tick()
    (parcel,) = await talk.unread(ANA)
    scenarios = talk.library.scenarios.values()
    situations = {scenario.situation.in_language(language) for scenario in scenarios}
    assert any(situation in parcel.text for situation in situations)
    hints = {option.text.in_language(language) for scenario in scenarios for option in scenario.options}
    assert all(button.hint in hints for row in parcel.rows for button in row)


async def test_a_course_without_scenarios_says_so_and_plans_nothing(talk: Talk) -> None:
    await talk.enrol(ANA)
    talk.library = replace(talk.library, scenarios={})
    talk.clock.move(days=1)
    assert await talk.tick() == 0
    assert text_of(await talk.send_update(ANA, UpdateKind.COMMAND, command="hoy")) == talk.phrase("prompt.none")
