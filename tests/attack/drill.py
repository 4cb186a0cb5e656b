"""The invented year with all that goes wrong in it, and an attacker who looks at everything every week."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, func, select, update

from content.library import Library
from handlers.administration import reports
from handlers.context import WorkContext
from storage import schema
from storage.database import Database, Transaction, open_database
from storage.learning import record
from storage.learning.record import Answer, Prompt
from storage.people import servants
from storage.reports import blocks, figures
from storage.reports.blocks import BASE, ClosingRules
from tests.attack.invented_year import ENROLLED, SIZES, START, WEEK, WEEKS, Year, noon
from tests.attack.subtraction import Cell, System, system
from tests.handlers.conversation import INSTALLATION

RULES = ClosingRules(10, b"d" * 32, {"webchat"})
INVENTED = "DEMO"


@dataclass
class Attacker:
    """All figures that were ever shown, as sets of blocks."""

    figures: set[frozenset[Cell]] = field(default_factory=set)
    counts: dict[tuple[int, str], int] = field(default_factory=dict)  # by block and measure, as first seen

    async def look(self, tx: Transaction, library: Library, today: date, codes: Iterable[str]) -> None:
        """See every page, format and export of the week, as each role."""
        with pytest.MonkeyPatch.context() as patch:
            await self._look(tx, library, today, codes, patch)

    async def _look(
        self, tx: Transaction, library: Library, today: date, codes: Iterable[str], patch: pytest.MonkeyPatch
    ) -> None:
        _read_once(patch)
        work = WorkContext(tx, library, replace(INSTALLATION, min_group=RULES.min_group), noon(today))
        free = [(today - WEEK, today), (today - 4 * WEEK, today), (START, today)]
        for code in (None, *codes):
            for first, last in (reports.default_period(today), *(free if code is None else ())):
                report = await reports.institution_table(work, first, last, code)
                self.figures |= {frozenset(figure.blocks) for figure in report.figures}
        for block, measure, value in await tx.execute(select(schema.block_counts)):
            self.figures.add(frozenset([block]))
            assert value % BASE == 0
            assert self.counts.setdefault((block, measure), value) == value, "a block never changes"


def _read_once(patch: pytest.MonkeyPatch) -> None:
    """Let all pages of one moment share what they read; else the year would take minutes."""
    for name in ("blocks_within", "enrolments"):
        read = getattr(figures, name)
        known: dict[Any, Any] = {}

        async def read_once(tx: Transaction, *period: date, read: Any = read, known: dict[Any, Any] = known) -> Any:
            if period not in known:
                known[period] = await read(tx, *period)
            return known[period]

        patch.setattr(figures, name, read_once)


@dataclass
class Drill:
    """The year, what was shown in it, and what only the test knows: the people of each block."""

    year: Year
    attacker: Attacker = field(default_factory=Attacker)
    rows: dict[Cell, list[int]] = field(default_factory=dict)  # by block: ids of answers; negative ones are of people
    person: dict[int, int] = field(default_factory=dict)  # by row
    answers: list[Row[Any]] = field(default_factory=list)
    blocks: list[Row[Any]] = field(default_factory=list)
    invented: set[int] = field(default_factory=set)  # people
    closings: int = 0

    @cached_property
    def person_of_answer(self) -> dict[int, int]:
        """Whose each answer is."""
        return {answer.prompt_id: answer.servant_id for answer in self.answers}

    def system(self) -> System:
        """All that was shown, over classes of rows."""
        return system(self.attacker.figures, self.rows, self.person)

    @contextmanager
    def watching(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Note the rows of each block, and whose they are, at the moment at which it is added."""
        add_block = blocks._add_block

        async def add(tx: Transaction, closing: Any, place: Any, since: date, rows: Any) -> None:
            await add_block(tx, closing, place, since, rows)
            block = await tx.scalar(select(func.max(schema.blocks.c.id)))
            self.rows[block] = []
            for row in blocks._fairly(rows)[0]:
                is_person = place.lane == "reach"  # whose row is another one in each closing
                number = -(closing.n * 10_000 + row.id) if is_person else row.id
                self.rows[block].append(number)
                self.person[number] = row.servant_id

        patch.setattr(blocks, "_add_block", add)
        yield
        patch.undo()


class Crash(Exception):
    """The process dies here."""


async def live(path: Path, library: Library) -> Drill:
    """Live the year in a migrated SQLite file."""
    database, drill = open_database(f"sqlite+aiosqlite:///{path}"), Drill(Year(library))
    try:
        async with database.write() as tx:
            await drill.year.begin(tx)
            invented = await _invented_people(tx)
            drill.invented.update(invented)
        with pytest.MonkeyPatch.context() as patch, drill.watching(patch):
            for week in range(WEEKS):
                await _live_week(database, drill, library, week, invented)
        async with database.read() as tx:
            drill.answers = list((await tx.execute(select(schema.answers))).all())
            drill.blocks = list((await tx.execute(select(schema.blocks))).all())
            drill.closings = int(await tx.scalar(select(func.count()).select_from(schema.closings)) or 0)
    finally:
        await database.close()
    return drill


async def _live_week(database: Database, drill: Drill, library: Library, week: int, invented: list[int]) -> None:
    year = drill.year
    rules = replace(RULES, min_group=15) if 15 <= week < 20 else RULES
    async with database.write() as tx:
        await _change(tx, year, week)
        await year.live_week(tx, RULES.key)
        await _invent_history(tx, year, invented)
    if week == 22:
        await _crash_half_way(database, year.today)
    async with database.write() as tx:
        if week == 10:  # the clock is a year ahead for one tick
            await blocks.close(tx, year.today + 52 * WEEK, rules)
        await blocks.close(tx, year.today, rules)
        assert await blocks.close(tx, year.today, rules) is None, "a doubled call"
    async with database.read() as tx:
        await drill.attacker.look(tx, library, year.today, year.places)


async def _change(tx: Transaction, year: Year, week: int) -> None:
    """What happens to people and institutions before a week."""
    if week % 4 == 1:
        await year.leave(tx, year.of("A")[0])
        await year.move(tx, year.of("B")[0], "C")
    if week % 4 == 3:
        await year.move(tx, year.of("A")[-1], "I")
        await year.enrol(tx, "F" if week % 8 == 3 else "J", year.today)
    if week == 12:
        renamed = update(schema.institutions).where(schema.institutions.c.code == "A").values(name="Otro nombre")
        await tx.execute(renamed)
    if week == 20:
        year.fall_silent("F")
    if week == 26:
        await year.merge(tx, year.of("B")[0], year.of("B")[1])
    if week == 30:  # an institution is merged into another
        for person in year.of("D"):
            await year.move(tx, person, "E")
    if week == 40:  # one is closed
        for person in year.of("H"):
            await year.leave(tx, person)


async def _crash_half_way(database: Database, today: date) -> None:
    """A closing that dies after its seventh block: nothing of it is stored."""
    add_block, left = blocks._add_block, [7]

    async def add(*arguments: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Crash
        await add_block(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "_add_block", add)
        with pytest.raises(Crash):
            async with database.write() as tx:
                await blocks.close(tx, today, RULES)


async def _invented_people(tx: Transaction) -> list[int]:
    await servants.add_institution(tx, INVENTED, "Institución ficticia", "municipal", is_fictional=True)
    place = await servants.institution_by_code(tx, INVENTED)
    assert place is not None
    return [await servants.add_fictional(tx, place.id, "1", noon(ENROLLED), ENROLLED) for _ in range(12)]


async def _invent_history(tx: Transaction, year: Year, invented: list[int]) -> None:
    place = await servants.institution_by_code(tx, INVENTED)
    assert place is not None
    day = year.today - WEEK
    history: list[tuple[Prompt, Answer | None]] = [
        (
            Prompt(0, servant_id, day, "s", "c", "fictional"),
            Answer(0, servant_id, place.id, "t", "c", "s", "a", True, None, day, noon(day)),
        )
        for servant_id in invented
    ]
    await record.add_history(tx, history)


__all__ = ["SIZES", "Drill", "live"]
