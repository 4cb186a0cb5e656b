"""What was possible for a writer of rows before (S1, S2, S3, S7), each as a story on the real pages.

Each story is told twice: with the pages as they are, and with one protection taken out of the script, where the attack
works. So a story that passes without its protection is noticed.
"""

import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, Route
from sqlalchemy import delete

from handlers.casework.cases import folio
from storage import schema
from storage.confidential import cases
from storage.confidential.protocol import keys, letters
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.keys import Access
from storage.confidential.protocol.letters import Letter
from storage.confidential.protocol.signatures import PrivateKey
from tests.attack.model import browser as pages
from tests.attack.model.browser import Posts, replace_all, take_out
from tests.attack.model.host import Account, Host
from tests.attack.model.keyring import access_row
from tests.attack.model.officer import OfficerPage
from tests.attack.model.rows import put
from tests.attack.model.truth import Truth
from tests.fakes.asker import Asker
from tests.fakes.correspondence import new_content, write
from tests.fakes.letterbox import TODAY
from tests.fakes.unit import Keyholder, Unit
from tests.phones.letterbox_page import LetterboxPage

pytestmark = pytest.mark.attack

SECRET, ANSWER, MORE = "Me toca evaluar la cotización de mi prima.", "Excúsate por escrito.", "¿Y si ya firmé?"
INVENTED = "Soy otra persona."
EIGHT_WORDS = "abeja abierto abogado abono abrazo abrir abuelo abuso"
SEVEN_WORDS = "acabar academia acceso acento aclarar acoger activo"
SIGNATURES = ("sealing/threads.js", "  await verifyLetter(letter, signingKey(thread, context, chain));\n")
UNIT = ("sealing/lists.js", '  if (!pins.includes(pin)) throw new Altered("unit");\n')
NOTEBOOK = ("console/casefile.js", "checkRemembered(thread, chain, entry)", "entry.seq")
BOX = ("letterbox/thread.js", "checkSeen(thread, chain, asker.first, seen.seq, seen.hash)", "seen.seq")

as_it_is = pytest.mark.parametrize("protected", [True, False], ids=["as it is", "without its protection"])


@dataclass(frozen=True)
class Impostor:
    """A writer of rows who signs with a key of his own in the name of another."""

    id: str
    signing: PrivateKey


class Story:
    """Carmen answers a query of an asker with eight words; Eva, who was an officer too, may write rows."""

    def __init__(self, host: Host) -> None:
        self.host, self.box = host, host.box
        self.carmen, self.eva = Keyholder("Carmen"), Keyholder("Eva")
        self.unit = Unit([self.carmen, self.eva, Keyholder("Respaldo", "recovery")])
        self.account = Account.with_words(self.carmen, SEVEN_WORDS)
        self.asker = Asker.with_words(EIGHT_WORDS, TODAY, rounds=1000)

    async def begin(self) -> "Story":
        self.unit.first_list()
        await self.host.begin(self.unit, [self.account])
        await self.box.submit_query(SECRET, self.asker)
        return self

    async def write_rows(self, letter: Letter, access: Sequence[Access]) -> None:
        """Put a letter and the keys that come with it where the server would."""
        context = letter["context"]
        place = {"case_id": context["case"], "lane": context["lane"], "seq": context["seq"]}
        async with self.box.database.write() as tx:
            await put(tx, schema.letters, {**place, "letter": canonical(letter)})
            for row in access:
                await put(tx, schema.access, access_row(row))

    async def forge_grant(self) -> bytes:
        """Eva, who could read until she left, grants in Carmen's name an epoch of her own; return its key."""
        async with self.box.database.read() as tx:
            rows, access = (
                await cases.letters(tx, self.asker.case),
                await cases.access(tx, self.asker.case, self.eva.id),
            )
        opened = self.eva.open(rows, access, self.unit.chain)
        self.unit.next_list(ending=[self.eva])
        await self.box.publish()
        readers = tuple(sorted(one.id for one in self.unit.readers))
        context = {"case": self.asker.case, "day": TODAY.isoformat()}
        impostor = Impostor(self.carmen.id, self.eva.signing)
        seal = Seal(2, True, readers, ())
        forged = write(opened, self.unit.chain, impostor, "answer", new_content(INVENTED), seal, context)
        await self.write_rows(forged.letter, forged.access)
        return forged.key

    async def replace_first_letter(self) -> None:
        """Put a query of the writer's own in the place of the asker's."""
        invented = Asker(TODAY, case=self.asker.case).posting(self.unit, await self.box.token(), INVENTED)
        await self.write_rows(invented["letter"], invented["access"])

    async def ask_more(self) -> None:
        status, _ = await self.box.post("/c/letters", self.asker.reply_body(self.unit, MORE))
        assert status == 201

    async def delete_letter(self, seq: int) -> None:
        async with self.box.database.write() as tx:
            await tx.execute(delete(schema.letters).where(schema.letters.c.seq == seq))

    async def carmen_reads(self) -> None:
        """Carmen opens the case on her own device, and her notebook remembers it."""
        page = OfficerPage(self.host, random.Random(1), Truth(), self.account)
        assert (await page.visit(self.asker.case)).kept


def texts(key: bytes, written: Sequence[Letter]) -> list[str]:
    """What a key opens."""
    return [letters.open_letter(key, letter)["text"] for letter in written]


@pytest.fixture
async def story(sqlite_host: Host) -> Story:
    return await Story(sqlite_host).begin()


@pytest.fixture
async def page(browser: Browser, story: Story) -> AsyncIterator[Page]:
    context = await pages.new_context(browser, story.box)
    yield await context.new_page()
    await context.close()


@as_it_is
async def test_officers_seal_nothing_to_a_key_that_no_officer_granted(
    page: Page, story: Story, protected: bool
) -> None:
    """S1, the officer's side."""
    key, posts = await story.forge_grant(), Posts(page)
    if not protected:
        await take_out(page.context, *SIGNATURES)
    says, _ = await pages.open_case(page, story.box, story.account, story.asker.case)
    if protected:
        assert "alterado" in says
        assert INVENTED not in await page.content()
        assert posts.letters == []
        return
    assert says == "opened"
    await pages.answer(page, ANSWER)
    assert texts(key, posts.letters) == [ANSWER]


@as_it_is
async def test_askers_seal_nothing_to_a_key_that_no_officer_granted(page: Page, story: Story, protected: bool) -> None:
    """S1, the asker's side."""
    key, posts = await story.forge_grant(), Posts(page)
    if not protected:
        await take_out(page.context, *SIGNATURES)
    says = await pages.come_back(page, story.box, EIGHT_WORDS)
    if protected:
        assert says == "altered"
        assert INVENTED not in await page.content()
        assert posts.letters == []
        return
    assert says == "thread"
    await pages.reply(page, MORE)
    assert texts(key, posts.letters) == [MORE]


async def test_a_list_of_another_unit_closes_the_letterbox(page: Page, story: Story) -> None:
    """S2, as rows: the server does not believe them."""
    link = await story.box.link()
    async with story.box.database.write() as tx:
        row = {"serial": 1, "body": canonical(another_unit(story).newest)}
        await put(tx, schema.key_lists, row)
    phone = await LetterboxPage.opened(page, link)
    await phone.shows("closed")


@as_it_is
async def test_a_query_is_sealed_to_no_list_of_another_unit(page: Page, story: Story, protected: bool) -> None:
    """S2, where the server believes the rows or lies: the page does not believe the server."""
    other, posts = another_unit(story), Posts(page)

    async def serve(route: Route) -> None:
        await route.fulfill(json={"list": other.newest, "day": TODAY.isoformat()})

    await page.route("**/c/keys", serve)
    if not protected:
        await take_out(page.context, *UNIT)
    phone = await LetterboxPage.opened(page, await story.box.link())
    if protected:
        await phone.shows("altered")
        assert posts.letters == []
        return
    await phone.write(MORE)
    async with page.expect_response("**/c/cases"):
        await phone.press("letter")
    (body,) = posts.bodies
    (row,) = [row for row in body["access"] if row["reader"] == other.officer.id]
    key = keys.open_access(row, other.officer.reading, body["letter"]["context"]["grant"]["commit"])
    assert texts(key, posts.letters) == [MORE]


def another_unit(story: Story) -> Unit:
    """A unit of the writer's with the same officers by id and name, whose keys are all his."""
    unit = Unit([Keyholder(one.name, one.role, one.id) for one in story.unit.readers])
    unit.first_list()
    return unit


@as_it_is
async def test_an_exchanged_first_letter_is_not_shown(page: Page, story: Story, protected: bool) -> None:
    """S3, after an officer has opened the true one."""
    await story.carmen_reads()
    await story.replace_first_letter()
    if not protected:
        await replace_all(page.context, [NOTEBOOK])
    says, findings = await pages.open_case(page, story.box, story.account, story.asker.case)
    assert (INVENTED in await page.content()) is not protected
    if protected:
        assert "alterado" in says
        assert folio(story.asker.case) in findings
    else:
        assert says == "opened"


@as_it_is
async def test_officers_notice_a_letter_that_is_gone(page: Page, story: Story, protected: bool) -> None:
    """S7, the officer's side."""
    await story.ask_more()
    await story.carmen_reads()
    await story.delete_letter(2)
    if not protected:
        await replace_all(page.context, [NOTEBOOK])
    says, findings = await pages.open_case(page, story.box, story.account, story.asker.case)
    assert (SECRET in await page.content()) is not protected
    if protected:
        assert "alterado" in says
        assert f"{folio(story.asker.case)}: faltan mensajes" in findings
    else:
        assert says == "opened"


@as_it_is
async def test_askers_notice_a_letter_that_is_gone(page: Page, story: Story, protected: bool) -> None:
    """S7, the asker's side: an officer has answered without her second letter."""
    await story.ask_more()
    await story.delete_letter(2)
    await story.box.answer(ANSWER, story.carmen)
    if not protected:
        await replace_all(page.context, [BOX])
    says = await pages.come_back(page, story.box, EIGHT_WORDS)
    assert says == ("altered" if protected else "thread")
    assert (ANSWER in await page.content()) is not protected
