"""Statistics of reports, compared with naive counts, on both databases."""

import random
from collections import Counter, defaultdict
from datetime import date, timedelta

import pytest

from storage.database import Database, Transaction
from storage.learning import record
from storage.learning.record import Answer, Prompt
from storage.people import servants
from storage.people.servants import Institution
from storage.reports import statistics
from storage.reports.statistics import Cell, InstitutionCount
from tests.cast import MONDAY_NINE as NOW

FIRST = date(2026, 11, 2)
DAYS = 12
TOPICS = ("codigo", "conflicto", "valores")
BODIES = (("LEON", "León", "municipal"), ("SALUD", "Salud", "state"), ("ATARJEA", "Atarjea", "municipal"))


class Generated:
    """Random institutions, servants, prompts and answers, in the database and in plain lists."""

    def __init__(self) -> None:
        self.bodies: dict[int, Institution] = {}
        self.home: dict[int, int] = {}
        self.prompts: list[Prompt] = []
        self.answers: list[Answer] = []
        self.left: set[int] = set()

    async def fill(self, tx: Transaction, seed: int) -> None:
        chance = random.Random(seed)
        for code, name, sphere in BODIES:
            await servants.add_institution(tx, code, name, sphere, is_fictional=code == "SALUD")
        self.bodies = {one.id: one for one in await servants.all_institutions(tx)}
        for place in self.bodies:
            for _ in range(chance.randint(0, 6)):
                self.home[await servants.add_fictional(tx, place, "1", NOW, FIRST)] = place
        for servant, place in self.home.items():
            for number in range(DAYS):
                if chance.random() < 0.7:
                    await self._ask(tx, chance, servant, place, FIRST + timedelta(days=number))
        for servant in list(self.home)[::4]:
            await servants.leave(tx, servant)
            self.left.add(servant)
        answered = {one.prompt_id for one in self.answers}
        self.prompts = [one for one in self.prompts if one.servant_id not in self.left or one.id in answered]

    async def _ask(self, tx: Transaction, chance: random.Random, servant: int, place: int, day: date) -> None:
        prompt = await record.plan(tx, servant, day, "s", "c", "new")
        assert prompt is not None
        self.prompts.append(prompt)
        if chance.random() < 0.6:
            right, topic = chance.random() < 0.5, chance.choice(TOPICS)
            answer = Answer(prompt.id, servant, place, topic, "c", "s", "a", right, None, day, NOW)
            assert await record.add_answers(tx, [answer])
            self.answers.append(answer)

    # ------------------------------------------------------------ naive counts

    def by_institution(self, first: date, last: date) -> list[InstitutionCount]:
        found = []
        for place, body in self.bodies.items():
            given = [one for one in self.answers if one.institution_id == place and first <= one.day <= last]
            asked = [one for one in self.prompts if self.home[one.servant_id] == place and first <= one.day <= last]
            enrolled = [one for one, home in self.home.items() if home == place and one not in self.left]
            if enrolled or given:
                people = {one.servant_id for one in given}
                right = sum(one.is_right for one in given)
                numbers = (len(enrolled), len(people), len(asked), len(given), right)
                found.append(InstitutionCount(body.code, body.name, body.sphere, body.is_fictional, *numbers))
        return sorted(found, key=lambda one: one.name)

    def by_topic(self, first: date, last: date, code: str | None) -> list[Cell]:
        people: dict[str, set[int]] = defaultdict(set)
        given: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for one in self.answers:
            if first <= one.day <= last and code in (None, self.bodies[one.institution_id].code):
                people[one.topic_id].add(one.servant_id)
                given[one.topic_id] += 1
                right[one.topic_id] += one.is_right
        return [Cell(topic, len(people[topic]), given[topic], right[topic]) for topic in sorted(given)]

    def by_day(self, first: date, last: date, code: str | None) -> list[tuple[date, int, int]]:
        answered = {one.prompt_id for one in self.answers}
        days: dict[date, list[bool]] = defaultdict(list)
        for one in self.prompts:
            if first <= one.day <= last and code in (None, self.bodies[self.home[one.servant_id]].code):
                days[one.day].append(one.id in answered)
        return [(day, sum(days[day]), len(days[day])) for day in sorted(days)]


SPANS = [(0, DAYS), (3, 5), (4, 4), (DAYS, DAYS + 9), (5, 4)]


@pytest.mark.parametrize("seed", range(3))
async def test_the_statistics_equal_naive_counts(database: Database, seed: int) -> None:
    made = Generated()
    async with database.write() as tx:
        await made.fill(tx, seed)
    assert len(made.answers) > 20
    assert made.left
    async with database.read() as tx:
        for start, end in SPANS:
            first, last = FIRST + timedelta(days=start), FIRST + timedelta(days=end)
            assert await statistics.by_institution(tx, first, last) == made.by_institution(first, last)
            for code in (None, "LEON", "SALUD", "ATARJEA", "NOWHERE"):
                assert await statistics.by_topic(tx, first, last, code) == made.by_topic(first, last, code)
                assert await statistics.by_day(tx, first, last, code) == made.by_day(first, last, code)


async def test_an_empty_database_counts_nothing(database: Database) -> None:
    async with database.read() as tx:
        assert await statistics.by_institution(tx, FIRST, FIRST) == []
        assert await statistics.by_topic(tx, FIRST, FIRST, None) == []
        assert await statistics.by_day(tx, FIRST, FIRST, None) == []


async def test_an_answer_stays_with_the_institution_in_which_it_was_given(database: Database) -> None:
    made = Generated()
    async with database.write() as tx:
        await made.fill(tx, 1)
        before = await statistics.by_topic(tx, FIRST, FIRST + timedelta(days=DAYS), "LEON")
        (elsewhere,) = [place for place, body in made.bodies.items() if body.code == "ATARJEA"]
        for servant in made.home:
            await servants.change_institution(tx, servant, elsewhere)
        assert before
        assert await statistics.by_topic(tx, FIRST, FIRST + timedelta(days=DAYS), "LEON") == before
