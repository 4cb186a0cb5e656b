from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from bot.channels.whatsapp.phone import canonical
from storage import schema as tables
from storage.database import Database, Transaction
from storage.people import addresses, servants
from storage.people.addresses import ServantAddress
from storage.people.servants import Servant
from storage.queue import outbox
from storage.queue.outbox import DeliveryKind, NewDelivery
from tests import delivery_worker
from tests.cast import INSTITUTIONS
from tests.cast import MONDAY_NINE as NOW
from tests.conftest import clear_tables

TODAY = date(2026, 11, 23)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
USER, NEW_USER, BETOS_USER = "MX.1001", "MX.9001", "MX.1002"
PHONE, NEW_PHONE, BETOS_PHONE = "+524771000001", "+524771000009", "+524771000002"


async def enrol(tx: Transaction, address: str, alias: str = "", channel: str = "whatsapp") -> Servant:
    for code, name, sphere in INSTITUTIONS:
        await servants.add_institution(tx, code, name, sphere)
    place = await servants.institution_by_code(tx, "LEON")
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
        alias=alias,
        heard_at=NOW,
    )


async def met(tx: Transaction, address: str, alias: str = "") -> int | None:
    """Whose words these are: the id of the record."""
    known = await addresses.meet(tx, "whatsapp", address, alias, NOW)
    return known[0].id if known else None


async def place_of(tx: Transaction, servant: Servant) -> ServantAddress:
    (place,) = await addresses.all_of(tx, servant.id)
    return place


async def addressed(tx: Transaction) -> dict[str, str]:
    rows = tables.deliveries
    return {row.key: row.address for row in await tx.execute(select(rows.c.key, rows.c.address))}


# ---------------------------------------------------------------- one person, several names


SPELLINGS = ["5214771000001", "524771000001", "+52 1 477 100 0001", "+52 (477) 100-0001"]


async def test_a_person_is_one_record_by_whichever_names_they_come(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, PHONE, PHONE)
        for spelling in SPELLINGS:  # by phone first, as before 2026
            assert await met(tx, canonical(spelling), canonical(spelling)) == ana.id, spelling
        assert await addresses.meet(tx, "whatsapp", USER, PHONE) == (ana, USER), "the id is her address from now on"
        assert await addresses.meet(tx, "whatsapp", PHONE, PHONE) == (ana, USER), "by phone only"
        assert await addresses.meet(tx, "whatsapp", USER) == (ana, USER), "by id only"
        assert await addresses.meet(tx, "whatsapp", USER, PHONE) == (ana, USER)
        assert [(one.address, one.alias) for one in await addresses.all_of(tx, ana.id)] == [(USER, PHONE)]


async def test_whoever_came_by_id_is_known_by_the_phone_that_came_later(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER)
        assert await met(tx, PHONE, PHONE) is None, "a phone that nobody told of is a stranger's"
        assert await met(tx, USER, PHONE) == ana.id
        assert await met(tx, PHONE, PHONE) == ana.id
        assert (await place_of(tx, ana)).address == USER


async def test_the_same_names_on_another_channel_are_somebody_else(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        beto = await enrol(tx, PHONE, channel="telegram")
        assert await met(tx, PHONE, PHONE) == ana.id
        assert await addresses.meet(tx, "telegram", PHONE) == (beto, PHONE)
        assert await addresses.meet(tx, "webchat", USER, PHONE) is None


async def test_an_alias_that_is_the_address_is_kept_once(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, PHONE, PHONE)
        await met(tx, PHONE, PHONE)
        assert (await place_of(tx, ana)).alias is None


async def test_of_a_stranger_nothing_is_kept(database: Database) -> None:
    async with database.write() as tx:
        assert await met(tx, USER, PHONE) is None
        assert await addresses.find(tx, "whatsapp", USER, PHONE) is None
        assert (await tx.execute(select(tables.addresses))).first() is None


async def test_an_empty_name_means_nobody(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, USER)
        assert await met(tx, "", "") is None
        assert await met(tx, NEW_USER, "") is None


# ---------------------------------------------------------------- numbers change hands


async def test_whoever_has_a_record_is_never_taken_for_the_one_who_had_the_number_before(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        assert await met(tx, BETOS_USER, PHONE) == beto.id
        assert await met(tx, PHONE, PHONE) == beto.id, "the number is Beto's now"
        assert (await place_of(tx, ana)).alias is None
        assert await met(tx, USER, NEW_PHONE) == ana.id
        assert await met(tx, NEW_PHONE, NEW_PHONE) == ana.id
        assert await met(tx, PHONE, PHONE) == beto.id


async def test_a_stranger_with_a_known_number_and_an_id_of_their_own_is_a_stranger(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        assert await met(tx, NEW_USER, PHONE) is None
        assert await met(tx, USER) == ana.id


async def test_whoever_enrols_with_a_number_has_it_alone(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        carla = await enrol(tx, NEW_USER, PHONE)
        assert await met(tx, PHONE, PHONE) == carla.id
        assert (await place_of(tx, ana)).alias is None


async def test_a_stranger_who_has_somebodys_number_stays_a_stranger(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, USER, PHONE)
        assert await met(tx, NEW_USER, PHONE) is None
        assert await met(tx, PHONE, PHONE) is None


async def test_nobody_is_written_to_at_a_number_that_is_somebody_elses_now(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, PHONE, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        assert await met(tx, BETOS_USER, PHONE) == beto.id
        places = await addresses.all_of(tx, ana.id)
        assert not [one for one in places if one.address == PHONE and one.is_reachable]
        assert await met(tx, PHONE, PHONE) == beto.id


async def test_what_waits_for_a_number_that_is_somebody_elses_now_does_not_leave_for_it(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, PHONE, PHONE)
        beto = await enrol(tx, BETOS_USER, BETOS_PHONE)
        await outbox.add(tx, [NewDelivery("ana's", "whatsapp", PHONE, DeliveryKind.PROMPT, "{}", NOW)])
        assert await met(tx, BETOS_USER, PHONE) == beto.id
        rows = tables.deliveries
        waiting = (await tx.scalars(select(rows.c.address).where(rows.c.state == outbox.DeliveryState.WAITING))).all()
        assert PHONE not in waiting


FORMS = ("both", "phone", "id")
ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("speaks"), st.integers(0, 2), st.sampled_from(FORMS)),
        st.tuples(st.just("takes"), st.integers(0, 2), st.integers(0, 3)),
        st.tuples(st.just("moves"), st.integers(0, 2), st.integers(0, 3)),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
async def test_however_numbers_change_hands_everybody_finds_their_own_record(
    database: Database, acts: Sequence[tuple[str, int, str | int]]
) -> None:
    """Three people known by their ids, four numbers. Who has a number now is told by an id beside it."""
    await clear_tables(database)
    numbers: dict[int, int] = {}  # person -> number
    users = [f"MX.{person}000" for person in range(3)]
    async with database.write() as tx:
        records = [(await enrol(tx, user)).id for user in users]
        for what, who, how in acts:
            if what == "speaks":
                phone = f"+52477000000{numbers[who]}" if who in numbers else ""
                address = phone if how == "phone" and phone else users[who]
                assert await met(tx, address, "" if how == "id" else phone) == records[who]
                continue
            phone = f"+52477000000{how}"
            numbers = {one: number for one, number in numbers.items() if number != how} | {who: int(how)}
            if what == "moves":  # user_changed_user_id, with the new number
                place = await addresses.find(tx, "whatsapp", users[who])
                assert place is not None
                users[who] += "9"
                await addresses.move(tx, place, users[who], phone)
            else:
                assert await met(tx, users[who], phone) == records[who]
        for person, record in enumerate(records):
            (place,) = await addresses.all_of(tx, record)
            assert place.address == users[person]
            assert place.is_reachable


# ---------------------------------------------------------------- moving


async def test_whoever_moves_keeps_the_record_and_what_waits_follows(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await addresses.record_template_sent(tx, "whatsapp", USER, NOW)
        await addresses.put_off(tx, "whatsapp", USER, TODAY)
        await addresses.prefer_no_marketing(tx, "whatsapp", USER, no_marketing=True)
        before = await place_of(tx, ana)
        wanted = [("sent", "whatsapp", USER), ("held", "whatsapp", USER), ("waiting", "whatsapp", USER)]
        others = [("elsewhere", "telegram", USER), ("beto's", "whatsapp", BETOS_USER)]
        for key, channel, address in wanted + others:
            if key == "waiting":  # what was said before is in somebody's hand
                sent, _ = await delivery_worker.claim(tx, "w", ["whatsapp"], NOW, 1)
                await delivery_worker.finish(tx, sent.id, outbox.DeliveryState.SENT, NOW)
            await outbox.add(tx, [NewDelivery(key, channel, address, DeliveryKind.NOTICE, "{}", NOW)])
        assert await addresses.move(tx, before, NEW_USER, NEW_PHONE) == NEW_USER
        assert await place_of(tx, ana) == replace(before, address=NEW_USER, alias=NEW_PHONE)
        assert await addressed(tx) == {
            "sent": USER,
            "held": NEW_USER,
            "waiting": NEW_USER,
            "elsewhere": USER,
            "beto's": BETOS_USER,
        }
        assert await met(tx, USER, PHONE) is None
        assert await met(tx, NEW_USER) == await met(tx, NEW_PHONE, NEW_PHONE) == ana.id


MOVES = {  # known as (address, alias); told (address, alias); known then
    "a new id, and no word of the number": ((USER, PHONE), (NEW_USER, ""), (NEW_USER, PHONE)),
    "a new id of somebody without number": ((USER, None), (NEW_USER, ""), (NEW_USER, None)),
    "a new number, the id stays": ((USER, PHONE), ("", NEW_PHONE), (USER, NEW_PHONE)),
    "both": ((USER, PHONE), (NEW_USER, NEW_PHONE), (NEW_USER, NEW_PHONE)),
    "a new number of somebody known by it alone": ((PHONE, None), (NEW_PHONE, NEW_PHONE), (NEW_PHONE, None)),
    "an id of somebody known by the number alone": ((PHONE, None), (USER, PHONE), (USER, PHONE)),
    "nothing new": ((USER, PHONE), (USER, PHONE), (USER, PHONE)),
}


@pytest.mark.parametrize("name", MOVES)
async def test_names_after_a_move(database: Database, name: str) -> None:
    (address, alias), told, expected = MOVES[name]
    async with database.write() as tx:
        ana = await enrol(tx, address, alias or "")
        assert await addresses.move(tx, await place_of(tx, ana), *told) == expected[0]
        place = await place_of(tx, ana)
        assert (place.address, place.alias) == expected
        assert place.heard_at == NOW


async def test_where_the_new_address_is_somebodys_already_nothing_is_mixed(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        for key, address in (("ana's", USER), ("beto's", BETOS_USER)):
            await outbox.add(tx, [NewDelivery(key, "whatsapp", address, DeliveryKind.PROMPT, "{}", NOW)])
        betos = await place_of(tx, beto)
        assert await addresses.move(tx, await place_of(tx, ana), BETOS_USER, "") == BETOS_USER
        assert await place_of(tx, beto) == betos
        gone = await place_of(tx, ana)
        assert (gone.address, gone.is_reachable, gone.alias) == (USER, False, None)
        assert await addressed(tx) == {"ana's": USER, "beto's": BETOS_USER}
        assert await met(tx, BETOS_USER, BETOS_PHONE) == beto.id
        assert await met(tx, PHONE, PHONE) is None


async def test_a_record_that_stands_where_somebody_moves_keeps_its_phone(database: Database) -> None:
    async with database.write() as tx:
        old, new = await enrol(tx, USER, PHONE), await enrol(tx, NEW_USER, NEW_PHONE)
        before = await place_of(tx, new)
        await addresses.move(tx, await place_of(tx, old), NEW_USER, NEW_PHONE)
        assert await place_of(tx, new) == before


async def test_a_new_number_is_taken_from_whoever_had_it(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        await addresses.move(tx, await place_of(tx, ana), "", BETOS_PHONE)
        assert (await place_of(tx, beto)).alias is None
        assert await met(tx, BETOS_PHONE, BETOS_PHONE) == ana.id


# ---------------------------------------------------------------- what is remembered of a meeting


async def test_when_somebody_was_heard_only_grows(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        for heard, expected in ((-7 * DAY, NOW), (HOUR, NOW + HOUR), (HOUR / 2, NOW + HOUR), (2 * DAY, NOW + 2 * DAY)):
            await addresses.meet(tx, "whatsapp", USER, PHONE, NOW + heard)
            assert (await place_of(tx, ana)).heard_at == expected
        await addresses.meet(tx, "whatsapp", USER, PHONE)
        assert (await place_of(tx, ana)).heard_at == NOW + 2 * DAY


async def test_a_word_brings_back_whom_we_could_not_reach_and_finds_nothing_put_off(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await outbox.drop_unreachable(tx, "whatsapp", USER, NOW)
        await addresses.put_off(tx, "whatsapp", USER, TODAY)
        await addresses.meet(tx, "whatsapp", USER, PHONE, NOW + HOUR)
        place = await place_of(tx, ana)
        assert (place.is_reachable, place.put_off_on) == (True, None)


async def test_whom_the_platform_calls_silent_is_silent_until_the_next_word(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await addresses.be_silent(tx, "whatsapp", USER, NOW)
        assert (await place_of(tx, ana)).heard_at is None
        await addresses.meet(tx, "whatsapp", USER, PHONE, NOW + HOUR)
        assert (await place_of(tx, ana)).heard_at == NOW + HOUR


async def test_who_was_put_off_keeps_the_first_day_until_a_template_goes(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        for day in (TODAY, TODAY + DAY):
            await addresses.put_off(tx, "whatsapp", USER, day)
            assert (await place_of(tx, ana)).put_off_on == TODAY
        assert await addresses.count_put_off(tx, "whatsapp") == 1
        await addresses.record_template_sent(tx, "whatsapp", USER, NOW)
        place = await place_of(tx, ana)
        assert (place.put_off_on, place.knocked_at) == (None, NOW)
        assert await addresses.count_put_off(tx, "whatsapp") == 0


async def test_only_who_can_be_written_to_waits_for_the_limit(database: Database) -> None:
    async with database.write() as tx:
        people = [await enrol(tx, f"MX.{number}") for number in range(3)]
        for number in range(3):
            await addresses.put_off(tx, "whatsapp", f"MX.{number}", TODAY)
        await outbox.drop_unreachable(tx, "whatsapp", "MX.0", NOW)
        await servants.pause(tx, people[1].id, None)
        assert await addresses.count_put_off(tx, "whatsapp") == 1
        assert await addresses.count_put_off(tx, "telegram") == 0


async def test_people_who_got_a_template_are_counted_over_a_moving_day(database: Database) -> None:
    async with database.write() as tx:
        for number in range(3):
            await enrol(tx, f"MX.{number}")
            await addresses.record_template_sent(tx, "whatsapp", f"MX.{number}", NOW + number * HOUR)
        await addresses.record_template_sent(tx, "whatsapp", "MX.2", NOW + 2 * HOUR)  # a person counts once
        counts = [
            await addresses.count_template_recipients(tx, "whatsapp", NOW + hours * HOUR) for hours in range(-1, 4)
        ]
        assert counts == [3, 2, 1, 0, 0]
        assert await addresses.count_template_recipients(tx, "telegram", NOW - DAY) == 0


async def test_a_wish_about_marketing_is_kept_for_one_address(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER)
        await addresses.prefer_no_marketing(tx, "whatsapp", USER, no_marketing=True)
        assert [(await place_of(tx, one)).no_marketing for one in (ana, beto)] == [True, False]
        await met(tx, USER, PHONE)
        assert (await place_of(tx, ana)).no_marketing, "another word is no other wish"
        await addresses.prefer_no_marketing(tx, "whatsapp", USER, no_marketing=False)
        assert not (await place_of(tx, ana)).no_marketing


async def test_everywhere_a_servant_is_by_channel(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await enrol(tx, BETOS_USER)
        statement = tables.addresses.insert().values(channel="telegram", address="100001", servant_id=ana.id)
        await tx.execute(statement)
        assert [(one.channel, one.address) for one in await addresses.all_of(tx, ana.id)] == [
            ("telegram", "100001"),
            ("whatsapp", USER),
        ]
        await tx.execute(update(tables.addresses).values(alias=None))
        assert await addresses.all_of(tx, ana.id + 100) == []
