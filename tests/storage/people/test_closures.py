"""Closures: each institution and day once, also for all institutions; renamed, removed, read by day."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from storage.database import Database, Transaction
from storage.people import closures, servants
from storage.people.closures import Closure
from storage.schema import closures as table
from tests.cast import INSTITUTIONS
from tests.statement_log import statement_listener

DAY = date(2026, 12, 24)
NEXT = DAY + timedelta(days=1)


async def institution_ids(tx: Transaction) -> tuple[int, int]:
    for code, name, sphere in INSTITUTIONS:
        await servants.add_institution(tx, code, name, sphere)
    ids = {one.code: one.id for one in await servants.all_institutions(tx)}
    return ids["LEON"], ids["SALUD"]


async def test_storing_a_closure_again_stores_it_once_with_the_new_name(database: Database) -> None:
    async with database.write() as tx:
        leon, salud = await institution_ids(tx)
        places = (None, leon, salud)
        for name in ("Nochebuena", "Nochebuena", "Víspera de Navidad"):
            await closures.store(tx, [Closure(place, DAY, name) for place in places])
        await closures.store(tx, [Closure(None, NEXT, "Navidad")])
        assert await closures.all_closures(tx) == [
            *(Closure(place, DAY, "Víspera de Navidad") for place in places),
            Closure(None, NEXT, "Navidad"),
        ]


async def test_the_database_itself_refuses_a_second_row_of_a_day(database: Database) -> None:
    async with database.write() as tx:
        leon, _ = await institution_ids(tx)
        await closures.store(tx, [Closure(None, DAY), Closure(leon, DAY)])
    for place in (None, leon):
        with pytest.raises(IntegrityError):
            async with database.write() as tx:
                await tx.execute(table.insert().values(institution_id=place, day=DAY))


async def test_a_closure_is_removed_by_day_and_institution_only(database: Database) -> None:
    async with database.write() as tx:
        leon, salud = await institution_ids(tx)
        everything = [Closure(place, day, "x") for day in (DAY, NEXT) for place in (None, leon, salud)]
        left = list(everything)
        await closures.store(tx, everything)
        for removed in (Closure(None, DAY, "another name"), Closure(leon, NEXT), Closure(leon, NEXT)):
            await closures.remove(tx, [removed])
            left = [one for one in left if one.closed_day != removed.closed_day]
            assert await closures.all_closures(tx) == left


@pytest.mark.parametrize("change", [closures.store, closures.remove])
async def test_rows_are_locked_in_one_order_whatever_the_order_of_the_list(
    database: Database, change: Callable[[Transaction, list[Closure]], Awaitable[None]]
) -> None:
    """Two lists that are imported at once would otherwise wait for each other's rows (a deadlock on PostgreSQL)."""
    async with database.write() as tx:
        leon, salud = await institution_ids(tx)
    listed = [Closure(place, day, "x") for place in (salud, None, leon) for day in (NEXT, DAY)]
    orders = []
    for one in (listed, listed[::-1]):
        seen: list[object] = []
        with statement_listener(database, lambda *given, seen=seen: seen.append(given[3])):
            async with database.write() as tx:
                await change(tx, one)
        orders.append(seen)
    assert orders[0] == orders[1]
    assert orders[0]


async def test_closures_are_read_by_day(database: Database) -> None:
    async with database.write() as tx:
        leon, _ = await institution_ids(tx)
        await closures.store(tx, [Closure(None, DAY), Closure(leon, DAY), Closure(None, NEXT)])
        assert await closures.between(tx, DAY) == {(DAY, None), (DAY, leon), (NEXT, None)}
        assert await closures.between(tx, DAY, DAY) == {(DAY, None), (DAY, leon)}
        assert await closures.between(tx, NEXT) == {(NEXT, None)}
        assert await closures.between(tx, NEXT + timedelta(days=1)) == frozenset()
