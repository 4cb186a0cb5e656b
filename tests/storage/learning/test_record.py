"""Prompts and answers, on both databases."""

import asyncio
from dataclasses import replace
from datetime import date, timedelta

import pytest

from storage.database import Database, Transaction, open_database
from storage.learning import record
from storage.learning.record import Answer, PastPrompt, Prompt
from storage.people import servants
from tests.cast import MONDAY_NINE as NOW

TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)


async def add_servant(tx: Transaction, code: str = "LEON") -> tuple[int, int]:
    """A servant and their institution."""
    await servants.add_institution(tx, code, code, "municipal")
    place = await servants.institution_by_code(tx, code)
    assert place is not None
    return await servants.add_fictional(tx, place.id, "1", NOW, TODAY), place.id


def answer_to(prompt: Prompt, place: int, option: str = "a", after: int = 0) -> Answer:
    return Answer(
        prompt_id=prompt.id,
        servant_id=prompt.servant_id,
        institution_id=place,
        topic_id="topic",
        competency_id=prompt.competency_id,
        scenario_id=prompt.scenario_id,
        option=option,
        is_right=option == "a",
        confidence=None,
        day=prompt.day,
        answered_at=NOW + timedelta(minutes=after),
    )


async def add_prompt(tx: Transaction, servant: int, day: date, scenario: str = "s1", competency: str = "c1") -> Prompt:
    prompt = await record.plan(tx, servant, day, scenario, competency, "new")
    assert prompt is not None
    return prompt


async def test_a_servant_has_one_prompt_a_day(database: Database) -> None:
    async with database.write() as tx:
        ana, _ = await add_servant(tx)
        first = await add_prompt(tx, ana, TODAY)
        assert await record.plan(tx, ana, TODAY, "s2", "c2", "due") is None
        assert await record.prompt_of_day(tx, ana, TODAY) == first
        assert await record.prompt(tx, first.id) == first
        assert await record.prompt_of_day(tx, ana, TODAY + DAY) is None
        assert await record.prompt(tx, first.id + 1) is None


async def test_two_workers_plan_one_prompt_for_the_same_day(database: Database, database_url: str) -> None:
    async with database.write() as tx:
        ana, _ = await add_servant(tx)
    other = open_database(database_url)

    async def plan(mine: Database) -> bool:
        async with mine.write() as tx:
            return await record.plan(tx, ana, TODAY, "s", "c", "new") is not None

    made = await asyncio.gather(*(plan(one) for one in (database, other) * 4))
    await other.close()
    assert sum(made) == 1


async def test_the_first_answer_counts_and_stays(database: Database) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        prompt = await add_prompt(tx, ana, TODAY)
        assert await record.answer(tx, prompt.id) is None
        first = answer_to(prompt, place, "b")
        assert await record.add_answers(tx, [first])
        assert not await record.add_answers(tx, [answer_to(prompt, place, "a")])
        assert await record.answer(tx, prompt.id) == first


async def test_concurrent_button_presses_store_one_answer(database: Database, database_url: str) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        prompt = await add_prompt(tx, ana, TODAY)
    other = open_database(database_url)

    async def press(mine: Database, option: str) -> str | None:
        async with mine.write() as tx:
            return option if await record.add_answers(tx, [answer_to(prompt, place, option)]) else None

    pressed = await asyncio.gather(*(press(mine, option) for option in "abc" for mine in (database, other)))
    await other.close()
    (kept,) = [option for option in pressed if option]
    async with database.read() as tx:
        given = await record.answer(tx, prompt.id)
    assert given is not None
    assert given.option == kept


async def test_confidence_is_stored_once_and_only_for_an_answer(database: Database) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        prompt = await add_prompt(tx, ana, TODAY)
        assert not await record.set_confidence(tx, prompt.id, "sure")
        await record.add_answers(tx, [answer_to(prompt, place)])
        assert await record.set_confidence(tx, prompt.id, "guess")
        assert not await record.set_confidence(tx, prompt.id, "sure")
        given = await record.answer(tx, prompt.id)
        assert given is not None
        assert given.confidence == "guess"


async def test_answers_are_returned_oldest_first(database: Database) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        made = []
        for days, competency, after in ((0, "c1", 30), (1, "c2", 10), (2, "c1", 20)):
            prompt = await add_prompt(tx, ana, TODAY + days * DAY, "s", competency)
            made.append(answer_to(prompt, place, after=after))
            await record.add_answers(tx, [made[-1]])
        assert await record.answers_of(tx, ana) == [made[1], made[2], made[0]]


async def test_a_history_has_every_prompt_with_its_answer_or_none(database: Database) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        beto, _ = await add_servant(tx)
        carla, _ = await add_servant(tx)
        later = await add_prompt(tx, ana, TODAY + DAY, "s2", "c2")
        first = await add_prompt(tx, ana, TODAY, "s1", "c1")
        await add_prompt(tx, carla, TODAY)
        answered = replace(answer_to(first, place, "b", after=5), day=TODAY + 3 * DAY)
        await record.add_answers(tx, [answered])
        await record.set_confidence(tx, first.id, "sure")
        found = await record.histories(tx, [ana, beto])
    one = PastPrompt(first.id, TODAY, "s1", "c1", "new", answered.day, answered.answered_at, False, "sure")
    assert found == {ana: [one, PastPrompt(later.id, later.day, "s2", "c2", "new", None, None, None, None)], beto: []}


async def test_the_last_answer_to_a_rule_is_one_of_an_earlier_day(database: Database) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        beto, _ = await add_servant(tx)
        made = {}
        for days, competency, answers in ((0, "c1", True), (1, "c1", True), (2, "c1", False), (3, "c2", True)):
            made[days] = await add_prompt(tx, ana, TODAY + days * DAY, f"s{days}", competency)
            if answers:
                await record.add_answers(tx, [answer_to(made[days], place)])
        await record.add_answers(tx, [answer_to(await add_prompt(tx, beto, TODAY), place)])
        last = await add_prompt(tx, ana, TODAY + 4 * DAY, "s4", "c1")
        late = replace(answer_to(made[2], place, "b", after=9), day=last.day)
        await record.add_answers(tx, [answer_to(last, place), late])
        assert await record.last_answered_before(tx, last) == answer_to(made[1], place)
        assert await record.last_answered_before(tx, made[0]) is None
        assert await record.last_answered_before(tx, made[3]) is None


async def test_a_fictional_history_stores_each_answer_with_its_own_prompt(database: Database) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
        past = []
        for days in (0, 1, 1):  # the repeated day is not added
            prompt = Prompt(0, ana, TODAY + days * DAY, f"s{days}", "c1", "fictional")
            past.append((prompt, answer_to(prompt, place)))
        await record.add_history(tx, past)
        kept = await record.answers_of(tx, ana)
        assert [one.scenario_id for one in kept] == ["s0", "s1"]
        for one in kept:
            prompt_kept = await record.prompt(tx, one.prompt_id)
            assert prompt_kept is not None
            assert (prompt_kept.day, prompt_kept.scenario_id) == (one.day, one.scenario_id)


@pytest.mark.parametrize("option", ["a", "b"])
async def test_an_answer_needs_a_stored_prompt(database: Database, option: str) -> None:
    async with database.write() as tx:
        ana, place = await add_servant(tx)
    forged = Prompt(4711, ana, TODAY, "s", "c", "new")

    async def forge() -> None:
        async with database.write() as tx:
            await record.add_answers(tx, [answer_to(forged, place, option)])

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await forge()
