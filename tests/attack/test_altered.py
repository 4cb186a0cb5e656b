"""A7: whatever is substituted, swapped, replayed or cut off, the page shows "alterado" and no text."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import Table, delete, insert, select, update

from storage import schema
from storage.confidential import cases, officers, sealing, wire_format
from storage.database import Transaction
from tests.fakes.letterbox import TODAY, Letterbox
from tests.fakes.unit import Asker, Keyholder, Unit, encoded_public_key, new_id
from tests.phones.letterbox_page import LetterboxPage
from tests.screen import with_fast_key_stretching

pytestmark = [pytest.mark.attack, pytest.mark.long]
SECRET = "Me toca evaluar la cotización de mi prima."
ANSWER = "Excúsate por escrito."
TABLES: tuple[Table, ...] = (schema.cases, schema.access, schema.letters, schema.key_lists)
Attack = Callable[["Scene"], Awaitable[None]]


class Scene:
    """An answered case, a second case, and an attacker who can write to every table."""

    def __init__(self, box: Letterbox, tx: Transaction, case: str, other: Asker) -> None:
        self.box, self.tx, self.case, self.other = box, tx, case, other

    async def letter(self, seq: int, case: str = "") -> dict[str, Any]:
        rows = await cases.letters(self.tx, case or self.case)
        parsed: dict[str, Any] = json.loads(rows[seq - 1].envelope)
        return parsed

    async def put_letter(self, seq: int, envelope: dict[str, Any] | str) -> None:
        text = envelope if isinstance(envelope, str) else wire_format.canonical(envelope)
        letters = schema.letters
        row = (letters.c.case_id == self.case) & (letters.c.seq == seq)
        await self.tx.execute(update(letters).where(row).values(envelope=text))

    async def put_case(self, **values: object) -> None:
        await self.tx.execute(update(schema.cases).where(schema.cases.c.id == self.case).values(**values))

    async def put_access(self, sealed: str) -> None:
        access = schema.access
        row = (access.c.case_id == self.case) & (access.c.reader == "asker")
        await self.tx.execute(update(access).where(row).values(sealed=sealed))

    async def asker_key(self) -> str:
        case = await cases.by_id(self.tx, self.case)
        assert case is not None
        return case.asker_key

    async def put_keys(self, unit: Unit) -> None:
        await self.tx.execute(delete(schema.key_lists))
        await officers.add_key_list(self.tx, unit.key_list())


def flipped(text: str, at: int = 30) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


async def a_flipped_body(scene: Scene) -> None:
    letter = await scene.letter(1)
    await scene.put_letter(1, {**letter, "body": flipped(letter["body"])})


async def a_flipped_answer(scene: Scene) -> None:
    letter = await scene.letter(2)
    await scene.put_letter(2, {**letter, "body": flipped(letter["body"])})


async def a_flipped_iv(scene: Scene) -> None:
    letter = await scene.letter(2)
    await scene.put_letter(2, {**letter, "iv": flipped(letter["iv"], 3)})


async def a_flipped_signature(scene: Scene) -> None:
    letter = await scene.letter(2)
    await scene.put_letter(2, {**letter, "signature": flipped(letter["signature"])})


async def an_answer_without_signature(scene: Scene) -> None:
    letter = await scene.letter(2)
    letter["context"]["author"] = "asker"
    await scene.put_letter(2, {**letter, "signer": "", "signature": ""})


async def an_answer_under_another_name(scene: Scene) -> None:
    await scene.put_letter(2, {**await scene.letter(2), "signer": new_id()})


async def another_day(scene: Scene) -> None:
    letter = await scene.letter(2)
    letter["context"]["day"] = "2026-11-01"
    await scene.put_letter(2, letter)


async def another_epoch(scene: Scene) -> None:
    letter = await scene.letter(2)
    letter["context"]["epoch"] = 2
    await scene.put_letter(2, letter)


async def a_truncated_body(scene: Scene) -> None:
    letter = await scene.letter(2)
    await scene.put_letter(2, {**letter, "body": letter["body"][:-40]})


async def no_json_at_all(scene: Scene) -> None:
    await scene.put_letter(2, "nonsense")


async def an_extra_field(scene: Scene) -> None:
    await scene.put_letter(1, {**await scene.letter(1), "note": "hello"})


async def swapped_letters(scene: Scene) -> None:
    first, second = await scene.letter(1), await scene.letter(2)
    await scene.put_letter(1, second)
    await scene.put_letter(2, first)


async def the_first_letter_missing(scene: Scene) -> None:
    letters = schema.letters
    await scene.tx.execute(delete(letters).where(letters.c.case_id == scene.case, letters.c.seq == 1))


async def no_letters(scene: Scene) -> None:
    await scene.tx.execute(delete(schema.letters).where(schema.letters.c.case_id == scene.case))


async def a_replayed_letter(scene: Scene) -> None:
    text = wire_format.canonical(await scene.letter(2))
    await scene.tx.execute(insert(schema.letters).values(case_id=scene.case, seq=3, epoch=1, envelope=text))


async def the_letter_of_another_case(scene: Scene) -> None:
    await scene.put_letter(1, await scene.letter(1, scene.other.case))


async def a_forged_answer(scene: Scene) -> None:
    """By an attacker with the case key and write access to the database, but no officer's signing key."""
    officer, first = scene.box.unit.officer, sealing.parse_envelope(await scene.letter(1))
    (access,) = await cases.access(scene.tx, scene.case, officer.id)
    context = sealing.letter_context(scene.case, 1, 2, "officer", TODAY, first.hash)
    key, stranger = officer.open(access.sealed, scene.case), Keyholder("Stranger")
    forged = sealing.seal_letter(
        key, context, {"text": "No pasa nada."}, signer=officer.id, signing_key=stranger.signing
    )
    await scene.put_letter(2, forged)


async def another_case_altogether(scene: Scene) -> None:
    """The server knows the asker's public key: it may invent a key, a first letter and an access row of its own."""
    invented = Asker(TODAY, case=scene.case)
    sealed = sealing.seal_access(invented.case_key, await scene.asker_key(), scene.case, 1, "asker")
    await no_letters(scene)
    text = wire_format.canonical(invented.letter("invented"))
    await scene.tx.execute(insert(schema.letters).values(case_id=scene.case, seq=1, epoch=1, envelope=text))
    await scene.put_access(sealed)


async def an_epoch_invented_by_the_server(scene: Scene) -> None:
    """A second epoch with a key that the server knows, and a letter in the asker's name under it."""
    invented = Asker(TODAY, case=scene.case)
    last = sealing.parse_envelope(await scene.letter(2))
    context = sealing.letter_context(scene.case, 2, 3, "asker", TODAY, last.hash)
    letter = sealing.seal_letter(invented.case_key, context, {"text": "invented"})
    sealed = sealing.seal_access(invented.case_key, await scene.asker_key(), scene.case, 2, "asker")
    text = wire_format.canonical(letter)
    await scene.tx.execute(insert(schema.letters).values(case_id=scene.case, seq=3, epoch=2, envelope=text))
    await scene.tx.execute(insert(schema.access).values(case_id=scene.case, epoch=2, reader="asker", sealed=sealed))
    await scene.put_case(epoch=2)


async def the_access_of_another_case(scene: Scene) -> None:
    (access,) = await cases.access(scene.tx, scene.other.case, "asker")
    await scene.put_access(access.sealed)


async def an_officers_access(scene: Scene) -> None:
    (access,) = await cases.access(scene.tx, scene.case, scene.box.unit.officer.id)
    await scene.put_access(access.sealed)


async def another_key_for_the_case(scene: Scene) -> None:
    key = sealing.seal_access(bytes(32), await scene.asker_key(), scene.case, 1, "asker")
    await scene.put_access(key)


async def no_access(scene: Scene) -> None:
    await scene.tx.execute(delete(schema.access).where(schema.access.c.case_id == scene.case))


async def the_bundle_of_another_case(scene: Scene) -> None:
    other = await cases.by_id(scene.tx, scene.other.case)
    assert other is not None
    await scene.put_case(asker_bundle=other.asker_bundle)


async def a_malformed_bundle(scene: Scene) -> None:
    await scene.put_case(asker_bundle="nonsense")


async def another_asker_key(scene: Scene) -> None:
    await scene.put_case(asker_key=encoded_public_key(Keyholder("x").reading))


async def another_unit(scene: Scene) -> None:
    """With the same officer and their true keys, so that every signature on letters verifies."""
    await scene.put_keys(Unit(scene.box.unit.readers, serial=2))


async def an_exchanged_officers_key(scene: Scene) -> None:
    await scene.tx.execute(
        update(schema.key_lists).values(
            body=scene.box.unit.key_list().body.replace(
                encoded_public_key(scene.box.unit.officer.signing), encoded_public_key(Keyholder("x").signing)
            )
        )
    )


async def no_list_of_readers(scene: Scene) -> None:
    await scene.tx.execute(delete(schema.key_lists))


async def a_list_without_the_officer(scene: Scene) -> None:
    unit = scene.box.unit
    await scene.put_keys(Unit([Keyholder("Otra"), *unit.readers[1:]], 2, unit.signing))


ATTACKS: tuple[Attack, ...] = (
    a_flipped_body,
    a_flipped_answer,
    a_flipped_iv,
    a_flipped_signature,
    an_answer_without_signature,
    an_answer_under_another_name,
    another_day,
    another_epoch,
    a_truncated_body,
    no_json_at_all,
    an_extra_field,
    swapped_letters,
    the_first_letter_missing,
    no_letters,
    a_replayed_letter,
    the_letter_of_another_case,
    a_forged_answer,
    another_case_altogether,
    an_epoch_invented_by_the_server,
    the_access_of_another_case,
    an_officers_access,
    another_key_for_the_case,
    no_access,
    the_bundle_of_another_case,
    a_malformed_bundle,
    another_asker_key,
    another_unit,
    an_exchanged_officers_key,
    no_list_of_readers,
    a_list_without_the_officer,
)


PARTS = 3  # the attacks are split so that they run in parallel


@pytest.mark.parametrize("part", range(PARTS))
async def test_whatever_is_altered_is_called_so_and_never_shown(box: Letterbox, browser: Browser, part: int) -> None:
    page = await (await with_fast_key_stretching(await browser.new_context(locale="es-MX"))).new_page()
    phone = await LetterboxPage.opened(page, await box.link())
    await phone.send(SECRET)
    await box.answer(ANSWER)
    async with box.database.read() as tx:
        (case,) = await cases.queue(tx, box.unit.officer.id)
    other = await box.submit_query("Otra consulta.")
    async with box.database.read() as tx:
        snapshot = {table: [dict(row._mapping) for row in await tx.execute(select(table))] for table in TABLES}

    for attack in ATTACKS[part::PARTS]:
        async with box.database.write() as tx:
            await attack(Scene(box, tx, case.id, other))
        await phone.come_back(box.url)
        await expect(page.locator("#altered"), attack.__name__).to_be_visible()
        await expect(page.locator("#thread"), attack.__name__).to_be_hidden()
        shown = await page.content()
        assert not any(text in shown for text in (SECRET, ANSWER, "invented", "No pasa nada.")), attack.__name__
        await _restore(box, snapshot)

    await phone.come_back(box.url)
    assert await phone.letters() == [SECRET, ANSWER]  # the control: untouched, it opens
    await page.context.close()


async def _restore(box: Letterbox, snapshot: dict[Table, list[dict[str, Any]]]) -> None:
    async with box.database.write() as tx:
        for table in reversed(TABLES):
            await tx.execute(delete(table))
        for table in TABLES:
            await tx.execute(insert(table), snapshot[table])
