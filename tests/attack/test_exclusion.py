"""A8: whom the asker excludes opens nothing from then on, with real, distinct keys; neither alone nor by colleagues."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from content.library import Library
from handlers.casework import cases as casework
from handlers.casework.cases import NoSuchCase
from storage.confidential import cases
from storage.confidential.protocol import keys, letters, threads
from storage.confidential.protocol.epochs import Change, Seal, next_seal
from storage.confidential.protocol.errors import Altered, ProtocolError, Refused
from storage.confidential.protocol.letters import Letter
from storage.database import Database, open_database
from tests.bot.console.office import Office, OfficerWithKeys, open_office
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Opened
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder, Unit, new_id
from tests.handlers.casework.desk import Desk

pytestmark = pytest.mark.attack
TOKENS = re.compile(r"[0-9a-f]{64}")  # of each session, against forged requests
BEFORE, CHANGE, AFTER = "¿Puedo firmar?", "Sin ella, por favor.", "Excúsate por escrito."


@pytest.fixture
async def desk(database: Database, library: Library, tmp_path: Path) -> Desk:
    """Three officers and a backup, all in the first list."""
    people = [Keyholder(name) for name in ("Carmen Ríos", "Dora Paz", "Efraín Sol")]
    desk = Desk(database, library, tmp_path, Unit([*people, Keyholder("Respaldo", "recovery")]))
    await desk.publish()
    return desk


async def asked_without(desk: Desk, *excluded: Keyholder) -> Asker:
    """A case that all could read, and from its second letter on the excluded cannot; Dora answers."""
    asker = Asker(TODAY)
    await desk.submit(asker, text=BEFORE)
    out = tuple(sorted(one.id for one in excluded))
    await desk.reply(asker.reply_body(desk.unit, CHANGE, change=Change(excluded=out)))
    await desk.answer(desk.unit.readers[1], asker.case, AFTER)
    return asker


async def stored(desk: Desk, case: str) -> tuple[list[Letter], list[Any]]:
    """All that a thief of the database has of a case: its letters and rows of access."""
    readers = await desk.readers(case)
    async with desk.database.read() as tx:
        return await cases.letters(tx, case), [await cases.access(tx, case, one) for one in readers]


def opened_by(one: Keyholder, written: list[Letter], rows: list[Any], known: bytes | None = None) -> set[int]:
    """The numbers of all letters that a reader's keys open, with every row, in every name, and a key known before."""
    found = {known} if known else set()
    grants = [letter["context"]["grant"] for letter in written if letter["context"]["grant"]]
    for row in rows:
        for grant in grants:
            for reader in (row["reader"], one.id):
                renamed: Any = {**row, "reader": reader}
                try:
                    found.add(keys.open_access(renamed, one.reading, grant["commit"]))
                except ProtocolError:
                    continue
    return {letter["context"]["seq"] for letter in written for key in found if _opens(key, letter)}


def _opens(key: bytes, letter: Letter) -> bool:
    try:
        letters.open_letter(key, letter)
    except ProtocolError:
        return False
    return True


# ---------------------------------------------------------------- keys


@pytest.mark.parametrize("at", [0, 3], ids=["officer", "backup"])
async def test_who_is_excluded_opens_nothing_that_is_written_from_then_on(desk: Desk, at: int) -> None:
    one, dora = desk.unit.readers[at], desk.unit.readers[1]
    asker = Asker(TODAY)
    await desk.submit(asker, text=BEFORE)
    written, rows = await stored(desk, asker.case)
    (own,) = (row for row in rows if row["reader"] == one.id)
    known = keys.open_access(own, one.reading, written[0]["context"]["grant"]["commit"])  # type: ignore[index]
    await desk.reply(asker.reply_body(desk.unit, CHANGE, change=Change(excluded=(one.id,))))
    await desk.answer(dora, asker.case, AFTER)
    await desk.read(asker)
    await desk.reply(asker.reply_body(desk.unit, "Gracias."))
    written, rows = await stored(desk, asker.case)
    assert opened_by(dora, written, rows) == {2, 3, 4}  # and the first one by what the second one holds
    assert (await desk.opened(dora, asker.case)).texts == [BEFORE, CHANGE, AFTER, "Gracias."]
    assert opened_by(one, written, rows) == set()
    assert opened_by(one, written, rows, known) == {1}  # what was read stays read
    assert await desk.read(asker) == [BEFORE, CHANGE, AFTER, "Gracias."]


async def test_no_colleague_grants_to_who_is_excluded(desk: Desk) -> None:
    carmen, dora, efrain, backup = desk.unit.readers
    asker = await asked_without(desk, carmen, backup)
    out = tuple(sorted((carmen.id, backup.id)))
    for one in (carmen, backup):
        with pytest.raises(Refused, match=r"seal\.added"):  # an honest page
            await desk.write(dora, asker.case, kind="hand", change=Change(added=(one.id,)))
        readers = tuple(sorted((one.id, dora.id, efrain.id)))
        with pytest.raises(Altered, match=r"thread\.readers"):  # a page of her own
            await desk.post(dora, await desk.write(dora, asker.case, kind="hand", seal=Seal(3, True, readers, out)))
        for fewer in ((), tuple(other for other in out if other != one.id)):
            forged = await desk.write(dora, asker.case, kind="hand", seal=Seal(3, True, readers, fewer))
            with pytest.raises(Altered, match=r"thread\.excluded"):
                await desk.post(dora, forged)
    opened = await desk.opened(dora, asker.case)
    with pytest.raises(Refused, match=r"seal\.excluded"):
        seal_of(dora, opened, desk, Change(excluded=()))
    assert await desk.readers(asker.case) == {dora.id, efrain.id, "asker"}


def seal_of(author: Keyholder, opened: Opened, desk: Desk, change: Change | None = None) -> Seal:
    thread = opened.thread
    return next_seal(thread, desk.unit.chain, author.id, seen=thread.seq, floor=1, is_in_force=True, change=change)


async def test_a_later_epoch_goes_to_no_one_who_is_excluded(desk: Desk) -> None:
    """When a reader leaves and a new backup comes, colleagues grant once more: to those who may read, no others."""
    carmen, dora, efrain, backup = desk.unit.readers
    asker = await asked_without(desk, carmen, backup)
    newer = Keyholder("Respaldo nuevo", "recovery")
    desk.unit.next_list(adding=[newer], ending=[efrain, backup])
    await desk.publish()
    seal = seal_of(dora, await desk.opened(dora, asker.case), desk)
    assert (seal.is_grant, seal.readers) == (True, (dora.id,))
    await desk.answer(dora, asker.case, "Sigo yo.")
    written, rows = await stored(desk, asker.case)
    for one in (carmen, backup, newer, efrain):
        assert opened_by(one, written, rows) == set()


async def test_who_is_excluded_and_joins_once_more_is_granted_nothing_by_colleagues(desk: Desk) -> None:
    """With new keys, a new id and the name of before; so with a new recovery key. The asker may include her."""
    carmen, dora, efrain, backup = desk.unit.readers
    asker = await asked_without(desk, carmen, backup)
    returned, newer = Keyholder("CARMEN  RIOS"), Keyholder("Respaldo nuevo", "recovery")
    desk.unit.next_list(adding=[returned, newer], ending=[carmen, backup])
    await desk.publish()
    out = tuple(sorted((carmen.id, backup.id)))
    for one in (returned, newer):
        with pytest.raises(Refused, match=r"seal\.added"):  # an honest page
            await desk.write(dora, asker.case, kind="hand", change=Change(added=(one.id,)))
        seal = Seal(3, True, tuple(sorted((one.id, dora.id))), out)
        with pytest.raises(Altered, match=r"thread\.barred"):  # a page of her own
            await desk.post(dora, await desk.write(dora, asker.case, kind="hand", seal=seal))
    await desk.read(asker)
    await desk.reply(asker.reply_body(desk.unit, "Ella sí.", change=Change(added=(returned.id,))))
    await desk.answer(dora, asker.case, "Se la paso.", kind="hand", change=Change(leaves=True))
    assert await desk.readers(asker.case) == {efrain.id, returned.id, "asker"}


@pytest.mark.parametrize("custodian", ["CARMEN RIOS", "Luz Rey"])
async def test_a_later_backup_that_the_excluded_keeps_gets_no_key(desk: Desk, custodian: str) -> None:
    """Carmen becomes a custodian after she was excluded: with a second one she would read all."""
    carmen, dora, efrain, backup = desk.unit.readers
    asker = await asked_without(desk, carmen)
    newer = Keyholder("Respaldo nuevo", "recovery")
    named = desk.unit.next_keys(adding=[newer], ending=[backup])
    named["custodians"] = ["Pía Sáenz", custodian, "Órgano interno"]
    desk.unit.lists.append(desk.unit.sign(named))
    await desk.publish()
    await desk.answer(dora, asker.case, "Sigo yo.")
    added = {newer.id} if custodian == "Luz Rey" else set()
    assert await desk.readers(asker.case) == {dora.id, efrain.id, "asker"} | added


async def test_who_is_excluded_writes_nothing_and_grants_herself_nothing(desk: Desk) -> None:
    carmen, dora, efrain, backup = desk.unit.readers
    asker = await asked_without(desk, carmen, backup)
    opened = await desk.opened(dora, asker.case)  # with the help of a colleague: her very own view of the case
    readers = tuple(sorted((carmen.id, dora.id, efrain.id)))
    for one, kind in ((carmen, "answer"), (carmen, "hand"), (backup, "hand")):
        for seal in (Seal(2, False, (), ()), Seal(3, True, readers, ())):
            written = one.answer(opened, desk.unit.chain, "Soy yo.", TODAY, kind=kind, seal=seal)
            with pytest.raises(NoSuchCase):
                await desk.post(one, written)
            with pytest.raises(Altered, match=r"thread\.(author|excluded)"):
                threads.extend(opened.thread, written.letter, desk.unit.chain)


# ---------------------------------------------------------------- from the first letter on


@pytest.fixture
async def office(sqlite_url: str, library: Library) -> AsyncIterator[Office]:
    """A listening server with letterbox and console."""
    database = open_database(sqlite_url)
    async with open_office(database, library) as office:
        yield office
    await database.close()


async def test_who_is_excluded_from_the_first_letter_on_does_not_learn_that_the_case_exists(office: Office) -> None:
    carmen, dora = (OfficerWithKeys("", name, f"{name[:4]}@ueipci.example") for name in ("Carmen Ríos", "Dora Paz"))
    for one in (carmen, dora):
        await office.enrol(one)
    assert carmen.holder
    asker = await office.submit_case(BEFORE, excluded=[carmen.holder])
    await office.reply(asker, "Otra cosa.")
    case, unknown = asker.case, new_id()
    hers = await seen(office, carmen, case)
    assert hers == await seen(office, carmen, unknown)
    assert not [path for path, (_, text) in hers.items() if case in text or casework.folio(case) in text]
    of_case, of_none = await seen(office, dora, case), await seen(office, dora, unknown)
    differing = {path for path in of_case if of_case[path] != of_none[path]}
    assert differing >= {
        "GET /console/cases/{id}",
        "GET /console/cases/{id}/letters",
        "POST /console/cases/{id}/letters",
    }


async def seen(office: Office, officer: OfficerWithKeys, case: str) -> dict[str, tuple[int, str]]:
    """What each page and each request for data brings to an officer who asks for a case."""
    found = {}
    for route in office.app.router.routes():
        path = route.resource.canonical if route.resource else ""
        if not path.startswith("/console") or (route.method == "POST" and "{id}" not in path):
            continue
        address = re.sub(r"\{\w+\}", case, path) + ("?from=1" if path.endswith("/trust") else "")
        desk = await office.signed_in(officer)
        if route.method == "GET":
            status, text = await desk.get(address, Accept="application/json, text/html")
        elif route.method == "POST":
            status, content = await desk.post(address, {"letter": {}, "access": [], "bell": ""})
            text = str(content)
        else:
            continue
        found[f"{route.method} {path}"] = status, TOKENS.sub("TOKEN", text.replace(f"/{case}", "/CASE"))
    return found
