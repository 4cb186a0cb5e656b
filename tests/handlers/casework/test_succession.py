"""Another key of the unit: which rows lead to it, when the server believes it, and what goes on under it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete
from structlog.testing import capture_logs

from handlers.casework import joining, succession, trust
from handlers.casework.joining import KeysRefused
from handlers.casework.posting import LetterRefused
from storage import schema
from storage.confidential import key_lists, ledger, officers, unit_keys
from storage.confidential.officers import OfficerState
from storage.confidential.protocol import lists
from storage.confidential.protocol.canonical import canonical, encode
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.lists import SignedList
from storage.confidential.unit_trust import OtherUnit, UnitTrust, Verified
from tests.fakes.asker import Asker
from tests.fakes.succession import invented, signed, succeed
from tests.fakes.unit import Keyholder, Unit, new_key
from tests.handlers.casework.desk import Desk
from tests.handlers.casework.office import UNIT_KEY, Office

TABLE = schema.key_lists
OTHER_KEY = encode(bytes(203))


async def verified(desk: Desk, unit: UnitTrust | None = None) -> Verified:
    async with desk.work() as work:
        return await trust.verified(work.tx, unit or desk.installation.unit)


async def store(desk: Desk, unit: Unit) -> None:
    """The rows alone: no installation is told."""
    async with desk.work() as work:
        await unit.publish(work.tx)


async def leads_to(desk: Desk) -> str:
    """The key that follows the adopted one by the rows, or nothing."""
    async with desk.work() as work:
        found = await trust.succeeding(work.tx, desk.installation.unit)
    return found.chain.newest["unit"] if found else ""


# ---------------------------------------------------------------- when the server believes it


async def test_a_key_that_follows_is_believed_once_a_person_has_said_so(desk: Desk) -> None:
    former, first = desk.unit.point, desk.unit.newest
    second = succeed(desk.unit)
    third = desk.unit.next_list()
    await store(desk, desk.unit)
    with capture_logs() as logs:
        assert (await verified(desk)).lists == (first,)
    assert [(one["event"], one["serial"]) for one in logs] == [
        ("key_list_of_other_unit", 3),
        ("key_list_of_other_unit", 2),
    ]
    assert await leads_to(desk) == desk.unit.point

    desk.installation.unit.succeed(former, desk.unit.point)
    known = await verified(desk)
    assert known.lists == (first, second, third)
    assert [one["succ"]["old"] for one in known.chain.successions_since(lists.unit_pin(former))] == [former]
    assert desk.installation.unit.floor() == lists.pin_of(third["list"])
    assert await verified(desk, UnitTrust(desk.folder)) == known
    assert await leads_to(desk) == ""


async def test_a_key_follows_the_adopted_one_only(desk: Desk) -> None:
    unit = desk.installation.unit
    with pytest.raises(OtherUnit):
        unit.succeed(Unit.with_recovery_key().point, new_point := Unit.with_recovery_key().point)
    assert unit.unit() == desk.unit.point != new_point


async def test_two_successions_are_followed_at_once(desk: Desk) -> None:
    former = desk.unit.point
    succeed(desk.unit)
    succeed(desk.unit)
    await store(desk, desk.unit)
    assert await leads_to(desk) == desk.unit.point
    desk.installation.unit.succeed(former, desk.unit.point)
    assert (await verified(desk)).chain.serial == 3


@pytest.mark.attack
async def test_the_lists_of_the_former_key_are_not_served_any_more(desk: Desk) -> None:
    former = desk.unit.point
    succeed(desk.unit)
    await store(desk, desk.unit)
    desk.installation.unit.succeed(former, desk.unit.point)
    assert (await verified(desk)).chain.serial == 2
    async with desk.work() as work:
        await work.tx.execute(delete(TABLE).where(TABLE.c.serial == 2))
    (desk.folder / "list.head").unlink()  # the file of the unit alone tells
    for unit in (desk.installation.unit, UnitTrust(desk.folder)):
        with pytest.raises(trust.Closed, match="altered"):
            await verified(desk, unit)


# ---------------------------------------------------------------- rows that lead nowhere


def no_succession(desk: Desk) -> Unit:
    return invented(desk.unit)


def by_its_own_key(desk: Desk) -> Unit:
    key = new_key()
    made = Unit(desk.unit.readers, key, [*desk.unit.lists])
    false = signed(Unit(desk.unit.readers, key, desk.unit.lists), key=key, old=desk.unit.point)
    made.succ = [false]
    made.next_list()
    return made


def of_another_place(desk: Desk) -> Unit:
    """A true succession of another unit, whose next key the attacker holds."""
    other = Unit(desk.unit.readers)
    other.first_list()
    succeed(other)
    made = Unit(desk.unit.readers, other.signing, [*desk.unit.lists], succ=[*other.succ])
    made.next_list()
    return made


def by(*names: str, **changes: Any) -> Callable[[Desk], Unit]:
    """A key of the attacker's, with the signatures of these officers: Carmen, and Eva, who has left."""

    def make(desk: Desk) -> Unit:
        key = new_key()
        people = {one.name: one for one in (*desk.unit.readers, EVA)}
        made = Unit(desk.unit.readers, key, [*desk.unit.lists])
        made.succ = [signed(desk.unit, [people[name] for name in names], key, **changes)]
        made.next_list()
        return made

    return make


def older(desk: Desk) -> Unit:
    """The unit's own word, of an older list: a key that was once to follow and did not."""
    key = new_key()
    made = Unit(desk.unit.readers, key, [*desk.unit.lists])
    made.succ = [signed(desk.unit, key=key, serial=1)]
    made.next_list()
    return made


EVA = Keyholder("Eva")


@pytest.mark.attack
@pytest.mark.parametrize(
    "attack",
    [
        no_succession,
        by_its_own_key,
        of_another_place,
        by("Carmen Ríos"),
        by("Carmen Ríos", "Eva"),
        by("Carmen Ríos", "Respaldo"),
        by("Carmen Ríos", "Eva", serial=2),
        older,
    ],
    ids=["none", "own", "stolen", "one officer", "one who left", "recovery", "another serial", "an older word"],
)
async def test_a_writer_of_rows_leads_to_no_key_of_his(desk: Desk, attack: Callable[[Desk], Unit]) -> None:
    desk.unit.next_list(adding=[EVA])
    desk.unit.next_list(ending=[EVA])
    await desk.publish()
    known = await verified(desk)
    await store(desk, attack(desk))
    assert (await verified(desk)).chain == known.chain
    assert (await verified(desk, UnitTrust(desk.folder))).chain == known.chain
    assert await leads_to(desk) == ""


@pytest.mark.attack
async def test_a_stolen_former_key_takes_nothing_back(desk: Desk) -> None:
    """Two successions of one list: the second is by a thief of the key that was changed because of the theft."""
    stolen, before = desk.unit.signing, [*desk.unit.lists]
    former = desk.unit.point
    succeed(desk.unit)
    await store(desk, desk.unit)
    desk.installation.unit.succeed(former, desk.unit.point)
    await verified(desk)
    rival = Unit(desk.unit.readers, stolen, before)
    succeed(rival)
    async with desk.work() as work:
        await work.tx.execute(delete(TABLE).where(TABLE.c.serial == 2))
    await store(desk, rival)
    for unit in (desk.installation.unit, UnitTrust(desk.folder)):
        with pytest.raises(trust.Closed, match="altered"):
            await verified(desk, unit)
    assert await leads_to(desk) == ""


async def test_two_officers_lead_to_a_key_where_the_former_one_is_lost(desk: Desk) -> None:
    desk.unit.next_list(adding=[EVA])
    await desk.publish()
    succeed(desk.unit, [desk.unit.officer, EVA])
    await store(desk, desk.unit)
    assert await leads_to(desk) == desk.unit.point


# ---------------------------------------------------------------- what goes on under it


async def test_an_open_case_goes_on_under_the_next_key(desk: Desk) -> None:
    asker, carmen, former = Asker(desk.today), desk.unit.officer, desk.unit.point
    await desk.submit(asker)
    await desk.answer(carmen, asker.case)
    succeed(desk.unit)
    await store(desk, desk.unit)
    desk.installation.unit.succeed(former, desk.unit.point)

    assert await desk.read(asker) == ["¿Puedo firmar?", "Excúsate."]
    assert asker.unit == desk.unit.point, "the box remembers the next key"
    old = asker.twin().reply_body(
        desk.unit, context={"list": 1, "listhash": lists.list_hash(desk.unit.lists[0]["list"])}
    )
    with pytest.raises(LetterRefused):
        await desk.reply(old)
    await desk.reply(asker.reply_body(desk.unit))
    await desk.answer(carmen, asker.case, "De nada.")
    assert [one["context"]["grant"] is None for one in asker.opened.thread.letters[1:]] == [True, True]

    desk.unit.next_list(adding=[dora := Keyholder("Dora")])
    await desk.publish()
    await desk.answer(carmen, asker.case, kind="hand", change=Change(added=(dora.id,)))
    await desk.answer(dora, asker.case, "Soy Dora.")
    assert (await desk.read(asker))[-1] == "Soy Dora."


# ---------------------------------------------------------------- its holder makes it


async def post(office: Office, one: Keyholder, posted: Any) -> None:
    async with office.row(one) as context:
        await succession.succeed(context, posted, OTHER_KEY)


async def test_its_holder_makes_the_next_key_and_the_lists_go_on_after_the_command(office: Office) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.sign_next(carmen, [dora])
    async with office.row(dora) as context:  # a deputy
        await unit_keys.share(context.tx, dora.id, UNIT_KEY)
    former, late = office.unit.point, await office.invite("Eva")
    await post(office, carmen, succeed(office.unit, day=office.today))

    async with office.row(carmen) as context:
        known = await officers.credentials(context.tx, "carmen@ueipci.example")
        assert known is not None
        assert (known.unit_key, context.officer.signs_keys) == (OTHER_KEY, True)
        assert await succession.unit_of_held_key(context) == office.unit.point
        assert [one["list"]["serial"] for one in await succession.waiting_lists(context)] == [3]
        assert (await ledger.first_invalid(context.tx, b"a" * 32)) is None
    async with office.row(dora) as context:
        assert not context.officer.signs_keys, "the former key signs nothing"
    with pytest.raises(KeysRefused):  # whose statement would name a key that is on its way out
        await office.accept_invite(*late, office.keys(late[1], unit=former))
    with pytest.raises(KeysRefused):
        await office.sign(carmen, office.unit.sign(office.unit.next_keys(day=office.today)))

    office.installation.unit.succeed(former, office.unit.point)
    assert await office.accept_invite(*late, office.keys(late[1])) is OfficerState.PENDING
    for one in (carmen, dora):
        await office.vouch(one, late[1])
    await office.sign_next(carmen, [late[1]])
    assert await office.state(late[1]) is OfficerState.ACTIVE
    async with office.row(late[1]) as context:
        assert (await trust.verified(context.tx, context.unit)).chain.serial == 4
        assert await succession.waiting_lists(context) == ()


@pytest.mark.attack
@pytest.mark.parametrize(
    "fault", ["renewal", "adds", "ends", "custodians", "by officers", "two", "yesterday's yesterday", "no list"]
)
async def test_nothing_else_passes_for_a_succession(office: Office, fault: str) -> None:
    carmen, dora = await office.found(), await office.join("Dora")
    await office.sign_next(carmen, [dora])
    unit, before, key = office.unit, [*office.unit.lists], office.unit.signing
    posted: SignedList | dict[str, Any]
    if fault == "renewal":
        posted = unit.next_list(day=office.today)
    elif fault == "no list":
        posted = {"list": {}, "signature": "", "succ": []}
    elif fault == "yesterday's yesterday":
        office.now += timedelta(days=2)
        posted = succeed(unit)
    else:
        changed = _changed(unit, fault, dora, office)
        posted = changed
    with pytest.raises(KeysRefused):
        await post(office, carmen, posted)
    assert (await verified(office)).chain.serial == 2
    unit.lists, unit.signing, unit.succ = before, key, []
    right = succeed(unit, day=office.today)
    for one in (dora, Keyholder("Extraña", id=dora.id)):
        with pytest.raises(KeysRefused):
            await post(office, one, right)
    await post(office, carmen, right)


def _changed(unit: Unit, fault: str, dora: Keyholder, office: Office) -> SignedList:
    """The first list of the next key, with something else in it."""
    by_officers = [unit.officer, dora] if fault == "by officers" else []
    key = new_key()
    unit.succ = [signed(unit, by_officers, key)]
    unit.signing = key
    if fault == "two":
        other = new_key()
        unit.succ.append(signed(unit, key=other))
        unit.signing = other
    keys = unit.next_keys(
        adding=[Keyholder("Respaldo 2", "recovery")] if fault == "adds" else [],
        ending=unit.readers[1:2] if fault in ("ends", "adds") else [],
        day=office.today,
    )
    return unit.sign({**keys, "custodians": ["Notaría 7"] if fault == "custodians" else []})


async def test_while_an_officer_waits_to_join_the_key_is_not_changed(office: Office) -> None:
    carmen = await office.found()
    await office.join("Dora")
    with pytest.raises(KeysRefused):
        await post(office, carmen, succeed(office.unit, day=office.today))


async def test_before_the_adoption_there_is_no_key_to_follow(office: Office) -> None:
    carmen = await office.found(is_adopted=False)
    with pytest.raises(KeysRefused):
        await post(office, carmen, succeed(office.unit, day=office.today))


async def test_the_page_of_readers_changes_no_key(office: Office) -> None:
    carmen = await office.found()
    with pytest.raises(KeysRefused):
        await office.sign(carmen, succeed(office.unit, day=office.today))
    async with office.row(carmen) as context:
        assert [row.serial for row in await key_lists.all_lists(context.tx)] == [1]
        assert await joining.known_lists(context) is not None


async def test_before_the_adoption_officers_walk_over_every_key(office: Office) -> None:
    """As after a restore without the folder of secrets: their own browsers know better."""
    await office.found(is_adopted=False)
    succeed(office.unit)
    await store(office, office.unit)
    async with office.work() as work:
        known = await trust.waiting(work.tx)
    assert known is not None
    assert known.chain.newest["unit"] == office.unit.point
    assert canonical(known.lists[-1]) == canonical(office.unit.newest)
