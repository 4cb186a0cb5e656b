"""An officer who has left claims that a letter was lost, so that her last grant counts for those who saw that letter.

A grant that is first seen after its author left does not count. A resume that names what an officer remembers stands at
the number of that letter, or below it; by its number alone it would pass for one that she saw in time.
"""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from storage import schema
from storage.confidential import cases
from storage.confidential.protocol import letters
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.epochs import Change
from tests.attack.model import browser as pages
from tests.attack.model.browser import Posts
from tests.attack.model.host import Account, Host
from tests.attack.model.keyring import access_row
from tests.attack.model.rows import put
from tests.fakes.asker import Asker
from tests.fakes.correspondence import open_rows
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder, Unit

pytestmark = pytest.mark.attack

SECRET, ANSWER, MORE = "Me toca evaluar la cotización de mi prima.", "Excúsate por escrito.", "Y avisa a tu jefa."
SEVEN_WORDS = "acabar academia acceso acento aclarar acoger activo"


class Story:
    """Carmen and Eva read a case, which Flor may not read; Eva leaves with all keys of the case."""

    def __init__(self, host: Host) -> None:
        self.host, self.box = host, host.box
        self.carmen, self.eva, self.flor = Keyholder("Carmen"), Keyholder("Eva"), Keyholder("Flor")
        self.unit = Unit([self.carmen, self.eva, self.flor, Keyholder("Respaldo", "recovery")])
        self.account = Account.with_words(self.carmen, SEVEN_WORDS)
        self.asker = Asker(TODAY)

    async def begin(self) -> "Story":
        self.unit.first_list()
        await self.host.begin(self.unit, [self.account])
        return self

    async def ask(self, *readers: Keyholder) -> None:
        body = self.asker.posting(self.unit, await self.box.token(), SECRET, readers=readers)
        assert (await self.box.post("/c/cases", body))[0] == 201
        (self.first_access,) = [row for row in body["access"] if row["reader"] == self.eva.id]

    async def exclude(self, officer: Keyholder) -> None:
        body = self.asker.reply_body(self.unit, MORE, change=Change(excluded=(officer.id,)))
        assert (await self.box.post("/c/letters", body))[0] == 201

    async def eva_leaves(self) -> None:
        """Eva leaves, and puts a resume of hers, signed as if before, in the place of letter 2."""
        before = self.unit.chain
        async with self.box.database.read() as tx:
            rows = await cases.letters(tx, self.asker.case)
        opened = open_rows(rows[:1], self.first_access, before, self.eva.reading)
        change = Change((self.flor.id,), leaves=True, resumes=True)
        lost = {"lost": [letters.letter_hash(rows[1])]}
        forged = self.eva.answer(opened, before, "", TODAY, kind="resume", change=change, context=lost)
        self.unit.next_list(ending=[self.eva])
        await self.box.publish()
        place = {"case_id": self.asker.case, "lane": "talk", "seq": 2}
        async with self.box.database.write() as tx:
            await put(tx, schema.letters, {**place, "letter": canonical(forged.letter)})
            for row in forged.access:
                await put(tx, schema.access, access_row(row))


@pytest.fixture
async def story(sqlite_host: Host) -> Story:
    return await Story(sqlite_host).begin()


@pytest.fixture
async def page(browser: Browser, story: Story) -> AsyncIterator[Page]:
    context = await pages.new_context(browser, story.box)
    yield await context.new_page()
    await context.close()


async def readers_of_an_answer(page: Page, story: Story, text: str) -> set[str]:
    """Open the case on Carmen's page and answer it: whom the answer is sealed to, by id; empty: to those before."""
    posts = Posts(page)
    says, _ = await pages.open_case(page, story.box, story.account, story.asker.case)
    assert says == "opened"
    assert await pages.answer(page, text)
    (answer,) = posts.letters
    return set((answer["context"]["grant"] or {"readers": ()})["readers"])


async def shown_after_eva(page: Page, story: Story) -> str:
    """What Carmen's page says once Eva's resume stands in the place of letter 2; it sends nothing."""
    await story.eva_leaves()
    posts = Posts(page)
    says, _ = await pages.open_case(page, story.box, story.account, story.asker.case)
    assert not posts.letters
    return says


async def test_a_resume_of_one_who_has_left_grants_nothing(page: Page, story: Story) -> None:
    await story.ask(story.carmen, story.eva)
    assert not await readers_of_an_answer(page, story, ANSWER)
    assert "está alterado" in await shown_after_eva(page, story)


async def test_nor_does_it_take_back_an_exclusion_that_was_seen(page: Page, story: Story) -> None:
    await story.ask(story.carmen, story.eva, story.flor)
    await story.exclude(story.flor)
    says, _ = await pages.open_case(page, story.box, story.account, story.asker.case)
    assert says == "opened"
    assert "está alterado" in await shown_after_eva(page, story)
