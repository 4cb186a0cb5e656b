"""The statistics computed in the simplest way: from all prompts and answers, one by one."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, select

from storage.database import Transaction
from storage.reports import statistics
from storage.reports.statistics import Cell, InstitutionCount
from storage.schema import answers, institutions, prompts, servants


@dataclass(frozen=True)
class NaiveCounts:
    """All prompts and answers, read into lists."""

    institutions: Sequence[Row[Any]]
    servants: Sequence[Row[Any]]
    prompts: Sequence[Row[Any]]
    answers: Sequence[Row[Any]]

    @classmethod
    async def of(cls, tx: Transaction) -> "NaiveCounts":
        tables = (institutions, servants, prompts, answers)
        return cls(*[(await tx.execute(select(table))).all() for table in tables])

    def by_institution(self, first: date, last: date) -> list[InstitutionCount]:
        home = {one.id: one.institution_id for one in self.servants}
        found = []
        for place in sorted(self.institutions, key=lambda one: one.name):
            enrolled = sum(one.institution_id == place.id and one.state != "left" for one in self.servants)
            asked = sum(home[one.servant_id] == place.id and first <= one.day <= last for one in self.prompts)
            given = [one for one in self.answers if one.institution_id == place.id and first <= one.day <= last]
            people, right = {one.servant_id for one in given}, sum(one.is_right for one in given)
            if enrolled or given:
                numbers = (enrolled, len(people), asked, len(given), right)
                found.append(InstitutionCount(place.code, place.name, place.sphere, place.is_fictional, *numbers))
        return found

    def by_topic(self, first: date, last: date, code: str | None) -> list[Cell]:
        people: dict[str, set[int]] = defaultdict(set)
        given: Counter[str] = Counter()
        right: Counter[str] = Counter()
        for one in self.answers:
            if first <= one.day <= last and one.institution_id in self._ids(code):
                people[one.topic_id].add(one.servant_id)
                given[one.topic_id] += 1
                right[one.topic_id] += one.is_right
        return [Cell(topic, len(people[topic]), given[topic], right[topic]) for topic in sorted(given)]

    def by_day(self, first: date, last: date, code: str | None) -> list[tuple[date, int, int]]:
        here = {one.id for one in self.servants if one.institution_id in self._ids(code)}
        answered = {one.prompt_id for one in self.answers}
        days: dict[date, list[bool]] = defaultdict(list)
        for one in self.prompts:
            if first <= one.day <= last and one.servant_id in here:
                days[one.day].append(one.id in answered)
        return [(day, sum(days[day]), len(days[day])) for day in sorted(days)]

    def _ids(self, code: str | None) -> set[int]:
        return {one.id for one in self.institutions if code in (None, one.code)}


async def check(tx: Transaction, spans: Sequence[tuple[date, date]]) -> None:
    """Assert that the statistics equal the naive counts."""
    made = await NaiveCounts.of(tx)
    codes = [None, "NOWHERE", *(one.code for one in made.institutions)]
    for first, last in spans:
        assert await statistics.by_institution(tx, first, last) == made.by_institution(first, last)
        for code in codes:
            assert await statistics.by_topic(tx, first, last, code) == made.by_topic(first, last, code)
            assert await statistics.by_day(tx, first, last, code) == made.by_day(first, last, code)
