"""Leaving, and the copy of all data that are stored about a servant."""

from sqlalchemy import func, select

from handlers.account import leave
from storage import schema
from storage.learning import record
from storage.learning.record import Answer, Prompt
from tests.cast import ANA, BETO
from tests.handlers.conversation import CHANNEL, Talk, choices, text_of


async def test_leaving_needs_confirmation_and_can_be_cancelled(talk: Talk) -> None:
    await talk.enrol(ANA)
    assert choices(await talk.command(ANA, "baja")) == ["leave:yes", "leave:no", "profile:pause"]
    assert text_of(await talk.press(ANA, "leave:no")) == talk.phrase("leave.stayed")
    assert choices(await talk.press(ANA, "leave:ask")) == ["leave:yes", "leave:no", "profile:pause"]
    assert await talk.servant(ANA) is not None


async def test_a_pause_is_offered_beside_leaving_to_those_who_are_not_paused(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.command(ANA, "baja")
    assert choices(await talk.press(ANA, "profile:pause"))[0] == "profile:pause:7"
    await talk.press(ANA, "profile:pause:7")
    assert choices(await talk.command(ANA, "baja")) == ["leave:yes", "leave:no"]


async def test_leaving_deletes_personal_data_and_keeps_the_groups_counts(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.enrol(BETO)
    await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:a")
    assert text_of(await talk.press(ANA, "leave:yes")) == talk.phrase("leave.done")
    assert await talk.servant(ANA) is None
    assert await talk.servant(BETO) is not None
    assert await talk.count("answers") == 1
    assert await talk.count("packed_memories") == 1, "that of Beto"
    async with talk.database.read() as tx:
        addresses = (await tx.scalars(select(schema.addresses.c.address))).all()
        row = (await tx.execute(select(schema.servants).where(schema.servants.c.state == "left"))).one()
    assert addresses == [BETO.address]
    assert (row.hour, row.language, row.notice_version) == (0, "es", "")


async def test_after_leaving_every_button_is_a_strangers(talk: Talk) -> None:
    await talk.enrol(ANA)
    number = await talk.prompt(ANA)
    await talk.press(ANA, "leave:yes")
    assert text_of(await talk.press(ANA, f"answer:{number}:a")) == talk.phrase("help.old_button")
    for choice in ("leave:yes", "leave:no", "leave:ask"):
        assert text_of(await talk.press(ANA, choice)) == talk.phrase("leave.nothing"), choice
    assert text_of(await talk.command(ANA, "misdatos")) == talk.phrase("leave.nothing")
    assert await talk.count("answers") == 0
    talk.clock.move(days=1)
    assert await talk.tick() == 0


async def test_enrolling_after_leaving_starts_a_new_record(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:a")
    await talk.press(ANA, "leave:yes")
    await talk.enrol(ANA)
    assert await talk.answers(ANA) == []
    assert await talk.count("servants") == 2


async def test_my_data_shows_all_stored_data(talk: Talk) -> None:
    await talk.enrol(ANA, hour=14)
    number = await talk.prompt(ANA)
    await talk.press(ANA, f"answer:{number}:b")
    await talk.press(ANA, f"sure:{number}:think")
    (given,) = await talk.answers(ANA)
    text = text_of(await talk.command(ANA, "misdatos"))
    phrases = {talk.phrase(f"channel.{CHANNEL}"), talk.phrase("notice.version")}
    for stored in {"Municipio de León", "14:00", "active", "2026-11-23 09:00"} | phrases:
        assert stored in text
    assert f"2026-11-23 · {given.scenario_id} · B · {'✓' if given.is_right else '✗'} · think" in text


async def test_a_year_of_answers_is_shown_in_pages_without_omission(talk: Talk) -> None:
    await talk.enrol(ANA)
    known = await talk.servant(ANA)
    assert known is not None
    scenarios = sorted(talk.library.scenarios.values(), key=lambda scenario: -len(scenario.id))
    past = []
    for number in range(2 * leave.ANSWERS_PER_MESSAGE + 1):
        scenario, day = scenarios[number % len(scenarios)], talk.now.date().replace(year=2020 + number // 300)
        day = day.fromordinal(day.toordinal() - number - 1)
        prompt = Prompt(0, known.id, day, scenario.id, scenario.competency, "new")
        topic = talk.library.topic_of[scenario.competency].id
        past.append(
            (
                prompt,
                Answer(
                    prompt_id=0,
                    servant_id=known.id,
                    institution_id=known.institution_id,
                    topic_id=topic,
                    competency_id=scenario.competency,
                    scenario_id=scenario.id,
                    option="a",
                    is_right=True,
                    confidence="think",
                    day=day,
                    answered_at=talk.now,
                ),
            )
        )
    async with talk.database.write() as tx:
        await record.add_history(tx, past)
    replies = await talk.command(ANA, "misdatos")
    assert len(replies) == 1 + 3
    assert all(len(reply.text) < 4096 for reply in replies)
    assert text_of(replies).count(" · A · ✓ · think") == len(past)


async def test_my_data_shows_no_other_servants_data(talk: Talk) -> None:
    await talk.enrol(ANA)
    await talk.enrol(BETO)
    await talk.press(ANA, f"answer:{await talk.prompt(ANA)}:a")
    text = text_of(await talk.command(BETO, "misdatos"))
    assert "Secretaría de Salud" in text
    assert "Respuestas: 0" in text
    async with talk.database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(schema.answers)) == 1
