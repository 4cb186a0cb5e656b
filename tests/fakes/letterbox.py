"""The letterbox pages on a loopback port with the unit adopted, and what askers and officers do there.

The server, handlers and database are real; only the browsers of askers and officers are played in Python (see asker.py
and unit.py).
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer, unused_port
from sqlalchemy import select

from bot.web import letterbox
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES
from bot.web.templating import Pages
from content.library import Library
from handlers.casework import cases as casework
from handlers.casework.office import OfficerContext
from handlers.context import Context, Installation
from handlers.message import Update, UpdateKind
from handlers.orientation import consult
from storage import schema
from storage.confidential import cases
from storage.confidential.officers import Officer, OfficerState, Role
from storage.confidential.protocol.epochs import Change
from storage.confidential.protocol.letters import Content
from storage.confidential.unit_trust import UnitTrust
from storage.database import Database, Transaction
from tests.fakes.asker import Asker
from tests.fakes.correspondence import Opened
from tests.fakes.unit import Keyholder, Unit

NOW = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)  # a Monday, 10:20 in Guanajuato
TODAY = date(2026, 11, 23)
AUDIT_KEY = b"a" * 32


@dataclass
class Letterbox:
    """A running letterbox with its database, unit and clock (`now`)."""

    database: Database
    library: Library
    url: str
    installation: Installation
    web: ClientSession
    unit: Unit = field(default_factory=Unit.with_recovery_key)
    now: datetime = NOW
    links: int = 0
    caps: letterbox.LetterboxCaps = field(default_factory=letterbox.LetterboxCaps)

    @property
    def today(self) -> date:
        """The day on the server's clock."""
        return self.now.astimezone(self.installation.timezone).date()

    async def publish(self) -> None:
        """Adopt the unit and publish its lists of readers."""
        async with self.database.write() as tx:
            await self.unit.publish(tx, self.installation.unit)

    async def link(self, choice: str = "consult:start", language: str = "es", address: str = "") -> str:
        """The one-time link that the chat sends to an asker; by default to one who asks for the first time."""
        self.links += 1
        address = address or f"asker {self.links}"
        update = Update("webchat", "1", address, UpdateKind.CHOICE, choice=choice)
        async with self.database.write() as tx:
            response = await consult.handle(
                Context(tx, self.library, self.installation, self.now, update, language, None)
            )
        return response.messages[0].buttons[0][0].url

    async def token(self) -> str:
        """The token of a new link."""
        return (await self.link()).split("#t=")[1].split("&")[0]

    async def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        async with self.web.post(self.url + path, json=body) as response:
            return response.status, await response.json()

    async def submit_query(self, text: str = "¿Puedo firmar?", asker: Asker | None = None) -> Asker:
        """Submit a new case as an asker's browser would."""
        asker = asker or Asker(self.today)
        status, _ = await self.post("/c/cases", asker.posting(self.unit, await self.token(), text))
        assert status == 201
        return asker

    async def read(self, asker: Asker) -> list[str]:
        """The letters that an asker's browser fetches, checks and opens."""
        status, body = await self.post("/c/thread", {"locator": asker.locator})
        assert status == 200
        return [*asker.read(body)]

    async def answer(
        self,
        text: str,
        officer: Keyholder | None = None,
        *,
        kind: str = "answer",
        case: str = "",
        change: Change | None = None,
    ) -> None:
        """Answer a case (by default the only one) as an officer (by default the first), as the console stores it."""
        officer = officer or self.unit.officer
        async with self.database.write() as tx:
            opened = await self._open(tx, officer, case)
            written = officer.answer(opened, self.unit.chain, text, self.today, kind=kind, change=change)
            await casework.answer(
                officer_context(tx, officer, self.installation, self.now),
                opened.thread.case,
                written.letter,
                access=written.access,
                bell=opened.notice,
            )

    async def opened(self, officer: Keyholder | None = None, case: str = "") -> tuple[Content, ...]:
        """The decrypted letters of a case (by default the only one), as an officer reads them."""
        async with self.database.read() as tx:
            return (await self._open(tx, officer or self.unit.officer, case)).contents

    async def _open(self, tx: Transaction, officer: Keyholder, case: str) -> Opened:
        """Raises ProtocolError, also where the officer has no key."""
        if not case:
            (case,) = await tx.scalars(select(schema.cases.c.id))
        return officer.open(await cases.letters(tx, case), await cases.access(tx, case, officer.id), self.unit.chain)


def officer_context(tx: Transaction, officer: Keyholder, installation: Installation, now: datetime) -> OfficerContext:
    """The context of an active officer of the unit, who needs no row of their own."""
    email = f"{officer.id}@ueipci.example"
    record = Officer(officer.id, email, officer.name, Role.OFFICER, OfficerState.ACTIVE, None, None, False)
    return OfficerContext(tx, record, installation, AUDIT_KEY, now)


@asynccontextmanager
async def running(database: Database, library: Library, *, is_open: bool = True) -> AsyncIterator[Letterbox]:
    """Run a letterbox. With `is_open` false no unit is adopted and no list published, so that it is closed."""
    app = web.Application()
    server = TestServer(
        app, port=unused_port()
    )  # known before the start, as the installation's settings contain the address
    url = f"http://127.0.0.1:{server.port}"
    with TemporaryDirectory() as folder:
        installation = new_installation(url, Path(folder))
        async with ClientSession() as session:
            box = Letterbox(database, library, url, installation, session)
            app[DATABASE], app[LIBRARY], app[INSTALLATION], app[PAGES] = database, library, installation, Pages(library)
            app[CLOCK] = lambda: box.now
            app[letterbox.CAPS] = box.caps
            letterbox.attach(app)
            if is_open:
                await box.publish()
            async with server:
                yield box


def new_installation(url: str, secrets: Path) -> Installation:
    """An installation with a route key of its own that keeps its unit's key in the folder `secrets`."""
    zone, unit = ZoneInfo("America/Mexico_City"), UnitTrust(secrets)
    return Installation(zone, url, os.urandom(32), min_group=10, draw_key=bytes(32), unit=unit)
