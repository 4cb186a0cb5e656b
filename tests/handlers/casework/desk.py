"""Askers and officers at the handlers of confidential queries: no page and no chat, a transaction for each action."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from content.library import Library
from handlers.casework import cases as casework
from handlers.casework import letters, news
from handlers.casework.office import OfficerContext
from handlers.context import Context, Installation, WorkContext
from handlers.message import Update, UpdateKind
from handlers.orientation import consult
from storage import schema
from storage.confidential import cases, routes
from storage.confidential.cases import Case, CaseState
from storage.confidential.protocol.epochs import Change
from storage.database import Database, Transaction
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Opened, Written
from tests.fakes.letterbox import NOW, new_installation, officer_context
from tests.fakes.unit import Keyholder, Unit


@dataclass
class Desk:
    """One installation with its unit (not adopted before `publish`) and its clock."""

    database: Database
    library: Library
    folder: Path
    unit: Unit = field(default_factory=Unit.with_recovery_key)
    now: datetime = NOW
    installation: Installation = field(init=False)

    def __post_init__(self) -> None:
        self.installation = new_installation("http://127.0.0.1", self.folder)

    @property
    def today(self) -> date:
        return self.now.astimezone(self.installation.timezone).date()

    @asynccontextmanager
    async def work(self) -> AsyncIterator[WorkContext]:
        async with self.database.write() as tx:
            yield self.work_in(tx)

    def work_in(self, tx: Transaction) -> WorkContext:
        return WorkContext(tx, self.library, self.installation, self.now)

    async def publish(self) -> None:
        """Store the unit's lists; the installation adopts the unit."""
        async with self.database.write() as tx:
            await self.unit.publish(tx, self.installation.unit)

    # ------------------------------------------------------------ askers

    async def token(self, address: str = "ana") -> str:
        """The token of the link that the chat sends to an address."""
        update = Update("telegram", "1", address, UpdateKind.CHOICE, choice="consult:start")
        async with self.database.write() as tx:
            response = await consult.handle(Context(tx, self.library, self.installation, self.now, update, "es", None))
        return response.messages[0].buttons[0][0].url.split("#t=")[1].split("&")[0]

    async def accept(self, posting: Mapping[str, Any]) -> date:
        async with self.work() as work:
            return await letters.accept(work, letters.parse_submission(posting))

    async def submit(self, asker: Asker, address: str = "ana", **changes: Any) -> date:
        """Submit a new case; the day by which it is answered."""
        return await self.accept(asker.posting(self.unit, await self.token(address), **changes))

    async def reply(self, body: Mapping[str, Any]) -> None:
        async with self.work() as work:
            await letters.reply(work, body)

    async def remember(self, body: Mapping[str, Any]) -> None:
        async with self.work() as work:
            await letters.remember(work, body)

    async def read(self, asker: Asker) -> Sequence[str]:
        """The texts that the asker's page shows."""
        async with self.work() as work:
            return asker.read(await letters.thread(work, asker.locator))

    # ------------------------------------------------------------ officers

    @asynccontextmanager
    async def officer(self, officer: Keyholder) -> AsyncIterator[OfficerContext]:
        async with self.database.write() as tx:
            yield officer_context(tx, officer, self.installation, self.now)

    async def opened(self, officer: Keyholder, case: str) -> Opened:
        """The thread as an officer's page opens it."""
        async with self.officer(officer) as context:
            found = await casework.open_case(context, case)
        return officer.open(found.letters, found.access, self.unit.chain)

    async def write(self, officer: Keyholder, case: str, text: str = "Excúsate.", **options: Any) -> Written:
        """An officer's next letter, before it is posted."""
        return officer.answer(await self.opened(officer, case), self.unit.chain, text, self.today, **options)

    async def post(self, officer: Keyholder, written: Written, case: str = "", notice: str = "") -> CaseState:
        """Post an officer's letter."""
        case = case or written.letter["context"]["case"]
        async with self.officer(officer) as context:
            return await casework.answer(context, case, written.letter, access=written.access, bell=notice)

    async def answer(
        self,
        officer: Keyholder,
        case: str,
        text: str = "Excúsate.",
        *,
        kind: str = "answer",
        change: Change | None = None,
    ) -> CaseState:
        """Open, answer and notify, as an officer's page does."""
        opened = await self.opened(officer, case)
        written = officer.answer(opened, self.unit.chain, text, self.today, kind=kind, change=change)
        return await self.post(officer, written, case, opened.notice)

    # ------------------------------------------------------------ what is stored

    async def case(self, case: str) -> Case:
        async with self.database.read() as tx:
            found = await cases.by_id(tx, case)
        assert found is not None
        return found

    async def readers(self, case: str) -> set[str]:
        """Whom a key of the case is stored for."""
        async with self.database.read() as tx:
            return {*await tx.scalars(select(schema.access.c.reader).where(schema.access.c.case_id == case))}

    async def count_letters(self) -> int:
        async with self.database.read() as tx:
            return len((await tx.execute(select(schema.letters.c.seq))).all())

    async def notified(self) -> list[str]:
        """The addresses that get a notice now, each once, in order; then none waits for one."""
        async with self.work() as work:
            pending = await news.pending(work)
            await routes.clear_news(work.tx, [one for notice in pending.notices for one in notice.news])
        return sorted(notice.recipient.address for notice in pending.notices)
