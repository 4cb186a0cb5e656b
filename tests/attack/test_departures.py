"""An officer who suddenly lacks a case: which attacks stay an alarm, as no letter that counts explains them.

The story is told twice: with the page as it is, and without what it checks of a departure, where the attacks pass for
one. So a story that passes without its protection is noticed.
"""

import random
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser, Page, Route, expect
from sqlalchemy import delete

from bot.web.templating import STATIC
from content.library import Library
from handlers.casework.cases import folio
from storage import schema
from storage.confidential import cases
from storage.confidential.protocol.canonical import canonical
from storage.confidential.protocol.epochs import Seal
from storage.confidential.protocol.signatures import PrivateKey
from storage.database import open_database
from tests.attack.model import browser as pages
from tests.attack.model.officer import OfficerPage
from tests.attack.model.rows import put
from tests.attack.model.truth import Truth
from tests.bot.console.colleagues import Colleagues, colleagues, desk_of
from tests.fakes.correspondence import Written, new_content, write
from tests.fakes.unit import Keyholder, new_key

pytestmark = pytest.mark.attack

SIGNATURES = ("sealing/threads.js", "  await verifyLetter(letter, signingKey(thread, context, chain));\n")
DEPARTURES = "console/departures.js"
REMEMBERED, UNREMEMBERED = "checkRemembered(thread, chain, entry)", "entry.seq"
NAMED = "    if ([...grant.readers, ...readersOf(thread)].includes(keys().id)) return null;\n"


@dataclass(frozen=True)
class Impostor:
    """A writer of rows who signs with a key of his own in the name of another."""

    id: str
    signing: PrivateKey


class Attacks:
    """What a writer of rows does to cases that Carmen has read; Dora and Eva may help him."""

    def __init__(self, office: Colleagues) -> None:
        self.office, self.unit, self.carmen = office, office.unit, office.carmen

    async def read_by_carmen(self) -> str:
        """A case that Dora has answered, as Carmen's notebook remembers it."""
        case = (await self.office.query("Mi cuñada concursa por una obra que reviso.")).case
        await self.office.box.answer("Excúsate.", self.office.dora, case=case)
        page = OfficerPage(self.office.host, random.Random(1), Truth(), self.office.accounts[self.carmen])
        assert (await page.visit(case)).kept == 2
        return case

    async def take_key_away(self, case: str) -> None:
        async with self.office.box.database.write() as tx:
            own = (schema.access.c.case_id == case) & (schema.access.c.reader == self.carmen.id)
            await tx.execute(delete(schema.access).where(own))

    async def without_carmen(self, case: str, author: Keyholder, signing: PrivateKey | None = None) -> Written:
        """A letter that drops Carmen, in the name of one who reads the case."""
        opened = await self.office.opened(author, case)
        readers = tuple(sorted(one for one in opened.thread.readers if one != self.carmen.id))
        context = {"case": case, "day": self.office.box.today.isoformat()}
        signer = Impostor(author.id, signing or author.signing)
        seal = Seal(len(opened.thread.grants) + 1, True, readers, ())
        return write(opened, self.unit.chain, signer, "hand", new_content("La leo yo."), seal, context)

    async def put_letter(self, written: Written) -> None:
        context = written.letter["context"]
        place = {"case_id": context["case"], "lane": "talk", "seq": context["seq"]}
        async with self.office.box.database.write() as tx:
            await put(tx, schema.letters, {**place, "letter": canonical(written.letter)})
        await self.take_key_away(context["case"])

    async def cut(self, case: str) -> None:
        """The answer that Carmen has read is gone, and Dora writes as if it had never been."""
        async with self.office.box.database.write() as tx:
            newest = (schema.letters.c.case_id == case) & (schema.letters.c.seq == 2)
            await tx.execute(delete(schema.letters).where(newest))
        self.office.dora.seen.clear()
        await self.put_letter(await self.without_carmen(case, self.office.dora))

    async def run(self) -> Mapping[str, str]:
        """All of them, each on a case of its own: its id by what was done."""
        done = {what: await self.read_by_carmen() for what in ("deleted", "forged", "cut", "served", "backdated")}
        await self.take_key_away(done["deleted"])
        await self.put_letter(await self.without_carmen(done["forged"], self.office.dora, new_key()))
        await self.cut(done["cut"])
        await self.take_key_away(done["served"])
        late = await self.without_carmen(done["backdated"], self.office.eva)
        self.unit.next_list(ending=[self.office.eva], day=self.office.box.today)
        await self.office.box.publish()
        await self.put_letter(late)
        return done


@pytest.fixture
async def office(sqlite_url: str, library: Library) -> AsyncIterator[Colleagues]:
    database = open_database(sqlite_url)
    async with colleagues(database, library) as office:
        yield office
    await database.close()


async def serve_all_letters(page: Page, office: Colleagues, case: str) -> None:
    """The server lies: it gives all letters of the case as an explanation."""

    async def serve(route: Route) -> None:
        async with office.box.database.read() as tx:
            await route.fulfill(json={"letters": await cases.letters(tx, case)})

    await page.route(f"**/console/cases/{case}/departure", serve)


@pytest.mark.parametrize("protected", [True, False], ids=["as it is", "without its protection"])
async def test_no_attack_passes_for_a_departure(browser: Browser, office: Colleagues, protected: bool) -> None:
    done = await Attacks(office).run()
    async with desk_of(browser, office, office.carmen) as carmen:
        page = carmen.page
        if not protected:
            text = (STATIC / DEPARTURES).read_text("utf-8")
            checks = text[text.index(REMEMBERED) : text.index(NAMED) + len(NAMED)]
            unchecked = checks.replace(REMEMBERED, UNREMEMBERED).replace(NAMED, "")
            await pages.replace_all(page.context, [(*SIGNATURES, ""), (DEPARTURES, checks, unchecked)])
        for what in ("served", "backdated"):
            await serve_all_letters(page, office, done[what])
        await carmen.unlock("/keys")
        alarmed = page.locator("#findings li")
        alarms = list(done) if protected else ["deleted"]
        await expect(alarmed).to_have_count(len(alarms))
        for what in alarms:
            await expect(page.locator("#findings")).to_contain_text(f"{folio(done[what])}: el servidor ya no te lo")
        await expect(page.locator("#departures li")).to_have_count(len(done) - len(alarms))
    assert await office.remembered(office.carmen) == set(done.values())


async def test_a_true_departure_is_none_of_these(browser: Browser, office: Colleagues) -> None:
    """A colleague who drops Carmen on purpose is named, by her signature; an alarm before that was known is gone."""
    attacks = Attacks(office)
    case = await attacks.read_by_carmen()
    written = await attacks.without_carmen(case, office.dora)
    await attacks.put_letter(written)
    async with desk_of(browser, office, office.carmen) as carmen:
        page = carmen.page
        await page.route("**/departure", lambda route: route.fulfill(status=503))
        await carmen.unlock("/keys")
        await expect(page.locator("#findings")).to_be_visible()
        await page.unroute("**/departure")
        await page.get_by_role("link", name="Llaves").click()
        await expect(page.locator("#departures li")).to_contain_text(
            f"{folio(case)}: Dora firmó el 23/11/2026 un mensaje desde el que ya no la lees."
        )
        await expect(page.locator("#findings")).to_be_hidden()
