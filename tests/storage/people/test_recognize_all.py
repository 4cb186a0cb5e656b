"""Recognizing several senders at once has the same effect as recognizing each in the same order."""

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
from storage.people.addresses import InboundSender
from storage.people.servants import Servant
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import clear_tables, rolled_back
from tests.opened_deliveries import opened
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
    st.builds(InboundSender, CHANNELS, st.sampled_from(NAMES), st.sampled_from(("", *PHONES)), HEARD),
    max_size=4,
    unique_by=lambda one: (one.channel, one.address),
)
Known = tuple[str, str, str, Any, bool]
Met = list[tuple[Servant, str] | None]


async def add_all(tx: Transaction, people: Sequence[Known]) -> None:
    """Add servants with addresses, and a waiting delivery to each name."""
    for channel, address, alias, heard_at, is_reachable in people:
        if await addresses.find(tx, channel, address) is None:
            await enrol(tx, address, alias, channel)
            known = {"heard_at": heard_at, "is_reachable": is_reachable, "deferred_on": TODAY}
            await tx.execute(update(tables.addresses).where(tables.addresses.c.address == address).values(**known))
    for number, name in enumerate(NAMES):
        await outbox.add(tx, [NewDelivery(f"{number}", "whatsapp", name, DeliveryKind.PROMPT, "{}", NOW)])


async def stored(tx: Transaction) -> list[list[tuple[Any, ...]]]:
    """All rows that recognizing a sender may change."""
    rows = await tx.execute(
        select(tables.addresses).order_by(tables.addresses.c.servant_id, tables.addresses.c.channel)
    )
    return [[tuple(row) for row in rows], [tuple(row.values()) for row in await opened(tx)]]


async def one_by_one(tx: Transaction, senders: Sequence[InboundSender]) -> Met:
    return [await addresses.recognize(tx, one.channel, one.address, one.alias, one.heard_at) for one in senders]


async def assert_the_same(database: Database, people: Sequence[Known], senders: Sequence[InboundSender]) -> None:
    await clear_tables(database)
    async with database.write() as tx:
        await add_all(tx, people)
        async with rolled_back(tx):
            expected = await one_by_one(tx, senders), await stored(tx)
        assert (await addresses.recognize_all(tx, senders), await stored(tx)) == expected


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(people=PEOPLE, senders=MEETINGS)
async def test_recognizing_many_at_once_equals_recognizing_each_in_order(
    database: Database, people: Sequence[Known], senders: Sequence[InboundSender]
) -> None:
    await assert_the_same(database, people, senders)


LATER = NOW + HOUR
STORIES: dict[str, tuple[list[Known], list[InboundSender]]] = {
    "by the number after an id was reported": (
        [("whatsapp", PHONE, "", NOW, True)],
        [InboundSender("whatsapp", USER, PHONE, NOW), InboundSender("whatsapp", PHONE, "", LATER)],
    ),
    "by the number before an id is reported": (
        [("whatsapp", PHONE, "", NOW, True)],
        [InboundSender("whatsapp", PHONE, "", LATER), InboundSender("whatsapp", USER, PHONE, NOW)],
    ),
    "by a number that has a new owner": (
        [("whatsapp", PHONE, "", NOW, True), ("whatsapp", BETOS_USER, "", NOW, True)],
        [InboundSender("whatsapp", BETOS_USER, PHONE, LATER), InboundSender("whatsapp", PHONE, PHONE, LATER)],
    ),
    "by an unknown number": (
        [("whatsapp", USER, "", NOW, True)],
        [InboundSender("whatsapp", USER, PHONE, NOW), InboundSender("whatsapp", PHONE, PHONE, LATER)],
    ),
}


@pytest.mark.parametrize("name", STORIES)
async def test_names_that_change_in_between_are_taken_into_account(database: Database, name: str) -> None:
    await assert_the_same(database, *STORIES[name])
