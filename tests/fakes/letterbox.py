"""The letterbox on a loopback port, with a unit's keys in force, and what a browser of an asker would do there."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer, unused_port

from bot.web import letterbox
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES
from bot.web.templating import Pages
from content.library import Library
from handlers.casework import letters
from handlers.context import Context, Installation
from handlers.message import Update, UpdateKind
from handlers.orientation import consult
from storage.confidential import cases, sealing
from storage.database import Database
from tests.fakes.unit import Asker, Keyholder, Unit

NOW = datetime(2026, 11, 23, 16, 20, tzinfo=UTC)  # a Monday, 10:20 in Guanajuato
TODAY = date(2026, 11, 23)


@dataclass
class Letterbox:
    """A running letterbox with its database, unit and clock."""

    database: Database
    library: Library
    url: str
    installation: Installation
    web: ClientSession
    unit: Unit = field(default_factory=Unit.with_recovery_key)
    now: datetime = NOW

    async def publish(self) -> None:
        """The unit's list of readers comes into force."""
        async with self.database.write() as tx:
            await self.unit.publish(tx)

    async def link(self, choice: str = "consult:start", language: str = "es", address: str = "ana") -> str:
        """What the chat gives to somebody who wants to ask: the address of the page."""
        update = Update("webchat", "1", address, UpdateKind.CHOICE, choice=choice)
        async with self.database.write() as tx:
            turn = await consult.turn(Context(tx, self.library, self.installation, update, self.now, language, None))
        return turn.messages[0].buttons[0][0].url

    async def token(self) -> str:
        return (await self.link()).split("#t=")[1].split("&")[0]

    async def post(self, path: str, body: object) -> tuple[int, dict[str, Any]]:
        async with self.web.post(self.url + path, json=body) as response:
            return response.status, await response.json()

    async def submit_query(self, text: str = "¿Puedo firmar?") -> Asker:
        """A case of somebody whose browser is played in Python."""
        asker = Asker(TODAY)
        status, _ = await self.post("/c/cases", asker.posting(self.unit, await self.token(), text))
        assert status == 201
        return asker

    async def answer(self, text: str, officer: Keyholder | None = None) -> None:
        """An officer opens the only case there is and answers."""
        officer = officer or self.unit.officer
        async with self.database.write() as tx:
            (case,) = await cases.queue(tx, officer.id)
            last = sealing.read_envelope((await cases.letters(tx, case.id))[-1].envelope)
            context = sealing.letter_context(case.id, 1, last.seq + 1, "officer", TODAY, last.hash)
            key = officer.open((await cases.access(tx, case.id, officer.id))[0].sealed, case.id)
            letter = sealing.seal_letter(key, context, {"text": text}, signer=officer.id, signing_key=officer.signing)
            await letters.add_next(tx, case, sealing.parse_envelope(letter))
            if case.state is cases.CaseState.RECEIVED:
                await cases.move(tx, case.id, cases.CaseState.OPEN)
            await cases.move(tx, case.id, cases.CaseState.ANSWERED)
            await cases.raise_news(tx, case.id)

    async def opened(self) -> list[dict[str, str]]:
        """All letters of the only case there is, as an officer reads them."""
        officer = self.unit.officer
        async with self.database.read() as tx:
            (case,) = await cases.queue(tx, officer.id)
            key = officer.open((await cases.access(tx, case.id, officer.id))[0].sealed, case.id)
            envelopes = [sealing.read_envelope(one.envelope) for one in await cases.letters(tx, case.id)]
        return [sealing.open_letter(key, envelope) for envelope in envelopes]


@asynccontextmanager
async def running(database: Database, library: Library, *, is_open: bool = True) -> AsyncIterator[Letterbox]:
    """A letterbox that people can reach; closed until a list of readers is published when `is_open` is false."""
    app = web.Application()
    server = TestServer(app, port=unused_port())  # known before the start: the house knows its own address
    url = f"http://127.0.0.1:{server.port}"
    installation = Installation(ZoneInfo("America/Mexico_City"), url, os.urandom(32))
    async with ClientSession() as session:
        box = Letterbox(database, library, url, installation, session)
        app[DATABASE], app[LIBRARY], app[INSTALLATION], app[PAGES] = database, library, installation, Pages(library)
        app[CLOCK] = lambda: box.now
        letterbox.attach(app)
        async with server:
            if is_open:
                await box.publish()
            yield box
