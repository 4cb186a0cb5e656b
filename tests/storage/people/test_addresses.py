"""Addresses of servants: recognizing senders, changing names, reply windows and limits, on both databases."""

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


async def recognized_id(tx: Transaction, address: str, alias: str = "") -> int | None:
    """The id of the servant recognized as the sender."""
    known = await addresses.recognize(tx, "whatsapp", address, alias, NOW)
    return known[0].id if known else None


async def address_of(tx: Transaction, servant: Servant) -> ServantAddress:
    (place,) = await addresses.of_servant(tx, servant.id)
    return place


async def recipients(tx: Transaction) -> dict[str, str]:
    rows = tables.deliveries
    return {row.key: row.address for row in await tx.execute(select(rows.c.key, rows.c.address))}


# ---------------------------------------------------------------- one servant, several names


SPELLINGS = ["5214771000001", "524771000001", "+52 1 477 100 0001", "+52 (477) 100-0001"]


async def test_a_servant_is_recognized_by_any_combination_of_names(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, PHONE, PHONE)
        for spelling in SPELLINGS:  # by phone first, as before 2026
            assert await recognized_id(tx, canonical(spelling), canonical(spelling)) == ana.id, spelling
        assert await addresses.recognize(tx, "whatsapp", USER, PHONE) == (ana, USER), (
            "the id is her address from now on"
        )
        assert await addresses.recognize(tx, "whatsapp", PHONE, PHONE) == (ana, USER), "by phone only"
        assert await addresses.recognize(tx, "whatsapp", USER) == (ana, USER), "by id only"
        assert await addresses.recognize(tx, "whatsapp", USER, PHONE) == (ana, USER)
        assert [(one.address, one.alias) for one in await addresses.of_servant(tx, ana.id)] == [(USER, PHONE)]


async def test_a_servant_known_by_id_is_recognized_by_a_phone_number_sent_later(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER)
        assert await recognized_id(tx, PHONE, PHONE) is None, "an unknown phone number is a stranger's"
        assert await recognized_id(tx, USER, PHONE) == ana.id
        assert await recognized_id(tx, PHONE, PHONE) == ana.id
        assert (await address_of(tx, ana)).address == USER


async def test_the_same_names_on_another_channel_are_another_servant(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        beto = await enrol(tx, PHONE, channel="telegram")
        assert await recognized_id(tx, PHONE, PHONE) == ana.id
        assert await addresses.recognize(tx, "telegram", PHONE) == (beto, PHONE)
        assert await addresses.recognize(tx, "webchat", USER, PHONE) is None


async def test_an_alias_equal_to_the_address_is_not_stored(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, PHONE, PHONE)
        await recognized_id(tx, PHONE, PHONE)
        assert (await address_of(tx, ana)).alias is None


async def test_nothing_is_stored_about_a_stranger(database: Database) -> None:
    async with database.write() as tx:
        assert await recognized_id(tx, USER, PHONE) is None
        assert await addresses.find(tx, "whatsapp", USER, PHONE) is None
        assert (await tx.execute(select(tables.addresses))).first() is None


async def test_an_empty_name_matches_no_servant(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, USER)
        assert await recognized_id(tx, "", "") is None
        assert await recognized_id(tx, NEW_USER, "") is None


# ---------------------------------------------------------------- phone numbers change owners


async def test_a_servant_is_never_mistaken_for_the_previous_owner_of_the_number(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        assert await recognized_id(tx, BETOS_USER, PHONE) == beto.id
        assert await recognized_id(tx, PHONE, PHONE) == beto.id, "the number is Beto's now"
        assert (await address_of(tx, ana)).alias is None
        assert await recognized_id(tx, USER, NEW_PHONE) == ana.id
        assert await recognized_id(tx, NEW_PHONE, NEW_PHONE) == ana.id
        assert await recognized_id(tx, PHONE, PHONE) == beto.id


async def test_a_stranger_with_a_known_number_and_an_id_of_their_own_is_a_stranger(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        assert await recognized_id(tx, NEW_USER, PHONE) is None
        assert await recognized_id(tx, USER) == ana.id


async def test_enrolling_with_a_number_removes_it_from_other_addresses(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        carla = await enrol(tx, NEW_USER, PHONE)
        assert await recognized_id(tx, PHONE, PHONE) == carla.id
        assert (await address_of(tx, ana)).alias is None


async def test_a_stranger_with_the_number_of_a_servant_stays_a_stranger(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, USER, PHONE)
        assert await recognized_id(tx, NEW_USER, PHONE) is None
        assert await recognized_id(tx, PHONE, PHONE) is None


async def test_a_number_that_has_a_new_owner_is_unreachable(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, PHONE, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        assert await recognized_id(tx, BETOS_USER, PHONE) == beto.id
        places = await addresses.of_servant(tx, ana.id)
        assert not [one for one in places if one.address == PHONE and one.is_reachable]
        assert await recognized_id(tx, PHONE, PHONE) == beto.id


async def test_deliveries_to_a_number_that_has_a_new_owner_are_dropped(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, PHONE, PHONE)
        beto = await enrol(tx, BETOS_USER, BETOS_PHONE)
        await outbox.add(tx, [NewDelivery("ana's", "whatsapp", PHONE, DeliveryKind.PROMPT, "{}", NOW)])
        assert await recognized_id(tx, BETOS_USER, PHONE) == beto.id
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
async def test_however_numbers_change_owners_each_servant_is_recognized(
    database: Database, acts: Sequence[tuple[str, int, str | int]]
) -> None:
    """Three servants known by their ids, four numbers. The id sent along shows who owns a number now."""
    await clear_tables(database)
    numbers: dict[int, int] = {}  # servant -> number
    users = [f"MX.{person}000" for person in range(3)]
    async with database.write() as tx:
        records = [(await enrol(tx, user)).id for user in users]
        for what, who, how in acts:
            if what == "speaks":
                phone = f"+52477000000{numbers[who]}" if who in numbers else ""
                address = phone if how == "phone" and phone else users[who]
                assert await recognized_id(tx, address, "" if how == "id" else phone) == records[who]
                continue
            phone = f"+52477000000{how}"
            numbers = {one: number for one, number in numbers.items() if number != how} | {who: int(how)}
            if what == "moves":  # user_changed_user_id, with the new number
                place = await addresses.find(tx, "whatsapp", users[who])
                assert place is not None
                users[who] += "9"
                await addresses.change_address(tx, place, users[who], phone)
            else:
                assert await recognized_id(tx, users[who], phone) == records[who]
        for person, record in enumerate(records):
            (place,) = await addresses.of_servant(tx, record)
            assert place.address == users[person]
            assert place.is_reachable


# ---------------------------------------------------------------- changing the address


async def test_a_changed_address_stays_the_servants_and_waiting_deliveries_follow(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await addresses.record_template_sent(tx, "whatsapp", USER, NOW)
        await addresses.defer(tx, "whatsapp", USER, TODAY)
        await addresses.set_no_marketing(tx, "whatsapp", USER, no_marketing=True)
        before = await address_of(tx, ana)
        wanted = [("sent", "whatsapp", USER), ("held", "whatsapp", USER), ("waiting", "whatsapp", USER)]
        others = [("elsewhere", "telegram", USER), ("beto's", "whatsapp", BETOS_USER)]
        for key, channel, address in wanted + others:
            if key == "waiting":  # the earlier one is claimed
                sent, _ = await delivery_worker.claim(tx, "w", ["whatsapp"], NOW, 1)
                await delivery_worker.finish(tx, sent.id, outbox.DeliveryState.SENT, NOW)
            await outbox.add(tx, [NewDelivery(key, channel, address, DeliveryKind.NOTICE, "{}", NOW)])
        assert await addresses.change_address(tx, before, NEW_USER, NEW_PHONE) == NEW_USER
        assert await address_of(tx, ana) == replace(before, address=NEW_USER, alias=NEW_PHONE)
        assert await recipients(tx) == {
            "sent": USER,
            "held": NEW_USER,
            "waiting": NEW_USER,
            "elsewhere": USER,
            "beto's": BETOS_USER,
        }
        assert await recognized_id(tx, USER, PHONE) is None
        assert await recognized_id(tx, NEW_USER) == await recognized_id(tx, NEW_PHONE, NEW_PHONE) == ana.id


MOVES = {  # (address, alias) before; as reported; after
    "a new id, and no word of the number": ((USER, PHONE), (NEW_USER, ""), (NEW_USER, PHONE)),
    "a new id of a servant without a number": ((USER, None), (NEW_USER, ""), (NEW_USER, None)),
    "a new number, the id stays": ((USER, PHONE), ("", NEW_PHONE), (USER, NEW_PHONE)),
    "both": ((USER, PHONE), (NEW_USER, NEW_PHONE), (NEW_USER, NEW_PHONE)),
    "a new number of a servant known by it alone": ((PHONE, None), (NEW_PHONE, NEW_PHONE), (NEW_PHONE, None)),
    "an id of a servant known by the number alone": ((PHONE, None), (USER, PHONE), (USER, PHONE)),
    "nothing new": ((USER, PHONE), (USER, PHONE), (USER, PHONE)),
}


@pytest.mark.parametrize("name", MOVES)
async def test_names_after_a_change_of_address(database: Database, name: str) -> None:
    (address, alias), reported, expected = MOVES[name]
    async with database.write() as tx:
        ana = await enrol(tx, address, alias or "")
        assert await addresses.change_address(tx, await address_of(tx, ana), *reported) == expected[0]
        place = await address_of(tx, ana)
        assert (place.address, place.alias) == expected
        assert place.heard_at == NOW


async def test_a_change_to_the_address_of_another_servant_mixes_nothing(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        for key, address in (("ana's", USER), ("beto's", BETOS_USER)):
            await outbox.add(tx, [NewDelivery(key, "whatsapp", address, DeliveryKind.PROMPT, "{}", NOW)])
        betos = await address_of(tx, beto)
        assert await addresses.change_address(tx, await address_of(tx, ana), BETOS_USER, "") == BETOS_USER
        assert await address_of(tx, beto) == betos
        gone = await address_of(tx, ana)
        assert (gone.address, gone.is_reachable, gone.alias) == (USER, False, None)
        assert await recipients(tx) == {"ana's": USER, "beto's": BETOS_USER}
        assert await recognized_id(tx, BETOS_USER, BETOS_PHONE) == beto.id
        assert await recognized_id(tx, PHONE, PHONE) is None


async def test_the_owner_of_the_new_address_keeps_the_phone_number(database: Database) -> None:
    async with database.write() as tx:
        old, new = await enrol(tx, USER, PHONE), await enrol(tx, NEW_USER, NEW_PHONE)
        before = await address_of(tx, new)
        await addresses.change_address(tx, await address_of(tx, old), NEW_USER, NEW_PHONE)
        assert await address_of(tx, new) == before


async def test_a_new_number_is_removed_from_its_previous_owner(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER, BETOS_PHONE)
        await addresses.change_address(tx, await address_of(tx, ana), "", BETOS_PHONE)
        assert (await address_of(tx, beto)).alias is None
        assert await recognized_id(tx, BETOS_PHONE, BETOS_PHONE) == ana.id


# ---------------------------------------------------------------- what is stored about senders


async def test_the_last_heard_time_never_decreases(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        for heard, expected in ((-7 * DAY, NOW), (HOUR, NOW + HOUR), (HOUR / 2, NOW + HOUR), (2 * DAY, NOW + 2 * DAY)):
            await addresses.recognize(tx, "whatsapp", USER, PHONE, NOW + heard)
            assert (await address_of(tx, ana)).heard_at == expected
        await addresses.recognize(tx, "whatsapp", USER, PHONE)
        assert (await address_of(tx, ana)).heard_at == NOW + 2 * DAY


async def test_a_message_makes_a_servant_reachable_and_no_longer_deferred(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await outbox.drop_unreachable(tx, "whatsapp", USER, NOW)
        await addresses.defer(tx, "whatsapp", USER, TODAY)
        await addresses.recognize(tx, "whatsapp", USER, PHONE, NOW + HOUR)
        place = await address_of(tx, ana)
        assert (place.is_reachable, place.deferred_on) == (True, None)


async def test_a_window_reported_as_closed_stays_closed_until_the_next_message(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await addresses.record_window_closed(tx, "whatsapp", USER, NOW)
        assert (await address_of(tx, ana)).heard_at is None
        await addresses.recognize(tx, "whatsapp", USER, PHONE, NOW + HOUR)
        assert (await address_of(tx, ana)).heard_at == NOW + HOUR


async def test_a_deferred_servant_keeps_the_first_day_until_a_template_is_sent(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        for day in (TODAY, TODAY + DAY):
            await addresses.defer(tx, "whatsapp", USER, day)
            assert (await address_of(tx, ana)).deferred_on == TODAY
        assert await addresses.count_deferred(tx, "whatsapp") == 1
        await addresses.record_template_sent(tx, "whatsapp", USER, NOW)
        place = await address_of(tx, ana)
        assert (place.deferred_on, place.template_sent_at) == (None, NOW)
        assert await addresses.count_deferred(tx, "whatsapp") == 0


async def test_only_reachable_active_servants_count_as_deferred(database: Database) -> None:
    async with database.write() as tx:
        people = [await enrol(tx, f"MX.{number}") for number in range(3)]
        for number in range(3):
            await addresses.defer(tx, "whatsapp", f"MX.{number}", TODAY)
        await outbox.drop_unreachable(tx, "whatsapp", "MX.0", NOW)
        await servants.pause(tx, people[1].id, None)
        assert await addresses.count_deferred(tx, "whatsapp") == 1
        assert await addresses.count_deferred(tx, "telegram") == 0


async def test_a_deferral_of_the_future_is_replaced_as_a_clock_was_wrong(database: Database) -> None:
    async with database.write() as tx:
        await enrol(tx, "MX.0")
        for day in (TODAY + 364 * DAY, TODAY, TODAY + DAY):
            await addresses.defer(tx, "whatsapp", "MX.0", day)
        found = await addresses.find(tx, "whatsapp", "MX.0")
    assert found is not None
    assert found.deferred_on == TODAY


async def test_template_recipients_are_counted_over_a_sliding_day(database: Database) -> None:
    async with database.write() as tx:
        for number in range(3):
            await enrol(tx, f"MX.{number}")
            await addresses.record_template_sent(tx, "whatsapp", f"MX.{number}", NOW + number * HOUR)
        await addresses.record_template_sent(tx, "whatsapp", "MX.2", NOW + 2 * HOUR)  # a recipient counts once
        counts = [
            await addresses.count_template_recipients(tx, "whatsapp", NOW + hours * HOUR, NOW + 4 * HOUR)
            for hours in range(-1, 4)
        ]
        assert counts == [3, 2, 1, 0, 0]
        assert await addresses.count_template_recipients(tx, "telegram", NOW - DAY, NOW) == 0
        assert await addresses.count_template_recipients(tx, "whatsapp", NOW - DAY, NOW) == 1, "none of the future"


async def test_the_marketing_opt_out_is_stored_per_address(database: Database) -> None:
    async with database.write() as tx:
        ana, beto = await enrol(tx, USER, PHONE), await enrol(tx, BETOS_USER)
        await addresses.set_no_marketing(tx, "whatsapp", USER, no_marketing=True)
        assert [(await address_of(tx, one)).no_marketing for one in (ana, beto)] == [True, False]
        await recognized_id(tx, USER, PHONE)
        assert (await address_of(tx, ana)).no_marketing, "another message does not change it"
        await addresses.set_no_marketing(tx, "whatsapp", USER, no_marketing=False)
        assert not (await address_of(tx, ana)).no_marketing


async def test_all_addresses_of_a_servant_are_returned_by_channel(database: Database) -> None:
    async with database.write() as tx:
        ana = await enrol(tx, USER, PHONE)
        await enrol(tx, BETOS_USER)
        statement = tables.addresses.insert().values(channel="telegram", address="100001", servant_id=ana.id)
        await tx.execute(statement)
        assert [(one.channel, one.address) for one in await addresses.of_servant(tx, ana.id)] == [
            ("telegram", "100001"),
            ("whatsapp", USER),
        ]
        await tx.execute(update(tables.addresses).values(alias=None))
        assert await addresses.of_servant(tx, ana.id + 100) == []
