"""The letterbox pages on a loopback port, with the unit's key list published, and the requests of an asker's browser.

The server, handlers and database are real; only the browser of the asker and the officers are played in Python (see
unit.py).
"""

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
    """A running letterbox with its database, unit and clock (`now`)."""

    database: Database
    library: Library
    url: str
    installation: Installation
    web: ClientSession
    unit: Unit = field(default_factory=Unit.with_recovery_key)
    now: datetime = NOW

    async def publish(self) -> None:
        """Publish the unit's list of readers."""
        async with self.database.write() as tx:
            await self.unit.publish(tx)

    async def link(self, choice: str = "consult:start", language: str = "es", address: str = "ana") -> str:
        """The one-time link that the chat sends to an asker."""
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

    async def submit_query(self, text: str = "¿Puedo firmar?") -> Asker:
        """Submit a new case as an asker's browser would."""
        asker = Asker(TODAY)
        status, _ = await self.post("/c/cases", asker.posting(self.unit, await self.token(), text))
        assert status == 201
        return asker

    async def answer(self, text: str, officer: Keyholder | None = None) -> None:
        """Answer the only case as an officer (by default the first)."""
        officer = officer or self.unit.officer
        async with self.database.write() as tx:
            (case,) = await cases.queue(tx, officer.id)
            last = sealing.read_envelope((await cases.letters(tx, case.id))[-1].envelope)
            context = sealing.letter_context(case.id, 1, last.seq + 1, "officer", TODAY, last.hash)
            key = officer.open((await cases.access(tx, case.id, officer.id))[0].sealed, case.id)
            letter = sealing.seal_letter(key, context, {"text": text}, signer=officer.id, signing_key=officer.signing)
            await letters.append_letter(tx, case, sealing.parse_envelope(letter))
            if case.state is cases.CaseState.RECEIVED:
                await cases.set_state(tx, case.id, cases.CaseState.OPEN)
            await cases.set_state(tx, case.id, cases.CaseState.ANSWERED)
            await cases.flag_news(tx, case.id)

    async def opened(self) -> list[dict[str, str]]:
        """The decrypted letters of the only case, as an officer reads them."""
        officer = self.unit.officer
        async with self.database.read() as tx:
            (case,) = await cases.queue(tx, officer.id)
            key = officer.open((await cases.access(tx, case.id, officer.id))[0].sealed, case.id)
            envelopes = [sealing.read_envelope(letter.envelope) for letter in await cases.letters(tx, case.id)]
        return [sealing.open_letter(key, envelope) for envelope in envelopes]


@asynccontextmanager
async def running(database: Database, library: Library, *, is_open: bool = True) -> AsyncIterator[Letterbox]:
    """Run a letterbox. With `is_open` false no list of readers is published, so that it is closed."""
    app = web.Application()
    server = TestServer(
        app, port=unused_port()
    )  # known before the start, as the installation's settings contain the address
    url = f"http://127.0.0.1:{server.port}"
    installation = Installation(ZoneInfo("America/Mexico_City"), url, os.urandom(32), min_group=10, draw_key=bytes(32))
    async with ClientSession() as session:
        box = Letterbox(database, library, url, installation, session)
        app[DATABASE], app[LIBRARY], app[INSTALLATION], app[PAGES] = database, library, installation, Pages(library)
        app[CLOCK] = lambda: box.now
        letterbox.attach(app)
        async with server:
            if is_open:
                await box.publish()
            yield box
