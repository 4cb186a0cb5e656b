"""A few servants of some institutions over days: asked, answering, leaving, moving; and days are aggregated."""

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import select

from storage.database import Transaction
from storage.learning import record
from storage.learning.record import Answer, Prompt
from storage.people import linking, servants
from storage.reports import aggregates
from storage.schema import aggregation_state, answer_aggregates, last_answer_days, prompt_aggregates
from tests.cast import MONDAY_NINE as NOW
from tests.storage.reports import naive_counts

DAY = timedelta(days=1)
MONDAY = date(2026, 11, 2)
SPANS = ((0, 0), (0, 3), (2, 2), (1, 9), (4, 30), (-90, 365), (3, 1))
PLACES = ("LEON", "SALUD", "ATARJEA")
TOPICS = ("codigo", "conflicto")


def morning(day: date) -> datetime:
    """The moment at which the day before is over."""
    return datetime.combine(day, time(6))


class Story:
    """A few servants of some institutions, and the current day."""

    def __init__(self, tx: Transaction) -> None:
        self.tx = tx
        self.today = MONDAY
        self.places: list[int] = []
        self.people: list[int] = []

    async def begin(self, people: int = 6) -> "Story":
        for code in PLACES:
            await servants.add_institution(self.tx, code, code.title(), "state")
        self.places = sorted(one.id for one in await servants.all_institutions(self.tx))
        for number in range(people):
            place = self.places[number % 2]
            self.people.append(await servants.add_fictional(self.tx, place, "1", NOW, MONDAY))
        await self.aggregate_next()  # aggregation begins today, and no day is aggregated before tomorrow
        return self

    async def ask(self, who: int) -> None:
        await record.plan(self.tx, self.people[who % len(self.people)], self.today, "s", "c", "new")

    async def answer(self, who: int, back: int, topic: str, *, is_right: bool) -> None:
        """Answer today, to the prompt of so many days ago."""
        servant = await servants.by_id(self.tx, self.people[who % len(self.people)])
        assert servant is not None
        prompt = await record.prompt_of_day(self.tx, servant.id, self.today - back * DAY)
        if prompt is not None:
            given = (prompt.id, servant.id, servant.institution_id, topic, "c", "s", "a", is_right, None)
            await record.add_answers(self.tx, [Answer(*given, self.today, NOW)])

    async def aggregate_next(self) -> date | None:
        return await aggregates.aggregate_next_day(self.tx, morning(self.today))

    async def aggregate_all(self) -> None:
        while await self.aggregate_next():
            pass

    async def leave(self, who: int) -> None:
        await servants.leave(self.tx, self.people[who % len(self.people)])

    async def move(self, who: int, where: int) -> None:
        await servants.change_institution(self.tx, self.people[who % len(self.people)], self.places[where])

    async def merge(self, who: int, whom: int) -> None:
        one, other = self.people[who % len(self.people)], self.people[whom % len(self.people)]
        if one != other:
            await linking.merge(self.tx, one, other)
            self.people.remove(other)

    async def add_history(self, who: int, back: int, topic: str | None) -> None:
        """Add a fictional past day, without an answer if there is no topic."""
        servant = self.people[who % len(self.people)]
        day = self.today - back * DAY
        answer = topic and Answer(0, servant, self.places[who % 3], topic, "c", "s", "a", True, None, day, NOW)
        await record.add_history(self.tx, [(Prompt(0, servant, day, "s", "c", "fictional"), answer or None)])

    async def days(self, number: int, seed: int = 1) -> None:
        """All servants are asked each day, most answer, some of them late; no day is aggregated."""
        chance = random.Random(seed)
        for _ in range(number):
            for who in range(len(self.people)):
                await self.ask(who)
                if chance.random() < 0.7:
                    right = chance.random() < 0.5
                    await self.answer(who, chance.choice((0, 0, 0, 1, 2)), chance.choice(TOPICS), is_right=right)
            self.today += DAY

    async def check(self, spans: Sequence[tuple[int, int]] = SPANS) -> None:
        await naive_counts.check(self.tx, [(MONDAY + one * DAY, MONDAY + other * DAY) for one, other in spans])

    async def aggregate_rows(self) -> list[tuple[Any, ...]]:
        """All rows of the aggregates."""
        statements = (
            select(answer_aggregates).where(answer_aggregates.c.answers != 0).order_by(*answer_aggregates.primary_key),
            select(prompt_aggregates).where(prompt_aggregates.c.asked != 0).order_by(*prompt_aggregates.primary_key),
            select(last_answer_days).order_by(*last_answer_days.primary_key),
            select(aggregation_state),
        )
        found = [(await self.tx.execute(statement)).all() for statement in statements]
        return [tuple(row) for rows in found for row in rows]
