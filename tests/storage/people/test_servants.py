"""Institutions and servants: enrolling, being due, pausing and leaving, on both databases."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, update

from storage.database import Database, Transaction
from storage.learning import memories, record
from storage.learning.memories import PackedMemory
from storage.learning.record import Answer
from storage.people import servants
from storage.people.due import DueServant
from storage.people.servants import Servant
from storage.queue import outbox
from storage.schema import addresses, answers, packed_memories, prompts
from storage.schema import servants as table
from tests.cast import ANA, BETO, INSTITUTIONS
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import count_enrolled
from tests.planning import due_now

TODAY = date(2026, 11, 23)
DAY = timedelta(days=1)


async def institution_ids(tx: Transaction) -> dict[str, int]:
    for code, name, sphere in INSTITUTIONS:
        await servants.add_institution(tx, code, name, sphere)
    return {one.code: one.id for one in await servants.all_institutions(tx)}


async def enrol(tx: Transaction, place: int, address: str = ANA.address, hour: int = 9) -> Servant:
    return await servants.enrol(
        tx,
        "telegram",
        address,
        institution_id=place,
        language="es",
        hour=hour,
        notice_version="2026-1",
        now=NOW,
        today=TODAY,
    )


def answer_to(prompt_id: int, servant: Servant, day: date = TODAY) -> Answer:
    return Answer(prompt_id, servant.id, servant.institution_id, "t", "c", "s", "a", True, None, day, NOW)


# ---------------------------------------------------------------- institutions, addresses


async def test_an_institution_is_found_by_its_code_however_it_is_typed(database: Database) -> None:
    async with database.write() as tx:
        assert await servants.add_institution(tx, "LEON", "Municipio de León", "municipal")
        assert not await servants.add_institution(tx, "LEON", "Otro nombre", "state")
        found = await servants.institution_by_code(tx, "  leon ")
        assert found is not None
        assert (found.name, found.is_fictional) == ("Municipio de León", False)
        assert await servants.institution(tx, found.id) == found
        assert await servants.institution_by_code(tx, "LEO") is None


async def test_a_servant_is_found_by_their_address_only(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        ana = await enrol(tx, ids["LEON"])
        assert await servants.by_address(tx, "telegram", ANA.address) == ana
        assert await servants.by_address(tx, "webchat", ANA.address) is None
        assert await servants.by_address(tx, "telegram", BETO.address) is None


async def test_language_and_hour_are_changed_independently(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        ana = await enrol(tx, ids["LEON"])
        beto = await enrol(tx, ids["LEON"], BETO.address)
        await servants.change(tx, ana.id, language="en")
        await servants.change(tx, ana.id, hour=0)
        await servants.change_institution(tx, ana.id, ids["SALUD"], TODAY)
        await servants.accept_notice(tx, ana.id, "2027-1", NOW + DAY)
        expected = replace(
            ana,
            language="en",
            hour=0,
            institution_id=ids["SALUD"],
            notice_version="2027-1",
            consented_at=NOW + DAY,
        )
        assert await servants.by_address(tx, "telegram", ANA.address) == expected
        assert await servants.by_address(tx, "telegram", BETO.address) == beto


# ---------------------------------------------------------------- due servants


@dataclass(frozen=True)
class Case:
    """What differs from Ana at 9 o'clock on a Monday, and whether she `is_due` at `hour`."""

    name: str
    is_due: bool
    state: str = "active"
    paused_until: date | None = None
    closed: str | None = None  # an institution that does not work today
    is_reachable: bool = True
    asked_on: date | None = None
    hour: int = 9


CASES = [
    Case("at their hour", True),
    Case("an hour before", False, hour=8),
    Case("later on the same day", True, hour=18),
    Case("paused for ever", False, state="paused"),
    Case("paused until tomorrow", False, state="paused", paused_until=TODAY + DAY),
    Case("paused until today", True, state="paused", paused_until=TODAY),
    Case("paused until yesterday", True, state="paused", paused_until=TODAY - DAY),
    Case("left", False, state="left"),
    Case("their institution is closed", False, closed="LEON"),
    Case("another institution is closed", True, closed="SALUD"),
    Case("not to be written to", False, is_reachable=False),
    Case("asked today already", False, asked_on=TODAY),
    Case("asked yesterday", True, asked_on=TODAY - DAY),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_due_servants(database: Database, case: Case) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        ana = await enrol(tx, ids["LEON"])
        changes = {"state": case.state, "paused_until": case.paused_until}
        await tx.execute(update(table).where(table.c.id == ana.id).values(**changes))
        if not case.is_reachable:
            await outbox.drop_unreachable(tx, "telegram", ANA.address, NOW)
        if case.asked_on:
            await record.plan(tx, ana.id, case.asked_on, "s", "c", "new")
        due = await due_now(tx, TODAY, case.hour, [ids[case.closed]] if case.closed else [])
    expected = DueServant(ana.id, ids["LEON"], 9, "es", "2026-1", "telegram", ANA.address, no_marketing=False)
    assert due == ([expected] if case.is_due else [])


async def test_a_servant_on_two_channels_is_due_once_on_a_reachable_one(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        ana = await enrol(tx, ids["LEON"])
        for channel, address in (("webchat", "w1"), ("telegram", "0")):
            await tx.execute(addresses.insert().values(channel=channel, address=address, servant_id=ana.id))
        assert [(one.channel, one.address) for one in await due_now(tx, TODAY, 9)] == [("telegram", "0")]
        await outbox.drop_unreachable(tx, "telegram", "0", NOW)
        assert [(one.channel, one.address) for one in await due_now(tx, TODAY, 9)] == [("telegram", ANA.address)]
        await outbox.drop_unreachable(tx, "telegram", ANA.address, NOW)
        assert [(one.channel, one.address) for one in await due_now(tx, TODAY, 9)] == [("webchat", "w1")]


# ---------------------------------------------------------------- pausing, leaving


async def test_a_pause_ends_when_the_servant_resumes(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        ana = await enrol(tx, ids["LEON"])
        await servants.pause(tx, ana.id, TODAY + DAY)
        paused = await servants.by_address(tx, "telegram", ANA.address)
        assert paused == replace(ana, state="paused", paused_until=TODAY + DAY)
        await servants.resume(tx, ana.id)
        assert await servants.by_address(tx, "telegram", ANA.address) == ana


async def test_a_servant_who_left_is_not_reactivated_by_pause_or_resume(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        ana = await enrol(tx, ids["LEON"])
        await servants.leave(tx, ana.id)
        await servants.resume(tx, ana.id)
        await servants.pause(tx, ana.id, None)
        assert await tx.scalar(select(table.c.state).where(table.c.id == ana.id)) == "left"


async def test_leaving_deletes_what_identifies_and_preserves_answers(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        for address in (ANA.address, BETO.address):
            one = await enrol(tx, ids["LEON"], address, hour=17)
            answered = await record.plan(tx, one.id, TODAY - DAY, "s", "c", "new")
            assert answered is not None
            await record.add_answers(tx, [answer_to(answered.id, one, TODAY - DAY)])
            await record.plan(tx, one.id, TODAY, "s", "c", "new")
            await memories.store(tx, {one.id: PackedMemory(b"memory", b"sent")})
        ana = await servants.by_address(tx, "telegram", ANA.address)
        assert ana is not None
        await servants.leave(tx, ana.id)
        assert await servants.by_address(tx, "telegram", ANA.address) is None
        for of, left in ((addresses, 0), (packed_memories, 0), (prompts, 1), (answers, 1)):
            count = select(func.count()).select_from(of).where(of.c.servant_id == ana.id)
            assert await tx.scalar(count) == left, of.name
        row = (await tx.execute(select(table).where(table.c.id == ana.id))).mappings().one()
        assert (row["state"], row["hour"], row["language"], row["notice_version"]) == ("left", 0, "es", "")
        beto = await servants.by_address(tx, "telegram", BETO.address)
        assert beto is not None
        assert list(await memories.of(tx, [beto.id])) == [beto.id]
        assert await record.prompt_of_day(tx, beto.id, TODAY) is not None


async def test_the_address_of_a_servant_who_left_may_enrol_again_as_a_new_servant(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        ana = await enrol(tx, ids["LEON"])
        await servants.leave(tx, ana.id)
        again = await enrol(tx, ids["SALUD"])
        assert again.id != ana.id
        assert await record.answers_of(tx, again.id) == []


async def test_a_fictional_servant_is_never_due(database: Database) -> None:
    async with database.write() as tx:
        ids = await institution_ids(tx)
        await servants.add_fictional(tx, ids["LEON"], "2026-1", NOW, TODAY)
        assert await count_enrolled(tx) == 1
        assert await due_now(tx, TODAY, 23) == []
