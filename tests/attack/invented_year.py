"""An invented year: people of ten institutions who are asked, answer, leave, move, and whose institutions change.

Everything happens through storage, with addresses on a channel that is not for trying out. The same seed gives the
same year. A week is lived by `live`; what happens between weeks is up to the test.
"""

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from content.library import Library
from storage.database import Transaction
from storage.learning import lanes, record
from storage.learning.record import Answer, Prompt
from storage.people import linking, servants

START = date(2026, 1, 5)  # a Monday
WEEKS = 52
DAYS = 3  # of a week on which people are asked: five would only take longer
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
ENROLLED = START - 8 * WEEK
SIZES = {"A": 30, "B": 22, "C": 16, "D": 14, "E": 13, "F": 12, "G": 11, "H": 10, "I": 8, "J": 4, "K": 0}
"""People by the code of their institution; the spheres alternate."""


@dataclass
class Person:
    """One person: who they are, where they are, how often they answer and how much they know."""

    id: int
    institution_id: int
    diligence: float
    knowledge: float


class Year:
    """The people, the day, and what happens to them."""

    def __init__(self, library: Library, seed: int = 7) -> None:
        self.today = START
        self.people: list[Person] = []
        self.places: dict[str, int] = {}
        self._chance = random.Random(seed)
        self._scenarios = sorted(library.scenarios.values(), key=lambda scenario: scenario.id)
        self._topics = {one.competency: library.topic_of[one.competency].id for one in self._scenarios}
        self._waiting: list[Prompt] = []  # unanswered, to be answered late
        self._silent: set[int] = set()
        self._numbers = itertools.count()
        self._moved: dict[int, int] = {}  # the institution in which a prompt was asked, for people who moved since

    async def begin(self, tx: Transaction, sizes: dict[str, int] = SIZES) -> None:
        for index, (code, size) in enumerate(sizes.items()):
            await servants.add_institution(tx, code, f"Institución {code}", ("state", "municipal")[index % 2])
            place = await servants.institution_by_code(tx, code)
            assert place is not None
            self.places[code] = place.id
            for _ in range(size):
                await self.enrol(tx, code, ENROLLED)

    async def enrol(self, tx: Transaction, code: str, day: date, channel: str = "telegram") -> Person:
        settings = {"language": "es", "hour": 9, "notice_version": "1"}
        servant = await servants.enrol(
            tx,
            channel,
            str(1000 + next(self._numbers)),
            institution_id=self.places[code],
            now=noon(day),
            today=day,
            **settings,  # type: ignore[arg-type]
        )
        chance = self._chance
        person = Person(servant.id, servant.institution_id, chance.uniform(0.4, 0.95), chance.uniform(0.3, 0.95))
        self.people.append(person)
        return person

    def of(self, code: str) -> list[Person]:
        return [person for person in self.people if person.institution_id == self.places[code]]

    def fall_silent(self, code: str) -> None:
        """Nothing of the institution is answered from now on."""
        self._silent.add(self.places[code])

    async def move(self, tx: Transaction, person: Person, code: str) -> None:
        await servants.change_institution(tx, person.id, self.places[code], self.today)
        self._moved |= {prompt.id: person.institution_id for prompt in self._waiting if prompt.servant_id == person.id}
        person.institution_id = self.places[code]

    async def leave(self, tx: Transaction, person: Person) -> None:
        await servants.leave(tx, person.id)
        self.people.remove(person)
        self._waiting = [prompt for prompt in self._waiting if prompt.servant_id != person.id]

    async def merge(self, tx: Transaction, one: Person, other: Person) -> None:
        """Two records of one human become one."""
        await linking.merge(tx, one.id, other.id)
        self.people.remove(other)
        self._waiting = [prompt for prompt in self._waiting if prompt.servant_id not in (one.id, other.id)]

    async def plan(self, tx: Transaction) -> list[Prompt]:
        """Plan today's prompts."""
        return await record.plan_all(tx, self.prompts())

    async def stored_prompt(self, tx: Transaction, prompt_id: int) -> Prompt:
        prompt = await record.prompt(tx, prompt_id)
        assert prompt is not None
        return prompt

    def prompts(self) -> list[Prompt]:
        """A prompt of today for each person."""
        picked = [(person, self._chance.choice(self._scenarios)) for person in self.people]
        return [Prompt(0, person.id, self.today, one.id, one.competency, "new") for person, one in picked]

    def answers(self, planned: Sequence[Prompt]) -> list[Answer]:
        """Answers of today: to some of today's prompts, and late ones to earlier prompts."""
        person = {one.id: one for one in self.people}
        late = [prompt for prompt in self._waiting if self._chance.random() < 0.05]
        now = [prompt for prompt in planned if self._chance.random() < person[prompt.servant_id].diligence]
        given = [prompt for prompt in (*now, *late) if person[prompt.servant_id].institution_id not in self._silent]
        answered = {prompt.id for prompt in given}
        self._waiting = [prompt for prompt in (*self._waiting, *planned) if prompt.id not in answered]
        return [self._answer(person[prompt.servant_id], prompt) for prompt in given]

    def _answer(self, person: Person, prompt: Prompt) -> Answer:
        is_right = self._chance.random() < person.knowledge
        return Answer(
            prompt_id=prompt.id,
            servant_id=person.id,
            institution_id=self._moved.get(prompt.id, person.institution_id),
            topic_id=self._topics[prompt.competency_id],
            competency_id=prompt.competency_id,
            scenario_id=prompt.scenario_id,
            option="a" if is_right else self._chance.choice("bcd"),
            is_right=is_right,
            confidence=self._chance.choice(("sure", "think", "guess", None)),
            day=self.today,
            answered_at=noon(self.today),
        )

    async def live_week(self, tx: Transaction, key: bytes) -> None:
        """Ask all people on some days and record who answers; then it is Monday."""
        planned = await record.plan_all(tx, [prompt for _ in range(DAYS) for prompt in self._prompts_and_tomorrow()])
        self.today -= DAYS * DAY
        given: list[Answer] = []
        for _ in range(DAYS):
            given += self.answers([prompt for prompt in planned if prompt.day == self.today])
            self.today += DAY
        await record.add_answers(tx, await lanes.with_lanes(tx, key, given))
        self.today += (7 - DAYS) * DAY

    def _prompts_and_tomorrow(self) -> list[Prompt]:
        planned = self.prompts()
        self.today += DAY
        return planned


def noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
