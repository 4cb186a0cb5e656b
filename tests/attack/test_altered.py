"""A7: whatever is substituted, swapped, replayed or cut off, the page shows "alterado" and no text."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import Table, delete, insert, select

from storage.database import Transaction
from tests.attack.alterations import ALTERATIONS
from tests.attack.scene import FORGED, TABLES, Forger, Scene, restore_trust
from tests.fakes.asker import Asker
from tests.fakes.letterbox import Letterbox
from tests.fakes.unit import Keyholder
from tests.phones.letterbox_page import WORDS, LetterboxPage, asked, small_phone

pytestmark = [pytest.mark.attack, pytest.mark.long]
SECRET = "Me toca evaluar la cotización de mi prima."
ANSWER = "Excúsate por escrito."

PARTS = 3  # the attacks are split so that they run in parallel


def test_every_column_of_every_table_is_altered() -> None:
    altered = {column for attack in ALTERATIONS for column in attack.columns}
    assert altered == {f"{table.name}.{column.name}" for table in TABLES for column in table.columns}


@dataclass
class Read:
    """A query that Carmen answered and its asker has read on this phone, another one, and Dora, who reads neither."""

    box: Letterbox
    phone: LetterboxPage
    asker: Asker
    other: Asker
    dora: Keyholder

    def scene(self, tx: Transaction) -> Scene:
        return Scene(self.box, tx, self.asker, self.other, self.dora)


@pytest.fixture
async def read(box: Letterbox, browser: Browser) -> AsyncIterator[Read]:
    asker, dora = await asked(box, SECRET), Keyholder("Dora Paz")
    other = await box.submit_query("Otra consulta.")
    box.unit.next_list(adding=[dora])
    await box.publish()
    await box.answer(ANSWER, case=asker.case)
    async with small_phone(browser) as page:
        phone = LetterboxPage(page, WORDS.split())
        assert await phone.read_news(box.url) == [SECRET, ANSWER]
        yield Read(box, phone, asker, other, dora)


@pytest.mark.parametrize("part", range(PARTS))
async def test_whatever_is_altered_is_called_so_and_never_shown(read: Read, part: int) -> None:
    box, phone, page = read.box, read.phone, read.phone.page
    async with box.database.read() as tx:
        snapshot = {table: [dict(row._mapping) for row in await tx.execute(select(table))] for table in TABLES}

    for attack in ALTERATIONS[part::PARTS]:
        async with box.database.write() as tx:
            await attack.run(read.scene(tx))
        await phone.come_back(box.url)
        await expect(page.locator(f"#{attack.shows}"), attack.name).to_be_visible()
        if attack.shows == "thread":
            assert await phone.letters() == [SECRET, ANSWER]
            assert "Respondida" in await page.inner_text("#thread")
        else:
            await expect(page.locator("#thread"), attack.name).to_be_hidden()
            shown = await page.content()
            assert not any(text in shown for text in (SECRET, ANSWER, FORGED)), attack.name
        await _restore(box, snapshot)

    await phone.come_back(box.url)
    assert await phone.letters() == [SECRET, ANSWER]  # the control: untouched, it opens


@pytest.mark.parametrize("grants", [False, True])
async def test_what_a_true_reader_writes_in_the_same_way_is_shown(read: Read, grants: bool) -> None:
    """The control of what is forged: with the right keys it verifies."""
    async with read.box.database.write() as tx:
        scene = read.scene(tx)
        await scene.forge(Forger(scene.carmen.id, scene.carmen.signing), grants=grants)
    assert await read.phone.read_news(read.box.url) == [SECRET, ANSWER, FORGED]


async def _restore(box: Letterbox, snapshot: dict[Table, list[dict[str, Any]]]) -> None:
    restore_trust(box)
    async with box.database.write() as tx:
        for table in reversed(TABLES):
            await tx.execute(delete(table))
        for table in TABLES:
            await tx.execute(insert(table), snapshot[table])
