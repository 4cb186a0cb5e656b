"""Days on which prompts are planned: the working days of each servant's institution, against a naive count."""

from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from content.workdays import Calendar
from handlers.casework import letters
from storage import schema
from storage.people import closures
from storage.people.closures import Closure
from tests.cast import ANA, BETO
from tests.handlers.conversation import INSTALLATION, Talk

FIRST = date(2026, 12, 19)
DAYS = [FIRST + timedelta(days=number) for number in range(18)]
REST_DAYS = ("2026-12-25", "2027-01-01")  # of the law, within these days; written by hand

Placed = tuple[date, str]
CLOSURES = st.sets(st.tuples(st.sampled_from(DAYS), st.sampled_from(["LEON", "SALUD", "all"])), max_size=8)


def works(code: str, day: date, closed: set[Placed]) -> bool:
    is_free = day.isoweekday() > 5 or day.isoformat() in REST_DAYS
    return not is_free and (day, "all") not in closed and (day, code) not in closed


@dataclass
class Town:
    """Ana of LEON and Beto of SALUD, with their ids."""

    talk: Talk
    servants: dict[str, int] = field(default_factory=dict)
    institutions: dict[str, int | None] = field(default_factory=lambda: {"all": None})

    async def reset(self, closed: set[Placed]) -> None:
        """No one has a prompt, and only these closures are stored."""
        async with self.talk.database.write() as tx:
            for table in (schema.prompts, schema.closures):
                await tx.execute(delete(table))
            await tx.execute(update(schema.servants).values(planned_on=date.min))
            await closures.store(tx, [Closure(self.institutions[code], day, "x") for day, code in closed])

    async def planned_on(self, day: date) -> set[str]:
        """Tick at noon; return the institutions of the servants who have a prompt of that day."""
        self.talk.clock.moment = datetime.combine(day, time(12), INSTALLATION.timezone)
        await self.talk.tick()
        async with self.talk.database.read() as tx:
            ids = set(await tx.scalars(select(schema.prompts.c.servant_id).where(schema.prompts.c.day == day)))
        return {code for code, servant_id in self.servants.items() if servant_id in ids}


@pytest.fixture
async def town(talk: Talk) -> Town:
    town = Town(talk)
    for who in (ANA, BETO):
        await talk.enrol(who)
        known = await talk.servant(who)
        assert known is not None
        town.servants[who.institution] = known.id
        town.institutions[who.institution] = known.institution_id
    return town


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(day=st.sampled_from(DAYS), closed=CLOSURES)
async def test_a_prompt_is_planned_on_a_working_day_of_the_servants_institution_and_on_no_other(
    town: Town, day: date, closed: set[Placed]
) -> None:
    await town.reset(closed)
    assert await town.planned_on(day) == {code for code in town.servants if works(code, day, closed)}


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(closed=CLOSURES)
async def test_a_due_day_is_a_day_on_which_prompts_are_planned_where_nothing_else_is_closed(
    town: Town, closed: set[Placed]
) -> None:
    """Due days and prompts go by one rule: the UEIPCI has three working days where an open institution gets prompts."""
    general = {(day, code) for day, code in closed if code == "all"}
    await town.reset(general)
    async with town.talk.database.read() as tx:
        due = letters.due_day(DAYS[0], None, Calendar(await closures.between(tx, DAYS[0])))
    days = DAYS[1 : (due - DAYS[0]).days + 1]
    assert sum([await town.planned_on(day) == {"LEON", "SALUD"} for day in days]) == 3
