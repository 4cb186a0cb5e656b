"""Linking channels and merging records, on both databases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from storage.database import Database, Transaction
from storage.learning import memories, record
from storage.learning.memories import PackedMemory
from storage.learning.record import Answer
from storage.people import addresses, linking, servants
from storage.people.servants import Servant
from storage.schema import join_codes, prompts
from storage.schema import servants as table
from tests.cast import INSTITUTIONS
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import clear_tables

TODAY = date(2026, 11, 23)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
CODE, OTHER_CODE = "c" * 64, "d" * 64


async def enrol(tx: Transaction, channel: str, address: str, institution: str = "LEON") -> Servant:
    for code, name, sphere in INSTITUTIONS:
        await servants.add_institution(tx, code, name, sphere)
    place = await servants.institution_by_code(tx, institution)
    assert place is not None
    return await servants.enrol(
        tx,
        channel,
        address,
        institution_id=place.id,
        language="es",
        hour=9,
        notice_version="2026-1",
        now=NOW,
        today=TODAY,
    )


async def asked(tx: Transaction, servant: Servant, day: date, answered: str | None, competency: str = "c") -> None:
    """Add a prompt of that day, and the chosen option, if there is one."""
    prompt = await record.plan(tx, servant.id, day, f"s-{servant.id}", competency, "new")
    assert prompt is not None
    if answered:
        given = Answer(
            prompt_id=prompt.id,
            servant_id=servant.id,
            institution_id=servant.institution_id,
            topic_id="t",
            competency_id=competency,
            scenario_id=prompt.scenario_id,
            option=answered,
            is_right=True,
            confidence=None,
            day=day,
            answered_at=NOW,
        )
        await record.add_answers(tx, [given])


async def days_of(tx: Transaction, servant_id: int) -> dict[date, tuple[str, str | None]]:
    """Scenario and chosen option of each day on which a servant was asked; fails on a day with two prompts."""
    rows = (await tx.execute(select(prompts).where(prompts.c.servant_id == servant_id))).all()
    assert len({row.day for row in rows}) == len(rows)
    found = {}
    for row in rows:
        given = await record.answer(tx, row.id)
        assert given is None or given.servant_id == servant_id, "an answer is its prompt's servant's"
        found[row.day] = (row.scenario_id, given.option if given else None)
    return found


# ---------------------------------------------------------------- codes


async def redeem(tx: Transaction, code: str, now: datetime) -> int | None:
    """Look up the owner of a code, and redeem it."""
    whose = await linking.code_owner(tx, code, now)
    return whose if whose is not None and await linking.redeem_code(tx, code) else None


async def test_a_code_is_redeemed_once(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, "telegram", "1")
        await linking.add_code(tx, ana.id, CODE, NOW + 15 * MINUTE)
        assert await redeem(tx, OTHER_CODE, NOW) is None
        assert await redeem(tx, CODE, NOW) == ana.id
        assert await redeem(tx, CODE, NOW) is None


@pytest.mark.parametrize(("minutes", "is_taken"), [(0, True), (14.99, True), (15, False), (16, False)])
async def test_a_code_is_valid_until_it_expires(database: Database, minutes: float, is_taken: bool) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, "telegram", "1")
        await linking.add_code(tx, ana.id, CODE, NOW + 15 * MINUTE)
        assert await redeem(tx, CODE, NOW + minutes * MINUTE) == (ana.id if is_taken else None)
        await linking.delete_expired_codes(tx, NOW + minutes * MINUTE)
        assert await tx.scalar(select(func.count()).select_from(join_codes)) == 0


async def test_a_newer_code_replaces_the_older_one_of_the_same_servant_only(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, "telegram", "1"), await enrol(tx, "telegram", "2")
        await linking.add_code(tx, beto.id, "b" * 64, NOW + DAY)
        for code in (CODE, OTHER_CODE):
            await linking.add_code(tx, ana.id, code, NOW + DAY)
        assert await redeem(tx, CODE, NOW) is None
        assert await redeem(tx, OTHER_CODE, NOW) == ana.id
        assert await redeem(tx, "b" * 64, NOW) == beto.id


async def test_expired_codes_are_deleted(database: Database) -> None:
    async with database.write() as tx:
        for number, life in enumerate((-1, 0, 1)):
            one = await enrol(tx, "telegram", f"{number}")
            await linking.add_code(tx, one.id, f"{number}" * 64, NOW + life * MINUTE)
        await linking.delete_expired_codes(tx, NOW)
        assert (await tx.scalars(select(join_codes.c.code_hash))).all() == ["2" * 64]


# ---------------------------------------------------------------- a second address


async def test_the_address_of_a_stranger_is_assigned_to_a_servant(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, "telegram", "1")
        await linking.add_address(tx, ana.id, "whatsapp", "MX.1001", "+524771000001", NOW)
        await linking.add_address(tx, ana.id, "webchat", "w", "", None)
        assert await addresses.recognize(tx, "whatsapp", "+524771000001", "+524771000001") == (ana, "MX.1001")
        _, webchat, whatsapp = await addresses.of_servant(tx, ana.id)
        assert (whatsapp.alias, whatsapp.heard_at, whatsapp.is_reachable) == ("+524771000001", NOW, True)
        assert (webchat.alias, webchat.heard_at) == (None, None)


async def test_an_alias_equal_to_the_address_is_not_stored(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, "telegram", "1")
        await linking.add_address(tx, ana.id, "whatsapp", "+524771000001", "+524771000001", NOW)
        _, place = await addresses.of_servant(tx, ana.id)
        assert place.alias is None


async def test_linking_with_a_number_removes_it_from_other_addresses(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, "telegram", "1"), await enrol(tx, "telegram", "2")
        await linking.add_address(tx, ana.id, "whatsapp", "MX.1001", "+524771000001", NOW)
        await linking.add_address(tx, beto.id, "whatsapp", "MX.1002", "+524771000001", NOW)
        _, place = await addresses.of_servant(tx, ana.id)
        assert place.alias is None
        assert await addresses.recognize(tx, "whatsapp", "+524771000001", "+524771000001") == (beto, "MX.1002")


# ---------------------------------------------------------------- preference and removal


async def test_removing_a_channel_removes_its_addresses_and_the_preference(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, "telegram", "1"), await enrol(tx, "whatsapp", "MX.2")
        await linking.add_address(tx, ana.id, "whatsapp", "MX.1", "", NOW)
        await linking.set_preferred_channel(tx, ana.id, "whatsapp")
        await linking.set_preferred_channel(tx, beto.id, "whatsapp")
        assert await linking.remove_channel(tx, ana.id, "webchat") == []
        assert await linking.remove_channel(tx, ana.id, "whatsapp") == ["MX.1"]
        assert [one.address for one in await addresses.of_servant(tx, ana.id)] == ["1"]
        kept = await servants.by_id(tx, ana.id), await servants.by_id(tx, beto.id)
        assert [one.channel for one in kept if one] == [None, "whatsapp"]
        assert await servants.by_address(tx, "whatsapp", "MX.2") is not None


async def test_removing_another_channel_leaves_the_preference(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, "telegram", "1")
        await linking.add_address(tx, ana.id, "whatsapp", "MX.1", "", NOW)
        await linking.set_preferred_channel(tx, ana.id, "telegram")
        await linking.remove_channel(tx, ana.id, "whatsapp")
        known = await servants.by_id(tx, ana.id)
        assert known is not None
        assert known.channel == "telegram"


# ---------------------------------------------------------------- merging two records


@dataclass(frozen=True)
class Rivals:
    """One day of two records: None where there is no prompt, empty where it was not answered, else the option."""

    kept: str | None
    other: str | None
    whose: str | None  # the prompt that stays
    option: str | None = None


RIVALS = [
    Rivals(None, None, None),
    Rivals("", None, "kept"),
    Rivals("a", None, "kept", "a"),
    Rivals(None, "", "other"),
    Rivals(None, "b", "other", "b"),
    Rivals("", "", "kept"),
    Rivals("a", "", "kept", "a"),
    Rivals("", "b", "other", "b"),
    Rivals("a", "b", "kept", "a"),
]


@pytest.mark.parametrize("case", RIVALS, ids=lambda case: f"{case.kept!r} and {case.other!r}")
async def test_one_prompt_stays_of_a_day_on_which_both_were_asked(database: Database, case: Rivals) -> None:
    async with database.write() as tx:
        kept, other = await enrol(tx, "telegram", "1"), await enrol(tx, "whatsapp", "MX.1")
        for one, option in ((kept, case.kept), (other, case.other)):
            if option is not None:
                await asked(tx, one, TODAY, option)
        await linking.merge(tx, kept.id, other.id)
        whose = {"kept": f"s-{kept.id}", "other": f"s-{other.id}"}
        expected = {} if case.whose is None else {TODAY: (whose[case.whose], case.option)}
        assert await days_of(tx, kept.id) == expected
        assert await days_of(tx, other.id) == {}


ONE_DAY = st.sampled_from([None, "", "a", "b", "c"])
HISTORIES = st.lists(st.tuples(ONE_DAY, ONE_DAY), max_size=12)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
async def test_after_a_merge_no_day_has_two_prompts_and_no_uncontested_answer_is_lost(
    database: Database, history: Sequence[tuple[str | None, str | None]]
) -> None:
    await clear_tables(database)
    async with database.write() as tx:
        kept, other = await enrol(tx, "telegram", "1"), await enrol(tx, "whatsapp", "MX.1")
        beto = await enrol(tx, "telegram", "2")
        for place, options in enumerate(history):
            for one, option in zip((kept, other), options, strict=True):
                if option is not None:
                    await asked(tx, one, TODAY + place * DAY, option)
            await asked(tx, beto, TODAY + place * DAY, "d")
        await linking.merge(tx, kept.id, other.id)
        found = await days_of(tx, kept.id)
        for place, (ours, theirs) in enumerate(history):
            option = ours or theirs or None
            is_asked = ours is not None or theirs is not None
            assert (TODAY + place * DAY in found) == is_asked
            assert found.get(TODAY + place * DAY, ("", None))[1] == option
        assert len(await record.answers_of(tx, kept.id)) == sum(bool(one or two) for one, two in history)
        assert len(await record.answers_of(tx, beto.id)) == len(history)
        assert await servants.by_id(tx, other.id) is None


async def test_a_merge_moves_addresses_and_preserves_the_settings_of_the_target(database: Database) -> None:
    async with database.write() as tx:
        kept, other = await enrol(tx, "telegram", "1"), await enrol(tx, "whatsapp", "MX.1", "SALUD")
        await servants.change(tx, other.id, language="en", hour=17)
        await linking.set_preferred_channel(tx, other.id, "whatsapp")
        await linking.add_code(tx, other.id, CODE, NOW + DAY)
        await addresses.set_no_marketing(tx, "whatsapp", "MX.1", no_marketing=True)
        await linking.merge(tx, kept.id, other.id)
        places = await addresses.of_servant(tx, kept.id)
        assert [(one.channel, one.address, one.no_marketing) for one in places] == [
            ("telegram", "1", False),
            ("whatsapp", "MX.1", True),
        ]
        assert await servants.by_id(tx, kept.id) == kept
        assert await redeem(tx, CODE, NOW) is None, "the code of a deleted record"
        assert await tx.scalar(select(func.count()).select_from(table)) == 1


async def test_after_a_merge_the_memory_has_to_be_rebuilt(database: Database) -> None:
    async with database.write() as tx:
        kept, other = await enrol(tx, "telegram", "1"), await enrol(tx, "whatsapp", "MX.1")
        beto = await enrol(tx, "telegram", "2")
        row = PackedMemory(b"memory", b"sent")
        await memories.store(tx, {one.id: row for one in (kept, other, beto)})
        await linking.merge(tx, kept.id, other.id)
        assert await memories.of(tx, [kept.id, other.id, beto.id]) == {beto.id: row}


async def test_an_answer_stays_with_the_institution_in_which_it_was_given(database: Database) -> None:
    async with database.write() as tx:
        kept, other = await enrol(tx, "telegram", "1"), await enrol(tx, "whatsapp", "MX.1", "SALUD")
        await asked(tx, other, TODAY, "a")
        await linking.merge(tx, kept.id, other.id)
        (given_there,) = await record.answers_of(tx, kept.id)
        assert given_there.institution_id == other.institution_id != kept.institution_id
