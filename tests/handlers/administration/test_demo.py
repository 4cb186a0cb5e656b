from datetime import timedelta

from sqlalchemy import select

from content import workdays
from content.library import Library
from handlers.administration import demo, reports
from storage import schema
from storage.database import Database
from storage.people import servants
from tests.cast import MONDAY_NINE
from tests.handlers.conversation import HOUSE

TABLES = ("institutions", "servants", "prompts", "answers", "addresses")


async def counted(database: Database) -> dict[str, int]:
    async with database.read() as tx:
        return {name: len((await tx.execute(select(schema.metadata.tables[name]))).all()) for name in TABLES}


async def test_an_empty_database_is_filled_once(database: Database, library: Library) -> None:
    async with database.write() as tx:
        assert await demo.fill(tx, library, HOUSE, MONDAY_NINE)
    filled = await counted(database)
    assert filled["servants"] == sum(demo.PEOPLE)
    assert filled["prompts"] > filled["answers"] > 300
    assert filled["addresses"] == 0, "nobody invented can be written to"
    async with database.write() as tx:
        assert not await demo.fill(tx, library, HOUSE, MONDAY_NINE + timedelta(days=1))
    assert await counted(database) == filled


async def test_only_what_is_marked_fictional_is_made(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await demo.fill(tx, library, HOUSE, MONDAY_NINE)
    async with database.read() as tx:
        made = await servants.all_institutions(tx)
        report = await reports.institution_table(
            tx, library, MONDAY_NINE.date() - timedelta(days=28), MONDAY_NINE.date(), 10
        )
    assert {one.code for one in made} == {one.code for one in library.institutions if one.fictional}
    assert all(one.is_fictional for one in made)
    assert demo.CODE in {one.code for one in made}
    assert report.is_fictional
    assert any("ficticio" in one.name for one in made)


async def test_a_real_institution_keeps_the_demo_out(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        assert not await demo.fill(tx, library, HOUSE, MONDAY_NINE)
        assert [one.code for one in await servants.all_institutions(tx)] == ["LEON"]
    assert (await counted(database))["servants"] == 0


async def test_the_invented_past_could_have_happened(database: Database, library: Library) -> None:
    async with database.write() as tx:
        await demo.fill(tx, library, HOUSE, MONDAY_NINE)
    async with database.read() as tx:
        answers = (await tx.execute(select(schema.answers))).all()
        planned = {row.id: row for row in await tx.execute(select(schema.prompts))}
    for row in answers:
        scenario = library.scenarios[row.scenario_id]
        option = scenario.option(row.option)
        assert option is not None
        assert option.right is row.is_right
        assert library.topic_of[scenario.competency].id == row.topic_id
        assert workdays.is_workday(row.day)
        assert row.day < MONDAY_NINE.date()
        assert row.day == planned[row.prompt_id].day
        assert planned[row.prompt_id].servant_id == row.servant_id


async def test_the_same_seed_makes_the_same_past(database: Database, library: Library) -> None:
    async def made() -> list[tuple[object, ...]]:
        async with database.write() as tx:
            await demo.fill(tx, library, HOUSE, MONDAY_NINE)
        async with database.read() as tx:
            columns = schema.answers.c
            rows = await tx.execute(
                select(columns.day, columns.scenario_id, columns.option, columns.confidence).order_by(columns.prompt_id)
            )
            return [tuple(row) for row in rows]

    first = await made()
    async with database.write() as tx:
        for table in ("answers", "prompts", "servants", "institutions"):
            await tx.exec_driver_sql(f"DELETE FROM {table}")
    assert await made() == first
