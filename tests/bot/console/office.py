"""A server with letterbox and console for tests, its unit, and officers whose private keys the test holds."""

import hashlib
import hmac
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import TestServer

from bot import console
from bot.console import site
from bot.web import letterbox
from bot.web.app_keys import CLOCK, DATABASE, INSTALLATION, LIBRARY, PAGES, SECRETS
from bot.web.templating import Pages
from content.library import Library
from handlers.casework import trust
from handlers.context import Installation
from storage.confidential import key_lists, officers, routes, sessions
from storage.confidential.officers import OfficerState, ReaderKeys, Role
from storage.confidential.protocol import lists, tokens
from storage.confidential.protocol.boxes import Box
from storage.confidential.protocol.canonical import encode
from storage.confidential.protocol.lists import SignedList
from storage.confidential.unit_trust import UnitTrust
from storage.database import Database
from tests.fakes.asker import Asker
from tests.fakes.unit import Keyholder, Unit
from tests.keys import invented

SECRET = invented()
ZONE = ZoneInfo("America/Mexico_City")
START = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # a Monday morning in Guanajuato
WRAPPED: Box = {"iv": "A" * 16, "body": "A" * 100}
"""Stands for keys that a browser has wrapped; no server can tell."""
SALT = encode(b"s" * 16)


@dataclass
class OfficerWithKeys:
    """An officer of a test; who reads queries has keys from enrolment on."""

    id: str
    name: str
    email: str
    holder: Keyholder | None = None

    def join(self, unit: Unit) -> ReaderKeys:
        """Make keys, and what the browser of a new reader sends."""
        self.holder = Keyholder(self.name, id=self.id)
        joining: Any = unit.joining(self.holder)
        return ReaderKeys(joining, WRAPPED, WRAPPED, WRAPPED)


def unit_without_officers() -> Unit:
    """A unit with the recovery key only."""
    return Unit([Keyholder("Respaldo", "recovery")])


class StoredUnit(Unit):
    """The unit whose key and lists a browser has made: the test has only what everybody sees, the lists."""

    def __init__(self, stored: list[SignedList]) -> None:
        super().__init__([], lists=stored)

    @property
    def point(self) -> str:
        return self.lists[0]["list"]["unit"]


class Office:
    """The server, its clock, its unit, and direct changes to its database."""

    def __init__(self, database: Database, library: Library, secrets: Path | None = None) -> None:
        self.database, self.now = database, START
        self.address = ""
        self.unit = unit_without_officers()
        self.app = web.Application()
        self.app[DATABASE], self.app[LIBRARY], self.app[SECRETS] = database, library, SECRET
        self.app[CLOCK] = lambda: self.now
        adopted = UnitTrust(secrets)
        self.app[INSTALLATION] = Installation(
            ZONE, "http://127.0.0.1:8080", SECRET.route, 10, draw_key=bytes(32), unit=adopted
        )
        self.app[PAGES] = Pages(library)
        letterbox.attach(self.app)
        console.attach(self.app)

    @property
    def trust(self) -> UnitTrust:
        """The unit that the server has adopted."""
        return self.app[INSTALLATION].unit

    @property
    def today(self) -> date:
        """The day on the server's clock."""
        return self.now.astimezone(ZONE).date()

    def advance_clock(self, **span: int) -> None:
        self.now += timedelta(**span)

    async def invite(self, email: str, name: str, role: str = "officer") -> str:
        """What stands in the fragment of an invite's address: for later readers with the unit's pin."""
        token, pin = await self.invite_without_pin(email, name, role), self.trust.pin()
        return f"{token}&u={pin}" if pin else token

    async def invite_without_pin(self, email: str, name: str, role: str = "officer") -> str:
        """The token alone."""
        async with self.database.write() as tx:
            return await officers.invite(tx, email, name, role, None, self.now)

    async def enrol(
        self, officer: OfficerWithKeys, role: str = "officer", state: OfficerState = OfficerState.ACTIVE
    ) -> None:
        """Sign up an officer with keys that the test holds; the unit signs the next list for an active reader."""
        token = (await self.invite(officer.email, officer.name, role)).split("&")[0]
        async with self.database.write() as tx:
            officer.id = (await officers.by_invite(tx, token, self.now)).id
            reads = Role(role) in officers.READER_ROLES
            keys = officer.join(self.unit) if reads else None
            await officers.sign_up(tx, token, SALT, "hash", state, self.now, keys)
        if reads and state is OfficerState.ACTIVE:
            await self.publish(officer)

    async def publish(self, officer: OfficerWithKeys) -> None:
        """Sign and store the list that names this officer too; the server adopts the unit if it can."""
        assert officer.holder is not None
        if self.unit.lists:
            self.unit.next_list([officer.holder])
        else:
            self.unit.readers.insert(0, officer.holder)
        async with self.database.write() as tx:
            await self.unit.publish(tx, self.trust if self.trust.folder else None)

    async def signed_in(self, officer: OfficerWithKeys, factor: str = "totp") -> "Desk":
        """Open a session without a passphrase; return a client with its cookie."""
        async with self.database.write() as tx:
            token = await sessions.begin(tx, SECRET.session, officer.id, factor, self.now)
        return Desk(self.address, token)

    async def stored_unit(self) -> StoredUnit:
        """The unit whose lists are in the database."""
        async with self.database.read() as tx:
            return StoredUnit([lists.read_list(row.body) for row in await key_lists.all_lists(tx)])

    async def adopt(self) -> StoredUnit:
        """Adopt the unit whose lists are in the database, as `integra unit adopt` does."""
        unit = await self.stored_unit()
        self.trust.adopt(unit.point, lists.pin_of(unit.newest["list"]))
        return unit

    async def takes_queries(self) -> bool:
        """Whether the letterbox is open."""
        async with self.database.read() as tx:
            try:
                return bool(await trust.in_force(tx, self.trust, self.today))
            except trust.Closed:
                return False

    # ------------------------------------------------------------ askers

    async def submit_case(
        self, text: str, fields: Mapping[str, str] | None = None, excluded: Sequence[Keyholder] = ()
    ) -> Asker:
        """Send a new case as an asker's browser does, to all readers of the newest list but the excluded."""
        token = os.urandom(24)
        async with self.database.write() as tx:
            expires_at = (self.now + timedelta(hours=1)).replace(minute=0, second=0)
            await routes.add_link(tx, tokens.entry_row(SECRET.route, token), expires_at)
        asker = Asker(self.today)
        body = asker.posting(await self.stored_unit(), encode(token), text, fields, excluded)
        await self._post("/c/cases", body, 201)
        return asker

    async def read(self, asker: Asker) -> list[str]:
        """The texts that the asker's browser fetches, checks and opens."""
        return [*asker.read(await self._post("/c/thread", {"locator": asker.locator}, 200))]

    async def reply(self, asker: Asker, text: str) -> None:
        """Send the asker's next letter."""
        asker.day = self.today
        await self._post("/c/letters", asker.reply_body(await self.stored_unit(), text), 201)

    async def _post(self, path: str, body: object, expected: int) -> Any:
        async with ClientSession() as client, client.post(self.address + path, json=body) as response:
            assert response.status == expected, await response.text()
            return await response.json()


class Desk:
    """A signed-in client without scripts."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        gate = sessions.key_of(token)[:22]  # each desk is a browser of its own
        self.cookie = {site.SESSION_COOKIE: token, site.GATE_COOKIE: gate}
        self.csrf = csrf_of(gate)
        self.received: dict[str, str] = {}  # cookies that the newest responses have set

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with (
            ClientSession(cookies=self.cookie, cookie_jar=CookieJar(unsafe=True)) as client,
            client.get(self.address + path, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status, await answer.text()

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        given = {"Content-Type": "application/json", "X-CSRF": self.csrf} | headers
        async with (
            ClientSession(cookies=self.cookie, cookie_jar=CookieJar(unsafe=True)) as client,
            client.post(self.address + path, data=json.dumps(body), headers=given, allow_redirects=False) as answer,
        ):
            text = await answer.text()
            self.received |= {name: morsel.value for name, morsel in answer.cookies.items()}
            return answer.status, json.loads(text) if text else None


def csrf_of(gate: str) -> str:
    """The token that the pages of a browser with this cookie send."""
    return hmac.new(SECRET.csrf, f"gate|{gate}".encode(), hashlib.sha256).hexdigest()


@asynccontextmanager
async def open_office(database: Database, library: Library) -> AsyncIterator[Office]:
    """Yield the server, listening on a free port."""
    with TemporaryDirectory() as secrets:
        office = Office(database, library, Path(secrets))
        async with TestServer(office.app) as server:
            office.address = str(server.make_url("")).rstrip("/")
            yield office
