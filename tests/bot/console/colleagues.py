"""Three officers with accounts and real, distinct keys, in one running installation, and the browsers that they use."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, Page, expect
from sqlalchemy import select

from bot.console import site
from content.library import Library
from storage import schema
from storage.confidential import cases, ledger, notebooks, sessions
from storage.confidential.ledger import LedgerEntry
from storage.confidential.protocol.notebooks import Notebook, open_notebook, seal_notebook
from storage.database import Database
from tests.attack.model import browser as pages
from tests.attack.model.host import SECRET, Account, Host, running
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Opened
from tests.fakes.unit import Keyholder, Unit

WORDS = {
    "Carmen": "acabar academia acceso acento aclarar acoger activo",
    "Dora": "acta actor actriz acudir acuerdo adaptar adelante",
    "Eva": "adorar adulto afecto afinar afirmar agenda agua",
}


class Colleagues:
    """Carmen, Dora and Eva of one unit; new queries are sealed to all of them, or to `readers`."""

    def __init__(self, host: Host) -> None:
        self.host, self.box = host, host.box
        self.carmen, self.dora, self.eva = (Keyholder(name) for name in WORDS)
        self.recovery = Keyholder("Respaldo", "recovery")
        self.unit = Unit([self.carmen, self.dora, self.eva, self.recovery])
        self.accounts = {one: Account.with_words(one, WORDS[one.name]) for one in (self.carmen, self.dora, self.eva)}

    async def begin(self) -> "Colleagues":
        self.unit.first_list()
        await self.host.begin(self.unit, [*self.accounts.values()])
        return self

    async def query(
        self, text: str, readers: Sequence[Keyholder] | None = None, excluded: Sequence[Keyholder] = ()
    ) -> Asker:
        """A new query; with `readers` the recovery key reads it too."""
        asker = Asker(self.box.today)
        granted = None if readers is None else [*readers, self.recovery]
        posting = asker.posting(self.unit, await self.box.token(), text, excluded=excluded, readers=granted)
        status, _ = await self.box.post("/c/cases", posting)
        assert status == 201
        return asker

    async def opened(self, officer: Keyholder, case: str) -> Opened:
        """The case as the stored rows give it to this officer. Raises ProtocolError where there is no key."""
        async with self.box.database.read() as tx:
            rows, access = await cases.letters(tx, case), await cases.access(tx, case, officer.id)
        return officer.open(rows, access, self.unit.chain)

    async def readers(self, case: str) -> set[str]:
        """The names of those whom a key of the case is stored for."""
        names = {one.id: one.name for one in (*self.accounts, self.recovery)} | {"asker": "asker"}
        async with self.box.database.read() as tx:
            stored = await tx.scalars(select(schema.access.c.reader).where(schema.access.c.case_id == case))
            return {names[one] for one in stored}

    async def verbs(self, case: str) -> list[tuple[str, str]]:
        """The ledger's entries of a case: who did what."""
        names = {one.id: one.name for one in self.accounts}
        async with self.box.database.read() as tx:
            entries: list[LedgerEntry] = await ledger.of_case(tx, case)
        return [(names[entry.officer_id], entry.verb) for entry in entries]

    async def notebook(self, officer: Keyholder) -> Notebook:
        """The stored notebook, opened."""
        async with self.box.database.read() as tx:
            stored = await notebooks.newest(tx, officer.id)
        assert stored is not None
        return open_notebook(self.accounts[officer].notebook, stored.box, officer.id, stored.version)

    async def store_notebook(self, officer: Keyholder, notebook: Notebook) -> None:
        """Store a notebook's next version, as another device does."""
        following: Notebook = {**notebook, "version": notebook["version"] + 1}
        box = seal_notebook(self.accounts[officer].notebook, following)
        async with self.box.database.write() as tx:
            assert await notebooks.replace(tx, officer.id, following["version"], box)

    async def remembered(self, officer: Keyholder) -> set[str]:
        """The cases in an officer's notebook."""
        return {entry["case"] for entry in (await self.notebook(officer))["cases"]}


@asynccontextmanager
async def colleagues(database: Database, library: Library) -> AsyncIterator[Colleagues]:
    """The officers in a running installation without queries."""
    async with running(database, library) as host:
        yield await Colleagues(host).begin()


@asynccontextmanager
async def desk_of(browser: Browser, office: Colleagues, officer: Keyholder) -> AsyncIterator["DeskTab"]:
    """A browser of one officer, with a session."""
    context = await pages.new_context(browser, office.box)
    async with office.box.database.write() as tx:
        token = await sessions.begin(tx, SECRET.session, officer.id, "totp", office.box.now)
    where: Any = {"name": site.SESSION_COOKIE, "value": token, "domain": "127.0.0.1", "path": site.PATH}
    await context.add_cookies([where])
    yield DeskTab(await context.new_page(), office, office.accounts[officer])
    await context.close()


class DeskTab:
    """The tab of an officer who has a session; each page asks for the words once it is loaded by its address."""

    def __init__(self, page: Page, office: Colleagues, account: Account) -> None:
        self.page, self.office, self.account = page, office, account

    async def unlock(self, path: str) -> None:
        """Load a page and type the words."""
        await self.page.goto(self.office.box.url + site.PATH + path)
        await self.page.fill("#unlock-words", self.account.words)
        await self.page.click("#unlock button")

    async def open(self, case: str) -> None:
        """Open a case, and wait until the notebook keeps it."""
        async with self.page.expect_response("**/console/notebook"):
            await self.unlock(f"/cases/{case}")
        await expect(self.page.locator("#opened")).to_be_visible()

    async def choose(self, form: str, *names: str) -> None:
        """Open a form of the case page and tick these colleagues."""
        await self.page.locator("details", has=self.page.locator(form)).locator("summary").click()
        for name in names:
            await self.page.locator(form).get_by_label(name, exact=True).check()
