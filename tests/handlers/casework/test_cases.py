"""Invites and lists of readers, the queue, opening cases, and which answers are accepted."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from content.library import Library
from handlers.casework import cases
from handlers.casework.cases import KeysRefused, LetterRefused, NoSuchCase, OfficerContext
from storage import schema
from storage.confidential import cases as stored_cases
from storage.confidential import ledger, officers, sealing, wire_format
from storage.confidential.officers import Keys, OfficerState
from storage.database import Database
from tests.bot.console.office import SECRET, ZONE, Office, OfficerWithKeys, Unit, encoded_public_key
from tests.fakes.unit import new_id, new_key

CONTENT = {"text": "¿Es un conflicto?", "answers": "", "decision_on": "", "identified": ""}


def new_person(name: str) -> OfficerWithKeys:
    return OfficerWithKeys("", name, f"{name.split()[0].lower()}@ueipci.example")


@pytest.fixture
async def office(database: Database, library: Library) -> Office:
    return Office(database, library)


@pytest.fixture
def unit() -> Unit:
    return Unit()


@asynccontextmanager
async def officer_context(
    office: Office, officer_id: str, now: datetime | None = None
) -> AsyncIterator[OfficerContext]:
    async with office.database.write() as tx:
        officer = await officers.by_id(tx, officer_id)
        assert officer is not None
        yield OfficerContext(tx, officer, ZONE, SECRET.audit, now or office.now)


async def accept_invite(
    office: Office, person: OfficerWithKeys, signed: tuple[str, str] | None = None, keys: Keys | None = None
) -> OfficerState:
    """Accept an invite with the keys of the person's browser."""
    token = await office.invite(person.email, person.name, "officer")
    async with office.database.write() as tx:
        officer = await officers.by_invite(tx, token, office.now)
        person.id = officer.id
        context = OfficerContext(tx, officer, ZONE, SECRET.audit, office.now)
        return await cases.accept_invite(context, token, keys or person.keys(), signed)


async def create_unit(office: Office, unit: Unit) -> OfficerWithKeys:
    """Carmen accepts the first invite and signs the first list."""
    carmen = new_person("Carmen Ríos")
    token = await office.invite(carmen.email, carmen.name, "admin")
    async with office.database.write() as tx:
        officer = await officers.by_invite(tx, token, office.now)
        carmen.id = officer.id
        context = OfficerContext(tx, officer, ZONE, SECRET.audit, office.now)
        state = await cases.accept_invite(context, token, carmen.keys(unit_bundle="{}"), unit.sign(1, carmen))
    assert state is OfficerState.ACTIVE
    return carmen


async def case_for(office: Office, unit: Unit, *people: OfficerWithKeys) -> tuple[str, bytes]:
    recovery = {"id": sealing.RECOVERY, "reading": encoded_public_key(unit.recovery)}
    return await office.submit_case([*(person.reader for person in people), recovery], CONTENT)


async def reply_of(office: Office, case_id: str, key: bytes, person: OfficerWithKeys, **changes: Any) -> dict[str, Any]:
    """An answer as the officer's browser seals it; `changes` replace fields of its context."""
    async with office.database.read() as tx:
        before = await stored_cases.letters(tx, case_id)
    previous = sealing.read_envelope(before[-1].envelope).hash
    context = sealing.letter_context(
        case_id, 1, len(before) + 1, "officer", office.now.astimezone(ZONE).date(), previous
    )
    content = {"text": "Informa por escrito."}
    return sealing.seal_letter(key, context | changes, content, signer=person.id, signing_key=person.signing)


# ---------------------------------------------------------------- invites


async def test_the_first_officer_signs_the_first_list_and_is_active(office: Office, unit: Unit) -> None:
    carmen = await create_unit(office, unit)
    async with office.database.read() as tx:
        newest, officer = await officers.newest_key_list(tx), await officers.by_id(tx, carmen.id)
        assert await ledger.first_invalid(tx, SECRET.audit) is None
    assert newest is not None
    assert newest.serial == 1
    assert officer is not None
    assert officer.signs_keys


@pytest.mark.parametrize(
    "fault", ["no list", "no unit key", "serial", "stranger", "signature", "other keys", "no recovery"]
)
async def test_an_inconsistent_first_list_is_refused_and_spends_nothing(office: Office, unit: Unit, fault: str) -> None:
    carmen, stranger = new_person("Carmen Ríos"), replace(new_person("Extraña"), id=new_id())
    token = await office.invite(carmen.email, carmen.name, "admin")
    async with office.database.write() as tx:
        officer = await officers.by_invite(tx, token, office.now)
    carmen.id = officer.id
    signed = unit.sign(1, carmen)
    keys = carmen.keys(unit_bundle="{}")
    faulty: dict[str, tuple[Keys, tuple[str, str] | None]] = {
        "no list": (keys, None),
        "no unit key": (carmen.keys(), signed),
        "serial": (keys, unit.sign(2, carmen)),
        "stranger": (keys, unit.sign(1, carmen, stranger)),
        "signature": (keys, (signed[0], sealing.sign(new_key(), "integra/v1/keys|" + signed[0]))),
        "other keys": (replace(keys, reading_key=encoded_public_key(new_key())), signed),
        "no recovery": (keys, _without_recovery(unit, signed[0])),
    }
    with pytest.raises(KeysRefused):
        async with office.database.write() as tx:
            await cases.accept_invite(
                OfficerContext(tx, officer, ZONE, SECRET.audit, office.now), token, *faulty[fault]
            )
    async with office.database.read() as tx:
        assert await officers.newest_key_list(tx) is None
        assert (await officers.by_invite(tx, token, office.now)).id == carmen.id


def _without_recovery(unit: Unit, body: str) -> tuple[str, str]:
    value = json.loads(body)
    value["readers"] = [reader for reader in value["readers"] if reader["role"] == "officer"]
    shorter = wire_format.canonical(value)
    return shorter, sealing.sign(unit.key, "integra/v1/keys|" + shorter)


async def test_a_later_officer_waits_for_the_signature_and_brings_no_list(office: Office, unit: Unit) -> None:
    carmen, dora = await create_unit(office, unit), new_person("Dora Luna")
    with pytest.raises(KeysRefused):
        await accept_invite(office, dora, unit.sign(2, carmen, replace(dora, id=new_id())))
    assert await accept_invite(office, dora) is OfficerState.PENDING
    async with officer_context(office, dora.id) as context:
        assert not context.officer.reads_cases


async def test_keys_that_are_no_points_of_the_curve_are_refused(office: Office, unit: Unit) -> None:
    await create_unit(office, unit)
    dora = new_person("Dora Luna")
    with pytest.raises(KeysRefused):
        await accept_invite(office, dora, keys=replace(dora.keys(), signing_key=wire_format.encode(b"\4" + bytes(64))))


# ---------------------------------------------------------------- signing keys


async def test_the_unit_signs_a_later_officer_who_becomes_active(office: Office, unit: Unit) -> None:
    carmen, dora = await create_unit(office, unit), new_person("Dora Luna")
    await accept_invite(office, dora)
    async with officer_context(office, carmen.id) as context:
        await cases.sign_keys(context, *unit.sign(2, carmen, dora))
    async with officer_context(office, dora.id) as context:
        assert context.officer.reads_cases
        assert not context.officer.signs_keys


@pytest.mark.attack
@pytest.mark.parametrize(
    "fault",
    ["serial again", "serial skipped", "other unit", "dropped", "unregistered", "exchanged key", "no new reader"],
)
async def test_a_list_that_does_not_follow_the_one_in_force_is_refused(office: Office, unit: Unit, fault: str) -> None:
    carmen, dora = await create_unit(office, unit), new_person("Dora Luna")
    await accept_invite(office, dora)
    other, stranger = Unit(), replace(new_person("Extraña"), id=new_id())
    other.recovery = unit.recovery
    signed = {
        "serial again": unit.sign(1, carmen, dora),
        "serial skipped": unit.sign(3, carmen, dora),
        "other unit": other.sign(2, carmen, dora),
        "dropped": unit.sign(2, dora),
        "unregistered": unit.sign(2, carmen, dora, stranger),
        "exchanged key": unit.sign(2, carmen, replace(dora, reading=new_key())),
        "no new reader": unit.sign(2, carmen),
    }
    with pytest.raises(KeysRefused):
        async with officer_context(office, carmen.id) as context:
            await cases.sign_keys(context, *signed[fault])
    async with officer_context(office, dora.id) as context:
        assert context.officer.state is OfficerState.PENDING


async def test_only_the_holder_of_the_units_key_puts_a_list_in_force(office: Office, unit: Unit) -> None:
    carmen, dora, eva = await create_unit(office, unit), new_person("Dora Luna"), new_person("Eva Sol")
    await accept_invite(office, dora)
    async with officer_context(office, carmen.id) as context:
        await cases.sign_keys(context, *unit.sign(2, carmen, dora))
    await accept_invite(office, eva)
    with pytest.raises(KeysRefused):
        async with officer_context(office, dora.id) as context:
            await cases.sign_keys(context, *unit.sign(3, carmen, dora, eva))


# ---------------------------------------------------------------- the queue


async def test_the_queue_shows_the_most_urgent_first_with_age_and_overdue(office: Office, unit: Unit) -> None:
    carmen = await create_unit(office, unit)
    first, _ = await case_for(office, unit, carmen)
    office.advance_clock(days=2)
    second, _ = await case_for(office, unit, carmen)
    office.advance_clock(days=2)
    third, _ = await case_for(office, unit, carmen)
    async with officer_context(office, carmen.id) as context:
        queued = await cases.queue(context)
    shown = [(case.id, case.age, case.is_overdue) for case in queued]
    assert shown == [(first, 4, True), (second, 2, False), (third, 0, False)]
    assert queued[0].folio == cases.folio(first) != queued[1].folio


@pytest.mark.attack
async def test_an_officer_without_a_key_neither_sees_nor_opens_the_case(office: Office, unit: Unit) -> None:
    carmen, dora = await create_unit(office, unit), new_person("Dora Luna")
    await accept_invite(office, dora)
    async with officer_context(office, carmen.id) as context:
        await cases.sign_keys(context, *unit.sign(2, carmen, dora))
    case_id, key = await case_for(office, unit, carmen)
    letter = await reply_of(office, case_id, key, dora)
    async with officer_context(office, dora.id) as context:
        assert await cases.queue(context) == []
        with pytest.raises(NoSuchCase):
            await cases.case_summary(context, case_id)
        with pytest.raises(NoSuchCase):
            await cases.open_case(context, case_id)
        with pytest.raises(NoSuchCase):
            await cases.answer(context, case_id, letter)


# ---------------------------------------------------------------- the ledger


async def recorded(office: Office, *people: OfficerWithKeys) -> list[tuple[str, str, str]]:
    """All entries of the ledger, in order: whose, what, and of which case."""
    names = {person.id: person.name.split()[0] for person in people}
    table = schema.ledger
    async with office.database.read() as tx:
        assert await ledger.first_invalid(tx, SECRET.audit) is None
        rows = await tx.execute(select(table.c.officer_id, table.c.verb, table.c.case_id).order_by(table.c.seq))
        return [(names[row.officer_id], row.verb, row.case_id) for row in rows]


async def test_every_action_of_an_officer_has_its_entry_and_a_refused_one_has_none(office: Office, unit: Unit) -> None:
    carmen, dora, eva = await create_unit(office, unit), new_person("Dora Luna"), new_person("Eva Sol")
    history = [("Carmen", "sign-up", ""), ("Carmen", "sign-keys", "")]
    assert await recorded(office, carmen) == history
    await accept_invite(office, dora)
    with pytest.raises(KeysRefused):
        await accept_invite(office, eva, signed=unit.sign(2, carmen, dora))
    with pytest.raises(KeysRefused):
        async with officer_context(office, carmen.id) as context:
            await cases.sign_keys(context, *unit.sign(3, carmen, dora))
    async with officer_context(office, carmen.id) as context:
        await cases.sign_keys(context, *unit.sign(2, carmen, dora))
    history += [("Dora", "sign-up", ""), ("Carmen", "sign-keys", "")]
    assert await recorded(office, carmen, dora) == history
    case_id, key = await case_for(office, unit, dora)
    letter = await reply_of(office, case_id, key, dora)
    async with officer_context(office, dora.id) as context:
        await cases.queue(context)
        await cases.case_summary(context, case_id)
        await cases.open_case(context, case_id)
        await cases.answer(context, case_id, letter)
    for action in (cases.open_case, cases.case_summary):
        with pytest.raises(NoSuchCase):
            async with officer_context(office, carmen.id) as context:
                await action(context, case_id)
    with pytest.raises(LetterRefused):
        async with officer_context(office, dora.id) as context:
            await cases.answer(context, case_id, letter)
    assert await recorded(office, carmen, dora) == [*history, ("Dora", "open", case_id), ("Dora", "answer", case_id)]


# ---------------------------------------------------------------- opening and answering


async def test_opening_returns_sealed_letters_and_appends_to_the_ledger(office: Office, unit: Unit) -> None:
    carmen = await create_unit(office, unit)
    case_id, key = await case_for(office, unit, carmen)
    async with officer_context(office, carmen.id) as context:
        opened = await cases.open_case(context, case_id)
        again = await cases.open_case(context, case_id)
        entries = await ledger.of_case(context.tx, case_id)
    assert opened.case.state is again.case.state is stored_cases.CaseState.OPEN
    assert [entry.verb for entry in entries] == ["open", "open"]
    (own,) = opened.access
    assert sealing.open_access(own.sealed, carmen.reading, case_id, 1, carmen.id) == key
    assert sealing.open_letter(key, sealing.read_envelope(opened.letters[0])) == CONTENT


async def test_an_answer_is_stored_raises_news_and_is_recorded_in_the_ledger(office: Office, unit: Unit) -> None:
    carmen = await create_unit(office, unit)
    case_id, key = await case_for(office, unit, carmen)
    async with office.database.write() as tx:
        await stored_cases.add_route(tx, stored_cases.Route(case_id, "sealed"))
    letter = await reply_of(office, case_id, key, carmen)
    async with officer_context(office, carmen.id) as context:
        assert await cases.answer(context, case_id, letter) is stored_cases.CaseState.ANSWERED
    async with office.database.read() as tx:
        stored = await stored_cases.letters(tx, case_id)
        case = await stored_cases.by_id(tx, case_id)
        assert (await tx.execute(select(schema.routes.c.has_news))).scalar_one()
        assert [entry.verb for entry in await ledger.of_case(tx, case_id)] == ["answer"]
        assert await ledger.first_invalid(tx, SECRET.audit) is None
    assert case is not None
    assert case.state is stored_cases.CaseState.ANSWERED
    assert sealing.open_letter(key, sealing.read_envelope(stored[1].envelope)) == {"text": "Informa por escrito."}


@pytest.mark.attack
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"case": new_id()}, "letter"),
        ({"epoch": 2}, "letter"),
        ({"seq": 3}, "seq"),
        ({"author": "asker"}, "letter"),
        ({"day": "2026-11-20"}, "letter"),
        ({"previous": wire_format.encode(bytes(32))}, "letter"),
        ({"suite": 2}, "letter"),
    ],
)
async def test_an_answer_bound_to_anything_else_is_refused(
    office: Office, unit: Unit, changes: dict[str, object], reason: str
) -> None:
    carmen = await create_unit(office, unit)
    case_id, key = await case_for(office, unit, carmen)
    letter = await reply_of(office, case_id, key, carmen, **changes)
    with pytest.raises(LetterRefused) as refused:
        async with officer_context(office, carmen.id) as context:
            await cases.answer(context, case_id, letter)
    assert refused.value.reason == reason
    await assert_nothing_changed(office, case_id)


@pytest.mark.attack
@pytest.mark.parametrize("fault", ["other key", "other signer", "no signature", "other body", "no letter"])
async def test_an_answer_without_the_officers_own_signature_is_refused(office: Office, unit: Unit, fault: str) -> None:
    carmen = await create_unit(office, unit)
    case_id, key = await case_for(office, unit, carmen)
    right = await reply_of(office, case_id, key, carmen)
    other = await reply_of(office, case_id, key, carmen)
    letters: dict[str, object] = {
        "other key": await reply_of(office, case_id, key, replace(carmen, signing=new_key())),
        "other signer": right | {"signer": new_id()},
        "no signature": right | {"signature": ""},
        "other body": right | {"body": other["body"]},
        "no letter": "letter",
    }
    with pytest.raises(LetterRefused):
        async with officer_context(office, carmen.id) as context:
            await cases.answer(context, case_id, letters[fault])
    await assert_nothing_changed(office, case_id)


async def test_the_same_answer_is_not_stored_twice(office: Office, unit: Unit) -> None:
    carmen = await create_unit(office, unit)
    case_id, key = await case_for(office, unit, carmen)
    letter = await reply_of(office, case_id, key, carmen)
    async with officer_context(office, carmen.id) as context:
        await cases.answer(context, case_id, letter)
        with pytest.raises(LetterRefused, match="seq"):
            await cases.answer(context, case_id, letter)


async def test_a_closed_case_takes_no_answer(office: Office, unit: Unit) -> None:
    carmen = await create_unit(office, unit)
    case_id, key = await case_for(office, unit, carmen)
    letter = await reply_of(office, case_id, key, carmen)
    async with officer_context(office, carmen.id) as context:
        await stored_cases.set_state(context.tx, case_id, stored_cases.CaseState.CLOSED)
        with pytest.raises(LetterRefused, match="state"):
            await cases.answer(context, case_id, letter)


async def assert_nothing_changed(office: Office, case_id: str) -> None:
    async with office.database.read() as tx:
        assert len(await stored_cases.letters(tx, case_id)) == 1
        case = await stored_cases.by_id(tx, case_id)
        assert case is not None
        assert case.state is stored_cases.CaseState.RECEIVED
        assert await ledger.of_case(tx, case_id) == []


def test_an_answered_case_is_not_overdue() -> None:
    case = stored_cases.Case(
        "c", date(2026, 11, 2), stored_cases.CaseState.ANSWERED, 1, date(2026, 11, 5), 2, "form", "k", "{}"
    )
    today = date(2026, 11, 23)
    assert not cases.queued_case(case, today).is_overdue
    assert cases.queued_case(replace(case, state=stored_cases.CaseState.OPEN), today).is_overdue
    due_today = replace(case, state=stored_cases.CaseState.OPEN, due_on=today)
    assert not cases.queued_case(due_today, today).is_overdue
    assert cases.queued_case(due_today, today + timedelta(days=1)).is_overdue
