"""Which lists are believed: those that the adopted unit has signed, in their order, and none older than one seen."""

from errno import ENOSPC
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from structlog.testing import capture_logs

from content.library import Library
from handlers.casework import trust
from storage import schema
from storage.confidential import custody, key_lists
from storage.confidential.protocol import lists
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.lists import SignedList
from storage.confidential.unit_trust import UnitTrust, Verified
from storage.database import Database
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder, Unit
from tests.handlers.casework.desk import Desk

TABLE = schema.key_lists


async def verified(desk: Desk, unit: UnitTrust | None = None) -> Verified:
    async with desk.work() as work:
        return await trust.verified(work.tx, unit or desk.installation.unit)


def restarted(desk: Desk) -> UnitTrust:
    """The same files, as another process reads them."""
    return UnitTrust(desk.folder)


async def put(desk: Desk, serial: int, body: str) -> None:
    """Who can write rows stores this one, in the place of any with this serial."""
    async with desk.work() as work:
        await work.tx.execute(delete(TABLE).where(TABLE.c.serial == serial))
        await work.tx.execute(TABLE.insert().values(serial=serial, body=body))


async def test_a_chain_is_followed_to_its_newest_list(desk: Desk) -> None:
    first = desk.unit.newest
    assert (await verified(desk)).lists == (first,)
    second, third = desk.unit.next_list(), desk.unit.next_list(days=30)
    await desk.publish()
    known = await verified(desk)
    assert (known.lists, known.chain.newest) == ((first, second, third), third["list"])
    assert await verified(desk, restarted(desk)) == known
    assert desk.installation.unit.floor() == lists.pin_of(third["list"])


async def test_an_unchanged_chain_is_verified_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    known = await verified(desk)
    monkeypatch.setattr(key_lists, "all_lists", None)
    assert await verified(desk) is known


async def test_a_chain_that_was_verified_is_not_believed_for_another_unit(desk: Desk) -> None:
    """The file was exchanged while the process runs, and no row has changed."""
    await verified(desk)
    (desk.folder / "unit.pub").write_text(Unit.with_recovery_key().point)
    with pytest.raises(trust.Closed) as closed:
        await verified(desk)
    assert closed.value.reason == "altered"


async def test_a_folder_that_cannot_be_written_is_logged_and_closes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(ENOSPC, "No space left on device")

    desk.unit.next_list()
    await desk.publish()
    (desk.folder / "list.head").unlink()
    monkeypatch.setattr(UnitTrust, "_write", full)
    with capture_logs() as logs:
        assert (await verified(desk)).chain.serial == 2
    assert [entry["event"] for entry in logs] == ["list_head_not_written"]


@pytest.mark.parametrize("reason", ["none", "adoption"])
async def test_before_a_list_and_before_the_adoption_there_is_no_chain(
    database: Database, library: Library, tmp_path: Path, reason: str
) -> None:
    desk = Desk(database, library, tmp_path)
    if reason == "adoption":
        async with desk.work() as work:
            await desk.unit.publish(work.tx)
    with pytest.raises(trust.Closed) as closed:
        await verified(desk)
    assert closed.value.reason == reason
    assert desk.installation.unit.unit() == ""


@pytest.mark.parametrize("count", [1, 2])
async def test_a_trial_adopts_the_first_unit_it_sees(
    database: Database, library: Library, tmp_path: Path, count: int
) -> None:
    desk = Desk(database, library, tmp_path)
    desk.unit.first_list()
    for _ in range(count - 1):
        desk.unit.next_list()
    async with desk.work() as work:
        await desk.unit.publish(work.tx)
    desk.installation.unit.adopts_itself = True
    assert (await verified(desk)).chain.serial == count
    assert restarted(desk).unit() == desk.unit.point
    assert restarted(desk).floor() == lists.pin_of(desk.unit.newest["list"])


# ---------------------------------------------------------------- rows that are not believed


@pytest.mark.attack
async def test_lists_of_another_unit_are_not_believed(desk: Desk) -> None:
    other = Unit(desk.unit.readers)  # with the true officers
    async with desk.work() as work:
        await work.tx.execute(delete(TABLE))
        await other.publish(work.tx)
    for unit in (desk.installation.unit, restarted(desk)):
        with pytest.raises(trust.Closed, match="altered"):
            await verified(desk, unit)


def _unsigned(desk: Desk) -> SignedList:
    """With an officer of the attacker's, and the signature of the true list."""
    keys = desk.unit.next_keys(adding=[Keyholder("Extraña")])
    return {**desk.unit.newest, "list": keys}


def _skipped(desk: Desk) -> SignedList:
    return desk.unit.sign({**desk.unit.next_keys(), "serial": 3})


def _of_another_unit(desk: Desk) -> SignedList:
    other = Unit(desk.unit.readers)
    other.first_list()
    return other.next_list()


@pytest.mark.attack
@pytest.mark.parametrize("text", ["nonsense", "{}", _unsigned, _skipped, _of_another_unit])
async def test_a_row_that_does_not_verify_is_ignored_and_logged(desk: Desk, text: object) -> None:
    known = await verified(desk)
    await put(desk, 2, text if isinstance(text, str) else canonical(text(desk)))  # type: ignore[operator]
    for unit in (desk.installation.unit, restarted(desk)):
        with capture_logs() as logs:
            assert (await verified(desk, unit)).chain == known.chain
        assert [(entry["event"], entry["serial"]) for entry in logs] == [("key_list_ignored", 2)]
    assert restarted(desk).floor() == lists.pin_of(known.chain.newest)


@pytest.mark.attack
async def test_what_follows_a_row_that_does_not_verify_is_not_believed_either(desk: Desk) -> None:
    desk.unit.next_list()
    await put(desk, 2, "nonsense")
    await put(desk, 3, canonical(desk.unit.next_list()))
    assert (await verified(desk)).chain.serial == 1


# ---------------------------------------------------------------- the floor


@pytest.mark.attack
async def test_a_chain_below_the_floor_is_not_believed(desk: Desk) -> None:
    second, body = desk.unit.next_list(), canonical(desk.unit.next_list())
    await desk.publish()
    await verified(desk)
    for serial in (3, 2):
        async with desk.work() as work:
            await work.tx.execute(delete(TABLE).where(TABLE.c.serial == serial))
        for unit in (desk.installation.unit, restarted(desk)):
            with pytest.raises(trust.Closed, match="altered"):
                await verified(desk, unit)
    await put(desk, 2, canonical(second))
    await put(desk, 3, body)
    assert (await verified(desk)).chain.serial == 3


@pytest.mark.attack
async def test_another_list_with_the_serial_of_the_floor_is_not_believed(desk: Desk) -> None:
    """Not even one that the unit has signed: it has signed another."""
    rival = Unit(desk.unit.readers, desk.unit.signing, [*desk.unit.lists])
    desk.unit.next_list(days=30)
    await desk.publish()
    await verified(desk)
    await put(desk, 2, canonical(rival.next_list(days=31)))
    for unit in (desk.installation.unit, restarted(desk)):
        with pytest.raises(trust.Closed, match="altered"):
            await verified(desk, unit)


async def test_every_list_that_was_seen_raises_the_floor_and_none_lowers_it(desk: Desk) -> None:
    for serial in (2, 3):
        desk.unit.next_list()
        async with desk.work() as work:
            await desk.unit.publish(work.tx)
        await verified(desk)
        floor = restarted(desk).floor()
        assert floor is not None
        assert floor["serial"] == serial
    async with desk.work() as work:
        await work.tx.execute(delete(TABLE).where(TABLE.c.serial > 1))
    with pytest.raises(trust.Closed):
        await verified(desk)
    assert restarted(desk).floor() == floor


@pytest.mark.parametrize("name", ["unit.pub", "list.head"])
async def test_damaged_files_close_the_letterbox_and_are_logged(desk: Desk, name: str) -> None:
    (desk.folder / name).write_text("nonsense")
    with capture_logs() as logs, pytest.raises(trust.Closed, match="altered"):
        await verified(desk, restarted(desk))
    assert [entry["event"] for entry in logs] == ["unit_files_broken"]


@pytest.mark.attack
async def test_without_the_file_of_the_unit_no_list_is_believed(desk: Desk) -> None:
    (desk.folder / "unit.pub").unlink()
    with pytest.raises(trust.Closed, match="adoption"):
        await verified(desk)


# ---------------------------------------------------------------- in force


async def test_days_are_counted_to_the_end_of_the_list(desk: Desk) -> None:
    known = await verified(desk)
    assert trust.days_until_expiry(known, TODAY) == 42
    assert trust.days_left(desk.installation.unit, TODAY) == 42
    assert trust.days_left(restarted(desk), TODAY) is None  # this process has not looked yet


@pytest.mark.parametrize(
    ("readers", "ending", "reason"),
    [
        ("officer recovery", "", ""),
        ("officer officer", "", "custody"),
        ("officer officer recovery", "", ""),
        ("officer", "", "readers"),
        ("recovery", "", "readers"),
        ("officer recovery", "officer", "readers"),
        ("officer officer recovery", "officer officer", "readers"),
        ("officer officer recovery", "officer recovery", "readers"),
        ("officer officer officer recovery", "officer recovery", "custody"),
        ("officer officer recovery", "officer", ""),
    ],
)
async def test_two_active_readers_with_an_officer_among_them_take_new_cases(
    database: Database, library: Library, tmp_path: Path, readers: str, ending: str, reason: str
) -> None:
    roles = [Keyholder(f"{role} {number}", role) for number, role in enumerate(readers.split())]  # type: ignore[arg-type]
    desk = Desk(database, library, tmp_path, Unit(roles))
    left: list[Keyholder] = []
    for role in ending.split():
        left.append(next(one for one in roles if one.role == role and one not in left))
    if left:
        desk.unit.next_list(ending=left)
    await desk.publish()
    async with desk.work() as work:
        if not reason:
            await trust.in_force(work.tx, desk.installation.unit, TODAY)
            return
        with pytest.raises(trust.Closed, match=reason):
            await trust.in_force(work.tx, desk.installation.unit, TODAY)


async def test_a_look_at_the_rows_adopts_and_remembers_nothing(desk: Desk) -> None:
    unit = restarted(desk)
    desk.unit.next_list()
    async with desk.work() as work:
        await desk.unit.publish(work.tx)
        rows, kept = await key_lists.all_lists(work.tx), await custody.everything(work.tx)
    assert trust.look(rows, kept, unit, TODAY).chain.serial == 2
    assert unit.floor() == lists.pin_of(desk.unit.lists[0]["list"])
    assert unit.verified is None
    with pytest.raises(trust.Closed, match="none"):
        trust.look([], kept, unit, TODAY)
    with pytest.raises(trust.Closed, match="adoption"):
        trust.look(rows, kept, UnitTrust(), TODAY)
    with pytest.raises(trust.Closed, match="custody"):
        trust.look(rows, custody.NOTHING, unit, TODAY)


@pytest.mark.attack
async def test_an_altered_body_of_the_list_in_force_closes_the_letterbox(desk: Desk) -> None:
    await verified(desk)
    async with desk.work() as work:
        await work.tx.execute(update(TABLE).values(body=canonical(_unsigned(desk))))
    with pytest.raises(trust.Closed, match="altered"):
        await verified(desk)
