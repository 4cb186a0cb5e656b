"""Head counts of institutions: who is enrolled, with invented people in fictional institutions only."""

from storage.database import Database
from storage.people import servants
from storage.reports import figures
from tests.cast import MONDAY_NINE


async def test_people_count_where_they_are_enrolled_and_invented_ones_in_fictional_institutions_only(
    database: Database,
) -> None:
    async with database.write() as tx:
        places = {}
        for code, is_fictional in (("LEON", False), ("DEMO", True), ("NONE", False)):
            await servants.add_institution(tx, code, code.title(), "municipal", is_fictional=is_fictional)
            place = await servants.institution_by_code(tx, code)
            assert place is not None
            places[code] = place.id
        day = MONDAY_NINE.date()
        for code, real, invented in (("LEON", 3, 1), ("DEMO", 2, 5)):
            for number in range(real):
                await servants.enrol(
                    tx,
                    "telegram",
                    f"{code} {number}",
                    institution_id=places[code],
                    language="es",
                    hour=9,
                    notice_version="1",
                    now=MONDAY_NINE,
                    today=day,
                )
            for _ in range(invented):
                await servants.add_fictional(tx, places[code], "1", MONDAY_NINE, day)
        left = await servants.by_address(tx, "telegram", "LEON 0")
        assert left is not None
        await servants.leave(tx, left.id)
        assert {one.code: one.enrolled for one in await figures.enrolments(tx)} == {"LEON": 2, "DEMO": 5, "NONE": 0}
