"""The demonstration data: complete, marked fictional, consistent and reproducible."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from content.library import Library
from content.workdays import Calendar
from handlers.administration import demo, reports
from handlers.administration.reports import RowState
from handlers.context import WorkContext
from storage import schema
from storage.database import Database
from storage.people import closures, servants
from storage.people.closures import Closure
from tests.cast import MONDAY_NINE
from tests.handlers.conversation import INSTALLATION

CLOSED = Closure(None, date(2026, 11, 19), "a Thursday")
TABLES = ("institutions", "servants", "prompts", "answers", "addresses")


async def counted(database: Database) -> dict[str, int]:
    async with database.read() as tx:
        return {name: len((await tx.execute(select(schema.metadata.tables[name]))).all()) for name in TABLES}


async def test_an_empty_database_is_filled_once(database: Database, library: Library) -> None:
    async with database.write() as tx:
        assert await demo.add_demo_data(WorkContext(tx, library, INSTALLATION, MONDAY_NINE))
    filled = await counted(database)
    assert filled["servants"] == sum(demo.PEOPLE)
    assert filled["prompts"] > filled["answers"] > 300
    assert filled["addresses"] == 0, "fictional servants have no addresses"
    async with database.write() as tx:
        assert not await demo.add_demo_data(WorkContext(tx, library, INSTALLATION, MONDAY_NINE + timedelta(days=1)))
    assert await counted(database) == filled


async def test_only_institutions_marked_fictional_are_created(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await demo.add_demo_data(WorkContext(tx, library, INSTALLATION, MONDAY_NINE))
    async with database.read() as tx:
        institutions = await servants.all_institutions(tx)
        work = WorkContext(tx, library, INSTALLATION, MONDAY_NINE)
        report = await reports.institution_table(work, *reports.default_period(work.today))
    assert {institution.code for institution in institutions} == {
        entry.code for entry in library.institutions if entry.fictional
    }
    assert all(institution.is_fictional for institution in institutions)
    assert demo.CODE in {institution.code for institution in institutions}
    assert report.is_fictional
    assert any("ficticio" in institution.name for institution in institutions)
    states = {row.code: row.state for row in report.rows}
    assert states.pop(demo.CODE) is RowState.SHOWN
    assert sorted(states.values()) == [RowState.SHOWN, RowState.WAITING], "the third group is small"
    assert report.rightness is not None
    assert len(report.weeks) == demo.WEEKS
    assert report.months
    assert any(row.rightness for row in report.topics)


async def test_the_demo_is_not_created_beside_a_real_institution(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        assert not await demo.add_demo_data(WorkContext(tx, library, INSTALLATION, MONDAY_NINE))
        assert [institution.code for institution in await servants.all_institutions(tx)] == ["LEON"]
    assert (await counted(database))["servants"] == 0


async def test_the_generated_answers_are_consistent(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await closures.store(tx, [CLOSED])
        await demo.add_demo_data(WorkContext(tx, library, INSTALLATION, MONDAY_NINE))
    async with database.read() as tx:
        answers = (await tx.execute(select(schema.answers))).all()
        planned = {row.id: row for row in await tx.execute(select(schema.prompts))}
    calendar = Calendar({(CLOSED.day, None)})
    for row in answers:
        scenario = library.scenarios[row.scenario_id]
        option = scenario.option(row.option)
        assert option is not None
        assert option.right is row.is_right
        assert library.topic_of[scenario.competency].id == row.topic_id
        assert calendar.is_workday(row.day)
        assert row.day < MONDAY_NINE.date()
        assert row.day == planned[row.prompt_id].day
        assert planned[row.prompt_id].servant_id == row.servant_id


async def test_the_same_seed_generates_the_same_data(database: Database, library: Library) -> None:
    async def filled() -> list[tuple[object, ...]]:
        async with database.write() as tx:
            await demo.add_demo_data(WorkContext(tx, library, INSTALLATION, MONDAY_NINE))
        async with database.read() as tx:
            columns = schema.answers.c
            rows = await tx.execute(
                select(columns.day, columns.scenario_id, columns.option, columns.confidence).order_by(columns.prompt_id)
            )
            return [tuple(row) for row in rows]

    first = await filled()
    async with database.write() as tx:
        for table in ("block_counts", "blocks", "closings", "answers", "prompts", "servants", "institutions"):
            await tx.exec_driver_sql(f"DELETE FROM {table}")
    assert await filled() == first


@pytest.mark.slow
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # days are computed before anything is stored
@pytest.mark.parametrize("moment", ["2026-11-06T07:30", "2026-11-23T23:30", "2026-11-24T05:59"])
@pytest.mark.parametrize("zone", ["America/Mexico_City", "America/Tijuana", "Pacific/Auckland"])
async def test_answers_were_given_on_the_local_day_of_their_prompt(
    database: Database, library: Library, zone: str, moment: str
) -> None:
    """Also in the evening, when it is another day in UTC, and where clocks were changed within the weeks before."""
    installation = replace(INSTALLATION, timezone=ZoneInfo(zone))
    now = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    async with database.write() as tx:
        await demo.add_demo_data(WorkContext(tx, library, installation, now))
    async with database.read() as tx:
        answers = (await tx.execute(select(schema.answers.c.day, schema.answers.c.answered_at))).all()
    assert len(answers) > 300
    assert all(row.answered_at.astimezone(installation.timezone).date() == row.day for row in answers)
    assert max(row.answered_at for row in answers) < now
