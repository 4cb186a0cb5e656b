"""Several people meet us at once: as if each had come by themselves, in the same order."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from storage import schema as tables
from storage.database import Database, Transaction
from storage.people import addresses
from storage.people.addresses import Meeting
from storage.people.servants import Servant
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import clear_tables
from tests.storage.people.test_addresses import BETOS_PHONE, BETOS_USER, NEW_USER, PHONE, TODAY, USER, enrol

HOUR = timedelta(hours=1)
USERS, PHONES = (USER, BETOS_USER, NEW_USER), (PHONE, BETOS_PHONE)
NAMES = USERS + PHONES
HEARD = st.one_of(st.none(), st.integers(0, 2).map(lambda hours: NOW + hours * HOUR))
CHANNELS = st.sampled_from(("whatsapp", "whatsapp", "telegram"))
PEOPLE = st.lists(
    st.tuples(CHANNELS, st.sampled_from(NAMES), st.sampled_from(("", *PHONES)), HEARD, st.booleans()),
    max_size=4,
    unique_by=lambda one: one[:2],
)
MEETINGS = st.lists(
    st.builds(Meeting, CHANNELS, st.sampled_from(NAMES), st.sampled_from(("", *PHONES)), HEARD),
    max_size=4,
    unique_by=lambda one: (one.channel, one.address),
)
Known = tuple[str, str, str, Any, bool]
Met = list[tuple[Servant, str] | None]


async def there_are(tx: Transaction, people: Sequence[Known]) -> None:
    """Servants on their channels, with something that waits for each name."""
    for channel, address, alias, heard_at, is_reachable in people:
        if await addresses.find(tx, channel, address) is None:
            await enrol(tx, address, alias, channel)
            known = {"heard_at": heard_at, "is_reachable": is_reachable, "put_off_on": TODAY}
            await tx.execute(update(tables.addresses).where(tables.addresses.c.address == address).values(**known))
    for number, name in enumerate(NAMES):
        await outbox.add(tx, [NewDelivery(f"{number}", "whatsapp", name, DeliveryKind.PROMPT, "{}", NOW)])


async def stored(tx: Transaction) -> list[list[tuple[Any, ...]]]:
    """All that a meeting may change."""
    found = []
    for table, order in ((tables.addresses, "servant_id"), (tables.deliveries, "id")):
        rows = await tx.execute(select(table).order_by(table.c[order], table.c.channel))
        found.append([tuple(row) for row in rows])
    return found


async def one_by_one(tx: Transaction, meetings: Sequence[Meeting]) -> Met:
    return [await addresses.meet(tx, one.channel, one.address, one.alias, one.heard_at) for one in meetings]


async def assert_the_same(database: Database, people: Sequence[Known], meetings: Sequence[Meeting]) -> None:
    await clear_tables(database)
    async with database.write() as tx:
        await there_are(tx, people)
        async with tx.begin_nested() as attempt:
            expected = await one_by_one(tx, meetings), await stored(tx)
            await attempt.rollback()
        assert (await addresses.meet_all(tx, meetings), await stored(tx)) == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=PEOPLE, meetings=MEETINGS)
async def test_meeting_many_at_once_is_meeting_each_in_their_order(
    database: Database, people: Sequence[Known], meetings: Sequence[Meeting]
) -> None:
    await assert_the_same(database, people, meetings)


LATER = NOW + HOUR
STORIES: dict[str, tuple[list[Known], list[Meeting]]] = {
    "by the number after an id was told of": (
        [("whatsapp", PHONE, "", NOW, True)],
        [Meeting("whatsapp", USER, PHONE, NOW), Meeting("whatsapp", PHONE, "", LATER)],
    ),
    "by the number before an id is told of": (
        [("whatsapp", PHONE, "", NOW, True)],
        [Meeting("whatsapp", PHONE, "", LATER), Meeting("whatsapp", USER, PHONE, NOW)],
    ),
    "by a number that has become somebody else's": (
        [("whatsapp", PHONE, "", NOW, True), ("whatsapp", BETOS_USER, "", NOW, True)],
        [Meeting("whatsapp", BETOS_USER, PHONE, LATER), Meeting("whatsapp", PHONE, PHONE, LATER)],
    ),
    "by a number that nobody had": (
        [("whatsapp", USER, "", NOW, True)],
        [Meeting("whatsapp", USER, PHONE, NOW), Meeting("whatsapp", PHONE, PHONE, LATER)],
    ),
}


@pytest.mark.parametrize("name", STORIES)
async def test_whoever_changes_names_in_between_is_met_by_those_in_force(database: Database, name: str) -> None:
    await assert_the_same(database, *STORIES[name])
