"""Series of refusals of one address: when it is tried again, and when it is silent."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.database import Database
from storage.people import refusals
from storage.people.refusals import Series, after_refusal
from storage.schema import addresses
from tests.planning import due_now
from tests.storage.people.test_addresses import enrol

MONDAY = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def tries(*days: int) -> list[int | None]:
    """The day of the next try after a refusal on each of these days; None: the address is silent then."""
    series: Series | None = None
    found: list[int | None] = []
    for day in days:
        series = after_refusal(series, MONDAY + day * DAY)
        found.append(None if series is None else (series.retry_on - MONDAY.date()).days)
    return found


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([0, 1, 3, 7, 14], [1, 3, 7, 14, None], id="each try on its day"),
        pytest.param([0, 3, 5, 10, 14], [1, 5, 9, 14, None], id="tries that fall on a weekend come later"),
        pytest.param([0, 0, 0, 1, 2], [1, 1, 1, 3, 3], id="refusals before the next try count once"),
        pytest.param([0, 15], [1, None], id="a try after two weeks is the last"),
        pytest.param([0, 16], [1, 17], id="long after the last try a series begins afresh"),
        pytest.param([364, 0, 1], [365, 1, 3], id="a series of the future is of a wrong clock"),
        pytest.param([0, 364, 1], [1, 365, 2], id="a refusal of the future silences no one"),
    ],
)
def test_pauses_grow_within_two_weeks(days: list[int], expected: list[int | None]) -> None:
    assert tries(*days) == expected


def test_what_waits_is_tried_as_many_days_after_the_refusal() -> None:
    series = after_refusal(None, MONDAY)
    assert series is not None
    assert series.retry_at == MONDAY + DAY


@pytest.mark.parametrize(("days_ahead", "is_due"), [(0, False), (-1, True), (364, True)])
async def test_an_address_is_passed_over_until_its_next_try_but_not_for_a_series_of_the_future(
    database: Database, days_ahead: int, is_due: bool
) -> None:
    async with database.write() as tx:
        await enrol(tx, "MX.0")
        assert await refusals.count(tx, "whatsapp", "MX.0", MONDAY + days_ahead * DAY) is not None
        found = await due_now(tx, MONDAY.date(), 23)
        assert [servant.address for servant in found] == ["MX.0"][:is_due]


async def test_a_person_who_leaves_takes_their_series_with_them(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, "MX.0")
        await refusals.count(tx, "whatsapp", "MX.0", MONDAY)
        assert await refusals.count_waiting(tx, MONDAY.date()) == {"whatsapp": 1}
        await tx.execute(addresses.delete())
        assert await refusals.count_waiting(tx, MONDAY.date()) == {}


async def test_nothing_is_counted_of_a_stranger(database: Database) -> None:
    async with database.write() as tx:
        assert await refusals.count(tx, "whatsapp", "MX.9", MONDAY) is None
        assert await refusals.count_waiting(tx, MONDAY.date()) == {}
